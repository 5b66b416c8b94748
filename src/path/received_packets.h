// The receiving half of a path: which packets came in, and when to acknowledge them (RFC 9000
// 13.2). Not thread-safe.
#pragma once

#include <cstdint>

#include "base/range_set.h"
#include "base/time.h"
#include "crypto/replay_window.h"
#include "wire/frame.h"

namespace whimbrel {

// Ranges kept to be acknowledged; over it the oldest is forgotten (RFC 9000 13.2.3).
inline constexpr std::size_t kReceivedRangesMax = 256;

// RFC 9000 13.2.2: at least every second packet; less often only while many come per round trip.
inline constexpr unsigned kAckThresholdMin = 2;
inline constexpr unsigned kAckThresholdMax = 32;

class ReceivedPackets {
 public:
  explicit ReceivedPackets(Duration ack_delay_max)
      : ack_delay_max_(ack_delay_max), ack_delay_(ack_delay_max) {}

  // One past the largest number received.
  std::uint64_t expected() const { return window_.next(); }
  bool is_duplicate(std::uint64_t number) const { return !window_.acceptable(number); }
  // False if it was a duplicate, and nothing has changed. `rtt`: of the path, as we know it.
  bool on_received(std::uint64_t number, bool ack_eliciting, Duration rtt, Instant now);

  // Never acknowledged, and a copy of it is a duplicate.
  void on_refused(std::uint64_t number) {
    if (window_.acceptable(number)) window_.commit(number);
  }

  void hurry_ack() { ack_now_ = ack_now_ || news_; }
  bool has_ack() const { return news_; }
  bool ack_due(Instant now) const { return ack_now_ || now >= deadline_; }
  // When an acknowledgement that is held back must leave; kNever if none is.
  Instant next_deadline() const { return ack_now_ ? kNever : deadline_; }
  void on_deadline(Instant now);

  void make_ack(AckFrame& out, Instant now) const;
  void on_ack_written();
  // One past the largest number that the last make_ack() would acknowledge.
  std::uint64_t ack_end() const { return ranges_.empty() ? 0 : ranges_.back().end; }
  // RFC 9000 13.2.4: the peer has an ACK frame of ours that reached up to here: no need to repeat
  // what is below.
  void on_ack_acked(std::uint64_t end) {
    if (end > 0) ranges_.remove_below(end - 1);
  }

  // Ack-eliciting packets that are answered by one ACK frame at the present rate.
  unsigned ack_threshold() const { return threshold_; }

 private:
  void measure_rate(Duration rtt, Instant now);

  ReplayWindow window_;
  RangeSet ranges_;
  Duration ack_delay_max_;
  Instant largest_time_{};
  std::uint64_t eliciting_end_ = 0;  // one past the largest ack-eliciting number
  Instant deadline_ = kNever;
  unsigned unanswered_ = 0;  // ack-eliciting packets since the last ACK frame
  bool news_ = false;
  bool ack_now_ = false;
  // How often to acknowledge, from the rate of the last while.
  unsigned threshold_ = kAckThresholdMin;
  unsigned counted_ = 0;
  Instant counted_since_{};
  Duration ack_delay_;
};

}  // namespace whimbrel
