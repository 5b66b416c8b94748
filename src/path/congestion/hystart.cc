#include "path/congestion/hystart.h"

#include <algorithm>

namespace whimbrel {
namespace {

// RFC 9406 4.3.
constexpr Duration kRttThresholdMin = milliseconds(4);
constexpr Duration kRttThresholdMax = milliseconds(16);
constexpr int kRttDivisor = 8;
constexpr unsigned kRoundSamples = 8;
constexpr std::uint64_t kConservativeGrowthDivisor = 4;
constexpr unsigned kConservativeRounds = 5;

}  // namespace

void HyStart::on_acked(Duration rtt, bool has_sample, std::uint64_t acked_end,
                       std::uint64_t next_number) {
  if (phase_ == Phase::kDone) return;
  // RFC 9406 4.2: a round ends when the number that was next at its start is acknowledged.
  if (acked_end > round_end_) {
    on_round_end();
    start_round(next_number);
  }
  if (has_sample) on_sample(rtt);
}

void HyStart::start_round(std::uint64_t next_number) {
  round_end_ = next_number;
  last_round_min_ = round_min_;
  round_min_ = kUnknown;
  samples_ = 0;
}

void HyStart::on_sample(Duration rtt) {
  round_min_ = std::min(round_min_, rtt);
  ++samples_;
  if (samples_ < kRoundSamples) return;
  if (phase_ == Phase::kSlowStart)
    on_slow_start_sample();
  else
    on_conservative_sample();
}

// RFC 9406 4.2: enough samples and a delay increase: conservative slow start.
void HyStart::on_slow_start_sample() {
  if (last_round_min_ == kUnknown) return;
  const Duration threshold =
      std::clamp(last_round_min_ / kRttDivisor, kRttThresholdMin, kRttThresholdMax);
  if (round_min_ < last_round_min_ + threshold) return;
  baseline_min_ = round_min_;
  phase_ = Phase::kConservative;
  conservative_rounds_ = 0;
}

// RFC 9406 4.2: the increase was an accident: back to slow start.
void HyStart::on_conservative_sample() {
  if (round_min_ >= baseline_min_) return;
  baseline_min_ = kUnknown;
  phase_ = Phase::kSlowStart;
}

void HyStart::on_round_end() {
  if (phase_ != Phase::kConservative) return;
  if (++conservative_rounds_ >= kConservativeRounds) phase_ = Phase::kDone;
}

std::uint64_t HyStart::growth(std::uint64_t bytes) const {
  return phase_ == Phase::kConservative ? bytes / kConservativeGrowthDivisor : bytes;
}

}  // namespace whimbrel
