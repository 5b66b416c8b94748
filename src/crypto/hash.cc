#include "crypto/hash.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "base/assert.h"

namespace whimbrel {

namespace {

constexpr std::size_t kBlockSize = 64;  // of SHA-256, for HMAC

struct DigestContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Looking an algorithm up by name takes longer than hashing 64 bytes, so it is done once, and each
// thread keeps a context that is set up for SHA-256.
EVP_MD_CTX* fresh_context() {
  static const EVP_MD* const sha256_algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, DigestContextDeleter> context(EVP_MD_CTX_new());
  ASSERT(sha256_algorithm != nullptr && context != nullptr);
  ASSERT(EVP_DigestInit_ex(context.get(), sha256_algorithm, nullptr) == 1);
  return context.get();
}

void update(EVP_MD_CTX* context, Bytes bytes) {
  ASSERT(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1);
}

void finish(EVP_MD_CTX* context, std::uint8_t* out) {
  ASSERT(EVP_DigestFinal_ex(context, out, nullptr) == 1);
}

// RFC 2104 2: a key longer than a block is hashed first, a shorter one is filled up with zeros.
std::array<std::uint8_t, kBlockSize> padded_key(Bytes key) {
  std::array<std::uint8_t, kBlockSize> block{};
  if (key.size() <= kBlockSize) {
    std::copy(key.begin(), key.end(), block.begin());
  } else {
    const Digest digest = sha256({key});
    std::copy(digest.begin(), digest.end(), block.begin());
  }
  return block;
}

void xor_with(std::array<std::uint8_t, kBlockSize>& block, std::uint8_t pad) {
  for (std::uint8_t& byte : block) byte = static_cast<std::uint8_t>(byte ^ pad);
}

Secret hmac_secret(Bytes key, std::initializer_list<Bytes> parts) {
  return Secret(hmac_sha256(key, parts));
}

}  // namespace

Digest sha256(std::initializer_list<Bytes> parts) {
  EVP_MD_CTX* context = fresh_context();
  for (Bytes part : parts) update(context, part);
  Digest digest;
  finish(context, digest.data());
  return digest;
}

Digest hmac_sha256(Bytes key, std::initializer_list<Bytes> parts) {
  constexpr std::uint8_t kInnerPad = 0x36;
  constexpr std::uint8_t kOuterPad = 0x5c;
  std::array<std::uint8_t, kBlockSize> block = padded_key(key);
  xor_with(block, kInnerPad);
  EVP_MD_CTX* context = fresh_context();
  update(context, block);
  for (Bytes part : parts) update(context, part);
  Digest inner;
  finish(context, inner.data());

  xor_with(block, kInnerPad ^ kOuterPad);
  Digest digest = sha256({block, inner});
  secure_wipe(block);
  return digest;
}

Secret hkdf_extract(Bytes salt, Bytes input_key) {
  // A missing salt is 32 zero bytes; HMAC fills an empty key up with zeros, which is the same.
  return hmac_secret(salt, {input_key});
}

void hkdf_expand(Bytes pseudorandom_key, Bytes info, MutableBytes out) {
  ASSERT(out.size() <= 255 * kDigestSize);
  Secret previous;
  std::size_t previous_size = 0;  // T(0) is empty
  for (std::uint8_t counter = 1; !out.empty(); ++counter) {
    previous = hmac_secret(pseudorandom_key,
                           {previous.view().first(previous_size), info, Bytes(&counter, 1)});
    previous_size = kDigestSize;
    const std::size_t size = std::min(out.size(), kDigestSize);
    std::copy_n(previous.bytes.begin(), size, out.begin());
    out = out.subspan(size);
  }
}

namespace {
constexpr std::uint8_t kOne[] = {1};
constexpr std::uint8_t kTwo[] = {2};
constexpr std::uint8_t kThree[] = {3};
}  // namespace

NoiseHkdf2 noise_hkdf2(const Secret& chaining_key, Bytes input_key) {
  const Secret temporary = hmac_secret(chaining_key.view(), {input_key});
  NoiseHkdf2 out;
  out.first = hmac_secret(temporary.view(), {kOne});
  out.second = hmac_secret(temporary.view(), {out.first.view(), kTwo});
  return out;
}

NoiseHkdf3 noise_hkdf3(const Secret& chaining_key, Bytes input_key) {
  const Secret temporary = hmac_secret(chaining_key.view(), {input_key});
  NoiseHkdf3 out;
  out.first = hmac_secret(temporary.view(), {kOne});
  out.second = hmac_secret(temporary.view(), {out.first.view(), kTwo});
  out.third = hmac_secret(temporary.view(), {out.second.view(), kThree});
  return out;
}

}  // namespace whimbrel
