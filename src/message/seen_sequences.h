// Which unreliable messages of a channel have come: where a session has several paths, one may come
// on two of them. The last kSize numbers are remembered; an older one counts as seen (as the replay
// window of RFC 6479 does it for packets).
#pragma once

#include <bitset>
#include <cstdint>

namespace whimbrel {

class SeenSequences {
 public:
  static constexpr std::uint64_t kSize = 1024;

  bool seen(std::uint64_t sequence) const {
    if (sequence >= end_) return false;
    return end_ - sequence > kSize || bits_[sequence % kSize];
  }
  // One that is not seen.
  void note(std::uint64_t sequence) {
    if (sequence >= end_ + kSize) {
      bits_.reset();
    } else {
      for (std::uint64_t n = end_; n <= sequence; ++n) bits_[n % kSize] = false;
    }
    bits_[sequence % kSize] = true;
    if (sequence >= end_) end_ = sequence + 1;
  }

 private:
  std::bitset<kSize> bits_;
  std::uint64_t end_ = 0;  // one past the highest
};

}  // namespace whimbrel
