// Spreads a window over the round trip (RFC 9002 7.7): a bucket of bytes that fills at the pacing
// rate. A packet may overdraw it; then the next one waits until the debt is paid.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <limits>

#include "base/time.h"

namespace whimbrel {

class Pacer {
 public:
  Pacer(std::size_t datagram_size, Instant now);

  // `rate` in bytes per second, 0: not paced. Takes effect from `now` on.
  void set_rate(std::uint64_t rate, Instant now);
  void set_datagram_size(std::size_t bytes);
  void on_sent(std::uint64_t bytes, Instant now);

  std::uint64_t rate() const { return rate_; }
  // Bytes that may leave now: 0 or at least one datagram; SIZE_MAX when not paced.
  std::size_t allowance(Instant now) const;
  // When allowance() turns positive; not after `now` if it is.
  Instant next_send_time(Instant now) const;
  // The most that may leave at once, bytes.
  double burst() const { return burst_; }

 private:
  double tokens(Instant now) const;
  // Bytes that must have gathered before the next packet may leave.
  double wanted() const { return drained_ ? quantum_ : datagram_size_; }
  void update_limits();

  std::uint64_t rate_ = 0;
  double datagram_size_;
  double burst_ = 0;
  // What must gather after the bucket ran dry, so that the timer does not fire for every packet.
  double quantum_ = 0;
  double tokens_;  // at updated_, negative when overdrawn
  bool drained_ = false;
  Instant updated_;
};

}  // namespace whimbrel
