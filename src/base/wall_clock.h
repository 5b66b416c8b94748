// The wall clock as the core sees it: what the system said it was at one moment, and the time that has passed since then.
//
// One for each driver, which sets it again while it runs; the parts below hold a reference and ask it at each use. So a machine
// whose clock is wrong at first, and is set right later, needs no restart.
#pragma once

#include "base/time.h"

namespace whimbrel {

class WallClock {
 public:
  WallClock(Instant now, UnixMillis unix_now) : anchor_(now), unix_anchor_(unix_now) {}

  // Unix time in milliseconds.
  UnixMillis at(Instant now) const { return unix_anchor_ + to_milliseconds(now - anchor_); }
  // The same in whole seconds.
  std::int64_t seconds_at(Instant now) const { return at(now) / 1000; }

  // By so much must a clock have been wrong, all corrections together, that it is worth to look at what was dated by it.
  static constexpr UnixMillis kJumpMs = 60'000;

  // What the system's clock says `now`. True: it has jumped, at once or little by little; what was dated by it before, or refused
  // because of it, is to be looked at again.
  bool set(Instant now, UnixMillis unix_now) {
    corrected_ms_ += unix_now - at(now);
    anchor_ = now;
    unix_anchor_ = unix_now;
    if (corrected_ms_ > -kJumpMs && corrected_ms_ < kJumpMs) return false;
    corrected_ms_ = 0;
    return true;
  }

 private:
  Instant anchor_;
  UnixMillis unix_anchor_;
  UnixMillis corrected_ms_ = 0;  // since the last jump
};

// When a driver is to look at the system's clock: whenever it is awake anyway, once a second at most. It costs an idle driver no wake.
class ClockLooks {
 public:
  static constexpr Duration kInterval = seconds(1);

  explicit ClockLooks(Instant now) : next_(now + kInterval) {}

  // True: now is the time.
  bool due(Instant now) {
    if (now < next_) return false;
    next_ = now + kInterval;
    return true;
  }

 private:
  Instant next_;
};

}  // namespace whimbrel
