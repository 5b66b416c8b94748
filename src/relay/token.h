// Relay tokens: what the rendezvous gives a client, and a relay of the site believes without asking anybody.
//
//  | epoch u8 | nonce 12 | sealed { id 8 | identity hash 16 | app id u32 | not after i64 | bytes/s u32 | packets/s u32 |
//  | secret 32 } | tag 16 |
//
// Sealed by AES-256-GCM (the nonce is random; the epoch is the associated data), so that junk costs a relay a microsecond.
// The secret is told to the client over its session with the rendezvous; the relay finds it inside. Times are Unix seconds.
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

// The number that grants and slots know a relay by: the first 4 bytes of the SHA-256 of its site's name, so that nobody has
// to hand out numbers.
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

// The keys of one site, that its relays and the rendezvous share. Not thread-safe.
class SiteKeys {
 public:
  // A key seals for this long; the one before it still opens for as long again.
  static constexpr Duration kLifetime = seconds(3600);

  // Keys follow from `master` and the number of the hour, so all who share it agree without talking.
  explicit SiteKeys(const Secret& master) : master_(master) {}

  SealedToken seal(const Token& token, Random& random, std::int64_t unix_seconds);
  // Nothing if it was not sealed by this site within two lifetimes. Says nothing of not_after.
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
