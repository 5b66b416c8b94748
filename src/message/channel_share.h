// How much of the credit of a session one channel may hold, so that a channel that is not read
// stops none but itself.
//
// Dynamic thresholds (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory
// packet switches", 1998): a channel holds at most so many times what it leaves to the others.
// There what is held drains by itself; here it may stay for ever, and a fixed factor would leave
// ever smaller parts of ever smaller parts. So the factor is `share` while all is left and shrinks
// with what is left. With twelve, a channel that is not read takes three quarters; of n of them
// each takes less, and about a tenth of the nth part of all stays free. Of many bytes less need be
// left: a transfer over a long line uses what is granted, so with 1.3 MiB and more the factor is
// 42, and a channel takes six sevenths. The sender keeps to it, for it decides which message
// begins; the receiver does the same sum to know when the sender may wait for its word.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace whimbrel {

inline constexpr double kShareOfMessages = 12;
inline double share_of_bytes(std::uint64_t all) {
  return static_cast<double>(std::clamp<std::uint64_t>(all / 32768, 12, 42));
}

// Whether a channel that holds `held` may begin a message of `size` where `left` of `all` is left
// to the session. A channel that holds nothing may use up what is there. All below 2^62.
inline bool within_share(std::uint64_t held, std::uint64_t size, std::uint64_t left,
                         std::uint64_t all, double share) {
  if (size > left) return false;
  if (held == 0) return true;
  const auto real = [](std::uint64_t n) {
    return static_cast<double>(static_cast<std::int64_t>(n));
  };
  const double rest = real(left - size);
  return real(held + size) * real(all) <= share * rest * rest;
}

// What must be left for within_share().
inline std::uint64_t share_needs(std::uint64_t held, std::uint64_t size, std::uint64_t all,
                                 double share) {
  if (held == 0) return size;
  const double product = static_cast<double>(held + size) * static_cast<double>(all);
  return size + static_cast<std::uint64_t>(std::ceil(std::sqrt(product / share)));
}

// Where more than this is left behind a message, within_share() holds for every channel that holds
// no more than `all` with it.
inline std::uint64_t plenty(std::uint64_t all) { return all / 2; }

}  // namespace whimbrel
