// One peer's session, followed by a command that cannot go on without it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <whimbrel/networking_messages.h>

#include "pump.h"

// Why a session failed, for a person who uses this tool.
std::string describe_end(const whimbrel::ConnectionInfo& info);

// Whether interrupted() is set: throws Failure saying that the user ended it.
void throw_if_interrupted();

class PeerWatch {
 public:
  // Takes over the node's session_failed callback. Both references must outlive it.
  PeerWatch(whimbrel::NetworkingMessages& net, Pump& pump, const whimbrel::Identity& peer);
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  const whimbrel::Identity& peer() const { return peer_; }
  // Throws Failure when the session failed or the peer closed it; `doing` is what broke off, as in
  // "the transfer". Cheap: it asks for the state only now and then.
  void check(std::string_view doing);
  // Sends, waiting for room as long as it takes. Throws Failure.
  void send(std::span<const std::uint8_t> message, int flags, int channel, std::string_view doing);
  // False when there is no room now. Throws Failure.
  bool try_send(std::span<const std::uint8_t> message, int flags, int channel,
                std::string_view doing);
  // Waits until everything reliable is confirmed, the peer closed, or the time is over. True unless
  // the latter.
  bool flush(std::chrono::milliseconds timeout);

 private:
  whimbrel::NetworkingMessages& net_;
  Pump& pump_;
  whimbrel::Identity peer_;
  std::optional<std::string> failure_;
  std::chrono::steady_clock::time_point next_look_;

  void look(std::string_view doing);
};
