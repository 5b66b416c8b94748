#include "crypto/siphash.h"

#include <sodium.h>

namespace whimbrel {

static_assert(crypto_shorthash_siphash24_BYTES == kSipTagSize);
static_assert(crypto_shorthash_siphash24_KEYBYTES == kSipKeySize);

SipTag siphash24(const SipKey& key, Bytes bytes) {
  SipTag tag;
  crypto_shorthash_siphash24(tag.data(), bytes.data(), bytes.size(), key.data());
  return tag;
}

}  // namespace whimbrel
