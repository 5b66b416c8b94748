// mac1: shows that the sender of an InitIK knows the responder's static public key, before the
// responder spends anything on it (the WireGuard paper, 5.4.4).
#pragma once

#include <array>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "handshake/packets.h"

namespace whimbrel {

using Mac1 = std::array<std::uint8_t, kMac1Size>;

// SHA256("whimbrel mac1" || the responder's static public key). No secret.
struct Mac1Key {
  explicit Mac1Key(const PublicKey& responder);
  Digest bytes;
};

// First 16 bytes of the HMAC-SHA256 over all of `init_ik` with its cookie and mac1 taken as zeros.
// `init_ik` must have kInitIkHeaderSize bytes at least.
Mac1 compute_mac1(const Mac1Key& key, Bytes init_ik);

}  // namespace whimbrel
