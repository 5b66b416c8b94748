// The wall clock as the core sees it: what the system said it was at one moment, and the time that
// has passed since then.
//
// One for each driver, which sets it again while it runs; the parts below hold a reference and ask
// it at each use. So a machine whose clock is wrong at first, and is set right later, needs no
// restart.
#pragma once

#include "base/time.h"

namespace whimbrel {

class WallClock {
 public:
  WallClock(Instant now, UnixMillis unix_now) : anchor_{now, unix_now}, jump_(anchor_) {}

  // Unix time in milliseconds.
  UnixMillis at(Instant now) const { return anchor_.at(now); }
  // The same in whole seconds.
  std::int64_t seconds_at(Instant now) const { return at(now) / 1000; }

  // A clock that was wrong by this much, all corrections together, has jumped: what was dated by it
  // needs another look.
  static constexpr UnixMillis kJumpMs = 60'000;

  // What the system's clock says `now`. True: it has jumped, at once or little by little. The
  // caller then looks again at what it has dated, or refused, by the old time.
  bool set(Instant now, UnixMillis unix_now) {
    slept_ = unix_now - anchor_.at(now) >= kSleptMs;
    anchor_ = {now, unix_now};
    // This is not the sum of the corrections: each loses a part of a millisecond, and there is one
    // each second for months.
    const UnixMillis corrected = unix_now - jump_.at(now);
    if (corrected > -kJumpMs && corrected < kJumpMs) return false;
    jump_ = anchor_;
    return true;
  }

  // How far the last set() found the clock ahead of the time that has passed: the machine was
  // asleep (CLOCK_MONOTONIC stands still then), or the clock was set.
  static constexpr UnixMillis kSleptMs = 5'000;
  bool may_have_slept() const { return slept_; }

 private:
  // What the system said at one moment.
  struct Anchor {
    Instant when;
    UnixMillis unix_ms;
    UnixMillis at(Instant now) const { return unix_ms + to_milliseconds(now - when); }
  };
  Anchor anchor_;
  Anchor jump_;  // of the last jump, or the start
  bool slept_ = false;
};

// When a driver looks at the system's clock: when it is awake anyway, at most once a second. An
// idle driver is not woken for it.
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
