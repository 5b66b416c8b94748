#include "path/rtt_estimator.h"

#include <algorithm>

namespace whimbrel {

void RttEstimator::on_sample(Duration latest, Duration ack_delay, Duration ack_delay_max,
                             Instant now) {
  latest_ = std::max(latest, Duration(1));
  // RFC 9002 5.3: the first sample sets everything.
  if (!has_sample_) {
    has_sample_ = true;
    first_sample_time_ = now;
    min_ = smoothed_ = adjusted_ = latest_;
    variation_ = latest_ / 2;
    return;
  }
  // RFC 9002 5.2: min_rtt ignores the peer's delay.
  min_ = restart_minimum_ ? latest_ : std::min(min_, latest_);
  restart_minimum_ = false;
  // RFC 9002 5.3: the delay is subtracted only if the result stays above min_rtt.
  const Duration delay = std::min(ack_delay, ack_delay_max);
  adjusted_ = latest_ >= min_ + delay ? latest_ - delay : latest_;
  const Duration deviation = smoothed_ > adjusted_ ? smoothed_ - adjusted_ : adjusted_ - smoothed_;
  variation_ = (3 * variation_ + deviation) / 4;
  smoothed_ = (7 * smoothed_ + adjusted_) / 8;
}

Duration RttEstimator::probe_base() const {
  return smoothed_ + std::max(4 * variation_, kGranularity);
}

}  // namespace whimbrel
