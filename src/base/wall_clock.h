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

  // What the system's clock says `now`. Returns by how much it was wrong until now, in milliseconds; above zero: it was behind.
  UnixMillis set(Instant now, UnixMillis unix_now) {
    const UnixMillis correction = unix_now - at(now);
    anchor_ = now;
    unix_anchor_ = unix_now;
    return correction;
  }

 private:
  Instant anchor_;
  UnixMillis unix_anchor_;
};

}  // namespace whimbrel
