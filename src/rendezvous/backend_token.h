// Tokens of a game's own backend: JSON Web Tokens (RFC 7519), signed with EdDSA (RFC 8037) or HS256
// (RFC 7518 3.2).
//
// Claims: `sub` the identity's text; `exp` needed; `nbf` if there; `aud` if there: the
// application's number, as a text, a number, or a list of one; `cnf.jkt` if there: the RFC 7638
// thumbprint of the only key that may use the token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "crypto/keys.h"
#include "rendezvous/authority.h"

namespace whimbrel::rendezvous {

// RFC 7518 3.2: a key of HS256 has at least the size of its hash.
inline constexpr std::size_t kHs256KeySizeMin = 32;
// `nbf` may lie this far in the future, for clocks that disagree. `exp` has no leeway.
inline constexpr std::int64_t kTokenLeewaySeconds = 60;

// The only key that tokens are accepted from. Its type decides the only algorithm.
struct Hs256Key {
  std::vector<std::uint8_t> bytes;  // at least kHs256KeySizeMin (ASSERT)
};
using BackendKey = std::variant<VerifyKey, Hs256Key>;

// For AuthorityConfig::check_token. Thread-safe.
TokenCheck backend_token_check(BackendKey key);

// Checks a token at `unix_seconds`; the text says what is wrong with it. The signature is checked
// before the claims are read.
std::variant<BackendClaim, std::string> check_backend_token(const BackendKey& key,
                                                            std::string_view token,
                                                            std::int64_t unix_seconds);

// The RFC 7638 3 thumbprint of the JWK that RFC 8037 2 defines for an X25519 key.
Digest key_thumbprint(const PublicKey& key);

}  // namespace whimbrel::rendezvous
