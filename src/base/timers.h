// The timers of a state machine. It names them once, as an enum whose last value is kCount, and
// says in one function when each is due. Both the next deadline and what is done when time has
// passed follow from that: no deadline is written down in two places.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace whimbrel {

// The least of `deadline_of(timer)`; kNever where no timer runs.
template <typename Timer, typename DeadlineOf>
Instant earliest_of(DeadlineOf&& deadline_of) {
  Instant earliest = kNever;
  for (int i = 0; i < static_cast<int>(Timer::kCount); ++i)
    earliest = std::min(earliest, deadline_of(static_cast<Timer>(i)));
  return earliest;
}

// Calls `on_timer(timer)` for each one that is due, in the order of the enum and once each. One
// that is due again afterwards, or that a later one has made due, waits for the next call.
template <typename Timer, typename DeadlineOf, typename OnTimer>
void fire_due(Instant now, DeadlineOf&& deadline_of, OnTimer&& on_timer) {
  for (int i = 0; i < static_cast<int>(Timer::kCount); ++i) {
    const auto timer = static_cast<Timer>(i);
    if (now >= deadline_of(timer)) on_timer(timer);
  }
}

}  // namespace whimbrel
