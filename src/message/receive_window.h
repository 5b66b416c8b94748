// What we let the peer send: a window over a total that only grows. Used for the bytes of the
// session and of a channel, and for the messages of both.
//
//        freed        charged              limit (announced)
//   -------|-------------|-------------------|------>
//          |<-- held --->|<--- remaining --->|<- unannounced ->|
//          |<--------------------- window -------------------->|
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.h"

namespace whimbrel {

class ReceiveWindow {
 public:
  // `unit`: the most that one message may take; at most `window`. `step`: less than this is not
  // announced while the application lags behind.
  ReceiveWindow(std::uint64_t window, std::uint64_t unit, std::uint64_t step)
      : window_(window),
        limit_(window),
        unit_(static_cast<std::uint32_t>(unit)),
        step_(static_cast<std::uint16_t>(step)) {
    ASSERT(unit <= window && unit <= UINT32_MAX && step <= UINT16_MAX);
  }

  // False if the peer exceeds its credit.
  bool charge(std::uint64_t amount) {
    if (amount > limit_ - charged_) return false;
    charged_ += amount;
    return true;
  }
  // Never more than held().
  void free(std::uint64_t amount) {
    ASSERT(amount <= held());
    freed_ += amount;
  }
  // After free(): decides whether to announce more. `caught_up`: the application has taken all
  // there was. `scarce`: a peer with credit for the largest message may wait all the same, for
  // another reason (channel_share.h).
  void consider(bool caught_up, bool scarce = false) {
    if (worth_announcing(caught_up, scarce)) due_ = true;
  }
  void set_due() { due_ = true; }
  // Takes effect when announced; earlier promises stand.
  void set_window(std::uint64_t window) {
    ASSERT(unit_ <= window);
    window_ = window;
  }
  bool due() const { return due_; }
  // The new total, to be sent to the peer.
  std::uint64_t announce() {
    limit_ = std::max(limit_, freed_ + window_);
    due_ = false;
    return limit_;
  }

  std::uint64_t window() const { return window_; }
  std::uint64_t limit() const { return limit_; }
  std::uint64_t charged() const { return charged_; }
  std::uint64_t held() const { return charged_ - freed_; }
  // What the peer may charge before more is announced.
  std::uint64_t remaining() const { return limit_ - charged_; }
  // Held, or may come at any time.
  std::uint64_t promised() const { return limit_ - freed_; }
  // The same, now or once what was freed is announced.
  std::uint64_t reserved() const { return std::max(limit_ - freed_, window_); }

 private:
  // A quarter of the window was freed; or the peer could be waiting. It may be waiting to begin a
  // message of up to `unit_`, so what counts is whether it has credit for the largest.
  // RFC 1122 4.2.3.3: no small steps, lest a slow reader causes a frame for every message.
  bool worth_announcing(bool caught_up, bool scarce) const {
    if (freed_ + window_ <= limit_) return false;
    const std::uint64_t unannounced = freed_ + window_ - limit_;
    if (unannounced >= window_ / 4) return true;
    if (remaining() >= unit_ && !scarce) return false;
    if (unannounced < step_ && !caught_up) return false;
    const std::uint64_t room = remaining() + unannounced;
    return room >= unit_ || unannounced >= room / 8 || (scarce && caught_up);
  }

  std::uint64_t window_;
  std::uint64_t limit_;
  std::uint64_t charged_ = 0;
  std::uint64_t freed_ = 0;
  std::uint32_t unit_;
  std::uint16_t step_;
  bool due_ = false;
};

}  // namespace whimbrel
