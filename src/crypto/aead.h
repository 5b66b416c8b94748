// Authenticated encryption with associated data: AES-256-GCM and ChaCha20-Poly1305 (RFC 8439).
//
//  nonce, 12 bytes   | path id u32, big-endian | counter u64 |
//
// The counter is encoded as Noise does it for the cipher (Noise revision 34, section 12):
// big-endian for AES-GCM, little-endian for ChaCha20-Poly1305. Inside Noise messages the path id is
// 0.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "crypto/secret.h"

struct evp_cipher_ctx_st;

namespace whimbrel {

// Values as on the wire.
enum class AeadSuite : std::uint8_t { kAesGcm = 1, kChaChaPoly = 2 };

constexpr bool is_known_suite(std::uint8_t suite) { return suite == 1 || suite == 2; }

inline constexpr std::size_t kAeadTagSize = 16;

namespace detail {
struct CipherContextDeleter {
  void operator()(evp_cipher_ctx_st* context) const;
};
using CipherContext = std::unique_ptr<evp_cipher_ctx_st, CipherContextDeleter>;
}  // namespace detail

// One key with its key schedule ready for use. Use one for each direction. Not thread-safe. Empty
// (valid() false) when default-constructed or moved from; an empty key must not be used (ASSERT).
//
// The key schedule (about 1.1 KiB) is made at the first use and freed by trim().
class AeadKey {
 public:
  AeadKey() = default;
  AeadKey(AeadSuite suite, const Secret& key) : suite_(suite), valid_(true), key_(key) {}
  AeadKey(AeadKey&& other) noexcept;
  AeadKey& operator=(AeadKey&& other) noexcept;
  ~AeadKey() = default;

  bool valid() const { return valid_; }
  AeadSuite suite() const { return suite_; }
  const Secret& secret() const { return key_; }

  // Encrypts `plain_size` bytes at `inout` in place and writes the tag of 16 bytes behind them. A
  // (path id, counter) must never be used twice with one key.
  void seal(std::uint32_t path_id, std::uint64_t counter, Bytes associated_data,
            std::uint8_t* inout, std::size_t plain_size);

  // Decrypts in place; the last 16 bytes of `inout` are the tag and stay. False when the tag is
  // wrong or `inout` is shorter than a tag; `inout` then holds no meaning.
  bool open(std::uint32_t path_id, std::uint64_t counter, Bytes associated_data,
            MutableBytes inout);

  // Frees the key schedule until the next use: for sessions that have gone idle.
  void trim() { context_.reset(); }

 private:
  evp_cipher_ctx_st* context();

  AeadSuite suite_ = AeadSuite::kAesGcm;
  bool valid_ = false;
  Secret key_;
  detail::CipherContext context_;
};

// As AeadKey::seal and open, for keys that are used once: no key schedule is kept.
void aead_seal_once(AeadSuite suite, const Secret& key, std::uint32_t path_id,
                    std::uint64_t counter, Bytes associated_data, std::uint8_t* inout,
                    std::size_t plain_size);
bool aead_open_once(AeadSuite suite, const Secret& key, std::uint32_t path_id,
                    std::uint64_t counter, Bytes associated_data, MutableBytes inout);

}  // namespace whimbrel
