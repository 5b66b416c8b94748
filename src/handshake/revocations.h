// Revocations: a list, signed by an authority, of keys whose certificates no longer count although
// they have not expired.
//
//  | version u8 = 1 | issued i64 | authority key id 8 | count u16 | count times key 32, ascending | signature 64 |
//
// Integers are big-endian, times are Unix seconds. The signature is Ed25519 over the ASCII text
// "whimbrel revocations 1" and all bytes before the signature. A newer list replaces an older one,
// so a key stays on the list until its certificates have expired.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "crypto/keys.h"
#include "handshake/certificate.h"

namespace whimbrel {

inline constexpr std::size_t kRevokedKeysMax = 2048;
inline constexpr std::size_t kRevocationsFixedSize = 1 + 8 + 8 + 2 + kSignatureSize;
inline constexpr std::size_t kRevocationsSizeMax =
    kRevocationsFixedSize + kRevokedKeysMax * kKeySize;

struct RevocationList {
  std::int64_t issued = 0;     // Unix seconds
  AuthorityKeyId authority{};  // sign_revocations() fills it in
  std::vector<PublicKey> keys;
};

// Sorts, encodes and signs. At most kRevokedKeysMax keys (ASSERT).
std::vector<std::uint8_t> sign_revocations(RevocationList list, const SigningKey& authority);
// Nothing if `bytes` is not exactly one list of version 1. Verifies nothing.
std::optional<RevocationList> decode_revocations(Bytes bytes);
// Whether this authority has signed it.
bool check_revocations(Bytes bytes, const VerifyKey& authority);

}  // namespace whimbrel
