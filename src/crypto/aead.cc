#include "crypto/aead.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <utility>

#include "base/assert.h"

namespace whimbrel {

namespace detail {
void CipherContextDeleter::operator()(evp_cipher_ctx_st* context) const {
  EVP_CIPHER_CTX_free(context);
}
}  // namespace detail

namespace {

constexpr std::size_t kNonceSize = 12;
using Nonce = std::array<std::uint8_t, kNonceSize>;

// Looked up once: by name it takes longer than sealing a packet.
const EVP_CIPHER* algorithm(AeadSuite suite) {
  static const EVP_CIPHER* const aes_gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  static const EVP_CIPHER* const chacha_poly =
      EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  const EVP_CIPHER* const found = suite == AeadSuite::kAesGcm ? aes_gcm : chacha_poly;
  ASSERT(found != nullptr);
  return found;
}

std::uint8_t byte_of(std::uint64_t value, unsigned shift) {
  return static_cast<std::uint8_t>(value >> shift);
}

// Noise revision 34, 12: the counter is big-endian for AESGCM, little-endian for ChaChaPoly.
Nonce make_nonce(AeadSuite suite, std::uint32_t path_id, std::uint64_t counter) {
  Nonce nonce;
  for (unsigned i = 0; i < 4; ++i) nonce[i] = byte_of(path_id, 24 - 8 * i);
  for (unsigned i = 0; i < 8; ++i)
    nonce[4 + i] = byte_of(counter, suite == AeadSuite::kAesGcm ? 56 - 8 * i : 8 * i);
  return nonce;
}

// EVP takes sizes as int. No packet comes near; a caller's mistake must not become a short seal.
int checked_size(std::size_t size) {
  ASSERT(size <= 1u << 30);
  return static_cast<int>(size);
}

// The tag as a parameter: EVP_CIPHER_CTX_ctrl() would build this, and more, at every call (about 90 ns).
std::array<OSSL_PARAM, 2> tag_parameter(std::uint8_t* tag) {
  return {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, kAeadTagSize),
          OSSL_PARAM_construct_end()};
}

// `cipher` and `key` are null for a context that has them.
void seal_with(EVP_CIPHER_CTX* context, const EVP_CIPHER* cipher, const std::uint8_t* key,
               const Nonce& nonce, Bytes associated_data, std::uint8_t* inout, std::size_t size) {
  int written = 0;
  ASSERT(EVP_EncryptInit_ex(context, cipher, nullptr, key, nonce.data()) == 1);
  if (!associated_data.empty())
    ASSERT(EVP_EncryptUpdate(context, nullptr, &written, associated_data.data(),
                             checked_size(associated_data.size())) == 1);
  if (size != 0)
    ASSERT(EVP_EncryptUpdate(context, inout, &written, inout, checked_size(size)) == 1);
  ASSERT(EVP_EncryptFinal_ex(context, inout + size, &written) == 1);
  ASSERT(EVP_CIPHER_CTX_get_params(context, tag_parameter(inout + size).data()) == 1);
}

bool open_with(EVP_CIPHER_CTX* context, const EVP_CIPHER* cipher, const std::uint8_t* key,
               const Nonce& nonce, Bytes associated_data, MutableBytes inout) {
  if (inout.size() < kAeadTagSize) return false;
  const std::size_t size = inout.size() - kAeadTagSize;
  std::uint8_t* tag = inout.data() + size;
  int written = 0;
  ASSERT(EVP_DecryptInit_ex(context, cipher, nullptr, key, nonce.data()) == 1);
  if (!associated_data.empty())
    ASSERT(EVP_DecryptUpdate(context, nullptr, &written, associated_data.data(),
                             checked_size(associated_data.size())) == 1);
  if (size != 0 &&
      EVP_DecryptUpdate(context, inout.data(), &written, inout.data(), checked_size(size)) != 1)
    return false;
  ASSERT(EVP_CIPHER_CTX_set_params(context, tag_parameter(tag).data()) == 1);
  return EVP_DecryptFinal_ex(context, inout.data() + size, &written) == 1;
}

// For keys that are used once. Freed right after, and wiped by that, so that no key outlives its
// use; costs 0.5 us.
detail::CipherContext new_context() {
  detail::CipherContext context(EVP_CIPHER_CTX_new());
  ASSERT(context != nullptr);
  return context;
}

}  // namespace

AeadKey::AeadKey(AeadKey&& other) noexcept
    : suite_(other.suite_),
      valid_(std::exchange(other.valid_, false)),
      key_(other.key_),
      context_(std::move(other.context_)) {
  other.key_ = Secret();
}

AeadKey& AeadKey::operator=(AeadKey&& other) noexcept {
  if (this == &other) return *this;
  suite_ = other.suite_;
  valid_ = std::exchange(other.valid_, false);
  key_ = std::exchange(other.key_, Secret());
  context_ = std::move(other.context_);
  return *this;
}

evp_cipher_ctx_st* AeadKey::context() {
  if (context_ == nullptr) [[unlikely]] {
    ASSERT(valid_);
    context_ = new_context();
    ASSERT(EVP_EncryptInit_ex(context_.get(), algorithm(suite_), nullptr, key_.bytes.data(),
                              nullptr) == 1);
  }
  return context_.get();
}

void AeadKey::seal(std::uint32_t path_id, std::uint64_t counter, Bytes associated_data,
                   std::uint8_t* inout, std::size_t plain_size) {
  seal_with(context(), nullptr, nullptr, make_nonce(suite_, path_id, counter), associated_data,
            inout, plain_size);
}

bool AeadKey::open(std::uint32_t path_id, std::uint64_t counter, Bytes associated_data,
                   MutableBytes inout) {
  return open_with(context(), nullptr, nullptr, make_nonce(suite_, path_id, counter),
                   associated_data, inout);
}

void aead_seal_once(AeadSuite suite, const Secret& key, std::uint32_t path_id,
                    std::uint64_t counter, Bytes associated_data, std::uint8_t* inout,
                    std::size_t plain_size) {
  seal_with(new_context().get(), algorithm(suite), key.bytes.data(),
            make_nonce(suite, path_id, counter), associated_data, inout, plain_size);
}

bool aead_open_once(AeadSuite suite, const Secret& key, std::uint32_t path_id,
                    std::uint64_t counter, Bytes associated_data, MutableBytes inout) {
  return open_with(new_context().get(), algorithm(suite), key.bytes.data(),
                   make_nonce(suite, path_id, counter), associated_data, inout);
}

}  // namespace whimbrel
