#include "path/congestion/bbr.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace whimbrel {
namespace {

// draft-ietf-ccwg-bbr 2.4: gains of pacing and window.
constexpr double kStartupGain = 2.77;
constexpr double kDrainGain = 0.5;
constexpr double kUpGain = 1.25;
constexpr double kDownGain = 0.75;
constexpr double kStandingQueueGain = 0.9;
constexpr double kWindowGain = 2.0;
constexpr double kQueuedWindowGain = 1.5;
constexpr double kProbeRttWindowGain = 0.5;
// A little below the estimate, so that a queue which stands by rounding drains.
constexpr double kPacingMargin = 0.99;
constexpr double kWindowPackets = 4;
// Start-up: the line is full when three rounds brought less than a quarter more.
constexpr double kGrowth = 1.25;
constexpr unsigned kFullRounds = 3;
// Loss in one round that is congestion if there is a queue, and if there is none.
constexpr double kLossWithQueue = 0.02;
constexpr double kLossAlone = 0.20;
// draft-ietf-ccwg-bbr 5.5.10.2 (BBR.StartupFullLossCnt): fewer losses in a round are an accident, whatever their share.
constexpr std::uint64_t kLossPacketsMin = 6;
constexpr double kFlightDecrease = 0.85;
// Rounds of cruising between probes, 4 to 7: varied, so that flows do not probe in step.
constexpr std::uint64_t kCruiseRounds = 4;
constexpr std::uint64_t kCruiseRoundsVaried = 4;
// Rounds spent on a standing queue that does not shrink, before it is taken for another's.
constexpr unsigned kDrainRounds = 4;
// Probing goes on at once while it finds this much more.
constexpr double kUpAgain = 1.12;
constexpr Duration kMinRttTime = seconds(10);
// A round trip that is longer by less than this part of the least still confirms it.
constexpr int kSameRtt = 64;
constexpr Duration kProbeRttTime = milliseconds(200);
// Of the round trip, what counts as a queue (RFC 9406 4.3 has the same bounds).
constexpr Duration kQueueMin = milliseconds(4);
constexpr Duration kQueueMax = milliseconds(16);
constexpr unsigned kRoundSamples = 8;
// Shorter round trips are those of batches in the host, not of the line.
constexpr Duration kRttFloor = microseconds(500);
constexpr Duration kPacedRttMin = milliseconds(1);
constexpr double kQuantumMax = 65536;
constexpr double kUnbounded = std::numeric_limits<double>::infinity();

}  // namespace

Bbr::Bbr(std::size_t datagram_size)
    : datagram_size_(static_cast<double>(datagram_size)),
      window_(static_cast<double>(kWindowPacketsInitial) * datagram_size_),
      pacing_gain_(kStartupGain),
      flight_max_(kUnbounded) {}

void Bbr::on_sent(Instant, std::uint64_t, std::uint64_t) {}
void Bbr::on_spurious_loss(Instant) {}
void Bbr::on_app_limited(std::uint64_t) {}
void Bbr::on_datagram_size(std::size_t bytes) {
  datagram_size_ = static_cast<double>(bytes);
  // RFC 9002 7.2: the initial window is recalculated with the new size.
  const bool starting = mode_ == Mode::kStartup;
  window_ = std::max(window_, starting ? kWindowPacketsInitial * datagram_size_ : window_min());
}

void Bbr::on_lost(const LossSample& sample) {
  lost_in_round_ += sample.bytes_lost;
  packets_lost_in_round_ += sample.packets_lost;
}

// The model may be wrong by now: begin with a few packets, and let acknowledgements open the window.
void Bbr::on_persistent_congestion() { window_ = window_min(); }

double Bbr::window_min() const { return kWindowPackets * datagram_size_; }

double Bbr::quantum() const {
  return std::clamp(bandwidth() * 1e-3, 2 * datagram_size_, kQuantumMax);
}

// draft-ietf-ccwg-bbr 4.6.4.2: the bandwidth-delay product, and room for batches on both sides.
double Bbr::product(double gain) const {
  if (min_rtt_ == kUnknown || bandwidth() == 0)
    return gain * static_cast<double>(kWindowPacketsInitial) * datagram_size_;
  return gain * bandwidth() * to_seconds(std::max(min_rtt_, kRttFloor));
}

bool Bbr::has_queue() const {
  if (last_round_rtt_ == kUnknown) return false;
  return last_round_rtt_ > min_rtt_ + std::clamp(min_rtt_ / 8, kQueueMin, kQueueMax);
}

void Bbr::on_acked(const AckSample& sample, const RttEstimator& rtt) {
  round_started_ = false;
  // draft-ietf-ccwg-bbr 4.5.1: a round ends when a packet sent in it is acknowledged.
  if (sample.delivered_prior >= round_end_) start_round(sample);
  measure(sample, rtt);
  step(sample);
  update_window(sample);
}

void Bbr::start_round(const AckSample& sample) {
  finish_round(sample.delivered - round_end_);
  round_started_ = true;
  ++rounds_;
  round_end_ = sample.delivered;
  samples_ = 0;
  round_rtt_ = kUnknown;
  lost_in_round_ = packets_lost_in_round_ = 0;
  app_limited_round_ = sample.app_limited;
}

void Bbr::finish_round(std::uint64_t delivered) {
  if (samples_ > 0) last_round_rtt_ = round_rtt_;
  judge_losses(delivered);
  forget_lost_bandwidth();
}

// With the right estimate our own queue is at most one round trip long. A longer one means that the
// line became slower: the estimate then ages by the round, not by the cycle.
void Bbr::forget_lost_bandwidth() {
  if (mode_ == Mode::kStartup || bandwidth_now_ == 0 || !has_queue()) return;
  if (last_round_rtt_ > min_rtt_ * 5 / 2) bandwidth_last_ = std::exchange(bandwidth_now_, 0);
}

// A loss together with a queue, or a very high one, says that the flight was too large.
void Bbr::judge_losses(std::uint64_t delivered) {
  const double lost = static_cast<double>(lost_in_round_);
  const double share = lost / (lost + static_cast<double>(delivered) + 1);
  congestive_loss_ = packets_lost_in_round_ >= kLossPacketsMin &&
                     share > (has_queue() ? kLossWithQueue : kLossAlone);
  if (!congestive_loss_ || mode_ == Mode::kStartup) return;
  const double flight = std::min(flight_max_, product(kWindowGain));
  flight_max_ = std::max(flight * kFlightDecrease, product(1.0));
}

void Bbr::measure(const AckSample& sample, const RttEstimator& rtt) {
  // The peer's wait for a second packet is no queue.
  if (sample.has_rtt_sample) measure_rtt(rtt.adjusted(), sample.now);
  // draft-ietf-ccwg-bbr 4.1.2.3: shorter than a round trip, the interval is one of compressed ACKs.
  if (sample.interval <= Duration::zero() || sample.interval < min_rtt_) return;
  const double rate =
      static_cast<double>(sample.delivered - sample.delivered_prior) / to_seconds(sample.interval);
  // 4.5.2.3: an idle application says nothing about the line, unless it was faster than we thought.
  if (!sample.app_limited || rate > bandwidth()) bandwidth_now_ = std::max(bandwidth_now_, rate);
}

void Bbr::measure_rtt(Duration rtt, Instant now) {
  round_rtt_ = std::min(round_rtt_, rtt);
  ++samples_;
  // Close to the least is as good as the least: no need to empty the line to look for it.
  if (min_rtt_ != kUnknown && rtt > min_rtt_ + min_rtt_ / kSameRtt) return;
  min_rtt_ = std::min(min_rtt_, rtt);
  min_rtt_time_ = now;
}

bool Bbr::bandwidth_stopped_growing() {
  // As HyStart++: the delay of enough samples has risen, so the line is full already.
  const bool measured = samples_ >= kRoundSamples && round_rtt_ != kUnknown;
  if (measured && round_rtt_ > min_rtt_ + std::clamp(min_rtt_ / 8, kQueueMin, kQueueMax))
    return true;
  if (!round_started_ || app_limited_round_) return false;
  if (congestive_loss_) return true;
  // draft-ietf-ccwg-bbr 4.3.1.2.
  if (bandwidth() >= full_bandwidth_ * kGrowth) {
    full_bandwidth_ = bandwidth();
    full_rounds_ = 0;
    return false;
  }
  return ++full_rounds_ >= kFullRounds;
}

void Bbr::enter(Mode mode, Instant now) {
  mode_ = mode;
  phase_start_ = now;
  phase_round_ = rounds_;
  drained_rounds_ = 0;
  switch (mode) {
    case Mode::kStartup:
      pacing_gain_ = kStartupGain;
      break;
    case Mode::kDrain:
      pacing_gain_ = kDrainGain;
      break;
    case Mode::kDown:
      pacing_gain_ = kDownGain;
      break;
    case Mode::kUp:
      pacing_gain_ = kUpGain;
      bandwidth_before_up_ = bandwidth();
      break;
    case Mode::kCruise:
    case Mode::kProbeRtt:
      pacing_gain_ = 1.0;
      break;
  }
}

// The bandwidth is the largest of two cycles: what a cycle has found holds until the end of the next.
void Bbr::enter_cycle(Instant now) {
  if (bandwidth_now_ > 0) bandwidth_last_ = std::exchange(bandwidth_now_, 0);
  enter(Mode::kDown, now);
}

void Bbr::step(const AckSample& sample) {
  const Instant now = sample.now;
  const double flight = static_cast<double>(sample.bytes_in_flight);
  switch (mode_) {
    case Mode::kStartup:
      if (bandwidth_stopped_growing()) enter(Mode::kDrain, now);
      break;
    case Mode::kDrain:
      if (flight <= product(1.0)) enter(Mode::kCruise, now);
      break;
    case Mode::kDown:
      if (flight <= product(1.0) || rounds_ >= phase_round_ + 2) enter(Mode::kCruise, now);
      break;
    case Mode::kCruise:
      if (round_started_) drain_standing_queue();
      // What the larger flight was good for is known by now.
      if (round_started_ && !has_queue() && bandwidth() > bandwidth_before_up_ * kUpAgain)
        return enter(Mode::kUp, now);
      if (rounds_ >= phase_round_ + kCruiseRounds + sample.delivered / 1024 % kCruiseRoundsVaried)
        enter(Mode::kUp, now);
      break;
    case Mode::kUp:
      step_up(sample);
      break;
    case Mode::kProbeRtt:
      step_probe_rtt(sample);
      return;
  }
  // draft-ietf-ccwg-bbr 4.3.4.1: the round trip is looked at again when no packet has shown it.
  if (mode_ != Mode::kStartup && now - min_rtt_time_ > kMinRttTime) {
    mode_before_probe_ = mode_;
    enter(Mode::kProbeRtt, now);
  }
}

// Slower for as long as that makes the queue shorter.
void Bbr::drain_standing_queue() {
  pacing_gain_ = 1.0;
  if (!has_queue()) {
    drained_rounds_ = 0;
    anothers_queue_ = false;
    return;
  }
  const Duration queue = last_round_rtt_ - min_rtt_;
  drained_rounds_ = drained_rounds_ > 0 && queue < queue_before_ ? 1 : drained_rounds_ + 1;
  queue_before_ = queue;
  if (drained_rounds_ > kDrainRounds) anothers_queue_ = true;
  if (drained_rounds_ <= kDrainRounds) pacing_gain_ = kStandingQueueGain;
}

void Bbr::step_up(const AckSample& sample) {
  const Instant now = sample.now;
  if (congestive_loss_ && round_started_) return enter_cycle(now);
  if (now - phase_start_ < min_rtt_ || rounds_ < phase_round_ + 1) return;
  const double flight = static_cast<double>(sample.bytes_in_flight_before);
  const bool reached = flight >= product(kUpGain) || rounds_ >= phase_round_ + 2;
  if (!reached && !has_queue()) return;
  // What the larger flight was good for is known one round trip later.
  if (bandwidth() > bandwidth_before_up_ * kUpAgain) return enter(Mode::kUp, now);
  flight_max_ = std::max(flight_max_ * kUpGain, product(1.0));
  enter_cycle(now);
}

void Bbr::step_probe_rtt(const AckSample& sample) {
  const Instant now = sample.now;
  if (now - phase_start_ < kProbeRttTime || rounds_ < phase_round_ + 2) return;
  // The best of this time replaces what had grown too old.
  if (now - min_rtt_time_ > kMinRttTime) min_rtt_ = std::min(last_round_rtt_, round_rtt_);
  min_rtt_time_ = now;
  enter_cycle(now);
}

// draft-ietf-ccwg-bbr 4.6.4.
void Bbr::update_window(const AckSample& sample) {
  const double acked = static_cast<double>(sample.bytes_acked);
  const bool own_queue = mode_ != Mode::kStartup && has_queue() && !anothers_queue_;
  const double target = product(own_queue ? kQueuedWindowGain : kWindowGain) + 3 * quantum();
  if (mode_ == Mode::kStartup) {
    if (window_ < target || bandwidth() == 0) window_ += acked;
  } else {
    window_ = std::min(window_ + acked, target);
  }
  window_ = std::clamp(window_, window_min(), static_cast<double>(kWindowBytesMax));
}

std::uint64_t Bbr::window() const {
  double window = window_;
  if (mode_ == Mode::kProbeRtt) window = std::min(window, product(kProbeRttWindowGain));
  if (mode_ != Mode::kStartup) window = std::min(window, flight_max_ + 3 * quantum());
  return static_cast<std::uint64_t>(std::max(window, window_min()));
}

std::uint64_t Bbr::pacing_rate(const RttEstimator& rtt) const {
  if (min_rtt_ < kPacedRttMin) return 0;
  // draft-ietf-ccwg-bbr 4.6.2: until start-up is over the rate does not fall: a few small messages say nothing of what
  // the line carries. Later the least window may leave within a round trip, for the same reason.
  const bool starting = bandwidth() == 0 || mode_ == Mode::kStartup;
  const double initial = kStartupGain * static_cast<double>(kWindowPacketsInitial) * datagram_size_;
  const double least = (starting ? initial : window_min()) / to_seconds(rtt.smoothed());
  return static_cast<std::uint64_t>(std::max(least, kPacingMargin * pacing_gain_ * bandwidth()));
}

}  // namespace whimbrel
