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

namespace whimbrel {

// Values as on the wire.
enum class AeadSuite : std::uint8_t { kAesGcm = 1, kChaChaPoly = 2 };

constexpr bool is_known_suite(std::uint8_t suite) { return suite == 1 || suite == 2; }

inline constexpr std::size_t kAeadTagSize = 16;

namespace detail {
class KeySchedule;
}

// Whose code does the work. Both make the same bytes.
enum class AeadBackend : std::uint8_t {
  kLibcrypto,
  kIpsecMb,  // intel-ipsec-mb: AES-256-GCM only, on x86-64 only, and only when built in
};

// The fastest one that this process can use for `suite`; any thread. The first call for AES-256-GCM
// lets intel-ipsec-mb test itself, which takes some milliseconds.
AeadBackend best_backend(AeadSuite suite);

// One key with its key schedule ready for use. Use one for each direction. Not thread-safe. Empty
// (valid() false) when default-constructed or moved from; an empty key must not be used (ASSERT).
//
// The key schedule (about 1.2 KiB) is made for each of the first kBriefUses, and then kept until
// trim(): thousands of quiet sessions that send a packet now and then keep none.
class AeadKey {
 public:
  AeadKey();
  AeadKey(AeadSuite suite, const Secret& key) : AeadKey(suite, key, best_backend(suite)) {}
  // With a backend of the caller's choice, which must work here for `suite` (ASSERT).
  AeadKey(AeadSuite suite, const Secret& key, AeadBackend backend);
  AeadKey(AeadKey&& other) noexcept;
  AeadKey& operator=(AeadKey&& other) noexcept;
  ~AeadKey();

  bool valid() const { return valid_; }
  AeadSuite suite() const { return suite_; }
  const Secret& secret() const { return key_; }

  // Encrypts `plain_size` bytes at `inout` in place and writes the tag of 16 bytes behind them. A
  // (path id, counter) must never be used twice with one key.
  void seal(std::uint32_t path_id, std::uint64_t counter, Bytes associated_data,
            std::uint8_t* inout, std::size_t plain_size);

  // Decrypts in place; the last 16 bytes of `inout` are the tag and stay. False when the tag is
  // wrong, and all but the tag is zeroed then, or when `inout` is shorter than a tag.
  bool open(std::uint32_t path_id, std::uint64_t counter, Bytes associated_data,
            MutableBytes inout);

  // Frees the key schedule, and counts uses anew: for sessions that have gone idle.
  void trim();
  bool has_schedule() const { return schedule_ != nullptr; }

  // A quiet session sends fewer packets at a time than that. Making a schedule takes about a
  // microsecond.
  static constexpr std::uint8_t kBriefUses = 4;

 private:
  std::unique_ptr<detail::KeySchedule> make_schedule() const;
  // The schedule that is kept, or one that lives as long as `brief`.
  detail::KeySchedule& schedule(std::unique_ptr<detail::KeySchedule>& brief);

  AeadSuite suite_ = AeadSuite::kAesGcm;
  AeadBackend backend_ = AeadBackend::kLibcrypto;
  bool valid_ = false;
  std::uint8_t uses_ = 0;  // up to kBriefUses, since the beginning or trim()
  Secret key_;
  std::unique_ptr<detail::KeySchedule> schedule_;
};

// As AeadKey::seal and open, for keys that are used once: no key schedule is kept.
void aead_seal_once(AeadSuite suite, const Secret& key, std::uint32_t path_id,
                    std::uint64_t counter, Bytes associated_data, std::uint8_t* inout,
                    std::size_t plain_size);
bool aead_open_once(AeadSuite suite, const Secret& key, std::uint32_t path_id,
                    std::uint64_t counter, Bytes associated_data, MutableBytes inout);

}  // namespace whimbrel
