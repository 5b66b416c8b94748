// Fixed-size secrets that are wiped when they go out of scope.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/secure_memory.h"

namespace whimbrel {

inline constexpr std::size_t kKeySize = 32;     // X25519, Ed25519 seeds and both AEADs
inline constexpr std::size_t kDigestSize = 32;  // SHA-256

using Digest = std::array<std::uint8_t, kDigestSize>;

// 32 secret bytes: an AEAD key, a chaining key, a private key. Copies are wiped too.
struct Secret {
  std::array<std::uint8_t, kKeySize> bytes{};

  Secret() = default;
  explicit Secret(const std::array<std::uint8_t, kKeySize>& value) : bytes(value) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { secure_wipe(bytes); }

  Bytes view() const { return bytes; }
};

}  // namespace whimbrel
