// How much of the credit of a session one channel may hold, so that a channel that is not read
// stops none but itself.
//
// Dynamic thresholds (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory
// packet switches", 1998): a channel holds at most `factor` times what it leaves to the others. In
// a switch, what is held drains by itself. Here it may stay for ever, and with a fixed factor each
// unread channel would leave an ever smaller part. So the factor is `share` while everything is
// left, and shrinks with what is left. With share 12 one unread channel takes three quarters; with
// n unread channels each takes less, and about 1 / (10 n) of all stays free. A transfer over a long
// path needs all that is granted, so from 1.3 MiB on the share is 42, and one channel takes six
// sevenths. The sender applies the rule, for it decides which message begins. The receiver
// calculates the same, to know when the sender may be waiting for credit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace whimbrel {

inline constexpr double kShareOfMessages = 12;
inline double share_of_bytes(std::uint64_t all) {
  return static_cast<double>(std::clamp<std::uint64_t>(all / 32768, 12, 42));
}

// Whether a channel that holds `held` may begin a message of `size` when `left` of `all` is left to
// the session. A channel that holds nothing may use everything that is left. All values are below
// 2^62.
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

// How much must be left for within_share().
inline std::uint64_t share_needs(std::uint64_t held, std::uint64_t size, std::uint64_t all,
                                 double share) {
  if (held == 0) return size;
  const double product = static_cast<double>(held + size) * static_cast<double>(all);
  return size + static_cast<std::uint64_t>(std::ceil(std::sqrt(product / share)));
}

// If more than this is left after a message, within_share() is true for every channel that holds at
// most `all` including it.
inline std::uint64_t plenty(std::uint64_t all) { return all / 2; }

}  // namespace whimbrel
