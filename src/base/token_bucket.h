// A token bucket: a rate per second on average, and a burst at once.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace whimbrel {

class TokenBucket {
 public:
  TokenBucket() = default;
  // `per_second` units, up to `burst` at once. Full at first.
  TokenBucket(double per_second, double burst, Instant now)
      : per_ns_(per_second * 1e-9), burst_(burst), level_(burst), filled_(now) {}

  // False, and nothing changes, if there is not enough. `now` never runs backwards.
  bool take(double amount, Instant now) {
    level_ = std::min(burst_, level_ + per_ns_ * static_cast<double>((now - filled_).count()));
    filled_ = now;
    if (level_ < amount) return false;
    level_ -= amount;
    return true;
  }
  // When take() of this amount (at most `burst`) will succeed, if nobody takes anything before.
  Instant when(double amount) const {
    if (level_ >= amount) return filled_;
    return filled_ + Duration(static_cast<std::int64_t>((amount - level_) / per_ns_) + 1);
  }
  double level() const { return level_; }
  double burst() const { return burst_; }

 private:
  double per_ns_ = 0;
  double burst_ = 0;
  double level_ = 0;
  Instant filled_{};
};

}  // namespace whimbrel
