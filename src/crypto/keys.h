// X25519 key pairs for key agreement and Ed25519 key pairs for signatures.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/secret.h"

namespace whimbrel {

// An X25519 public key (RFC 7748): a u-coordinate, little-endian. Names a peer: compared bytewise,
// first byte first.
struct PublicKey {
  std::array<std::uint8_t, kKeySize> bytes{};

  Bytes view() const { return bytes; }
  friend auto operator<=>(const PublicKey&, const PublicKey&) = default;
};

// Nothing unless `bytes` has exactly 32 bytes.
std::optional<PublicKey> public_key_from(Bytes bytes);

// An X25519 private key: any 32 bytes, clamped where it is used (RFC 7748 5).
struct SecretKey : Secret {
  using Secret::Secret;
};

struct KeyPair {
  SecretKey secret;
  PublicKey public_key;
};

// Takes 32 bytes from `random` as the secret key. About 45 us, as much as one x25519().
KeyPair generate_x25519(Random& random);
// The public key of `secret`.
PublicKey x25519_public(const SecretKey& secret);
// False, with `out` zeroed, when the result is all zeros: the peer's point is of low order
// (RFC 7748 6.1). Whoever hands in a peer's key must treat that as a failed handshake.
bool x25519(const SecretKey& secret, const PublicKey& peer, Secret& out);

// Scalar multiplications done in this thread since it started; lets a test show that a packet was
// refused before any of them.
std::uint64_t x25519_count();

inline constexpr std::size_t kSignatureSize = 64;
using Signature = std::array<std::uint8_t, kSignatureSize>;

// An Ed25519 public key (RFC 8032).
struct VerifyKey {
  std::array<std::uint8_t, kKeySize> bytes{};

  Bytes view() const { return bytes; }
  friend auto operator<=>(const VerifyKey&, const VerifyKey&) = default;
};

// An Ed25519 private key: its 32-byte seed, and the public key that follows from it.
class SigningKey {
 public:
  // Takes 32 bytes from `random` as the seed.
  static SigningKey generate(Random& random);
  static SigningKey from_seed(const Secret& seed);

  const Secret& seed() const { return seed_; }
  const VerifyKey& verify_key() const { return verify_key_; }
  // Deterministic: the same message gives the same signature (RFC 8032 5.1.6).
  Signature sign(Bytes message) const;

 private:
  Secret seed_;
  VerifyKey verify_key_;
};

// Any bytes are allowed as a key, a message and a signature; false unless the signature is valid.
// 100-200 us.
bool verify_signature(const VerifyKey& key, Bytes message, Bytes signature);

}  // namespace whimbrel
