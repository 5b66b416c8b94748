// The cryptographic random generator: a ChaCha20 keystream with fast key erasure, from a seed that
// the caller read from the operating system (io/) or fixed for a test.
#pragma once

#include <array>
#include <cstdint>

#include "base/random.h"
#include "crypto/secret.h"

namespace whimbrel {

// The same seed gives the same bytes, in whatever pieces they are asked for. Each refill makes one
// block of keystream: its first 32 bytes replace the key, the others are handed out and zeroed, so
// that a stolen state tells nothing about earlier output. Not thread-safe.
class SecureRandom final : public Random {
 public:
  explicit SecureRandom(const Secret& seed) : key_(seed) {}
  SecureRandom(const SecureRandom&) = delete;
  SecureRandom& operator=(const SecureRandom&) = delete;
  ~SecureRandom() override;

  void fill(MutableBytes out) override;

 private:
  static constexpr std::size_t kBlockSize = 512;

  void refill();

  Secret key_;
  std::array<std::uint8_t, kBlockSize> block_{};
  std::size_t used_ = kBlockSize;
};

}  // namespace whimbrel
