// HyStart++ (RFC 9406): leaves slow start when the round-trip time begins to rise, before the
// first loss. Driven by a controller in slow start.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace whimbrel {

class HyStart {
 public:
  enum class Phase : std::uint8_t { kSlowStart, kConservative, kDone };

  // A new acknowledgement: its round-trip sample (`has_sample`), one past the newest number it
  // acknowledged, one past the newest number sent.
  void on_acked(Duration rtt, bool has_sample, std::uint64_t acked_end, std::uint64_t next_number);
  // Back to the state before the first packet, after persistent congestion or on a new route.
  void restart() { *this = HyStart(); }

  Phase phase() const { return phase_; }
  // Bytes the window grows by for `bytes` acknowledged.
  std::uint64_t growth(std::uint64_t bytes) const;

 private:
  static constexpr Duration kUnknown = Duration::max();

  void start_round(std::uint64_t next_number);
  void on_sample(Duration rtt);
  void on_slow_start_sample();
  void on_conservative_sample();
  void on_round_end();

  Phase phase_ = Phase::kSlowStart;
  unsigned conservative_rounds_ = 0;
  unsigned samples_ = 0;
  std::uint64_t round_end_ = 0;
  Duration last_round_min_ = kUnknown;
  Duration round_min_ = kUnknown;
  Duration baseline_min_ = kUnknown;
};

}  // namespace whimbrel
