// What decides how much may be in flight: the congestion controller of one path. Knows nothing of
// packets and timers; LossRecovery tells it what was sent, acknowledged and lost.
//
// Not thread-safe. All sizes are bytes of UDP payload, all rates bytes per second.
#pragma once

#include <cstdint>
#include <memory>

#include "base/time.h"
#include "path/rtt_estimator.h"

namespace whimbrel {

// RFC 9002 7.2: initial and minimum window in packets.
inline constexpr std::uint64_t kWindowPacketsInitial = 10;
inline constexpr std::uint64_t kWindowPacketsMin = 2;
// Above this the window does not grow; keeps sums and products within range.
inline constexpr std::uint64_t kWindowBytesMax = std::uint64_t{1} << 30;

// What one ACK frame acknowledged anew.
struct AckSample {
  Instant now{};
  std::uint64_t bytes_acked = 0;
  // When the newest of the packets left, and one past its number.
  Instant sent_time{};
  std::uint64_t acked_end = 0;
  // One past the largest number sent so far: a round ends when it is acknowledged.
  std::uint64_t next_number = 0;
  // Of ack-eliciting packets, before this ACK and after it (losses taken off too).
  std::uint64_t bytes_in_flight_before = 0;
  std::uint64_t bytes_in_flight = 0;
  // The ACK gave a new sample of the round-trip time; then rtt.latest() is it.
  bool has_rtt_sample = false;
  // RFC 9002 7.8: false when the sender did not fill the window, which then must not grow.
  bool window_limited = false;
  // Delivery rate (draft-ietf-ccwg-bbr 4.1): `delivered_interval` bytes over `interval`.
  std::uint64_t delivered = 0;        // in total, this ACK included
  std::uint64_t delivered_prior = 0;  // when the newest packet left
  Duration interval{};                // 0: no valid sample
  bool app_limited = false;
  std::uint64_t bytes_lost = 0;  // declared lost with this ACK
};

// Packets declared lost together.
struct LossSample {
  Instant now{};
  std::uint64_t bytes_lost = 0;
  std::uint64_t packets_lost = 0;
  // When the newest of them left, and one past its number.
  Instant sent_time{};
  std::uint64_t lost_end = 0;
  std::uint64_t next_number = 0;
  std::uint64_t bytes_in_flight = 0;  // after taking them off
  std::uint64_t delivered = 0;
};

class Controller {
 public:
  virtual ~Controller() = default;

  virtual void on_sent(Instant now, std::uint64_t bytes, std::uint64_t bytes_in_flight) = 0;
  virtual void on_acked(const AckSample& sample, const RttEstimator& rtt) = 0;
  virtual void on_lost(const LossSample& sample) = 0;
  // A packet that left at `sent_time` had been declared lost and was acknowledged after all.
  virtual void on_spurious_loss(Instant sent_time) = 0;
  // RFC 9002 7.6.
  virtual void on_persistent_congestion() = 0;
  virtual void on_app_limited(std::uint64_t bytes_in_flight) = 0;
  virtual void on_datagram_size(std::size_t bytes) = 0;

  virtual std::uint64_t window() const = 0;
  // 0: send as fast as the window allows.
  virtual std::uint64_t pacing_rate(const RttEstimator& rtt) const = 0;
  // UINT64_MAX while there was no loss.
  virtual std::uint64_t slow_start_threshold() const = 0;
  virtual bool in_slow_start() const = 0;
};

}  // namespace whimbrel
