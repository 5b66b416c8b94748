// Round-trip time of one path: RFC 9002 section 5. Not thread-safe; driven by LossRecovery.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace whimbrel {

// RFC 9002 6.1.2: no timer is set finer than this.
inline constexpr Duration kGranularity = milliseconds(1);

class RttEstimator {
 public:
  // `initial` stands for the round trip until the first sample (RFC 9002 6.2.2).
  explicit RttEstimator(Duration initial)
      : smoothed_(std::max(initial, kSampleMin)), variation_(smoothed_ / 2) {}

  // A clock may stand still for a round trip; what is divided by one goes on.
  static constexpr Duration kSampleMin = microseconds(1);

  // `latest`: from sending the packet to its acknowledgement. `ack_delay`: what the peer says it
  // waited; at most `ack_delay_max` of it is believed.
  void on_sample(Duration latest, Duration ack_delay, Duration ack_delay_max, Instant now);
  // RFC 9002 5.2: after persistent congestion the minimum starts again from the next sample.
  void forget_minimum() { restart_minimum_ = true; }

  bool has_sample() const { return has_sample_; }
  Instant first_sample_time() const { return first_sample_time_; }
  // Meaningful when has_sample().
  Instant last_sample_time() const { return last_sample_time_; }
  Duration latest() const { return latest_; }
  // The latest without the time that the peer says it waited: what the line itself took.
  Duration adjusted() const { return adjusted_; }
  Duration smoothed() const { return smoothed_; }
  Duration variation() const { return variation_; }
  // Zero before the first sample.
  Duration min() const { return min_; }

  // RFC 9002 6.2.1: smoothed_rtt + max(4 * rttvar, kGranularity), without the peer's ack delay.
  Duration probe_base() const;

 private:
  void restart();

  Duration smoothed_;
  Duration variation_;
  Duration latest_{};
  Duration adjusted_{};
  Duration min_{};
  Instant first_sample_time_{};
  Instant last_sample_time_{};
  bool has_sample_ = false;
  bool restart_minimum_ = false;
};

}  // namespace whimbrel
