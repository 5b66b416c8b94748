// `whimbrel recv`: what one user sends with `whimbrel send`, to the standard output.
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include "channels.h"
#include "commands.h"
#include "failure.h"
#include "node_options.h"
#include "peer_watch.h"
#include "progress.h"
#include "stream.h"

using namespace std::chrono_literals;
using whimbrel::Identity;
using whimbrel::kSendReliable;

namespace {

constexpr std::string_view kDoing = "the transfer";

void write_all(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd fd = {STDOUT_FILENO, POLLOUT, 0};
      ::poll(&fd, 1, 500);
    } else if (errno != EINTR) {
      throw Failure(fmt::format("can't write to the standard output: {}", std::strerror(errno)));
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
  void wait_for_sender();
  bool take_messages();
  // True at the end of the stream.
  bool take(std::span<const std::uint8_t> message);
  bool take_end(std::span<const std::uint8_t> message);

  whimbrel::NetworkingMessages& net_;
  Pump pump_;
  const RecvOptions& options_;
  std::optional<PeerWatch> watch_;
  std::optional<Progress> progress_;
  std::optional<std::uint64_t> id_;
  std::uint64_t bytes_ = 0;
};

void Receiver::on_request(const Identity& who) {
  if (watch_ || !options_.accept.accepts(who)) {
    note(fmt::format("refused {}: {}", who.text(),
                     watch_ ? "a transfer is under way" : "not in --accept"));
    net_.close_session_with_user(who);
    return;
  }
  if (!net_.accept_session_with_user(who)) return;
  watch_.emplace(net_, pump_, who);
  progress_.emplace("received", options_.quiet);
}

void Receiver::wait_for_sender() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options_.timeout_s);
  while (!watch_) {
    throw_if_interrupted();
    if (options_.timeout_s > 0 && std::chrono::steady_clock::now() >= deadline) {
      throw Failure(fmt::format("nobody sent anything in {} s", options_.timeout_s));
    }
    pump_.wait(100ms);
  }
}

bool Receiver::take_end(std::span<const std::uint8_t> message) {
  const auto total = stream::number_at(message, 0);
  if (total != bytes_) {
    throw Failure(fmt::format("{} says that it sent {} bytes, but {} arrived",
                              watch_->peer().text(), total.value_or(0), bytes_));
  }
  watch_->send(stream::encode<2>(stream::kConfirm, {*id_, bytes_}), kSendReliable, options_.channel,
               kDoing);
  return true;
}

bool Receiver::take(std::span<const std::uint8_t> message) {
  const std::uint8_t type = message.empty() ? 0 : message[0];
  if (!id_ && type == stream::kBegin) id_ = stream::number_at(message, 0);
  if (!id_) {
    throw Failure(fmt::format("{} does not speak as `whimbrel send` does: is it another program?",
                              watch_->peer().text()));
  }
  if (type == stream::kEnd) return take_end(message);
  if (type != stream::kData) return false;
  write_all(message.subspan(1));
  bytes_ += message.size() - 1;
  progress_->update(bytes_, "");
  return false;
}

bool Receiver::take_messages() {
  while (true) {
    auto messages = net_.receive_messages_on_channel(options_.channel, 16);
    if (messages.empty()) return false;
    pump_.found(messages.size());
    for (const auto& message : messages) {
      if (message.identity() == watch_->peer() && take(message.payload())) return true;
    }
  }
}

void Receiver::run() {
  wait_for_sender();
  while (!take_messages()) {
    watch_->check(kDoing);
    progress_->update(bytes_, "");
    pump_.wait(200ms);
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
