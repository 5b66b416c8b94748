// `whimbrel recv`: what one user sends with `whimbrel send`, to the standard output.
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "channels.h"
#include "commands.h"
#include "failure.h"
#include "node_options.h"
#include "peer_watch.h"
#include "ping_messages.h"
#include "progress.h"
#include "stream.h"

using namespace std::chrono_literals;
using whimbrel::Identity;
using whimbrel::kSendReliable;

namespace {

constexpr std::string_view kDoing = "the transfer";

// How many users may have a session while nobody sends yet.
constexpr std::size_t kGuestsMax = 64;
// So long the sender may take to hear why it came to nothing.
constexpr auto kLastWordMax = 2s;

// The data that arrived cannot be written.
struct WriteFailure : Failure {
  using Failure::Failure;
};

void write_all(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd fd = {STDOUT_FILENO, POLLOUT, 0};
      ::poll(&fd, 1, 500);
    } else if (errno != EINTR) {
      throw WriteFailure(std::strerror(errno));
    }
    throw_if_interrupted();
  }
}

class Receiver {
 public:
  Receiver(whimbrel::NetworkingMessages& net, const RecvOptions& options)
      : net_(net), pump_(net), options_(options) {
    net_.on_session_request([this](const Identity& who) { on_request(who); });
  }

  void run();

 private:
  void on_request(const Identity& who);
  const char* why_refused(const Identity& who);
  void wait_for_sender();
  std::size_t take_first_messages();
  void begin(const Identity& who, std::uint64_t id);
  void refuse(const char* why);
  bool take_messages();
  // True at the end of the stream.
  bool take(std::span<const std::uint8_t> message);
  bool take_end(std::span<const std::uint8_t> message);

  whimbrel::NetworkingMessages& net_;
  Pump pump_;
  const RecvOptions& options_;
  std::optional<PeerWatch> watch_;
  std::optional<Progress> progress_;
  std::vector<whimbrel::Message> messages_;  // read and not taken yet, behind the first
  std::uint64_t id_ = 0;
  std::uint64_t bytes_ = 0;
};

// Why somebody is not let in; nullptr: welcome.
const char* Receiver::why_refused(const Identity& who) {
  if (watch_) return "a transfer is under way";
  if (!options_.accept.accepts(who)) return "not in --accept";
  return net_.users().size() > kGuestsMax ? "too many sessions without a transfer" : nullptr;
}

// Whoever may send is let in; who of them does send is seen by the first message.
void Receiver::on_request(const Identity& who) {
  if (const char* why = why_refused(who)) {
    note(fmt::format("refused {}: {}", who.text(), why));
    net_.close_session_with_user(who);
    return;
  }
  net_.accept_session_with_user(who);
}

void Receiver::wait_for_sender() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options_.timeout_s);
  while (!watch_) {
    throw_if_interrupted();
    if (options_.timeout_s > 0 && std::chrono::steady_clock::now() >= deadline) {
      throw Failure(fmt::format("nobody sent anything in {} s", options_.timeout_s));
    }
    pump_.wait(100ms);
    pump_.found(take_first_messages());
    // `ping` and `info` work with whoever waits for a sender.
    if (!watch_ && options_.channel != kPingChannel) {
      pump_.found(answer_pings(net_, kPingChannel));
    }
  }
}

std::size_t Receiver::take_first_messages() {
  auto messages = net_.receive_messages_on_channel(options_.channel, 16);
  for (auto& message : messages) {
    const auto payload = message.payload();
    const auto id = stream::number_at(payload, 0);
    if (watch_) {
      messages_.push_back(std::move(message));
    } else if (id && payload[0] == stream::kBegin) {
      begin(message.identity(), *id);
    } else if (net_.close_session_with_user(message.identity())) {
      note(fmt::format("{} does not speak as `whimbrel send` does: closed its session",
                       message.identity().text()));
    }
  }
  return messages.size();
}

// The session of this user is the transfer's; all others end.
void Receiver::begin(const Identity& who, std::uint64_t id) {
  id_ = id;
  watch_.emplace(net_, pump_, who);
  progress_.emplace("received", options_.quiet);
  for (const Identity& other : net_.users()) {
    if (other != who) net_.close_session_with_user(other);
  }
  watch_->send(stream::encode<1>(stream::kTaken, {id_}), kSendReliable, options_.channel, kDoing);
}

bool Receiver::take_end(std::span<const std::uint8_t> message) {
  const auto total = stream::number_at(message, 0);
  if (total != bytes_) {
    throw Failure(fmt::format("{} says that it sent {} bytes, but {} arrived",
                              watch_->peer().text(), total.value_or(0), bytes_));
  }
  watch_->send(stream::encode<2>(stream::kConfirm, {id_, bytes_}), kSendReliable, options_.channel,
               kDoing);
  return true;
}

bool Receiver::take(std::span<const std::uint8_t> message) {
  const std::uint8_t type = message.empty() ? 0 : message[0];
  if (type == stream::kEnd) return take_end(message);
  if (type != stream::kData) return false;
  write_all(message.subspan(1));
  bytes_ += message.size() - 1;
  progress_->update(bytes_, "");
  return false;
}

bool Receiver::take_messages() {
  while (true) {
    auto messages = std::exchange(messages_, {});
    if (messages.empty()) messages = net_.receive_messages_on_channel(options_.channel, 16);
    if (messages.empty()) return false;
    pump_.found(messages.size());
    for (const auto& message : messages) {
      if (message.identity() == watch_->peer() && take(message.payload())) return true;
    }
  }
}

// The sender learns why; the failure on this side counts either way.
void Receiver::refuse(const char* why) {
  std::vector<std::uint8_t> message = {stream::kRefuse};
  const std::string text =
      fmt::format("the receiver could not write: {}", why).substr(0, stream::kReasonBytesMax);
  message.insert(message.end(), text.begin(), text.end());
  try {
    watch_->send(message, kSendReliable, options_.channel, kDoing);
    watch_->flush(kLastWordMax);
  } catch (const Failure&) {  // it is gone
  }
}

void Receiver::run() {
  wait_for_sender();
  try {
    while (!take_messages()) {
      watch_->check(kDoing);
      progress_->update(bytes_, "");
      pump_.wait(200ms);
    }
  } catch (const WriteFailure& failure) {
    refuse(failure.what());
    throw Failure(fmt::format("can't write to the standard output: {}", failure.what()));
  }
  // The sender waits until we close. All the data is written, whether it hears of that or not.
  if (!watch_->flush(10s)) note("the sender could not be told that everything arrived");
  progress_->finish(bytes_, "from " + watch_->peer().text());
}

}  // namespace

int recv_command(const RecvOptions& options) {
  auto net = open_node(for_transfers(options.node));
  note(fmt::format("waiting on UDP port {} for a sender", bound_port(*net)));
  Receiver(*net, options).run();
  return 0;
}
