#include "crypto/secure_random.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "base/assert.h"

namespace whimbrel {

namespace {

struct CipherContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// ChaCha20 (RFC 8439 2.4) from block counter 0 with a nonce of zeros: each key is used once.
void write_keystream(const Secret& key, MutableBytes out) {
  static const EVP_CIPHER* const chacha20 = EVP_CIPHER_fetch(nullptr, "ChaCha20", nullptr);
  // Freed, and wiped by that, right after: a kept one would remember the key that is being erased.
  const std::unique_ptr<EVP_CIPHER_CTX, CipherContextDeleter> context(EVP_CIPHER_CTX_new());
  ASSERT(chacha20 != nullptr && context != nullptr);
  constexpr std::array<std::uint8_t, 16> kCounterAndNonce{};
  std::fill(out.begin(), out.end(), std::uint8_t{0});
  int written = 0;
  ASSERT(EVP_EncryptInit_ex(context.get(), chacha20, nullptr, key.bytes.data(),
                            kCounterAndNonce.data()) == 1);
  ASSERT(EVP_EncryptUpdate(context.get(), out.data(), &written, out.data(),
                           static_cast<int>(out.size())) == 1);
}

}  // namespace

SecureRandom::~SecureRandom() { secure_wipe(block_); }

void SecureRandom::fill(MutableBytes out) {
  while (!out.empty()) {
    if (used_ == kBlockSize) refill();
    const std::size_t size = std::min(out.size(), kBlockSize - used_);
    const auto from = block_.begin() + static_cast<std::ptrdiff_t>(used_);
    std::copy_n(from, size, out.begin());
    std::fill_n(from, size, std::uint8_t{0});
    used_ += size;
    out = out.subspan(size);
  }
}

void SecureRandom::refill() {
  write_keystream(key_, block_);
  std::copy_n(block_.begin(), kKeySize, key_.bytes.begin());
  std::fill_n(block_.begin(), kKeySize, std::uint8_t{0});
  used_ = kKeySize;
}

}  // namespace whimbrel
