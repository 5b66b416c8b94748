// A controller that keeps a model of the path, its bandwidth and its empty round trip, instead of
// reading every loss as congestion: after BBR (draft-ietf-ccwg-bbr), reduced, and with an eye on
// the queue. Differences from the draft:
//   - start-up also ends when the round trip of a whole round has risen (as HyStart++ does);
//   - a probe sends more for 200 ms at most, and for longer only while that finds more;
//   - a standing queue is drained while cruising, unless it does not shrink, which means that it is
//     another's;
//   - a round trip that has risen by more than our own queue explains is judged at once: half the
//     flight for a round trip shows whether it was a queue (the line is slower) or the way is longer;
//   - loss bounds the flight only when the round trip shows a queue, or when it is very high: random
//     loss of a radio link does not slow the flow down.
#pragma once

#include "path/congestion/controller.h"

namespace whimbrel {

class Bbr final : public Controller {
 public:
  explicit Bbr(std::size_t datagram_size);

  void on_sent(Instant now, std::uint64_t bytes, std::uint64_t bytes_in_flight) override;
  void on_acked(const AckSample& sample, const RttEstimator& rtt) override;
  void on_lost(const LossSample& sample) override;
  void on_spurious_loss(Instant sent_time) override;
  void on_persistent_congestion() override;
  void on_app_limited(std::uint64_t bytes_in_flight) override;
  void on_datagram_size(std::size_t bytes) override;

  std::uint64_t window() const override;
  std::uint64_t pacing_rate(const RttEstimator& rtt) const override;
  // There is none: BBR leaves start-up by its own rule.
  std::uint64_t slow_start_threshold() const override { return UINT64_MAX; }
  bool in_slow_start() const override { return mode_ == Mode::kStartup; }

  enum class Mode : std::uint8_t { kStartup, kDrain, kDown, kCruise, kUp, kProbeRtt, kJudge };
  Mode mode() const { return mode_; }
  // Bytes per second; 0 while unknown.
  double bandwidth() const {
    return bandwidth_now_ > bandwidth_last_ ? bandwidth_now_ : bandwidth_last_;
  }
  Duration min_rtt() const { return min_rtt_; }

 private:
  static constexpr Duration kUnknown = Duration::max();

  void start_round(const AckSample& sample);
  void measure(const AckSample& sample, const RttEstimator& rtt);
  void measure_rtt(Duration rtt, const AckSample& sample);
  void measure_rate(const AckSample& sample);
  // `delivered`: bytes, in the round that ends.
  void finish_round(std::uint64_t delivered);
  bool bandwidth_stopped_growing();
  void judge_losses(std::uint64_t delivered);
  void step(const AckSample& sample, const RttEstimator& rtt);
  void probe(Duration time, Instant now);
  void probe_further(Instant now);
  bool probe_found_more() const;
  void step_up(const AckSample& sample);
  void step_probe_rtt(const AckSample& sample);
  void follow_idle_application();
  Duration explained_rtt() const;
  bool rise_is_unexplained(const AckSample& sample, const RttEstimator& rtt) const;
  void begin_judgement(const AckSample& sample);
  void step_judge(const AckSample& sample, const RttEstimator& rtt);
  void way_is_longer(Duration rtt, Instant now);
  void queue_is_anothers(Instant now);
  void line_is_slower(const RttEstimator& rtt, Instant now);
  void enter(Mode mode, Instant now);
  void enter_cycle(Instant now);
  void drain_standing_queue();
  bool queue_never_shrinks();
  void update_window(const AckSample& sample);
  // Of the last whole round, beyond what jitter explains.
  bool has_queue() const;
  Duration queue_least() const;
  double product(double gain) const;
  double jitter_room() const;
  double window_min() const;
  double quantum() const;

  double datagram_size_;
  double window_;
  Mode mode_ = Mode::kStartup;
  double pacing_gain_;
  // The largest delivery rate of this probing cycle and of the one before, bytes/s.
  double bandwidth_now_ = 0;
  double bandwidth_last_ = 0;
  Duration min_rtt_ = kUnknown;
  Instant min_rtt_time_{};
  // How much round trips vary: now, and when the round began; a queue that grows in it is no
  // jitter.
  Duration jitter_{};
  Duration jitter_before_{};
  // The present round.
  std::uint64_t round_end_ = 0;  // total delivered
  std::uint64_t rounds_ = 0;
  std::uint64_t lost_in_round_ = 0;
  std::uint64_t packets_lost_in_round_ = 0;
  unsigned samples_ = 0;
  Duration round_rtt_ = kUnknown;  // the least of the round
  Duration last_round_rtt_ = kUnknown;
  bool round_started_ = false;
  bool app_limited_round_ = false;
  // Start-up.
  double full_bandwidth_ = 0;
  unsigned full_rounds_ = 0;
  // Probing.
  Instant phase_start_{};
  std::uint64_t phase_round_ = 0;
  double bandwidth_before_up_ = 0;
  Duration probe_time_{};  // how long the probe sends more than the estimate
  unsigned drained_rounds_ = 0;
  Duration queue_before_{};
  unsigned standing_rounds_ = 0;
  Duration standing_rtt_{};
  // A queue stands that does not shrink when we slow down.
  bool anothers_queue_ = false;
  double flight_max_;  // bytes; what loss under a queue has taught
  bool congestive_loss_ = false;
  Mode mode_before_probe_ = Mode::kStartup;
  // Judging a rise of the round trip.
  Instant unrisen_time_{};  // of the last round trip that our own queue explains
  double judge_window_ = 0;
  double judge_bandwidth_ = 0;  // bytes/s, the largest since it began
  std::uint64_t judge_delivered_ =
      0;                           // total delivered when the flight had become small; 0: not yet
  Duration judge_queue_{};         // before that
  Duration judge_rtt_ = kUnknown;  // the least after it
  Duration judge_rtt_sum_{};
  unsigned judge_samples_ = 0;
  Instant judge_end_{};
};

}  // namespace whimbrel
