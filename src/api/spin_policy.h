// Whether a waiting thread looks for a few microseconds before it goes to sleep.
//
// Waking a sleeping thread costs 5 us where the cores are awake and 50 us and more on an idle
// virtual machine; a peer on the same link answers in less. So: where the application has said
// something and had no answer yet, the last wait was short and little data moved (a conversation,
// not a flood), look first. Who only listens does not: the stream goes on whether somebody looks or
// sleeps. Looks in vain make it rarer, up to once in kSkipMax waits: then the price is below 1 % of
// a core.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace whimbrel {

// Not thread-safe.
class SpinPolicy {
 public:
  static constexpr Duration kSpinMax = microseconds(50);
  // A wait that was longer tells nothing of the next one.
  static constexpr Duration kShortWaitMax = microseconds(200);
  // More bytes between two waits: a flood, which batches better when it is let pile up.
  static constexpr std::size_t kConversationBytesMax = 4096;
  static constexpr unsigned kSkipFirst = 16;
  static constexpr unsigned kSkipMax = 1024;

  // How long to look before the wait that begins now; zero: sleep at once.
  Duration before_wait() {
    if (!promising_ || !asked_) return Duration::zero();
    if (skip_ > 0) {
      --skip_;
      return Duration::zero();
    }
    return kSpinMax;
  }
  // The wait is over. `looked`: before_wait() allowed it; `caught`: it ended while looking.
  void after_wait(Duration waited, bool looked, bool caught) {
    promising_ = waited <= kShortWaitMax;
    if (caught) {
      skip_next_ = kSkipFirst;
    } else if (looked) {
      skip_ = skip_next_;
      skip_next_ = std::min(2 * skip_next_, kSkipMax);
    }
  }
  // So many bytes came and went since the last wait. `said`: the application sent something.
  void after_pass(std::size_t bytes, bool said) {
    promising_ = promising_ && bytes <= kConversationBytesMax;
    asked_ = asked_ || said;
  }
  // There is something for the application.
  void after_answer() { asked_ = false; }

 private:
  bool promising_ = false;
  bool asked_ = false;
  unsigned skip_ = 0;
  unsigned skip_next_ = kSkipFirst;
};

}  // namespace whimbrel
