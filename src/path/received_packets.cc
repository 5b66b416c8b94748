#include "path/received_packets.h"

#include <algorithm>

namespace whimbrel {
namespace {

// An acknowledgement leaves at least this often in a round trip: enough for the sender's clock
// and for the eight samples a round that HyStart++ wants.
constexpr int kAcksPerRound = 16;
// The rate is measured over the longer of this and one round trip.
constexpr Duration kRateInterval = milliseconds(5);
// A thinned acknowledgement waits no longer than the longer of this and a quarter of a round trip.
constexpr Duration kThinnedDelayMin = milliseconds(1);

}  // namespace

bool ReceivedPackets::on_received(std::uint64_t number, bool ack_eliciting, Duration rtt,
                                  Instant now) {
  if (!window_.acceptable(number)) return false;
  const std::uint64_t expected = window_.next();
  window_.commit(number);
  ranges_.add(number);
  if (ranges_.count() > kReceivedRangesMax) ranges_.pop_front();
  if (number >= expected) largest_time_ = now;
  news_ = true;
  if (!ack_eliciting) return true;

  measure_rate(rtt, now);
  // RFC 9000 13.2.1: at once when a packet is out of order, or when it leaves a gap before it.
  if (number < eliciting_end_ || number > expected) ack_now_ = true;
  eliciting_end_ = std::max(eliciting_end_, number + 1);
  if (++unanswered_ >= threshold_) ack_now_ = true;
  if (unanswered_ == 1) deadline_ = now + ack_delay_;
  return true;
}

// At a high rate one ACK frame answers as many packets as arrive in a sixteenth of a round trip.
void ReceivedPackets::measure_rate(Duration rtt, Instant now) {
  ++counted_;
  const Duration elapsed = now - counted_since_;
  if (elapsed < std::max(rtt, kRateInterval)) return;
  const double per_round = static_cast<double>(counted_) * to_seconds(rtt) / to_seconds(elapsed);
  threshold_ = static_cast<unsigned>(
      std::clamp(per_round / kAcksPerRound, double{kAckThresholdMin}, double{kAckThresholdMax}));
  ack_delay_ = threshold_ > kAckThresholdMin
                   ? std::min(ack_delay_max_, std::max(rtt / 4, kThinnedDelayMin))
                   : ack_delay_max_;
  counted_ = 0;
  counted_since_ = now;
}

void ReceivedPackets::on_deadline(Instant now) {
  if (now < deadline_) return;
  deadline_ = kNever;
  ack_now_ = true;
}

// RFC 9000 13.2.5, 19.3.
void ReceivedPackets::make_ack(AckFrame& out, Instant now) const {
  const auto& ranges = ranges_.ranges();
  ASSERT(!ranges.empty());
  const std::size_t count = std::min(ranges.size(), kAckRangesMax);
  for (std::size_t i = 0; i < count; ++i) out.ranges[i] = ranges[ranges.size() - 1 - i];
  out.count = static_cast<std::uint32_t>(count);
  out.delay_us =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_microseconds(now - largest_time_)));
}

void ReceivedPackets::on_ack_written() {
  deadline_ = kNever;
  unanswered_ = 0;
  news_ = false;
  ack_now_ = false;
}

}  // namespace whimbrel
