// What peers say to each other through the rendezvous before and beside their session.
//
//  | kind u8 | has grant u8 | grant 37, if it has | packet ... |
//
// The rendezvous vouches for the sender's name only; the packet inside, a handshake packet, proves itself.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "relay/grant.h"

namespace whimbrel {

enum class SignalKind : std::uint8_t {
  kPacket = 1,    // a handshake packet
  kGrant = 2,     // a new grant: the old slot is gone
  kAskGrant = 3,  // "your slot is gone for me"
};

inline constexpr std::size_t kSignalSizeMax = 2048;

struct SignalView {
  SignalKind kind{};
  std::optional<relay::Grant> grant;
  Bytes packet;
};

std::optional<SignalView> read_signal(Bytes body);
// `packet` is at most one datagram.
std::vector<std::uint8_t> write_signal(const SignalView& signal);

}  // namespace whimbrel
