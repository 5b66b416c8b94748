// What both ends of a leg make of a token's secret and the two nonces; macs of the packets that open a leg.
#pragma once

#include <string_view>

#include "crypto/secret.h"
#include "relay/framing.h"
#include "relay/grant.h"

namespace whimbrel::relay {

struct LegKeys {
  SipKey up{};    // tags what the client sends
  SipKey down{};  // tags what the relay sends
  Secret grant;   // the client makes its grants with it
};
LegKeys leg_keys(const Secret& secret, const Nonce& client, const Nonce& relay);

// The first 16 bytes of an HMAC-SHA256 over a label, one for each kind of packet, and all bytes before the mac.
Mac open_mac(const Secret& secret, Kind kind, Bytes signed_part);
// In constant time. `datagram` ends with the mac.
bool check_mac(const Secret& secret, Kind kind, Bytes datagram);
// Fills in the last 16 bytes.
void write_mac(const Secret& secret, Kind kind, MutableBytes datagram);

// Over the header's first 12 bytes, the size of the payload, and as much of the payload as `kind` covers: the first 16 bytes
// of what is forwarded, which is sealed end to end, and all of what the two say to one another.
SipTag leg_tag(const SipKey& key, Bytes datagram);
bool check_leg_tag(const SipKey& key, Bytes datagram);
// Fills in the tag of a datagram whose header and payload are complete.
void write_leg_tag(const SipKey& key, MutableBytes datagram);

}  // namespace whimbrel::relay
