#include "peer_watch.h"

#include <fmt/core.h>

#include <thread>

#include "failure.h"
#include "interrupt.h"
#include "text.h"

using namespace std::chrono_literals;
using whimbrel::ConnectionInfo;
using whimbrel::ConnectionState;
using whimbrel::ConnectionStatus;
using whimbrel::Result;

namespace {

// A clean close has no callback: it is found by looking.
constexpr auto kLookInterval = 100ms;

std::string nowhere(const whimbrel::Identity& peer) {
  return fmt::format(
      "don't know where {0} is: say --peer {0}=HOST:PORT, or HOST:PORT in place of the "
      "name, or --server HOST:PORT",
      short_name(peer));
}

std::string why_not_sent(Result result, const whimbrel::Identity& peer) {
  if (result == Result::kInvalidParam) return nowhere(peer);
  return fmt::format("can't send to {}: {}", peer.text(), whimbrel::to_string(result));
}

}  // namespace

std::string describe_end(const ConnectionInfo& info) {
  // Where a server was asked, it has said more.
  const bool asked_nobody = info.end_debug.find("no address is known") != std::string::npos;
  if (info.end_reason == whimbrel::kEndMiscRendezvous && asked_nobody)
    return nowhere(info.identity);
  if (info.end_debug.empty()) return fmt::format("reason {}", info.end_reason);
  return fmt::format("{} (reason {})", info.end_debug, info.end_reason);
}

void throw_if_interrupted() {
  if (interrupted()) throw Failure("interrupted");
}

PeerWatch::PeerWatch(whimbrel::NetworkingMessages& net, Pump& pump, const whimbrel::Identity& peer)
    : net_(net), pump_(pump), peer_(peer) {
  net_.on_session_failed([this](const ConnectionInfo& info) {
    if (info.identity == peer_ || info.alias == peer_) failure_ = describe_end(info);
  });
}

void PeerWatch::check(std::string_view doing) {
  throw_if_interrupted();
  if (failure_) throw Failure(fmt::format("{} failed: {}", doing, *failure_));
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) return;
  next_look_ = now + kLookInterval;
  look(doing);
}

void PeerWatch::look(std::string_view doing) {
  ConnectionInfo info;
  const ConnectionState state = net_.get_session_connection_info(peer_, &info, nullptr);
  if (state == ConnectionState::kClosedByPeer) {
    throw Failure(fmt::format("{} broke off: {} closed the session", doing, peer_.text()));
  }
  if (state == ConnectionState::kProblemDetectedLocally) {
    throw Failure(fmt::format("{} failed: {}", doing, describe_end(info)));
  }
}

bool PeerWatch::try_send(std::span<const std::uint8_t> message, int flags, int channel,
                         std::string_view doing) {
  const Result result = net_.send_message_to_user(peer_, message, flags, channel);
  if (result == Result::kOk) {
    pump_.found(1);
    return true;
  }
  if (result == Result::kLimitExceeded) return false;
  net_.run_callbacks();
  check(doing);  // says more than the code does, where it can
  look(doing);
  throw Failure(why_not_sent(result, peer_));
}

void PeerWatch::send(std::span<const std::uint8_t> message, int flags, int channel,
                     std::string_view doing) {
  while (!try_send(message, flags, channel, doing)) {
    pump_.wait(100ms);
    check(doing);
  }
}

bool PeerWatch::flush(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (std::chrono::steady_clock::now() < deadline) {
    net_.run_callbacks();
    ConnectionStatus status;
    const ConnectionState state = net_.get_session_connection_info(peer_, nullptr, &status);
    if (state != ConnectionState::kConnected && state != ConnectionState::kConnecting &&
        state != ConnectionState::kFindingRoute) {
      return true;
    }
    if (status.pending_reliable == 0 && status.sent_unacknowledged_reliable == 0) return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}
