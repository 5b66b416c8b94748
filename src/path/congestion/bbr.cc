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
// draft-ietf-ccwg-bbr 5.5.10.2 (BBR.StartupFullLossCnt): fewer losses in a round are an accident,
// whatever their share.
constexpr std::uint64_t kLossPacketsMin = 6;
constexpr double kFlightDecrease = 0.85;
// Rounds of cruising between probes, 4 to 7: varied, so that flows do not probe in step.
constexpr std::uint64_t kCruiseRounds = 4;
constexpr std::uint64_t kCruiseRoundsVaried = 4;
// The flight does not fall below the least window: then draining has no other end.
constexpr std::uint64_t kDrainRoundsMax = 3;
// Rounds spent on a standing queue that does not shrink, before it is taken for another's.
constexpr unsigned kDrainRounds = 4;
// Rounds with a queue, of cruising in as many cycles as it takes, before it is judged.
constexpr unsigned kStandingRounds = 8;
// Probing goes on at once while a whole round trip of it finds this much more.
constexpr double kUpAgain = 1.12;
// What a probe sends too much waits in the line. In this time it is 50 ms of the line, which most
// buffers hold; a quarter of a long round trip they do not.
constexpr Duration kProbeTime = milliseconds(200);
// Longer than two round trips, after which a probe is over anyway.
constexpr Duration kProbeTimeMax = seconds(60);
constexpr Duration kMinRttTime = seconds(10);
// A round trip that is longer by less than this part of the least still confirms it.
constexpr int kSameRtt = 64;
// If no more than this part of the product was under way: with more, a queue of others or our own
// may be in it.
constexpr double kLittle = 0.75;
constexpr Duration kProbeRttTime = milliseconds(200);
// Of the round trip, what counts as a queue (RFC 9406 4.3 has the same bounds).
constexpr Duration kQueueMin = milliseconds(4);
constexpr Duration kQueueMax = milliseconds(16);
constexpr unsigned kRoundSamples = 8;
// Round trips of the smaller flight that decide between a queue and a longer way.
constexpr unsigned kJudgeSamples = 4;
// After one that found another's queue, the next one waits.
constexpr Duration kJudgeAgain = seconds(2);
// draft-ietf-tsvwg-careful-resume 4: half of what was known of the line, until it is confirmed.
constexpr double kResumeGain = 0.5;
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

// The model may be wrong by now: begin with a few packets, and let acknowledgements open the
// window.
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

// Acknowledgements that come late by chance shall not stop the flow.
double Bbr::jitter_room() const { return 2 * bandwidth() * to_seconds(jitter_before_); }

Duration Bbr::queue_least() const {
  return std::clamp(min_rtt_ / 8, kQueueMin, kQueueMax) + jitter_before_;
}

bool Bbr::has_queue() const {
  if (last_round_rtt_ == kUnknown) return false;
  return last_round_rtt_ > min_rtt_ + queue_least();
}

void Bbr::on_acked(const AckSample& sample, const RttEstimator& rtt) {
  round_started_ = false;
  // draft-ietf-ccwg-bbr 4.5.1: a round ends when a packet sent in it is acknowledged.
  if (sample.delivered_prior >= round_end_) start_round(sample);
  measure(sample, rtt);
  step(sample, rtt);
  update_window(sample);
}

void Bbr::start_round(const AckSample& sample) {
  finish_round(sample.delivered - round_end_);
  round_started_ = true;
  ++rounds_;
  round_end_ = sample.delivered;
  samples_ = 0;
  round_rtt_ = kUnknown;
  jitter_before_ = std::max(jitter_ - kQueueMin, Duration::zero());
  lost_in_round_ = packets_lost_in_round_ = 0;
  app_limited_round_ = sample.app_limited;
}

void Bbr::finish_round(std::uint64_t delivered) {
  if (samples_ > 0) {
    follow_idle_application();
    last_round_rtt_ = round_rtt_;
  }
  judge_losses(delivered);
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
  if (sample.has_rtt_sample) measure_rtt(rtt.adjusted(), sample);
  jitter_ = rtt.variation();
  if (sample.has_rtt_sample && rtt.adjusted() - jitter_ <= explained_rtt())
    unrisen_time_ = std::max(unrisen_time_, sample.now);
  measure_rate(sample);
}

void Bbr::measure_rate(const AckSample& sample) {
  // draft-ietf-ccwg-bbr 4.1.2.3: shorter than a round trip, the interval is one of compressed ACKs.
  if (sample.interval <= Duration::zero() || sample.interval < min_rtt_) return;
  const double rate =
      static_cast<double>(sample.delivered - sample.delivered_prior) / to_seconds(sample.interval);
  judge_bandwidth_ = std::max(judge_bandwidth_, rate);
  // 4.5.2.3: an idle application says nothing about the line, unless it was faster than we thought.
  if (!sample.app_limited || rate > bandwidth()) bandwidth_now_ = std::max(bandwidth_now_, rate);
}

void Bbr::measure_rtt(Duration rtt, const AckSample& sample) {
  round_rtt_ = std::min(round_rtt_, rtt);
  ++samples_;
  // Close to the least, with little under way, is as good as the least: no need to empty the line
  // to look for it.
  const bool little =
      static_cast<double>(sample.delivered - sample.delivered_prior) <= kLittle * product(1.0);
  if (min_rtt_ == kUnknown || (little && rtt <= min_rtt_ + min_rtt_ / kSameRtt))
    min_rtt_time_ = sample.now;
  min_rtt_ = std::min(min_rtt_, rtt);
}

bool Bbr::bandwidth_stopped_growing() {
  // As HyStart++: the delay of enough samples has risen, so the line is full already.
  // But who sends less than the line carries has not filled it.
  const bool measured = samples_ >= kRoundSamples && round_rtt_ != kUnknown && !app_limited_round_;
  if (measured && round_rtt_ > min_rtt_ + queue_least()) return true;
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
    case Mode::kJudge:
      pacing_gain_ = 1.0;
      break;
  }
}

// The bandwidth is the largest of two cycles: what a cycle has found holds until the end of the
// next.
void Bbr::enter_cycle(Instant now) {
  if (bandwidth_now_ > 0) bandwidth_last_ = std::exchange(bandwidth_now_, 0);
  enter(Mode::kDown, now);
}

void Bbr::step(const AckSample& sample, const RttEstimator& rtt) {
  const Instant now = sample.now;
  if (rise_is_unexplained(sample, rtt)) return begin_judgement(sample);
  const double flight = static_cast<double>(sample.bytes_in_flight);
  switch (mode_) {
    case Mode::kStartup:
      if (bandwidth_stopped_growing()) enter(Mode::kDrain, now);
      break;
    case Mode::kDrain:
      if (flight <= product(1.0) || rounds_ >= phase_round_ + kDrainRoundsMax)
        enter(Mode::kCruise, now);
      break;
    case Mode::kDown:
      if (flight <= product(1.0) || rounds_ >= phase_round_ + 2) enter(Mode::kCruise, now);
      break;
    case Mode::kCruise:
      if (round_started_) drain_standing_queue();
      if (round_started_ && queue_never_shrinks() && !sample.app_limited && now >= unrisen_time_)
        return begin_judgement(sample);
      // What the larger flight was good for is known by now.
      if (round_started_ && !has_queue() && probe_found_more()) return probe_further(now);
      if (rounds_ >= phase_round_ + kCruiseRounds + sample.delivered / 1024 % kCruiseRoundsVaried)
        probe(kProbeTime, now);
      break;
    case Mode::kUp:
      step_up(sample);
      break;
    case Mode::kProbeRtt:
      step_probe_rtt(sample);
      return;
    case Mode::kJudge:
      step_judge(sample, rtt);
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

// A queue that has stood for a whole cycle and shrinks in no phase of it may be none.
bool Bbr::queue_never_shrinks() {
  const bool shrinks = last_round_rtt_ - min_rtt_ < (standing_rtt_ - min_rtt_) * 3 / 4;
  if (!has_queue() || shrinks) standing_rounds_ = 0;
  if (standing_rounds_ == 0) standing_rtt_ = last_round_rtt_;
  return ++standing_rounds_ > kStandingRounds;
}

void Bbr::probe(Duration time, Instant now) {
  probe_time_ = time;
  enter(Mode::kUp, now);
}

// draft-ietf-ccwg-bbr (BBRRaiseInflightLongtermSlope) is as careful: a little first, and twice as
// much each time that the line has carried it.
void Bbr::probe_further(Instant now) {
  probe(std::clamp(2 * probe_time_, kProbeTime, kProbeTimeMax), now);
}

bool Bbr::probe_found_more() const {
  const double part = std::min(1.0, to_seconds(probe_time_) / to_seconds(min_rtt_));
  return bandwidth() > bandwidth_before_up_ * (1 + (kUpAgain - 1) * part);
}

void Bbr::step_up(const AckSample& sample) {
  const Instant now = sample.now;
  const bool sent_more = now - phase_start_ >= probe_time_;
  if (sent_more) pacing_gain_ = 1.0;
  if (congestive_loss_ && round_started_) return enter_cycle(now);
  if (now - phase_start_ < min_rtt_ || rounds_ < phase_round_ + 1) return;
  const double flight = static_cast<double>(sample.bytes_in_flight_before);
  const bool reached = sent_more || flight >= product(kUpGain) || rounds_ >= phase_round_ + 2;
  if (!reached && !has_queue()) return;
  // What the larger flight was good for is known one round trip later.
  if (probe_found_more()) return probe_further(now);
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

// With the right estimate our own queue is at most one round trip long, or the least window.
Duration Bbr::explained_rtt() const {
  if (min_rtt_ == kUnknown) return kUnknown;
  const double least = bandwidth() > 0 ? window_min() / bandwidth() : 0;
  const Duration queue(static_cast<std::int64_t>(least * 1e9));
  return min_rtt_ + std::max(min_rtt_, queue) * 3 / 2 + kQueueMax;
}

// An application that is slower than the line builds no queue: a round trip that has risen and
// rises no more is the way's.
void Bbr::follow_idle_application() {
  if (!app_limited_round_ || !has_queue() || round_rtt_ <= min_rtt_) return;
  if (round_rtt_ > last_round_rtt_ + std::max(last_round_rtt_ / 16, kQueueMin)) return;
  min_rtt_ = std::min(round_rtt_, last_round_rtt_);
}

bool Bbr::rise_is_unexplained(const AckSample& sample, const RttEstimator& rtt) const {
  if (mode_ == Mode::kJudge || mode_ == Mode::kProbeRtt) return false;
  if (!sample.has_rtt_sample || (sample.app_limited && !sample.window_limited)) return false;
  return sample.now - unrisen_time_ >= rtt.smoothed() / 4;
}

void Bbr::begin_judgement(const AckSample& sample) {
  mode_before_probe_ = mode_;
  judge_window_ = static_cast<double>(sample.bytes_in_flight_before) / 2;
  judge_window_ = std::max(judge_window_, window_min());
  judge_delivered_ = 0;
  judge_bandwidth_ = 0;
  judge_rtt_ = kUnknown;
  judge_rtt_sum_ = {};
  judge_samples_ = 0;
  standing_rounds_ = 0;
  enter(Mode::kJudge, sample.now);
}

// RTT = flight / delivery rate, whatever the reason. Half the flight halves the queue of a slow
// line, and leaves a long way as long as it was.
void Bbr::step_judge(const AckSample& sample, const RttEstimator& rtt) {
  if (!sample.has_rtt_sample) return;
  if (judge_delivered_ == 0) {
    if (static_cast<double>(sample.bytes_in_flight) > judge_window_) return;
    judge_delivered_ = sample.delivered;
    judge_bandwidth_ = 0;
  }
  if (sample.delivered_prior < judge_delivered_) {
    // Of the whole flight.
    judge_queue_ = rtt.smoothed() - min_rtt_;
    return;
  }
  if (judge_samples_ == 0) judge_end_ = sample.now + rtt.smoothed() / 8;
  judge_rtt_ = std::min(judge_rtt_, rtt.adjusted());
  judge_rtt_sum_ += rtt.adjusted();
  if (++judge_samples_ < kJudgeSamples && sample.now < judge_end_) return;
  const Duration queue = judge_rtt_sum_ / judge_samples_ - min_rtt_;
  last_round_rtt_ = judge_rtt_;
  if (judge_rtt_ <= min_rtt_ + std::clamp(min_rtt_ / 8, kQueueMin, kQueueMax))
    return enter(mode_before_probe_, sample.now);
  if (queue < judge_queue_ * 3 / 4 && queue < judge_queue_ - jitter_)
    return line_is_slower(rtt, sample.now);
  // Beside others ours is a part of the queue, and what we took away is missing in it.
  const Duration missing(static_cast<std::int64_t>(judge_window_ / bandwidth() * 1e9));
  if (queue < judge_queue_ - std::max(missing / 4, jitter_)) return queue_is_anothers(sample.now);
  way_is_longer(judge_rtt_, sample.now);
}

void Bbr::way_is_longer(Duration rtt, Instant now) {
  min_rtt_ = rtt;
  min_rtt_time_ = unrisen_time_ = now;
  last_round_rtt_ = rtt;
  if (flight_max_ < product(kWindowGain)) flight_max_ = product(kWindowGain);
  // The line may be another one: half of what it would carry, then twice as much each round trip.
  window_ = std::max(window_, product(kResumeGain));
  anothers_queue_ = false;
  enter(mode_before_probe_ == Mode::kStartup ? Mode::kStartup : Mode::kCruise, now);
}

void Bbr::queue_is_anothers(Instant now) {
  anothers_queue_ = true;
  unrisen_time_ = now + kJudgeAgain;
  enter(mode_before_probe_, now);
}

void Bbr::line_is_slower(const RttEstimator& rtt, Instant now) {
  bandwidth_now_ = judge_bandwidth_;
  bandwidth_last_ = 0;
  // What waits in the line leaves first.
  unrisen_time_ = now + rtt.smoothed();
  window_ = std::min(window_, product(1.0));
  enter(Mode::kDrain, now);
}

// draft-ietf-ccwg-bbr 4.6.4.
void Bbr::update_window(const AckSample& sample) {
  const double acked = static_cast<double>(sample.bytes_acked);
  const bool own_queue = mode_ != Mode::kStartup && has_queue() && !anothers_queue_;
  const double target =
      product(own_queue ? kQueuedWindowGain : kWindowGain) + jitter_room() + 3 * quantum();
  if (mode_ == Mode::kStartup) {
    if (window_ < target || bandwidth() == 0) window_ += acked;
  } else {
    window_ = std::min(window_ + acked, target);
  }
  window_ = std::clamp(window_, window_min(), static_cast<double>(kWindowBytesMax));
}

std::uint64_t Bbr::window() const {
  double window = window_;
  // What is only late by chance is no queue, and its place is not to be had by sending less.
  if (mode_ == Mode::kProbeRtt)
    window = std::min(window, product(kProbeRttWindowGain) + jitter_room() / 2);
  if (mode_ == Mode::kJudge) window = std::min(window, judge_window_);
  if (mode_ != Mode::kStartup) window = std::min(window, flight_max_ + 3 * quantum());
  return static_cast<std::uint64_t>(std::max(window, window_min()));
}

std::uint64_t Bbr::pacing_rate(const RttEstimator& rtt) const {
  if (min_rtt_ < kPacedRttMin) return 0;
  // draft-ietf-ccwg-bbr 4.6.2: until start-up is over the rate does not fall: a few small messages
  // say nothing of what the line carries. Later the least window may leave within a round trip, for
  // the same reason.
  const bool starting = bandwidth() == 0 || mode_ == Mode::kStartup;
  const double initial = kStartupGain * static_cast<double>(kWindowPacketsInitial) * datagram_size_;
  const double least = (starting ? initial : window_min()) / to_seconds(rtt.smoothed());
  return static_cast<std::uint64_t>(std::max(least, kPacingMargin * pacing_gain_ * bandwidth()));
}

}  // namespace whimbrel
