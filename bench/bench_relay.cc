// A relay of another process under load, beside others that speak TURN: packets a second, the
// server's CPU time for each, what a packet's way through it costs in time.
#include "relay_rows.h"

namespace bench {

std::vector<EndPair> make_pairs(std::size_t count, const Arguments& arguments) {
  if (arguments.row.starts_with("turn_plain_")) return make_turn_pairs(count, true, arguments);
  if (arguments.row.starts_with("turn_")) return make_turn_pairs(count, false, arguments);
  return make_leg_pairs(count, arguments);
}

namespace {

std::size_t payload_bytes(const Arguments& arguments) {
  return arguments.row.ends_with("_100B") ? 100 : kFullBytes;
}

void forward(const Arguments& arguments) {
  Load load(make_pairs(kPairs, arguments), payload_bytes(arguments), kWindow);
  load.run(kSettleSeconds);
  const Load::Counts before = load.counts();
  const ServerCpu cpu_before = server_cpu(arguments.pid);
  const double begin = now_s(), own_before = cpu_s();
  load.run(arguments.seconds);
  const double seconds = now_s() - begin, own = cpu_s() - own_before;
  const ServerCpu cpu = server_cpu(arguments.pid);
  const auto packets = static_cast<double>(load.counts().received - before.received);
  const auto lost = static_cast<double>(load.counts().lost - before.lost);
  print_result({{"packets", packets},
                {"lost", lost},
                {"seconds", seconds},
                {"server_cpu_s", cpu.total - cpu_before.total},
                {"server_user_s", cpu.user - cpu_before.user},
                {"server_system_s", cpu.system - cpu_before.system},
                {"generator_cpu_s", own}});
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  return run_part(start(argc, argv), forward,
                  {{"leg_latency", measure_latency},
                   {"turn_latency", measure_latency},
                   {"turn_plain_latency", measure_latency},
                   {"leg_flood", measure_flood},
                   {"leg_opens", measure_opens},
                   {"turn_opens", measure_opens},
                   {"leg_junk", send_junk}},
                  forward);
}
