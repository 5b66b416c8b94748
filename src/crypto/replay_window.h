// Which packet numbers were received already (RFC 6479): a ring of bits that is never shifted.
//
// Differs from RFC 6479 in one point: bits between the old and the new top are cleared by masks
// instead of whole spare words, so the window is exactly kSize numbers wide in kSize / 8 bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace whimbrel {

// Not thread-safe. One for each path of a session, for packet numbers count per path.
template <std::size_t kSize>
class BasicReplayWindow {
  static_assert(kSize >= 64 && (kSize & (kSize - 1)) == 0, "a power of two, in whole words");

 public:
  // Before decryption: false when `number` was committed already or is older than the window.
  bool acceptable(std::uint64_t number) const {
    if (number >= next_) return true;
    return next_ - number <= kSize && !is_set(number);
  }

  // After the packet was authenticated. `number` must be acceptable().
  void commit(std::uint64_t number) {
    if (number >= next_) advance(number);
    word(number) |= bit(number);
  }

  // One past the largest number committed, 0 if none.
  std::uint64_t next() const { return next_; }

 private:
  static constexpr std::size_t kWords = kSize / 64;

  static std::uint64_t bit(std::uint64_t number) { return std::uint64_t{1} << (number % 64); }
  std::uint64_t& word(std::uint64_t number) { return words_[number / 64 % kWords]; }
  bool is_set(std::uint64_t number) const {
    return (words_[number / 64 % kWords] & bit(number)) != 0;
  }

  // Clears the bits of [next_, number], which until now stood for numbers kSize lower.
  void advance(std::uint64_t number) {
    if (number - next_ >= kSize) {
      words_.fill(0);
    } else {
      clear_range(next_, number);
    }
    next_ = number + 1;
  }
  void clear_range(std::uint64_t first, std::uint64_t last) {
    const std::uint64_t from_first = ~std::uint64_t{0} << (first % 64);
    const std::uint64_t to_last = ~std::uint64_t{0} >> (63 - last % 64);
    if (first / 64 == last / 64) {
      word(first) &= ~(from_first & to_last);
      return;
    }
    word(first) &= ~from_first;
    for (std::uint64_t block = first / 64 + 1; block < last / 64; ++block)
      words_[block % kWords] = 0;
    word(last) &= ~to_last;
  }

  std::array<std::uint64_t, kWords> words_{};
  std::uint64_t next_ = 0;
};

// 520 bytes. At a million packets a second it still accepts a packet that came 4 ms late.
using ReplayWindow = BasicReplayWindow<4096>;

}  // namespace whimbrel
