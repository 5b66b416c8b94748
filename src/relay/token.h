// Relay tokens: the rendezvous gives them to clients, and a relay of the site accepts them without
// asking anybody.
//
//  | epoch u8 | nonce 12 | sealed { id 8 | identity hash 16 | app id u32 | not after i64 |
//  | bytes/s u32 | packets/s u32 | secret 32 } | tag 16 |
//
// Sealed by AES-256-GCM (the nonce is random; the epoch is the associated data), so refusing junk
// costs a relay a microsecond. The client gets the secret over its session with the rendezvous; the
// relay finds it inside the token. Times are Unix seconds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "crypto/secret.h"

namespace whimbrel::relay {

// The first 16 bytes of the SHA-256 of the app id (u32) and the identity's text.
using IdentityHash = std::array<std::uint8_t, 16>;
IdentityHash identity_hash(std::uint32_t app_id, std::string_view identity);

// The number of a relay in grants: the first 4 bytes of the SHA-256 of its site's name, so that
// nobody has to assign numbers.
std::uint32_t site_id(std::string_view name);

using TokenId = std::array<std::uint8_t, 8>;

struct Token {
  TokenId id{};
  IdentityHash identity{};
  std::uint32_t app_id = 0;
  std::int64_t not_after = 0;            // Unix seconds, inclusive
  std::uint32_t bytes_per_second = 0;    // 0: the relay's default
  std::uint32_t packets_per_second = 0;  // 0: the relay's default
  Secret secret;
};

inline constexpr std::size_t kTokenPlainSize = 8 + 16 + 4 + 8 + 4 + 4 + kKeySize;
inline constexpr std::size_t kTokenSize = 1 + 12 + kTokenPlainSize + kAeadTagSize;
using SealedToken = std::array<std::uint8_t, kTokenSize>;

// The keys that the relays of one site and the rendezvous share. Not thread-safe.
class SiteKeys {
 public:
  // A key seals for this long, and opens for as long again.
  static constexpr Duration kLifetime = seconds(3600);

  // The keys follow from `master` and the number of the hour, so all who share `master` have the
  // same.
  explicit SiteKeys(const Secret& master) : master_(master) {}

  SealedToken seal(const Token& token, Random& random, std::int64_t unix_seconds);
  // Nothing unless this site sealed it within two lifetimes. Does not check not_after.
  std::optional<Token> open(Bytes sealed, std::int64_t unix_seconds);

 private:
  struct Epoch {
    std::optional<std::int64_t> number;  // nothing: there is no key yet
    AeadKey key;
  };
  AeadKey& key_of(std::int64_t number);

  Secret master_;
  std::array<Epoch, 4> epochs_;
};

}  // namespace whimbrel::relay
