// What a relay adds to a packet's time while it carries half of what it can: a pair that plays
// ping-pong through it, and by turns with bare sockets, both with a thread at each end.
#include <thread>

#include "ping_pong.h"
#include "relay_rows.h"

namespace bench {
namespace {

constexpr double kMaximumSeconds = 0.4;  // for finding out what the relay carries
constexpr long kBetweenPingsNs = 200'000;

}  // namespace

void measure_latency(const Arguments& arguments) {
  std::vector<EndPair> pairs = make_pairs(kPairs + 1, arguments);
  const EndPair relayed = std::move(pairs.back());
  pairs.pop_back();
  const EndPair bare = make_direct_pair();
  Load load(std::move(pairs), kFullBytes, kWindow);
  load.run(kSettleSeconds);
  const std::uint64_t before = load.counts().received;
  load.run(kMaximumSeconds);
  const double maximum = static_cast<double>(load.counts().received - before) / kMaximumSeconds;
  const Load::Counts at_start = load.counts();
  std::thread background([&] { load.run_paced(arguments.seconds, maximum / 2); });
  std::vector<double> times, bare_times;
  {
    PingPong through_relay(relayed), direct(bare);
    for (const double end = now_s() + arguments.seconds; now_s() < end;) {
      through_relay.ping(times);
      direct.ping(bare_times);
      const timespec pause = {0, kBetweenPingsNs};
      nanosleep(&pause, nullptr);
    }
  }
  background.join();
  std::sort(times.begin(), times.end());
  std::sort(bare_times.begin(), bare_times.end());
  // One way of the two; what is added is added to a usual trip of bare sockets.
  const double usual = at_share(bare_times, 0.5);
  print_result(
      {{"added_p50_us", (at_share(times, 0.5) - usual) / 2 * 1e6},
       {"added_p99_us", (at_share(times, 0.99) - usual) / 2 * 1e6},
       {"bare_rtt_p50_us", usual * 1e6},
       {"bare_rtt_p99_us", at_share(bare_times, 0.99) * 1e6},
       {"pings", static_cast<double>(times.size())},
       {"load_packets_per_s",
        static_cast<double>(load.counts().received - at_start.received) / arguments.seconds},
       {"maximum_packets_per_s", maximum}});
}

}  // namespace bench
