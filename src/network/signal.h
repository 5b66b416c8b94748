// What peers say to each other through the rendezvous before and beside their session.
//
//  | kind u8 | count u8 | count times { grant 37 | round trip u16 } | packet ... |
//
// The grants are for the receiver: one of each relay where the sender has a slot, the one it calls
// its home first; none where it has nothing new to say. The round trip is the sender's to that
// relay, in steps of 0.1 ms.
//
// The rendezvous vouches for the sender's name only; the packet inside, a handshake packet, proves
// itself.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "relay/grant.h"
#include "rendezvous/messages.h"

namespace whimbrel {

enum class SignalKind : std::uint8_t {
  kPacket = 1,    // a handshake packet
  kGrant = 2,     // new grants: these are all that there are
  kAskGrant = 3,  // "your slot is gone for me"
};

inline constexpr std::size_t kSignalSizeMax = rendezvous::kSignalBytesMax;

// More are not read.
inline constexpr std::size_t kSignalSlotsMax = 8;
inline constexpr Duration kSignalRttUnit = microseconds(100);

struct PeerSlot {
  static constexpr std::uint16_t kUnknown = 0xffff;

  relay::Grant grant;
  std::uint16_t rtt = kUnknown;  // in kSignalRttUnit

  friend bool operator==(const PeerSlot&, const PeerSlot&) = default;
};

struct SignalView {
  SignalKind kind{};
  std::vector<PeerSlot> slots;
  Bytes packet;
};

std::optional<SignalView> read_signal(Bytes body);
// `packet` is at most one datagram.
std::vector<std::uint8_t> write_signal(const SignalView& signal);

}  // namespace whimbrel
