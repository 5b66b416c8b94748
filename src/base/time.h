// Time as the core sees it: handed in from outside, never read from a clock.
//
// `Instant` counts nanoseconds from an origin that the driver chooses (process start, or the start
// of a simulation). It never runs backwards. Wall-clock time is needed only for certificates and
// the anti-replay stamp of a handshake, and is a separate type so that the two can't be confused.
#pragma once

#include <chrono>
#include <cstdint>

namespace whimbrel {

using Duration = std::chrono::nanoseconds;

// Tag type for std::chrono; deliberately has no now().
struct CoreClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = Duration;
  using time_point = std::chrono::time_point<CoreClock>;
  static constexpr bool is_steady = true;
};

using Instant = CoreClock::time_point;

// "Never": larger than every deadline.
inline constexpr Instant kNever = Instant::max();
// "At once": as a deadline, before every moment. Do not calculate with it; time_until() takes it.
inline constexpr Instant kNow = Instant::min();

// The time from `now` to a deadline; zero if it has passed. For kNever, longer than anybody waits.
constexpr Duration time_until(Instant deadline, Instant now) {
  if (deadline <= now) return Duration::zero();
  // The difference of two moments on different sides of the origin may be too large.
  const bool fits = now.time_since_epoch() >= Duration::zero() ||
                    deadline.time_since_epoch() < Duration::max() + now.time_since_epoch();
  return fits ? deadline - now : Duration::max();
}

// Milliseconds since 1970-01-01 UTC.
using UnixMillis = std::int64_t;

constexpr Duration microseconds(std::int64_t n) { return std::chrono::microseconds(n); }
constexpr Duration milliseconds(std::int64_t n) { return std::chrono::milliseconds(n); }
constexpr Duration seconds(std::int64_t n) { return std::chrono::seconds(n); }

constexpr std::int64_t to_microseconds(Duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}
constexpr std::int64_t to_milliseconds(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}
constexpr double to_seconds(Duration d) { return static_cast<double>(d.count()) * 1e-9; }

}  // namespace whimbrel
