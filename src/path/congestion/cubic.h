// CUBIC (RFC 9438) with HyStart++ (RFC 9406) in slow start. The window grows with the time since
// the last loss, not with the number of round trips, and never slower than Reno would.
#pragma once

#include "path/congestion/controller.h"
#include "path/congestion/hystart.h"

namespace whimbrel {

class Cubic final : public Controller {
 public:
  explicit Cubic(std::size_t datagram_size);

  void on_sent(Instant now, std::uint64_t bytes, std::uint64_t bytes_in_flight) override;
  void on_acked(const AckSample& sample, const RttEstimator& rtt) override;
  void on_lost(const LossSample& sample) override;
  void on_spurious_loss(Instant sent_time) override;
  void on_persistent_congestion() override;
  void on_app_limited(std::uint64_t bytes_in_flight) override;
  void on_datagram_size(std::size_t bytes) override;

  std::uint64_t window() const override { return static_cast<std::uint64_t>(window_); }
  std::uint64_t pacing_rate(const RttEstimator& rtt) const override;
  std::uint64_t slow_start_threshold() const override;
  bool in_slow_start() const override { return window_ < threshold_; }

 private:
  // Everything a loss changes, kept to undo it when the loss was spurious.
  struct Curve {
    double window_max = 0;    // W_max, bytes
    double window_prior = 0;  // cwnd_prior: before the last loss
    double window_epoch = 0;  // cwnd_epoch: at the start of the current growth
    double window_reno = 0;   // W_est
    double time_to_max = 0;   // K, seconds
    Instant epoch_start = kNever;
  };
  struct Undo {
    double window = 0;
    double threshold = 0;
    Curve curve;
    std::uint64_t packets_lost = 0;
    bool valid = false;
  };

  double window_min() const {
    return static_cast<double>(kWindowPacketsMin) * static_cast<double>(datagram_size_);
  }
  bool in_recovery(Instant sent_time) const { return recovered_ && sent_time <= recovery_start_; }
  void grow_slow_start(const AckSample& sample, const RttEstimator& rtt);
  void grow_avoidance(const AckSample& sample, const RttEstimator& rtt);
  void start_epoch(Instant now);
  double cubic_window(double t) const;
  double grow_reno(double bytes_acked);

  std::size_t datagram_size_;
  double window_;
  double threshold_;
  Curve curve_;
  Undo undo_;
  HyStart hystart_;
  Instant recovery_start_{};
  bool recovered_ = false;  // recovery_start_ is set
  Instant last_acked_{};
};

}  // namespace whimbrel
