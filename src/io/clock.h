// The clocks of the operating system, as the core wants them.
#pragma once

#include "base/time.h"

namespace whimbrel {

// Monotonic time that starts near 0 when the clock is made and goes on while the machine sleeps:
// certificates and sessions age then, too. Thread-safe.
class Clock {
 public:
  Clock();
  Instant now() const;
  // CLOCK_BOOTTIME nanoseconds of an instant, for absolute timers.
  std::int64_t boottime_ns(Instant at) const;

 private:
  std::int64_t origin_ns_;
};

// Wall clock: milliseconds since 1970-01-01 UTC.
UnixMillis unix_now();
// Who says what time it is: unix_now(), or what a test has instead.
using WallClockSource = UnixMillis (*)();

}  // namespace whimbrel
