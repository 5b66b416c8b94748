#include "path/loss_recovery.h"

#include <algorithm>

namespace whimbrel {
namespace {

// RFC 9002 6.1.1, 6.1.2: kPacketThreshold and kTimeThreshold (9/8).
constexpr std::uint64_t kPacketThreshold = 3;
constexpr int kTimeThresholdEighths = 9;
// How far spurious losses may widen them, and for how long.
constexpr std::uint64_t kPacketThresholdMax = 64;
constexpr int kTimeThresholdEighthsMax = 16;
constexpr Duration kReorderingTime = seconds(30);
// RFC 9002 7.6.1: kPersistentCongestionThreshold.
constexpr int kPersistentCongestionThreshold = 3;
// RFC 9002 6.2.4: two probes, for one may be lost too; one from the fourth timeout on.
constexpr unsigned kProbesPerTimeout = 2;
constexpr unsigned kDoubleProbeTimeouts = 3;
// RFC 9002 6.2.1 doubles without end, until the idle timeout. Here a session that hears nothing
// ends after TimeoutConnected (10 s), so that the bound decides only when the last probes leave;
// and who raised that time wants a game that comes back from a tunnel to go on at once, not a
// minute later. One small packet in 5 s stays below the one in 3 s that RFC 8085 3.1.3 allows where
// nothing is known of the way.
constexpr Duration kProbeTimeoutMax = seconds(5);
constexpr unsigned kBackoffMax = 16;
// Lost packets that are remembered; over it the oldest is forgotten.
constexpr std::size_t kLostRememberedMax = 1024;
// Records looked at for frames to send in a probe.
constexpr std::uint64_t kProbeSearchMax = 64;

}  // namespace

LossRecovery::LossRecovery(Duration rtt_initial, Duration peer_ack_delay_max, Instant now)
    : rtt_(rtt_initial),
      delivery_(now),
      peer_ack_delay_max_(peer_ack_delay_max),
      packet_threshold_(kPacketThreshold),
      time_threshold_eighths_(kTimeThresholdEighths) {}

void LossRecovery::on_handshake_rtt(Duration rtt, Instant now) {
  rtt_.on_sample(rtt, Duration::zero(), peer_ack_delay_max_, now);
}

// RFC 9002 A.5: OnPacketSent.
void LossRecovery::on_packet_sent(Instant now, std::size_t bytes, bool ack_eliciting,
                                  PacketPurpose purpose, std::uint64_t ack_end,
                                  std::span<const SentFrame> frames) {
  SentPacket packet;
  packet.sent_time = now;
  packet.bytes = static_cast<std::uint32_t>(bytes);
  packet.ack_end = ack_end;
  packet.route = route_;
  packet.ack_eliciting = ack_eliciting;
  packet.mtu_probe = purpose == PacketPurpose::kMtuProbe;
  if (purpose == PacketPurpose::kPtoProbe && probes_owed_ > 0) --probes_owed_;
  if (ack_eliciting) {
    delivery_.on_sent(packet, bytes_in_flight_, now);
    bytes_in_flight_ += bytes;
    ++eliciting_outstanding_;
    last_eliciting_sent_ = now;
  }
  packets_.push(packet, frames);
}

// RFC 9002 A.7: OnAckReceived.
bool LossRecovery::on_ack_received(const AckFrame& ack, Instant now, FrameSink& sink,
                                   Settled& settled) {
  if (ack.count == 0) return true;
  // RFC 9000 13.1: an acknowledgement of a packet that was never sent is a protocol violation.
  if (ack.ranges[0].end > packets_.next_number()) return false;
  if (!lost_.empty()) detect_spurious_losses(ack, now, settled);
  acked_end_ = std::max(acked_end_, ack.ranges[0].end);
  // The ranges come newest first. Below first_number() everything is settled; above it at most a
  // few records are acknowledged already, so this costs what is new.
  std::size_t count = 0;
  while (count < ack.count && ack.ranges[count].end > packets_.first_number()) ++count;
  while (count > 0) acknowledge_range(ack.ranges[--count], now, sink, settled);
  if (settled.packets_acked == 0) return true;
  settled.delivery = delivery_.finish();
  update_rtt(ack, now, settled);
  detect_lost_packets(now, sink, settled);
  pto_count_ = 0;
  probes_owed_ = 0;
  return true;
}

void LossRecovery::acknowledge_range(const Range& range, Instant now, FrameSink& sink,
                                     Settled& settled) {
  const std::uint64_t end = std::min(range.end, packets_.next_number());
  for (std::uint64_t n = std::max(range.begin, packets_.first_number()); n < end; ++n) {
    SentPacket& packet = packets_.at(n);
    if (packet.state != PacketState::kOutstanding) continue;
    settled.acked_end = n + 1;
    acknowledge(packet, now, sink, settled);
  }
}

void LossRecovery::acknowledge(SentPacket& packet, Instant now, FrameSink& sink, Settled& settled) {
  packet.state = PacketState::kAcked;
  ++settled.packets_acked;
  settled.acked_sent_time = packet.sent_time;
  settled.ack_end = std::max(settled.ack_end, packet.ack_end);
  take_off(packet);
  if (counts(packet)) {
    settled.bytes_acked += packet.bytes;
    settled.has_rtt_sample = true;
    settled.acked_size_max = std::max<std::size_t>(settled.acked_size_max, packet.bytes);
    if (packet.mtu_probe) settled.mtu_probe_acked = packet.bytes;
    delivery_.on_acked(packet, now);
  }
  for (std::size_t i = 0; i < packet.frame_count; ++i)
    sink.on_frame_acked(packets_.frame(packet, i));
}

void LossRecovery::take_off(const SentPacket& packet) {
  if (!packet.ack_eliciting) return;
  --eliciting_outstanding_;
  if (counts(packet)) bytes_in_flight_ -= packet.bytes;
}

// RFC 9002 5.1: a sample only when the largest acknowledged is new and one of the new packets is
// ack-eliciting.
void LossRecovery::update_rtt(const AckFrame& ack, Instant now, Settled& settled) {
  settled.has_rtt_sample = settled.has_rtt_sample && settled.acked_end == ack.ranges[0].end;
  if (!settled.has_rtt_sample) return;
  // RFC 9002 5.3: more delay than the peer promised is not believed; clamped before it is
  // converted, for the field may hold anything.
  const auto delay_max = static_cast<std::uint64_t>(to_microseconds(peer_ack_delay_max_));
  const Duration delay = microseconds(static_cast<std::int64_t>(std::min(ack.delay_us, delay_max)));
  rtt_.on_sample(now - settled.acked_sent_time, delay, peer_ack_delay_max_, now);
}

void LossRecovery::detect_spurious_losses(const AckFrame& ack, Instant now, Settled& settled) {
  std::size_t i = lost_.size();
  for (std::size_t r = 0; r < ack.count && i > 0; ++r) {
    const Range& range = ack.ranges[r];
    while (i > 0 && lost_[i - 1].number >= range.end) --i;
    for (; i > 0 && lost_[i - 1].number >= range.begin; --i) {
      LostPacket& lost = lost_[i - 1];
      if (lost.arrived) continue;
      lost.arrived = true;
      ++settled.spurious_losses;
      settled.spurious_sent_time = lost.sent_time;
      widen_reordering(lost.number, now);
    }
  }
  forget_lost(now);
}

// RFC 9002 6.1.1, 6.1.2: the thresholds may be raised where the network reorders.
void LossRecovery::widen_reordering(std::uint64_t number, Instant now) {
  const std::uint64_t distance = acked_end_ - number;
  packet_threshold_ = std::max(packet_threshold_, std::min(distance + 1, kPacketThresholdMax));
  time_threshold_eighths_ = std::min(time_threshold_eighths_ + 1, kTimeThresholdEighthsMax);
  reordering_end_ = now + kReorderingTime;
}

// RFC 9002 A.10: loss_delay.
Duration LossRecovery::loss_delay() const {
  const Duration rtt = std::max(rtt_.latest(), rtt_.smoothed());
  return std::max(rtt * time_threshold_eighths_ / 8, kGranularity);
}

bool LossRecovery::is_lost(std::uint64_t number, const SentPacket& packet, Instant now) const {
  return number + packet_threshold_ < acked_end_ || packet.sent_time + loss_delay() <= now;
}

// RFC 9002 A.10: DetectAndRemoveLostPackets. Both thresholds are monotonic in the number, so the
// walk ends at the first packet that is not lost, and every record is walked over once.
void LossRecovery::detect_lost_packets(Instant now, FrameSink& sink, Settled& settled) {
  if (now >= reordering_end_) {
    packet_threshold_ = kPacketThreshold;
    time_threshold_eighths_ = kTimeThresholdEighths;
    reordering_end_ = kNever;
  }
  loss_time_ = kNever;
  while (!packets_.empty()) {
    const std::uint64_t number = packets_.first_number();
    const SentPacket& packet = packets_.at(number);
    if (packet.state == PacketState::kAcked) {
      lost_run_start_ = kNever;
    } else if (number >= acked_end_) {
      return;
    } else if (is_lost(number, packet, now)) {
      declare_lost(number, packet, now, sink, settled);
    } else {
      loss_time_ = packet.sent_time + loss_delay();
      return;
    }
    packets_.pop_front();
  }
}

void LossRecovery::declare_lost(std::uint64_t number, const SentPacket& packet, Instant now,
                                FrameSink& sink, Settled& settled) {
  take_off(packet);
  if (counts(packet)) count_lost(number, packet, now, settled);
  lose_frames(packet, sink);
}

void LossRecovery::count_lost(std::uint64_t number, const SentPacket& packet, Instant now,
                              Settled& settled) {
  // RFC 8899 3, RFC 9000 14.4: the loss of an MTU probe says nothing about congestion.
  if (packet.mtu_probe) {
    settled.mtu_probe_lost = true;
    return;
  }
  ++settled.packets_lost;
  settled.bytes_lost += packet.bytes;
  settled.lost_end = number + 1;
  settled.lost_sent_time = packet.sent_time;
  settled.lost_size_max = std::max<std::size_t>(settled.lost_size_max, packet.bytes);
  extend_lost_run(packet, settled);
  remember_lost(number, packet, now);
}

// RFC 9002 7.6: persistent congestion when all packets of a long enough time were lost, counting
// only those sent after the first sample.
void LossRecovery::extend_lost_run(const SentPacket& packet, Settled& settled) {
  if (!rtt_.has_sample() || packet.sent_time < rtt_.first_sample_time()) return;
  if (lost_run_start_ == kNever) {
    lost_run_start_ = packet.sent_time;
  } else if (packet.sent_time - lost_run_start_ > persistent_congestion_time()) {
    settled.persistent_congestion = true;
    lost_run_start_ = packet.sent_time;
    rtt_.forget_minimum();
  }
}

// RFC 9002 7.6.1.
Duration LossRecovery::persistent_congestion_time() const {
  return (rtt_.probe_base() + peer_ack_delay_max_) * kPersistentCongestionThreshold;
}

void LossRecovery::remember_lost(std::uint64_t number, const SentPacket& packet, Instant now) {
  forget_lost(now);
  if (lost_.size() >= kLostRememberedMax) lost_.pop_front();
  const Duration keep = 2 * std::max(rtt_.smoothed(), rtt_.latest()) + peer_ack_delay_max_;
  lost_.push_back({number, packet.sent_time, now + keep, false});
}

void LossRecovery::forget_lost(Instant now) {
  while (!lost_.empty() && lost_.front().forget_time <= now) lost_.pop_front();
}

void LossRecovery::lose_frames(const SentPacket& packet, FrameSink& sink) const {
  if (packet.given_back) return;
  for (std::size_t i = 0; i < packet.frame_count; ++i)
    sink.on_frame_lost(packets_.frame(packet, i));
}

// RFC 9002 6.2.1.
Duration LossRecovery::probe_timeout() const {
  const Duration base = rtt_.probe_base() + peer_ack_delay_max_;
  const Duration backed_off = base * (std::int64_t{1} << std::min(pto_count_, kBackoffMax));
  return std::min(backed_off, std::max(base, kProbeTimeoutMax));
}

// RFC 9002 6.2.2.1: a timer that could not do its work counts from when it can.
void LossRecovery::probe_now(Instant now, FrameSink& sink) {
  if (eliciting_outstanding_ == 0) return;
  last_probe_timeout_ = now;
  pto_count_ = 0;
  probes_owed_ = kProbesPerTimeout;
  give_back_for_probes(sink);
}

// RFC 9002 A.8: GetPtoTimeAndSpace, for the one space there is. Counted from the last timeout if
// no probe could leave since, so that the timer moves on.
Instant LossRecovery::probe_deadline() const {
  if (eliciting_outstanding_ == 0) return kNever;
  return std::max(last_eliciting_sent_, last_probe_timeout_) + probe_timeout();
}

// RFC 9002 A.8: SetLossDetectionTimer.
Instant LossRecovery::next_deadline() const {
  return loss_time_ != kNever ? loss_time_ : probe_deadline();
}

// RFC 9002 A.9: OnLossDetectionTimeout.
void LossRecovery::on_deadline(Instant now, FrameSink& sink, Settled& settled) {
  if (now < next_deadline()) return;
  if (loss_time_ != kNever) {
    detect_lost_packets(now, sink, settled);
    return;
  }
  last_probe_timeout_ = now;
  ++pto_count_;
  probes_owed_ = pto_count_ <= kDoubleProbeTimeouts ? kProbesPerTimeout : 1;
  give_back_for_probes(sink);
}

bool LossRecovery::backed_off(Instant now) const {
  return pto_count_ > 0 &&
         now >= last_eliciting_sent_ + std::max(loss_delay(), peer_ack_delay_max_);
}

// RFC 9002 6.2.1 lets probes back off so as not to load a network that may be congested. Who hears
// the peer has reason to try at the first pace again: what was sent meanwhile may have met an
// outage that is over.
void LossRecovery::on_sign_of_life(Instant now, FrameSink& sink) {
  const bool overdue = backed_off(now);
  pto_count_ = 0;
  if (overdue) owe_probe(sink);
}

void LossRecovery::owe_probe(FrameSink& sink) {
  if (probes_owed_ > 0) return;
  probes_owed_ = 1;
  give_back_for_probes(sink);
}

// RFC 9002 6.2.4: a probe should carry data. The oldest frames go back to be sent again; their
// packets stay in flight, for they are not known to be lost: an acknowledgement of them still
// counts.
void LossRecovery::give_back_for_probes(FrameSink& sink) {
  unsigned wanted = probes_owed_;
  const std::uint64_t begin = oldest_eliciting();
  const std::uint64_t end = std::min(packets_.next_number(), begin + kProbeSearchMax);
  for (std::uint64_t n = begin; n < end && wanted > 0; ++n) {
    SentPacket& packet = packets_.at(n);
    if (packet.state != PacketState::kOutstanding || packet.frame_count == 0 || packet.given_back) {
      continue;
    }
    lose_frames(packet, sink);
    packet.given_back = true;
    --wanted;
  }
}

void LossRecovery::give_back_all(FrameSink& sink) {
  for (std::uint64_t n = packets_.first_number(); n < packets_.next_number(); ++n) {
    SentPacket& packet = packets_.at(n);
    if (packet.state != PacketState::kOutstanding) continue;
    lose_frames(packet, sink);
    packet.given_back = true;
  }
}

std::uint64_t LossRecovery::oldest_eliciting() const {
  std::uint64_t n = std::max(oldest_eliciting_, packets_.first_number());
  while (n < packets_.next_number()) {
    const SentPacket& packet = packets_.at(n);
    if (packet.ack_eliciting && packet.state == PacketState::kOutstanding) break;
    ++n;
  }
  return oldest_eliciting_ = n;
}

Instant LossRecovery::oldest_unacked_time() const {
  if (eliciting_outstanding_ == 0) return kNever;
  return packets_.at(oldest_eliciting()).sent_time;
}

// RFC 9000 9.4.
void LossRecovery::reset_for_new_route(Duration rtt_initial, Instant now) {
  rtt_ = RttEstimator(rtt_initial);
  delivery_ = DeliveryRate(now);
  ++route_;
  bytes_in_flight_ = 0;
  pto_count_ = 0;
  lost_run_start_ = kNever;
  lost_.clear();
  packet_threshold_ = kPacketThreshold;
  time_threshold_eighths_ = kTimeThresholdEighths;
}

void LossRecovery::abandon(FrameSink& sink) {
  while (!packets_.empty()) {
    const SentPacket& packet = packets_.at(packets_.first_number());
    if (packet.state == PacketState::kOutstanding) {
      take_off(packet);
      lose_frames(packet, sink);
    }
    packets_.pop_front();
  }
  loss_time_ = kNever;
  pto_count_ = 0;
  probes_owed_ = 0;
  lost_.clear();
}

void LossRecovery::shrink() {
  packets_.shrink();
  lost_.clear();
}

bool LossRecovery::holds_memory() const { return packets_.empty() && packets_.capacity() > 4; }

}  // namespace whimbrel
