#include "crypto/secure_memory.h"

#include <openssl/crypto.h>

namespace whimbrel {

void secure_wipe(MutableBytes bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

bool constant_time_equal(Bytes a, Bytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace whimbrel
