#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/assert.h"
#include "crypto/key_schedule.h"

namespace whimbrel::detail {
namespace {

struct ContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// Looked up once: by name it takes longer than sealing a packet.
const EVP_CIPHER* algorithm(AeadSuite suite) {
  static const EVP_CIPHER* const aes_gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  static const EVP_CIPHER* const chacha_poly =
      EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  const EVP_CIPHER* const found = suite == AeadSuite::kAesGcm ? aes_gcm : chacha_poly;
  ASSERT(found != nullptr);
  return found;
}

// EVP takes sizes as int. No packet comes near; a caller's mistake must not become a short seal.
int checked_size(std::size_t size) {
  ASSERT(size <= 1u << 30);
  return static_cast<int>(size);
}

// The tag as a parameter: EVP_CIPHER_CTX_ctrl() would build this, and more, at every call (90 ns).
std::array<OSSL_PARAM, 2> tag_parameter(std::uint8_t* tag) {
  return {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, kAeadTagSize),
          OSSL_PARAM_construct_end()};
}

// EVP_CIPHER_CTX_free() wipes the key.
class LibcryptoSchedule final : public KeySchedule {
 public:
  LibcryptoSchedule(AeadSuite suite, const Secret& key) : context_(EVP_CIPHER_CTX_new()) {
    ASSERT(context_ != nullptr);
    ASSERT(EVP_EncryptInit_ex(context_.get(), algorithm(suite), nullptr, key.bytes.data(),
                              nullptr) == 1);
  }

  void seal(const AeadNonce& nonce, Bytes associated_data, std::uint8_t* inout,
            std::size_t size) override {
    EVP_CIPHER_CTX* const context = context_.get();
    int written = 0;
    ASSERT(EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()) == 1);
    if (!associated_data.empty())
      ASSERT(EVP_EncryptUpdate(context, nullptr, &written, associated_data.data(),
                               checked_size(associated_data.size())) == 1);
    if (size != 0)
      ASSERT(EVP_EncryptUpdate(context, inout, &written, inout, checked_size(size)) == 1);
    ASSERT(EVP_EncryptFinal_ex(context, inout + size, &written) == 1);
    ASSERT(EVP_CIPHER_CTX_get_params(context, tag_parameter(inout + size).data()) == 1);
  }

  bool open(const AeadNonce& nonce, Bytes associated_data, MutableBytes inout) override {
    EVP_CIPHER_CTX* const context = context_.get();
    const std::size_t size = inout.size() - kAeadTagSize;
    std::uint8_t* const tag = inout.data() + size;
    int written = 0;
    ASSERT(EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()) == 1);
    if (!associated_data.empty())
      ASSERT(EVP_DecryptUpdate(context, nullptr, &written, associated_data.data(),
                               checked_size(associated_data.size())) == 1);
    if (size != 0 &&
        EVP_DecryptUpdate(context, inout.data(), &written, inout.data(), checked_size(size)) != 1)
      return false;
    ASSERT(EVP_CIPHER_CTX_set_params(context, tag_parameter(tag).data()) == 1);
    return EVP_DecryptFinal_ex(context, inout.data() + size, &written) == 1;
  }

 private:
  std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter> context_;
};

}  // namespace

std::unique_ptr<KeySchedule> libcrypto_schedule(AeadSuite suite, const Secret& key) {
  return std::make_unique<LibcryptoSchedule>(suite, key);
}

}  // namespace whimbrel::detail
