// Where the core's random bytes come from: a generator that is handed in, so that the same seed
// gives the same packets. The real program seeds a cryptographic one from the operating system
// (crypto/secure_random.h).
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace whimbrel {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableBytes out) = 0;

  std::uint64_t u64() {
    std::array<std::uint8_t, 8> bytes;
    fill(bytes);
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::uint32_t u32() { return static_cast<std::uint32_t>(u64() >> 32); }
  // Uniform in [0, bound); bound must not be 0. The bias is below 2^-32 for the small bounds used
  // here.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1).
  double unit() { return static_cast<double>(u64() >> 11) * 0x1.0p-53; }
  bool chance(double probability) { return unit() < probability; }
};

// xoshiro256** (Blackman and Vigna), seeded through splitmix64: fast, for simulations, faults and
// tests. Never for keys.
class FastRandom final : public Random {
 public:
  explicit FastRandom(std::uint64_t seed);
  void fill(MutableBytes out) override;
  std::uint64_t next();

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace whimbrel
