// What the congestion controller makes of lines that loopback has not: simulated, so the same on
// every machine. Goodput is payload that was delivered; a share is of the line's rate, whose
// packets carry headers too.
#include "measure.h"
#include "sim/line_changes.h"
#include "sim/voice_beside_bulk.h"
#include "sim/world.h"
#include "sim_server.h"
#include "tests/simulation/line_shares.h"

namespace bench {
namespace {

using namespace whimbrel;
using namespace whimbrel::sim;

constexpr std::uint64_t kSeed = 1;
constexpr Duration kWarmUp = seconds(5);
constexpr Duration kMeasured = seconds(10);
constexpr Duration kRefill = milliseconds(1);
constexpr Duration kSample = milliseconds(5);
// Larger than any bandwidth-delay product here: the controller shall be the limit, not a buffer.
constexpr std::uint64_t kBufferBytes = 16 << 20;

HostConfig config() {
  HostConfig config;
  config.session.send_bytes_max = kBufferBytes;
  config.session.receive_bytes_max = kBufferBytes;
  config.session.receive_messages_max = 1'000'000;
  return config;
}

constexpr std::uint64_t megabits(std::uint64_t n) { return n * 125'000; }

// `senders` hosts that never run dry, all to one receiver.
class Flows {
 public:
  Flows(std::size_t senders, std::size_t message_bytes)
      : receiver_(world_.add("str:receiver", config())), payload_(message_bytes, 0x5a) {
    receiver_.checked = false;
    receiver_.on_message = [this](const InboxMessage& message) { count(message); };
    for (std::size_t i = 0; i < senders; ++i) {
      flows_.push_back({&world_.add("str:sender" + std::to_string(i), config()), 0, 0});
      world_.introduce(*flows_[i].host, receiver_, true);
    }
  }

  // The way of the data, and the way back.
  void set_line(const LinkConfig& there, const LinkConfig& back) {
    world_.simulation().downlink(receiver_.id()).config() = there;
    world_.simulation().uplink(receiver_.id()).config() = back;
  }
  void start(std::size_t flow) { refill(*flows_[flow].host); }
  void run(Duration time) { world_.run_for(time); }
  void begin() {
    for (Flow& flow : flows_) flow.bytes = flow.messages = 0;
    began_ = world_.now();
    sample_queue();
  }

  double bytes_per_s(std::size_t flow) const { return per_s(flows_[flow].bytes); }
  double messages_per_s(std::size_t flow) const { return per_s(flows_[flow].messages); }
  // Of the bottleneck's queue, in ms.
  double queue_p95_ms() {
    std::sort(queue_ms_.begin(), queue_ms_.end());
    return queue_ms_.empty() ? 0 : queue_ms_[queue_ms_.size() * 95 / 100];
  }

 private:
  struct Flow {
    Host* host;
    std::uint64_t bytes, messages;
  };

  double per_s(std::uint64_t n) const {
    return static_cast<double>(n) / to_seconds(world_.now() - began_);
  }
  void refill(Host& host) {
    while (host.send(receiver_.identity(), payload_) == Result::kOk) continue;
    world_.simulation().after(kRefill, [this, &host] { refill(host); });
  }
  void count(const InboxMessage& message) {
    for (Flow& flow : flows_) {
      if (flow.host->identity() != message.from) continue;
      flow.bytes += message.message.payload.size();
      ++flow.messages;
    }
  }
  void sample_queue() {
    const Link& line = world_.simulation().downlink(receiver_.id());
    queue_ms_.push_back(to_seconds(line.queue_delay(world_.now())) * 1e3);
    world_.simulation().after(kSample, [this] { sample_queue(); });
  }

  World world_{kSeed};
  Host& receiver_;
  std::vector<std::uint8_t> payload_;
  std::vector<Flow> flows_;
  std::vector<double> queue_ms_;
  Instant began_;
};

LinkConfig line(std::uint64_t rate, Duration delay, double loss, std::uint64_t queue_bytes_max) {
  LinkConfig config;
  config.rate = rate;
  config.delay = delay;
  config.loss = loss;
  config.queue_bytes_max = queue_bytes_max;
  return config;
}

void one_flow(std::uint64_t rate, Duration round_trip, double loss, double queue_bdp,
              std::size_t message_bytes) {
  const double bdp = static_cast<double>(rate) * to_seconds(round_trip);
  Flows flows(1, message_bytes);
  flows.set_line(line(rate, round_trip / 2, loss, static_cast<std::uint64_t>(queue_bdp * bdp)),
                 line(0, round_trip / 2, loss, 0));
  flows.start(0);
  flows.run(kWarmUp);
  flows.begin();
  flows.run(kMeasured);
  const double bytes = flows.bytes_per_s(0);
  print_result({{"goodput_MB_per_s", bytes / 1e6},
                {"msgs_per_s", flows.messages_per_s(0)},
                {"share", rate == 0 ? 0 : bytes / static_cast<double>(rate)},
                {"queue_p95_ms", flows.queue_p95_ms()}});
}

// The second flow comes 5 s after the first.
void two_flows() {
  const Duration round_trip = milliseconds(50);
  const std::uint64_t rate = megabits(20);
  Flows flows(2, kBulkBytes);
  flows.set_line(line(rate, round_trip / 2, 0, 250'000), line(0, round_trip / 2, 0, 0));
  flows.start(0);
  flows.run(kWarmUp);
  flows.start(1);
  flows.run(2 * kWarmUp);
  flows.begin();
  flows.run(3 * kMeasured);
  const double a = flows.bytes_per_s(0), b = flows.bytes_per_s(1);
  print_result({{"jain", (a + b) * (a + b) / (2 * (a * a + b * b))},
                {"share", (a + b) / static_cast<double>(rate)},
                {"queue_p95_ms", flows.queue_p95_ms()}});
}

// 60 Hz x 100 bytes with NoDelay, beside a transfer of the same session over 20 Mbit/s and 40 ms.
void voice_beside_bulk() {
  const LinkConfig there = line(megabits(20), milliseconds(20), 0, 256 * 1024);
  const VoiceResult idle = run_voice(there, false, kSeed);
  const VoiceResult busy = run_voice(there, true, kSeed);
  print_result({{"later_p99_ms", busy.p99_ms - idle.p99_ms},
                {"ignored", static_cast<double>(busy.ignored)},
                {"arrived", static_cast<double>(busy.arrived) / static_cast<double>(busy.sent)},
                {"share", busy.bulk_bytes_per_s / static_cast<double>(megabits(20))}});
}

// The grid of sim/line_changes.h: its worst stream, its slowest transfer, and the cells that miss
// their bounds.
void worst_of_line_changes() {
  double late_max = 0, share_min = 1, unsettled = 0;
  for (const LineChange& change : sim::line_changes()) {
    for (const Traffic traffic : kAllTraffic) {
      const LineChangeResults results = run_line_change(change, traffic, kSeed);
      for (const LineChangeResult& result : {results.there, results.back}) {
        if (!has_bulk(traffic)) late_max = std::max(late_max, result.late_max_ms);
        share_min = std::min(share_min, result.share());
        unsettled += is_settled(change, traffic, result) ? 0 : 1;
      }
    }
  }
  print_result({{"late_max_ms", late_max}, {"share_min", share_min}, {"unsettled", unsettled}});
}

// A session beside one TCP flow, over buffers of one and four products, whoever comes first.
void beside_tcp() {
  constexpr std::uint64_t kSeeds = 10;
  double least = 1, queue_ratio = 0;
  for (const double products : {1.0, 4.0}) {
    const model::SharedLine line{products};
    const double alone = to_seconds(model::queue_p95_of_tcp_alone(line));
    for (const auto first : {model::ComesFirst::kTcp, model::ComesFirst::kSession}) {
      for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        const model::LineShares shares = model::share_with_tcp(line, first, seed);
        least = std::min({least, shares.of_session, 1 - shares.of_session});
        queue_ratio = std::max(queue_ratio, to_seconds(shares.queue_p95) / alone);
      }
    }
  }
  print_result({{"share_min", least}, {"queue_of_tcp_alone", queue_ratio}});
}

std::string cell(const LineChangeResults& results, Traffic traffic) {
  char text[64];
  if (has_stream(traffic))
    std::snprintf(text, sizeof text, "%.0f / %.0f ms", results.there.late_max_ms,
                  results.back.late_max_ms);
  std::string out = has_stream(traffic) ? text : "";
  if (!has_bulk(traffic)) return out;
  std::snprintf(text, sizeof text, "%s%.0f / %.0f %%", out.empty() ? "" : ", ",
                results.there.share() * 100, results.back.share() * 100);
  return out + text;
}

// The same as the table of docs/decisions/0003-congestion-control.md.
void print_line_changes() {
  std::string text = "| change |";
  for (const Traffic traffic : kAllTraffic) text += std::string(" ") + to_string(traffic) + " |";
  text += "\n| --- | --- | --- | --- | --- | --- |\n";
  for (const LineChange& change : sim::line_changes()) {
    text += "| " + change.name + " |";
    for (const Traffic traffic : kAllTraffic)
      text += " " + cell(run_line_change(change, traffic, kSeed), traffic) + " |";
    text += "\n";
  }
  std::fputs(text.c_str(), stdout);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  const Arguments arguments = start(argc, argv);
  alarm(240);  // simulated seconds are not the machine's
  const Duration long_way = milliseconds(100);
  if (arguments.row == "sim_loss_1")
    one_flow(0, long_way, 0.01, 0, kBulkBytes);
  else if (arguments.row == "sim_loss_5")
    one_flow(0, long_way, 0.05, 0, kBulkBytes);
  else if (arguments.row == "sim_small_1")
    one_flow(0, long_way, 0.01, 0, kSmallBytes);
  else if (arguments.row == "sim_20mbit")
    one_flow(megabits(20), milliseconds(50), 0.01, 2, kBulkBytes);
  else if (arguments.row == "sim_100mbit")
    one_flow(megabits(100), milliseconds(20), 0, 1, kBulkBytes);
  else if (arguments.row == "sim_two_flows")
    two_flows();
  else if (arguments.row == "sim_voice_beside_bulk")
    voice_beside_bulk();
  else if (arguments.row == "sim_line_changes")
    worst_of_line_changes();
  else if (arguments.row == "sim_beside_tcp")
    beside_tcp();
  else if (arguments.row == "line_changes_table")
    print_line_changes();
  else if (!run_server_row(arguments.row))
    fail("unknown row");
}
