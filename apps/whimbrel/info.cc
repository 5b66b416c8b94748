// `whimbrel info`: what is known about the session with a user.
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "channels.h"
#include "commands.h"
#include "interrupt.h"
#include "node_options.h"
#include "peer_watch.h"
#include "ping_messages.h"
#include "session_json.h"
#include "text.h"

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using whimbrel::ConnectionInfo;
using whimbrel::ConnectionState;
using whimbrel::ConnectionStatus;
using whimbrel::Identity;

namespace {

constexpr std::string_view kDoing = "the session";

class Inspector {
 public:
  Inspector(whimbrel::NetworkingMessages& net, const Identity& to, const InfoOptions& options)
      : net_(net), pump_(net), watch_(net, pump_, to), options_(options) {}

  void run();

 private:
  void open_session();
  void listen_for(Clock::duration span);
  void print() const;
  void print_json() const;
  void print_table() const;

  whimbrel::NetworkingMessages& net_;
  Pump pump_;
  PeerWatch watch_;
  const InfoOptions& options_;
};

void Inspector::open_session() {
  watch_.send(ping_message(0, kPingBytesMin), whimbrel::kSendReliable, options_.channel, kDoing);
  while (net_.get_session_connection_info(watch_.peer(), nullptr, nullptr) !=
         ConnectionState::kConnected) {
    pump_.wait(50ms);
    watch_.check(kDoing);
  }
}

// Keeps a little traffic on the line, so that ping and quality mean something.
void Inspector::listen_for(Clock::duration span) {
  const auto end = Clock::now() + span;
  for (std::uint64_t number = 1; Clock::now() < end && !interrupted(); ++number) {
    watch_.try_send(ping_message(number, kPingBytesMin), whimbrel::kSendNoNagle, options_.channel,
                    kDoing);
    const auto next = std::min(end, Clock::now() + 100ms);
    while (Clock::now() < next && !interrupted()) {
      pump_.wait(20ms);
      pump_.found(net_.receive_messages_on_channel(options_.channel, 64).size());
    }
    if (!interrupted()) watch_.check(kDoing);
  }
}

void Inspector::print_json() const {
  auto out = session_json(net_, watch_.peer());
  out["own_identity"] = net_.identity().text();
  out["own_public_key"] = net_.public_key_hex();
  if (options_.counters) {
    for (const auto& [name, value] : net_.counters()) out["counters"][std::string(name)] = value;
  }
  fmt::print("{}\n", json_text(out, options_.watch ? -1 : 2));
}

void row(std::string_view name, std::string_view value) {
  fmt::print("  {:<12} {}\n", name, printable(value));
}

std::string flow_text(float packets, float bytes) {
  return fmt::format("{} ({:.0f} packets/s)", rate_text(static_cast<double>(bytes)),
                     static_cast<double>(packets));
}

std::string count_text(std::int64_t bytes) {
  return bytes_text(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0)));
}

void print_status(const ConnectionStatus& status) {
  row("ping", status.round_trip_us < 0
                  ? "?"
                  : round_trip_text(static_cast<double>(status.round_trip_us) / 1e6));
  row("quality", fmt::format("{} of theirs arrive here, {} of ours there",
                             share_text(static_cast<double>(status.local_quality)),
                             share_text(static_cast<double>(status.remote_quality))));
  row("out", flow_text(status.packets_out_per_second, status.bytes_out_per_second));
  row("in", flow_text(status.packets_in_per_second, status.bytes_in_per_second));
  row("may send", fmt::format("{}, window {}", rate_text(static_cast<double>(status.send_rate)),
                              count_text(status.window_bytes)));
  row("waiting",
      fmt::format("{} reliable, {} unreliable, {} unconfirmed; {} until the next leaves",
                  count_text(status.pending_reliable), count_text(status.pending_unreliable),
                  count_text(status.sent_unacknowledged_reliable),
                  duration_text(static_cast<double>(status.queue_time_us) / 1e6)));
  row("lost", fmt::format("{} of our packets", status.packets_lost));
}

void Inspector::print_table() const {
  ConnectionInfo info;
  ConnectionStatus status;
  const auto state = net_.get_session_connection_info(watch_.peer(), &info, &status);
  fmt::print("{}\n", short_name(watch_.peer()));
  row("state",
      fmt::format(
          "{}{}", whimbrel::to_string(state),
          info.end_reason == 0 ? "" : fmt::format(", {} ({})", info.end_debug, info.end_reason)));
  row("path", info.debug_description);
  if (info.alias.valid()) row("alias", info.alias.text());
  row("flags", flags_text(info.flags));
  print_status(status);
  if (!options_.counters) return;
  for (const auto& [name, value] : net_.counters()) fmt::print("  {:<34} {}\n", name, value);
}

void Inspector::print() const {
  if (options_.json) {
    print_json();
  } else {
    if (options_.watch && ::isatty(STDOUT_FILENO) == 1) fmt::print("\033[H\033[J");
    print_table();
  }
  std::fflush(stdout);
}

void Inspector::run() {
  const auto interval = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(options_.interval_s));
  open_session();
  std::uint64_t printed = 0;
  do {
    listen_for(interval);
    if (interrupted()) break;
    print();
    ++printed;
  } while (options_.watch && (options_.count == 0 || printed < options_.count));
  net_.close_session_with_user(watch_.peer());
}

}  // namespace

int info_command(const InfoOptions& options) {
  const Identity to = parse_user(options.to);
  auto net = open_node(options.node);
  Inspector(*net, to, options).run();
  return 0;
}
