// `whimbrel send`: the standard input to a user who runs `whimbrel recv`.
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <string>
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
// A receiver says at once that it has taken the stream; after so long with a session the user is
// told that none did.
constexpr auto kPatience = 5s;

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
  void send_all();
  void wait_for_confirmation();
  std::size_t take_answers();
  void take_answer(std::span<const std::uint8_t> message);
  void keep_alive();
  void look_around();
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
  std::optional<std::chrono::steady_clock::time_point> connected_at_;
  bool taken_ = false;   // the receiver has said so
  bool warned_ = false;  // that it has not
  bool ended_ = false;   // the input
  bool confirmed_ = false;
};

void Sender::show_progress() {
  if (!progress_.due()) return;
  whimbrel::ConnectionStatus status;
  const auto state = net_.get_session_connection_info(watch_.peer(), nullptr, &status);
  if (state != whimbrel::ConnectionState::kConnected) {
    return progress_.update(bytes_, "none of it has left: waiting to be accepted");
  }
  const auto held = status.pending_reliable + status.sent_unacknowledged_reliable;
  progress_.update(
      bytes_, fmt::format("{} of it unconfirmed", bytes_text(static_cast<std::uint64_t>(held))));
}

// Says once that nobody takes the stream, where there is a session but no `whimbrel recv`.
void Sender::look_around() {
  if (taken_ || warned_) return;
  const auto now = std::chrono::steady_clock::now();
  if (!connected_at_) {
    const auto state = net_.get_session_connection_info(watch_.peer(), nullptr, nullptr);
    if (state == whimbrel::ConnectionState::kConnected) connected_at_ = now;
  } else if (now - *connected_at_ > kPatience) {
    warned_ = true;
    progress_.say(fmt::format(
        "{} let us in, but nothing there takes the data: is the other side running `whimbrel "
        "recv`, with the same --channel ({})? Still waiting; Ctrl-C ends",
        watch_.peer().text(), channel_));
  }
}

void Sender::keep_alive() {
  if (std::chrono::steady_clock::now() - said_at_ > kKeepAliveInterval) {
    say<0>(stream::kKeepAlive, {});
  }
}

// Throws Failure when the receiver has something else than was sent, or could not take it.
void Sender::take_answer(std::span<const std::uint8_t> message) {
  if (message.empty()) return;
  if (message[0] == stream::kRefuse) {
    const auto reason =
        message.subspan(1).first(std::min(message.size() - 1, stream::kReasonBytesMax));
    throw Failure(fmt::format("{} could not take it: {}", watch_.peer().text(),
                              std::string(reason.begin(), reason.end())));
  }
  if (stream::number_at(message, 0) != id_) return;
  if (message[0] == stream::kTaken) taken_ = true;
  if (message[0] != stream::kConfirm) return;
  if (!ended_ || stream::number_at(message, 1) != bytes_) {
    throw Failure(
        fmt::format("{} confirmed another number of bytes than were sent: nothing is sure",
                    watch_.peer().text()));
  }
  taken_ = confirmed_ = true;
}

// Reads what the receiver says; answers how many messages that was.
std::size_t Sender::take_answers() {
  const auto messages = net_.receive_messages_on_channel(channel_, 64);
  for (const auto& message : messages) take_answer(message.payload());
  pump_.found(messages.size());
  return messages.size();
}

// Sleeps until stdin can be read or the session has news. True if stdin can.
bool Sender::wait_for_input() {
  std::array<pollfd, 2> fds = {{{STDIN_FILENO, POLLIN, 0}, {net_.event_handle(), POLLIN, 0}}};
  if (::poll(fds.data(), fds.size(), 500) < 0 && errno != EINTR) {
    throw Failure(fmt::format("can't wait for the standard input: {}", std::strerror(errno)));
  }
  const std::size_t found = net_.run_callbacks() + take_answers();
  // Unread messages on another channel would make this loop spin.
  if (fds[0].revents == 0 && fds[1].revents != 0 && found == 0) std::this_thread::sleep_for(2ms);
  watch_.check(kDoing);
  look_around();
  if (fds[0].revents != 0) return true;
  keep_alive();
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
    take_answers();
    watch_.check(kDoing);
    look_around();
    show_progress();
  }
  bytes_ += size;
  said_at_ = std::chrono::steady_clock::now();
  show_progress();
}

void Sender::wait_for_confirmation() {
  while (take_answers(), !confirmed_) {
    watch_.check(kDoing);
    look_around();
    keep_alive();
    show_progress();
    pump_.wait(200ms);
  }
}

void Sender::send_all() {
  id_ = std::random_device()();
  say<1>(stream::kBegin, {id_});
  while (const std::size_t size = read_chunk()) send_chunk(size);
  ended_ = true;
  say<1>(stream::kEnd, {bytes_});
  wait_for_confirmation();
}

void Sender::run() {
  try {
    send_all();
  } catch (const Failure&) {
    // The receiver's own reason, if it gave one before it closed, says more.
    if (!interrupted()) take_answers();
    throw;
  }
  progress_.finish(bytes_, "confirmed by " + watch_.peer().text());
  wait_for_farewell();
}

// The receiver closes as soon as it knows that its confirmation arrived; going before that would
// leave it wondering.
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
