// The keys that both ends of a leg derive from a token's secret and the two nonces, and the MACs of
// the packets that open a leg.
#pragma once

#include <string_view>

#include "crypto/secret.h"
#include "relay/framing.h"
#include "relay/grant.h"

namespace whimbrel::relay {

struct LegKeys {
  SipKey up{};    // for tags of what the client sends
  SipKey down{};  // for tags of what the relay sends
  Secret grant;   // for the client's grants
};
LegKeys leg_keys(const Secret& secret, const Nonce& client, const Nonce& relay);

// The first 16 bytes of an HMAC-SHA256 over a label (one for each kind of packet) and all bytes
// before the MAC.
Mac open_mac(const Secret& secret, Kind kind, Bytes signed_part);
// Checks in constant time. `datagram` ends with the MAC.
bool check_mac(const Secret& secret, Kind kind, Bytes datagram);
// Fills in the MAC, the last 16 bytes.
void write_mac(const Secret& secret, Kind kind, MutableBytes datagram);

// Over the header's first 12 bytes, the size of the payload, and as much of the payload as `kind`
// covers: the first 16 bytes of a forwarded packet (it is sealed end to end), and all of an Ask or
// Tell.
SipTag leg_tag(const SipKey& key, Bytes datagram);
bool check_leg_tag(const SipKey& key, Bytes datagram);
// Fills in the tag of a datagram whose header and payload are complete.
void write_leg_tag(const SipKey& key, MutableBytes datagram);

}  // namespace whimbrel::relay
