#include "path/congestion/cubic.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace whimbrel {
namespace {

// RFC 9438 4.6, 5.1: multiplicative decrease and the steepness of the curve.
constexpr double kBeta = 0.7;
constexpr double kC = 0.4;
// RFC 9438 4.3: makes the Reno-friendly window grow as Reno with a decrease of 0.5 would.
constexpr double kAlpha = 3.0 * (1.0 - kBeta) / (1.0 + kBeta);
constexpr double kNoThreshold = std::numeric_limits<double>::infinity();
// RFC 9002 7.7: a little faster than one window a round trip, so that pacing is never what limits.
constexpr double kPacingGain = 1.25;
constexpr double kPacingGainSlowStart = 2.0;
// Below this round trip (loopback, one switch) bursts meet no long queue and timers are too coarse.
constexpr Duration kPacedRttMin = milliseconds(1);

}  // namespace

Cubic::Cubic(std::size_t datagram_size)
    : datagram_size_(datagram_size),
      window_(static_cast<double>(kWindowPacketsInitial * datagram_size)),
      threshold_(kNoThreshold) {}

void Cubic::on_sent(Instant, std::uint64_t, std::uint64_t) {}
void Cubic::on_app_limited(std::uint64_t) {}

void Cubic::on_acked(const AckSample& sample, const RttEstimator& rtt) {
  const Instant last_acked = std::exchange(last_acked_, sample.now);
  if (hystart_.phase() != HyStart::Phase::kDone && in_slow_start())
    hystart_.on_acked(rtt.latest(), sample.has_rtt_sample, sample.acked_end, sample.next_number);
  // RFC 9002 7.3.2: no growth until a packet sent after the cut is acknowledged.
  if (in_recovery(sample.sent_time)) return;
  if (in_slow_start()) {
    // RFC 9002 7.8: half a window in use is enough in slow start, where it doubles each round.
    if (sample.window_limited || sample.bytes_in_flight_before * 2 >= window())
      grow_slow_start(sample, rtt);
    return;
  }
  if (sample.window_limited) {
    grow_avoidance(sample, rtt);
  } else if (curve_.epoch_start != kNever) {
    // RFC 9438 5.8: time in which the application was the limit does not move along the curve.
    curve_.epoch_start += sample.now - std::max(last_acked, curve_.epoch_start);
  }
}

void Cubic::grow_slow_start(const AckSample& sample, const RttEstimator&) {
  window_ += static_cast<double>(hystart_.growth(sample.bytes_acked));
  window_ = std::min(window_, static_cast<double>(kWindowBytesMax));
  // RFC 9406 4.2: after the conservative rounds congestion avoidance begins here.
  if (hystart_.phase() == HyStart::Phase::kDone) threshold_ = window_;
}

void Cubic::start_epoch(Instant now) {
  curve_.epoch_start = now;
  curve_.window_epoch = window_;
  curve_.window_reno = window_;
  if (window_ < curve_.window_max) {
    // RFC 9438 4.2: K = cbrt((W_max - cwnd_epoch) / C), windows counted in packets.
    const double packets = (curve_.window_max - window_) / static_cast<double>(datagram_size_);
    curve_.time_to_max = std::cbrt(packets / kC);
  } else {
    curve_.time_to_max = 0;
    curve_.window_max = window_;
  }
}

// RFC 9438 4.2: W_cubic(t) = C * (t - K)^3 + W_max.
double Cubic::cubic_window(double t) const {
  const double x = t - curve_.time_to_max;
  return kC * x * x * x * static_cast<double>(datagram_size_) + curve_.window_max;
}

// RFC 9438 4.3: what Reno would have reached.
double Cubic::grow_reno(double bytes_acked) {
  const double alpha = curve_.window_reno < curve_.window_prior ? kAlpha : 1.0;
  curve_.window_reno += alpha * bytes_acked * static_cast<double>(datagram_size_) / window_;
  return curve_.window_reno;
}

void Cubic::grow_avoidance(const AckSample& sample, const RttEstimator& rtt) {
  if (curve_.epoch_start == kNever) start_epoch(sample.now);
  const double t = to_seconds(sample.now - curve_.epoch_start);
  const double acked = static_cast<double>(sample.bytes_acked);
  const double reno = grow_reno(acked);
  if (cubic_window(t) < reno) {
    window_ = std::max(window_, reno);
  } else {
    // RFC 9438 4.4, 4.5: towards the curve one round trip ahead, by at most half a window.
    const double target =
        std::clamp(cubic_window(t + to_seconds(rtt.smoothed())), window_, 1.5 * window_);
    window_ += (target - window_) * std::min(acked / window_, 1.0);
  }
  window_ = std::min(window_, static_cast<double>(kWindowBytesMax));
}

void Cubic::on_lost(const LossSample& sample) {
  // RFC 9002 7.3.1: one cut for all packets that left before it.
  if (in_recovery(sample.sent_time)) {
    undo_.packets_lost += sample.packets_lost;
    return;
  }
  undo_ = {window_, threshold_, curve_, sample.packets_lost, true};
  recovered_ = true;
  recovery_start_ = sample.now;
  curve_.window_prior = window_;
  // RFC 9438 4.7: fast convergence: a flow that did not reach its last maximum makes room.
  curve_.window_max = window_ < curve_.window_max ? window_ * (1.0 + kBeta) / 2.0 : window_;
  // RFC 9438 4.6. The window stands for the flight: it does not grow while it is not filled.
  threshold_ = std::max(window_ * kBeta, window_min());
  window_ = threshold_;
  curve_.epoch_start = kNever;
}

// RFC 9438 4.9.2: when every packet of the cut has arrived after all, the cut is taken back.
void Cubic::on_spurious_loss(Instant sent_time) {
  if (!undo_.valid || !in_recovery(sent_time) || undo_.packets_lost == 0) return;
  if (--undo_.packets_lost > 0) return;
  undo_.valid = false;
  window_ = std::max(window_, undo_.window);
  threshold_ = undo_.threshold;
  curve_ = undo_.curve;
  recovered_ = false;
}

void Cubic::on_persistent_congestion() {
  // RFC 9002 7.6.2: down to the minimum; slow start leads back to the threshold. RFC 9438 4.8.
  curve_.window_max = std::max(curve_.window_max * kBeta, window_min());
  curve_.epoch_start = kNever;
  window_ = window_min();
  undo_.valid = false;
  recovered_ = false;
  hystart_.restart();
}

void Cubic::on_datagram_size(std::size_t bytes) {
  // RFC 9002 7.2: the initial window is counted in packets; a window that has grown is not touched.
  const double initial = static_cast<double>(kWindowPacketsInitial * datagram_size_);
  datagram_size_ = bytes;
  if (window_ == initial && threshold_ == kNoThreshold)
    window_ = static_cast<double>(kWindowPacketsInitial * bytes);
  window_ = std::max(window_, window_min());
}

std::uint64_t Cubic::pacing_rate(const RttEstimator& rtt) const {
  if (rtt.has_sample() && rtt.min() < kPacedRttMin) return 0;
  const double gain = in_slow_start() ? kPacingGainSlowStart : kPacingGain;
  return static_cast<std::uint64_t>(gain * window_ / to_seconds(rtt.smoothed()));
}

std::uint64_t Cubic::slow_start_threshold() const {
  return threshold_ == kNoThreshold ? UINT64_MAX : static_cast<std::uint64_t>(threshold_);
}

}  // namespace whimbrel
