// The key schedule of one AEAD key and the code that works with it. AeadKey owns one while it is in
// use; there is one class for each library that does the work.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/secret.h"

namespace whimbrel::detail {

using AeadNonce = std::array<std::uint8_t, 12>;

// Not thread-safe: one packet at a time. Destruction wipes the key.
class KeySchedule {
 public:
  virtual ~KeySchedule() = default;

  // Encrypts `plain_size` bytes in place and writes the tag behind them.
  virtual void seal(const AeadNonce& nonce, Bytes associated_data, std::uint8_t* inout,
                    std::size_t plain_size) = 0;
  // Decrypts all but the last 16 bytes, the tag, in place. False when the tag is wrong: `inout` may
  // then hold plaintext that nobody vouches for, and the caller wipes it. `inout` is no shorter
  // than a tag.
  virtual bool open(const AeadNonce& nonce, Bytes associated_data, MutableBytes inout) = 0;

 protected:
  KeySchedule() = default;
  KeySchedule(const KeySchedule&) = default;
  KeySchedule& operator=(const KeySchedule&) = default;
};

// Does both suites.
std::unique_ptr<KeySchedule> libcrypto_schedule(AeadSuite suite, const Secret& key);

// Whether intel-ipsec-mb is built in, this processor has what it needs, and its self-test passed.
bool ipsec_mb_works();
// AES-256-GCM only. ASSERTs ipsec_mb_works().
std::unique_ptr<KeySchedule> ipsec_mb_schedule(const Secret& key);

}  // namespace whimbrel::detail
