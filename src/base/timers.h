// The timers of a state machine. It names them once, as an enum whose last value is kCount. Either
// they are set and cleared (Timers), or one function says when each is due, as far as that follows
// from other things that are known (earliest_of(), fire_due()). Both the next deadline and what is
// done when time has passed come from there: no deadline is written down in two places.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "base/time.h"

namespace whimbrel {

// The least of `deadline_of(timer)`; kNever where no timer runs.
template <typename Timer, typename DeadlineOf>
Instant earliest_of(DeadlineOf&& deadline_of) {
  // One call for each, so that a switch over the timer costs nothing.
  return [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    Instant earliest = kNever;
    ((earliest = std::min(earliest, deadline_of(static_cast<Timer>(kIndex)))), ...);
    return earliest;
  }
  (std::make_index_sequence<static_cast<std::size_t>(Timer::kCount)>());
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

// Timers that are set: when each is due, kNever where it does not run.
template <typename Timer>
class Timers {
 public:
  Timers() { clear_all(); }

  Instant due(Timer timer) const { return due_[index(timer)]; }
  void set(Timer timer, Instant when) { due_[index(timer)] = when; }
  // Not later than it is set already.
  void hasten(Timer timer, Instant when) { set(timer, std::min(due(timer), when)); }
  void clear(Timer timer) { set(timer, kNever); }
  void clear_all() { due_.fill(kNever); }
  Instant next() const { return *std::min_element(due_.begin(), due_.end()); }

  // As fire_due(). Each one is cleared before its call, which may set it again.
  template <typename OnTimer>
  void fire(Instant now, OnTimer&& on_timer) {
    fire_due<Timer>(
        now, [this](Timer timer) { return due(timer); },
        [&](Timer timer) {
          clear(timer);
          on_timer(timer);
        });
  }

 private:
  static std::size_t index(Timer timer) { return static_cast<std::size_t>(timer); }
  std::array<Instant, static_cast<std::size_t>(Timer::kCount)> due_;
};

}  // namespace whimbrel
