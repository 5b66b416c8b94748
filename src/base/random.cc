#include "base/random.h"

#include <algorithm>
#include <bit>

namespace whimbrel {

std::uint64_t Random::below(std::uint64_t bound) {
  ASSERT(bound > 0);
  // Multiply-shift instead of a remainder: no division, and no bias towards small values.
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(u64()) * bound;
  return static_cast<std::uint64_t>(product >> 64);
}

FastRandom::FastRandom(std::uint64_t seed) {
  for (auto& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

std::uint64_t FastRandom::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

void FastRandom::fill(MutableBytes out) {
  while (!out.empty()) {
    const std::uint64_t word = next();
    const std::size_t count = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, count);
    out = out.subspan(count);
  }
}

}  // namespace whimbrel
