// Whether a waiting thread lets datagrams pile up for a moment before it looks at them.
//
// A server of many players hears from another one every few microseconds. To be woken for each
// costs several times what the datagram itself does. So: where datagrams come from one peer after
// another, little at a time, and the application answers none of them, they are let pile up. Not
// where it answers, since then somebody may wait for that; nor where one peer sends, whose rate may
// depend on how soon it is acknowledged; nor in a flood, which piles up by itself.
#pragma once

#include "api/core.h"
#include "base/time.h"

namespace whimbrel {

// Not thread-safe.
class GatherPolicy {
 public:
  // No message is later by more.
  static constexpr Duration kGatherTime = microseconds(500);
  // A wait that was longer: they are too far apart.
  static constexpr Duration kShortWaitMax = microseconds(1000);
  // More bytes in one pass: a flood.
  static constexpr std::size_t kBytesMax = 16384;
  // So many passes must have been of that kind.
  static constexpr unsigned kPassesMin = 8;

  // How long to leave alone what comes, before the wait that begins now.
  Duration before_wait() const { return passes_ >= kPassesMin ? kGatherTime : Duration::zero(); }
  void after_wait(Duration waited) {
    if (waited > kShortWaitMax) passes_ = 0;
  }
  // What came and went since the last wait. `said`: the application sent something.
  void after_pass(const Core::Moved& moved, bool said) {
    if (moved.datagrams == 0 && !said) return;  // a timer
    const bool many = moved.turns > 0 && moved.bytes <= kBytesMax && !said;
    passes_ = !many ? 0 : passes_ < kPassesMin ? passes_ + 1 : kPassesMin;
  }

 private:
  unsigned passes_ = 0;
};

}  // namespace whimbrel
