// SHA-256 and what is built from it: HMAC (RFC 2104), HKDF (RFC 5869) and HKDF as Noise uses it.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace whimbrel {

// Hash of the concatenation of `parts`.
Digest sha256(std::initializer_list<Bytes> parts);

// HMAC of the concatenation of `parts`; the key may have any length.
Digest hmac_sha256(Bytes key, std::initializer_list<Bytes> parts);

// RFC 5869 2.2. An empty salt means 32 zero bytes.
Secret hkdf_extract(Bytes salt, Bytes input_key);
// RFC 5869 2.3. `out` is at most 255 * 32 bytes.
void hkdf_expand(Bytes pseudorandom_key, Bytes info, MutableBytes out);

// Noise revision 34, 4.3: HKDF with the chaining key as salt and no info, cut into outputs of 32
// bytes.
struct NoiseHkdf2 {
  Secret first, second;
};
struct NoiseHkdf3 {
  Secret first, second, third;
};
NoiseHkdf2 noise_hkdf2(const Secret& chaining_key, Bytes input_key);
NoiseHkdf3 noise_hkdf3(const Secret& chaining_key, Bytes input_key);

}  // namespace whimbrel
