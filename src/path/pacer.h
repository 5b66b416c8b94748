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
  void set_datagram_size(std::size_t bytes) { datagram_size_ = bytes; }
  void on_sent(std::uint64_t bytes, Instant now);

  std::uint64_t rate() const { return rate_; }
  // Bytes that may leave now: 0 or at least one datagram; SIZE_MAX when not paced.
  std::size_t allowance(Instant now) const;
  // When allowance() turns positive; not after `now` if it is.
  Instant next_send_time(Instant now) const;
  // The most that may leave at once, bytes.
  std::uint64_t burst() const;

 private:
  // What must have gathered before a sender that waits is let go, so that its timer does not fire
  // for every packet.
  std::uint64_t quantum() const;
  double tokens(Instant now) const;

  std::uint64_t rate_ = 0;
  std::size_t datagram_size_;
  double tokens_;  // at updated_, negative when overdrawn
  Instant updated_;
};

}  // namespace whimbrel
