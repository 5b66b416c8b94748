#include "endpoint/peer.h"

namespace whimbrel {

Session* Peer::session_of_others() const {
  return std::visit(
      [](const auto& now) -> Session* {
        if constexpr (requires { now.session; }) return now.session.get();
        return nullptr;
      },
      state);
}

Dial* Peer::dial() const {
  return std::visit(
      [](const auto& now) -> Dial* {
        if constexpr (requires { now.dial; }) return now.dial.get();
        return nullptr;
      },
      state);
}

Peer::Making* Peer::making_of_first() {
  return std::visit(
      [](auto& now) -> Making* {
        if constexpr (requires { now.farewell; }) return &now;
        return nullptr;
      },
      state);
}

std::span<const std::uint8_t> Peer::response() const {
  return std::visit(
      [](const auto& now) -> std::span<const std::uint8_t> {
        if constexpr (requires { now.response; }) return now.response;
        return {};
      },
      state);
}

bool Peer::can_take(ChannelId channel) const {
  if (is<Loopback>()) return true;
  if (const Making* before = making())
    return !before->waiting || before->waiting->can_take(channel);
  return session()->can_send(channel);
}

bool Peer::close_channel(ChannelId channel) {
  if (Loopback* loopback = as<Loopback>()) return loopback->channels.erase(channel) > 0;
  Session* made = session();
  return made != nullptr && made->close_channel(channel);
}

bool Peer::has_open_channels() const {
  if (const Loopback* loopback = as<Loopback>()) return !loopback->channels.empty();
  const Session* made = session();
  return made != nullptr && made->has_open_channels();
}

}  // namespace whimbrel
