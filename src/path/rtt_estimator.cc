#include "path/rtt_estimator.h"

#include <algorithm>

namespace whimbrel {
namespace {

// A pause after which the next sample stands for itself. Keep-alives are further apart, messages of
// a game are not.
constexpr Duration kForgetAfter = seconds(2);

}  // namespace

void RttEstimator::on_sample(Duration latest, Duration ack_delay, Duration ack_delay_max,
                             Instant now) {
  latest_ = std::max(latest, kSampleMin);
  const bool pause = now - last_sample_time_ >= kForgetAfter;
  last_sample_time_ = now;
  // RFC 9002 5.3: the first sample sets everything, the peer's delay included.
  if (!has_sample_) {
    has_sample_ = true;
    first_sample_time_ = now;
    adjusted_ = latest_;
    return restart();
  }
  // RFC 9002 5.2 and 5.3 leave the delay in what would lower min_rtt, for a peer may lie about it.
  // On a quiet line every acknowledgement is delayed, and min_rtt would never be the line's. What
  // is believed of a lie is ack_delay_max, which every probe timeout waits longer (6.2.1).
  const Duration delay = std::min(ack_delay, ack_delay_max);
  adjusted_ = latest_ > delay ? latest_ - delay : latest_;
  // A mean over samples long past says nothing of the line now.
  if (pause) return restart();
  min_ = restart_minimum_ ? adjusted_ : std::min(min_, adjusted_);
  restart_minimum_ = false;
  const Duration deviation = smoothed_ > adjusted_ ? smoothed_ - adjusted_ : adjusted_ - smoothed_;
  variation_ = (3 * variation_ + deviation) / 4;
  smoothed_ = (7 * smoothed_ + adjusted_) / 8;
}

void RttEstimator::restart() {
  min_ = smoothed_ = adjusted_;
  variation_ = adjusted_ / 2;
  restart_minimum_ = false;
}

Duration RttEstimator::probe_base() const {
  return smoothed_ + std::max(4 * variation_, kGranularity);
}

}  // namespace whimbrel
