#include "sim/line_changes.h"

#include <whimbrel/send_flags.h>
#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "sim/world.h"

namespace whimbrel::sim {
namespace {

constexpr Duration kBefore = seconds(5);
constexpr Duration kSettleMin = seconds(2);
constexpr int kSettleRoundTrips = 5;
constexpr Duration kMeasured = seconds(4);
constexpr Duration kGap = seconds(2);
// After the last measured message, for those under way.
constexpr Duration kLeft = seconds(3);
constexpr Duration kMessageInterval = microseconds(16667);
constexpr std::size_t kMessageBytes = 1000;
constexpr std::size_t kBulkBytes = 16384;
constexpr Duration kRefill = milliseconds(1);
constexpr ChannelId kStreamChannel = 0, kBulkChannel = 1;
constexpr std::uint64_t kBufferBytes = 64 << 20;
// The transfer keeps this much of the faster line in the session's hands, so that it never runs dry
// and leaves the stream its part of the send limit.
constexpr double kAheadSeconds = 1.5;
// The line's buffer, in time at the rate it begins with.
constexpr double kBufferSeconds = 0.1;

constexpr std::uint64_t megabits(std::uint64_t n) { return n * 125'000; }

HostConfig config() {
  HostConfig config;
  config.session.send_bytes_max = kBufferBytes;
  config.session.receive_bytes_max = kBufferBytes;
  config.session.receive_messages_max = 100'000;
  return config;
}

LinkConfig way_back(LinkConfig line) {
  line.rate = line.policer_rate = 0;
  return line;
}

// One sender and one receiver, the line between them, and the traffic.
class Session {
 public:
  // `rate_max`: the fastest that the line will be.
  Session(const LinkConfig& line, std::uint64_t rate_max, Traffic traffic, std::uint64_t seed)
      : world_(seed),
        sender_(world_.add("str:sender", config())),
        receiver_(world_.add("str:receiver", config())),
        traffic_(traffic),
        ahead_(static_cast<std::uint64_t>(kAheadSeconds * static_cast<double>(rate_max))) {
    world_.introduce(sender_, receiver_, true);
    receiver_.checked = false;
    receiver_.on_message = [this](const InboxMessage& message) { count(message); };
    set_line(line);
    if (has_stream(traffic)) send_next();
    if (has_bulk(traffic)) refill();
  }

  void set_line(const LinkConfig& line) {
    line_ = line;
    world_.simulation().uplink(sender_.id()).config() = line;
    world_.simulation().uplink(receiver_.id()).config() = way_back(line);
  }
  void run(Duration time) { world_.run_for(time); }
  void settle() { run(std::max(kSettleMin, kSettleRoundTrips * (2 * line_.delay + line_.jitter))); }
  void gap(Duration time) {
    LinkConfig line = line_;
    line.up = false;
    set_line(line);
    run(time);
    line.up = true;
    set_line(line);
  }
  LineChangeResult measure();

 private:
  void send_next();
  void refill();
  void count(const InboxMessage& message);

  World world_;
  Host& sender_;
  Host& receiver_;
  Traffic traffic_;
  LinkConfig line_;
  std::uint64_t ahead_;
  std::uint64_t bulk_sent_ = 0, bulk_bytes_ = 0;
  // Messages that were sent from begin_ to before end_.
  Instant begin_ = kNever, end_ = kNever;
  std::uint64_t sent_ = 0, arrived_ = 0;
  Duration late_max_{};
};

void Session::send_next() {
  const bool reliable =
      traffic_ == Traffic::kReliableStream || traffic_ == Traffic::kReliableStreamAndBulk;
  std::array<std::uint8_t, kMessageBytes> payload{};
  const std::int64_t now = world_.now().time_since_epoch().count();
  std::memcpy(payload.data(), &now, sizeof now);
  sender_.send(receiver_.identity(), payload, reliable ? kSendReliable : kSendUnreliable,
               kStreamChannel);
  sent_ += world_.now() >= begin_ && world_.now() < end_;
  world_.simulation().after(kMessageInterval, [this] { send_next(); });
}

void Session::refill() {
  const std::vector<std::uint8_t> payload(kBulkBytes, 0x5a);
  while (bulk_sent_ < bulk_bytes_ + ahead_ &&
         sender_.send(receiver_.identity(), payload, kSendReliable, kBulkChannel) == Result::kOk)
    bulk_sent_ += payload.size();
  world_.simulation().after(kRefill, [this] { refill(); });
}

void Session::count(const InboxMessage& message) {
  const Bytes payload = message.message.payload.view();
  if (message.message.channel == kBulkChannel) {
    bulk_bytes_ += payload.size();
    return;
  }
  std::int64_t sent = 0;
  std::memcpy(&sent, payload.data(), sizeof sent);
  const Instant at{Duration(sent)};
  if (at < begin_ || at >= end_) return;
  ++arrived_;
  late_max_ = std::max(late_max_, world_.now() - at - line_.delay - line_.jitter);
}

LineChangeResult Session::measure() {
  LineChangeResult result;
  begin_ = world_.now();
  end_ = begin_ + kMeasured;
  sent_ = arrived_ = 0;
  late_max_ = {};
  const std::uint64_t before = bulk_bytes_;
  run(kMeasured);
  result.goodput = static_cast<double>(bulk_bytes_ - before) / to_seconds(kMeasured);
  run(kLeft);
  if (has_stream(traffic_)) {
    result.late_max_ms = to_seconds(late_max_) * 1e3;
    result.arrived =
        static_cast<double>(arrived_) / static_cast<double>(std::max<std::uint64_t>(sent_, 1));
  }
  return result;
}

double fresh_goodput(const LinkConfig& line, Traffic traffic, std::uint64_t seed) {
  if (!has_bulk(traffic)) return 0;
  Session session(line, line.rate, traffic, seed);
  session.settle();
  return session.measure().goodput;
}

void add_changes(std::vector<LineChange>& changes, const std::string& line_name,
                 const LinkConfig& line) {
  const auto add = [&](const char* name, const auto& change, Duration gap = {}) {
    LinkConfig after = line;
    change(after);
    changes.push_back({line_name + ", " + name, line, after, gap});
  };
  add("round trip x2", [](LinkConfig& l) { l.delay *= 2; });
  add("round trip x5", [](LinkConfig& l) { l.delay *= 5; });
  add("round trip x10", [](LinkConfig& l) { l.delay *= 10; });
  add("round trip x30", [](LinkConfig& l) { l.delay *= 30; });
  add("rate /10", [](LinkConfig& l) { l.rate /= 10; });
  if (line.rate < megabits(100)) add("rate x10", [](LinkConfig& l) { l.rate *= 10; });
  add("round trip x10, rate /10", [](LinkConfig& l) { l.delay *= 10, l.rate /= 10; });
  add("loss 10 %", [](LinkConfig& l) { l.loss = 0.1; });
  add("policer at a quarter", [](LinkConfig& l) { l.policer_rate = l.rate / 4; });
  add("jitter 100 ms", [](LinkConfig& l) { l.jitter = milliseconds(100); });
  add("reordering 3 %", [](LinkConfig& l) { l.reorder = 0.03; });
  add(
      "gap of 2 s", [](LinkConfig&) {}, kGap);
}

}  // namespace

const char* to_string(Traffic traffic) {
  switch (traffic) {
    case Traffic::kUnreliableStream:
      return "unreliable stream";
    case Traffic::kReliableStream:
      return "reliable stream";
    case Traffic::kBulk:
      return "bulk";
    case Traffic::kUnreliableStreamAndBulk:
      return "unreliable stream and bulk";
    case Traffic::kReliableStreamAndBulk:
      return "reliable stream and bulk";
  }
  return "";
}

bool has_stream(Traffic traffic) { return traffic != Traffic::kBulk; }
bool has_bulk(Traffic traffic) {
  return traffic != Traffic::kUnreliableStream && traffic != Traffic::kReliableStream;
}

bool is_settled(const LineChange& change, Traffic traffic, const LineChangeResult& result) {
  // Beside a transfer that fills it, the line drops some; a policer as many as it likes.
  const bool shared = has_bulk(traffic) && change.after.policer_rate > 0;
  const double arrived_min = shared ? 0.5 : kArrivedMin * (1 - 1.5 * change.after.loss);
  return result.late_max_ms <= kLateMaxMs && result.arrived >= arrived_min &&
         result.share() >= kGoodputShareMin;
}

std::vector<LineChange> line_changes() {
  std::vector<LineChange> changes;
  for (const std::uint64_t rate : {20, 200}) {
    LinkConfig line;
    line.delay = milliseconds(10);
    line.rate = megabits(rate);
    line.queue_bytes_max =
        static_cast<std::uint64_t>(static_cast<double>(line.rate) * kBufferSeconds);
    add_changes(changes, std::to_string(rate) + " Mbit/s", line);
  }
  return changes;
}

LineChangeResults run_line_change(const LineChange& change, Traffic traffic, std::uint64_t seed) {
  Session session(change.before, std::max(change.before.rate, change.after.rate), traffic, seed);
  LineChangeResults results;
  session.run(kBefore);
  if (change.gap > Duration::zero()) session.gap(change.gap);
  session.set_line(change.after);
  session.settle();
  results.there = session.measure();
  session.set_line(change.before);
  session.settle();
  results.back = session.measure();
  results.there.goodput_fresh = fresh_goodput(change.after, traffic, seed);
  results.back.goodput_fresh = fresh_goodput(change.before, traffic, seed);
  return results;
}

}  // namespace whimbrel::sim
