// `whimbrel send`: the standard input to a user who runs `whimbrel recv`.
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "channels.h"
#include "commands.h"
#include "failure.h"
#include "interrupt.h"
#include "node_options.h"
#include "peer_watch.h"
#include "progress.h"
#include "stream.h"
#include "text.h"

using namespace std::chrono_literals;
using whimbrel::Identity;
using whimbrel::kSendReliable;

namespace {

constexpr std::string_view kDoing = "the transfer";
// Well under the idle timeout of 3 minutes.
constexpr auto kKeepAliveInterval = 45s;
// Everything is confirmed then; only the last word of the session may be lost.
constexpr auto kFarewellMax = 2s;

class Sender {
 public:
  Sender(whimbrel::NetworkingMessages& net, const Identity& to, const SendOptions& options)
      : net_(net),
        pump_(net),
        watch_(net, pump_, to),
        channel_(options.channel),
        progress_("sent", options.quiet),
        chunk_(1 + stream::kChunkBytes) {
    chunk_[0] = stream::kData;
  }

  void run();

 private:
  template <std::size_t kCount>
  void say(std::uint8_t type, const std::array<std::uint64_t, kCount>& numbers) {
    watch_.send(stream::encode(type, numbers), kSendReliable, channel_, kDoing);
    said_at_ = std::chrono::steady_clock::now();
  }
  bool wait_for_input();
  std::size_t read_chunk();
  void send_chunk(std::size_t size);
  void wait_for_confirmation();
  bool take_confirmation();
  void wait_for_farewell();
  void show_progress();

  whimbrel::NetworkingMessages& net_;
  Pump pump_;
  PeerWatch watch_;
  const int channel_;
  Progress progress_;
  std::vector<std::uint8_t> chunk_;
  std::uint64_t id_ = 0;
  std::uint64_t bytes_ = 0;
  std::chrono::steady_clock::time_point said_at_;
};

void Sender::show_progress() {
  if (!progress_.due()) return;
  whimbrel::ConnectionStatus status;
  const auto state = net_.get_session_connection_info(watch_.peer(), nullptr, &status);
  if (state != whimbrel::ConnectionState::kConnected) {
    return progress_.update(bytes_, "waiting to be accepted");
  }
  const auto held = status.pending_reliable + status.sent_unacknowledged_reliable;
  progress_.update(
      bytes_, fmt::format("{} of it unconfirmed", bytes_text(static_cast<std::uint64_t>(held))));
}

// Sleeps until stdin can be read or the session has news. True if stdin can.
bool Sender::wait_for_input() {
  std::array<pollfd, 2> fds = {{{STDIN_FILENO, POLLIN, 0}, {net_.event_handle(), POLLIN, 0}}};
  if (::poll(fds.data(), fds.size(), 500) < 0 && errno != EINTR) {
    throw Failure(fmt::format("can't wait for the standard input: {}", std::strerror(errno)));
  }
  const std::size_t found =
      net_.run_callbacks() + net_.receive_messages_on_channel(channel_, 64).size();
  // Unread messages on another channel would make this loop spin.
  if (fds[0].revents == 0 && fds[1].revents != 0 && found == 0) std::this_thread::sleep_for(2ms);
  watch_.check(kDoing);
  if (fds[0].revents != 0) return true;
  if (std::chrono::steady_clock::now() - said_at_ > kKeepAliveInterval) {
    say<0>(stream::kKeepAlive, {});
  }
  show_progress();
  return false;
}

// Bytes read into the chunk behind its type byte; 0 at the end of the input.
std::size_t Sender::read_chunk() {
  while (true) {
    while (!wait_for_input()) {
    }
    const ssize_t size = ::read(STDIN_FILENO, chunk_.data() + 1, stream::kChunkBytes);
    if (size >= 0) return static_cast<std::size_t>(size);
    if (errno != EINTR && errno != EAGAIN) {
      throw Failure(fmt::format("can't read the standard input: {}", std::strerror(errno)));
    }
  }
}

void Sender::send_chunk(std::size_t size) {
  const std::span<const std::uint8_t> message(chunk_.data(), 1 + size);
  while (!watch_.try_send(message, kSendReliable, channel_, kDoing)) {
    pump_.wait(100ms);
    watch_.check(kDoing);
    show_progress();
  }
  bytes_ += size;
  said_at_ = std::chrono::steady_clock::now();
  show_progress();
}

// True when the receiver has everything. Throws Failure when it has something else.
bool Sender::take_confirmation() {
  for (const auto& message : net_.receive_messages_on_channel(channel_, 16)) {
    const auto payload = message.payload();
    if (payload.empty() || payload[0] != stream::kConfirm) continue;
    if (stream::number_at(payload, 0) != id_) continue;
    if (stream::number_at(payload, 1) == bytes_) return true;
    throw Failure(
        fmt::format("{} confirmed another number of bytes than were sent: nothing is sure",
                    watch_.peer().text()));
  }
  return false;
}

void Sender::wait_for_confirmation() {
  while (!take_confirmation()) {
    watch_.check(kDoing);
    if (std::chrono::steady_clock::now() - said_at_ > kKeepAliveInterval) {
      say<0>(stream::kKeepAlive, {});
    }
    show_progress();
    pump_.wait(200ms);
  }
}

void Sender::run() {
  id_ = std::random_device()();
  say<1>(stream::kBegin, {id_});
  while (const std::size_t size = read_chunk()) send_chunk(size);
  say<1>(stream::kEnd, {bytes_});
  wait_for_confirmation();
  progress_.finish(bytes_, "confirmed by " + watch_.peer().text());
  wait_for_farewell();
}

// The receiver closes as soon as it knows that its confirmation arrived; going before that would leave it wondering.
void Sender::wait_for_farewell() {
  const auto deadline = std::chrono::steady_clock::now() + kFarewellMax;
  while (std::chrono::steady_clock::now() < deadline && !interrupted()) {
    const auto state = net_.get_session_connection_info(watch_.peer(), nullptr, nullptr);
    if (state != whimbrel::ConnectionState::kConnected) return;
    pump_.wait(10ms);
  }
}

}  // namespace

int send_command(const SendOptions& options) {
  const Identity to = parse_user(options.to);
  auto net = open_node(for_transfers(options.node));
  // Nobody has a reason to ask us.
  net->on_session_request([&](const Identity& who) { net->close_session_with_user(who); });
  Sender(*net, to, options).run();
  return 0;
}
