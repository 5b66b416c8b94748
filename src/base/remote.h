// Where the packets of a path go to and come from. Each kind is a type of its own: no address
// stands for something else.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <variant>

#include "base/ip_address.h"

namespace whimbrel {

// A slot of the peer's at the relay of a site (docs/PROTOCOL.md, section 7).
struct RelayRemote {
  std::uint32_t site = 0;
  std::uint32_t slot = 0;
  friend auto operator<=>(const RelayRemote&, const RelayRemote&) = default;
};

// A user whom the rendezvous brings handshake packets to (docs/PROTOCOL.md, section 8): a place in
// the router's table.
struct SignalRemote {
  std::uint32_t user = 0;
  friend auto operator<=>(const SignalRemote&, const SignalRemote&) = default;
};

class Remote {
 public:
  Remote() = default;                                          // an address that is empty
  Remote(const IpAddress& address) : kind_(address) {}         // NOLINT: an address is a remote
  Remote(const RelayRemote& relay) : kind_(relay) {}           // NOLINT
  Remote(const SignalRemote& signalled) : kind_(signalled) {}  // NOLINT

  // Null where it is another kind.
  const IpAddress* udp() const { return std::get_if<IpAddress>(&kind_); }
  const RelayRemote* relay() const { return std::get_if<RelayRemote>(&kind_); }
  const SignalRemote* signal() const { return std::get_if<SignalRemote>(&kind_); }

  // The same host, whatever its port.
  bool same_host(const Remote& other) const {
    return udp() != nullptr && other.udp() != nullptr && udp()->bytes == other.udp()->bytes;
  }
  // Both are addresses of one family, or neither is an address.
  bool same_family(const Remote& other) const {
    if (udp() == nullptr || other.udp() == nullptr) return udp() == other.udp();
    return udp()->is_v4() == other.udp()->is_v4();
  }
  // Different for different remotes: what a cookie is bound to.
  std::array<std::uint8_t, 19> bytes() const;
  // "192.0.2.1:4000", or "the relay", or "the server".
  std::string text() const;
  // "at 192.0.2.1:4000", "over the relay".
  std::string place() const;

  friend auto operator<=>(const Remote&, const Remote&) = default;

 private:
  std::variant<IpAddress, RelayRemote, SignalRemote> kind_;
};

}  // namespace whimbrel
