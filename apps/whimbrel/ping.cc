// `whimbrel ping`: round trips of messages to a user.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "channels.h"
#include "commands.h"
#include "failure.h"
#include "interrupt.h"
#include "node_options.h"
#include "peer_watch.h"
#include "ping_messages.h"
#include "session_json.h"
#include "text.h"

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using whimbrel::Identity;

namespace {

constexpr std::string_view kDoing = "the ping";

double seconds(Clock::duration span) { return std::chrono::duration<double>(span).count(); }

class Pinger {
 public:
  Pinger(whimbrel::NetworkingMessages& net, const Identity& to, const PingOptions& options)
      : net_(net), pump_(net), watch_(net, pump_, to), options_(options) {}

  // The exit code.
  int run();

 private:
  void open_session();
  void ping();
  void take_answers();
  void wait_until(Clock::time_point deadline);
  int report();
  void print_json(double loss) const;
  double percentile(double share) const;
  double average() const;

  whimbrel::NetworkingMessages& net_;
  Pump pump_;
  PeerWatch watch_;
  const PingOptions& options_;
  std::map<std::uint64_t, Clock::time_point> waiting_;
  std::vector<double> round_trips_;  // seconds; sorted by report()
  std::uint64_t sent_ = 0;
  bool open_ = false;
};

void Pinger::take_answers() {
  for (const auto& message : net_.receive_messages_on_channel(options_.channel, 64)) {
    const auto number = pong_number(message.payload());
    if (!number) continue;
    pump_.found(1);
    if (*number == 0) open_ = true;
    const auto found = waiting_.find(*number);
    if (found == waiting_.end()) continue;
    round_trips_.push_back(seconds(Clock::now() - found->second));
    waiting_.erase(found);
    if (!options_.json) {
      fmt::print("{} bytes from {}: number {}, {}\n", message.size(), short_name(watch_.peer()),
                 *number, round_trip_text(round_trips_.back()));
      std::fflush(stdout);
    }
  }
}

// The first exchange opens the session and is not counted.
void Pinger::open_session() {
  const auto begin = Clock::now();
  watch_.send(ping_message(0, kPingBytesMin), whimbrel::kSendReliable, options_.channel, kDoing);
  while (!open_) {
    pump_.wait(100ms);
    watch_.check(kDoing);
    take_answers();
    if (Clock::now() - begin > 20s) {
      throw Failure(
          fmt::format("{} accepted, but does not answer pings: run `whimbrel ping --answer` there",
                      watch_.peer().text()));
    }
  }
  if (!options_.json) {
    fmt::print("session with {} in {}\n", short_name(watch_.peer()),
               duration_text(seconds(Clock::now() - begin)));
  }
}

void Pinger::ping() {
  const std::uint64_t number = ++sent_;
  waiting_[number] = Clock::now();
  const int flags = (options_.reliable ? whimbrel::kSendReliable : whimbrel::kSendUnreliable) |
                    whimbrel::kSendNoNagle;
  watch_.try_send(ping_message(number, options_.bytes), flags, options_.channel, kDoing);
}

void Pinger::wait_until(Clock::time_point deadline) {
  while (!interrupted()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return;
    if (sent_ == options_.count && waiting_.empty()) return;
    pump_.wait(std::min<std::chrono::milliseconds>(left, 100ms));
    take_answers();
  }
}

double Pinger::percentile(double share) const {
  const auto rank =
      static_cast<std::size_t>(std::ceil(share * static_cast<double>(round_trips_.size())));
  return round_trips_[std::max<std::size_t>(rank, 1) - 1];
}

double Pinger::average() const {
  return std::accumulate(round_trips_.begin(), round_trips_.end(), 0.0) /
         static_cast<double>(round_trips_.size());
}

void Pinger::print_json(double loss) const {
  nlohmann::ordered_json out = {{"peer", watch_.peer().text()},
                                {"sent", sent_},
                                {"answered", round_trips_.size()},
                                {"loss", loss}};
  if (!round_trips_.empty()) {
    out["min_ms"] = round_trips_.front() * 1e3;
    out["avg_ms"] = average() * 1e3;
    out["p50_ms"] = percentile(0.5) * 1e3;
    out["p99_ms"] = percentile(0.99) * 1e3;
    out["max_ms"] = round_trips_.back() * 1e3;
  }
  fmt::print("{}\n", json_text(out));
}

int Pinger::report() {
  std::sort(round_trips_.begin(), round_trips_.end());
  const double loss =
      sent_ == 0 ? 0 : 1 - static_cast<double>(round_trips_.size()) / static_cast<double>(sent_);
  if (options_.json) {
    print_json(loss);
  } else {
    fmt::print("{} sent, {} answered, {:.1f} % lost\n", sent_, round_trips_.size(), loss * 100);
    if (!round_trips_.empty()) {
      fmt::print("round trip min {}  avg {}  max {}  p99 {}\n",
                 round_trip_text(round_trips_.front()), round_trip_text(average()),
                 round_trip_text(round_trips_.back()), round_trip_text(percentile(0.99)));
    }
  }
  return round_trips_.empty() ? 1 : 0;
}

int Pinger::run() {
  open_session();
  const auto interval = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(options_.interval_s));
  auto next = Clock::now();
  while (!interrupted() && (options_.count == 0 || sent_ < options_.count)) {
    watch_.check(kDoing);
    ping();
    next = std::max(next + interval, Clock::now());
    if (sent_ != options_.count) wait_until(next);
  }
  wait_until(Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                std::chrono::duration<double>(options_.patience_s)));
  net_.close_session_with_user(watch_.peer());
  return report();
}

int answer_command(const PingOptions& options) {
  auto net = open_node(options.node);
  net->on_session_request([&](const Identity& who) {
    const bool welcome = options.accept.accepts(who);
    note(fmt::format("{} {}", welcome ? "answering" : "refused", who.text()));
    if (welcome) {
      net->accept_session_with_user(who);
    } else {
      net->close_session_with_user(who);
    }
  });
  note(fmt::format("answering pings on UDP port {}; Ctrl-C ends", bound_port(*net)));
  Pump pump(*net);
  while (!interrupted()) {
    pump.wait(200ms);
    pump.found(answer_pings(*net, options.channel));
  }
  return 0;
}

}  // namespace

int ping_command(const PingOptions& options) {
  if (options.answer && !options.to.empty()) {
    throw UsageError(fmt::format(
        "--answer takes no USER: it answers everybody, or --accept {} alone", options.to));
  }
  if (options.answer) return answer_command(options);
  if (options.to.empty()) throw UsageError("USER is required, or --answer");
  const Identity to = parse_user(options.to);
  auto net = open_node(options.node);
  return Pinger(*net, to, options).run();
}
