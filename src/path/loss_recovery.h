// Loss detection of one path: RFC 9002 section 6 and its appendix A, function by function, for one
// packet number space. Keeps the packets in flight, says which were acknowledged or lost and when
// the next timer is due; what to do about it (window, MTU search) is for the caller, who gets a
// Settled from each input.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <span>

#include "path/congestion/delivery_rate.h"
#include "path/path.h"
#include "path/rtt_estimator.h"
#include "path/sent_packets.h"

namespace whimbrel {

// What an ACK frame or a timer has settled.
struct Settled {
  // Acknowledged anew; bytes and times only of packets that count for the present route.
  std::uint64_t packets_acked = 0;
  std::uint64_t bytes_acked = 0;
  std::uint64_t acked_end = 0;  // one past the largest number; 0 if none
  Instant acked_sent_time{};    // of the newest
  bool has_rtt_sample = false;
  std::size_t acked_size_max = 0;
  DeliverySample delivery;
  // Of packets acknowledged anew, the furthest reach of an ACK frame inside.
  std::uint64_t ack_end = 0;
  // Lost. MTU probes are not counted.
  std::uint64_t packets_lost = 0;
  std::uint64_t bytes_lost = 0;
  std::uint64_t lost_end = 0;
  Instant lost_sent_time{};
  std::size_t lost_size_max = 0;
  bool persistent_congestion = false;
  // Declared lost earlier and acknowledged now.
  std::uint64_t spurious_losses = 0;
  Instant spurious_sent_time{};
  // Size of an MTU probe that was acknowledged or lost; 0 if none.
  std::size_t mtu_probe_acked = 0;
  bool mtu_probe_lost = false;
};

class LossRecovery {
 public:
  LossRecovery(Duration rtt_initial, Duration peer_ack_delay_max, Instant now);

  const RttEstimator& rtt() const { return rtt_; }
  const SentPackets& packets() const { return packets_; }
  std::uint64_t next_number() const { return packets_.next_number(); }
  std::uint64_t next_unacked() const { return acked_end_; }
  std::uint64_t bytes_in_flight() const { return bytes_in_flight_; }
  // Ack-eliciting packets outstanding, those of an earlier route included.
  std::uint64_t eliciting_outstanding() const { return eliciting_outstanding_; }
  std::uint64_t delivered() const { return delivery_.delivered(); }
  unsigned pto_count() const { return pto_count_; }
  unsigned probes_owed() const { return probes_owed_; }
  void owe_probe(FrameSink& sink);
  // Something came from the peer, though no acknowledgement.
  void on_sign_of_life(Instant now, FrameSink& sink);
  // A probe timeout or more has passed without an answer, and that to the last packet should have
  // come by now.
  bool backed_off(Instant now) const;

  void set_peer_ack_delay_max(Duration delay) { peer_ack_delay_max_ = delay; }
  void on_handshake_rtt(Duration rtt, Instant now);
  void on_app_limited() { delivery_.on_app_limited(bytes_in_flight_); }

  // A.5. `ack_end`: reach of the ACK frame inside, 0 if none.
  void on_packet_sent(Instant now, std::size_t bytes, bool ack_eliciting, PacketPurpose purpose,
                      std::uint64_t ack_end, std::span<const SentFrame> frames);
  // A.7. False, and nothing done, when it acknowledges a packet that was never sent.
  bool on_ack_received(const AckFrame& ack, Instant now, FrameSink& sink, Settled& settled);
  // A.8, A.9.
  Instant next_deadline() const;
  void on_deadline(Instant now, FrameSink& sink, Settled& settled);

  Duration probe_timeout() const;
  // The way was closed and is open: what its timeouts have learned is no congestion. It is as if
  // the first one came now.
  void probe_now(Instant now, FrameSink& sink);
  Instant oldest_unacked_time() const;

  // Packets in flight no longer count, and the round-trip time is measured afresh.
  void reset_for_new_route(Duration rtt_initial, Instant now);
  void abandon(FrameSink& sink);
  // The frames in flight go again; their packets may still be acknowledged.
  void give_back_all(FrameSink& sink);
  // Gives memory back; only when nothing is in flight.
  void shrink();
  bool holds_memory() const;

 private:
  struct LostPacket {
    std::uint64_t number = 0;
    Instant sent_time{};
    Instant forget_time{};
    bool arrived = false;
  };

  bool counts(const SentPacket& packet) const {
    return packet.ack_eliciting && packet.route == route_;
  }
  void acknowledge_range(const Range& range, Instant now, FrameSink& sink, Settled& settled);
  void acknowledge(SentPacket& packet, Instant now, FrameSink& sink, Settled& settled);
  void update_rtt(const AckFrame& ack, Instant now, Settled& settled);
  void detect_spurious_losses(const AckFrame& ack, Instant now, Settled& settled);
  void widen_reordering(std::uint64_t number, Instant now);
  bool is_lost(std::uint64_t number, const SentPacket& packet, Instant now) const;
  void detect_lost_packets(Instant now, FrameSink& sink, Settled& settled);
  void declare_lost(std::uint64_t number, const SentPacket& packet, Instant now, FrameSink& sink,
                    Settled& settled);
  void count_lost(std::uint64_t number, const SentPacket& packet, Instant now, Settled& settled);
  void extend_lost_run(const SentPacket& packet, Settled& settled);
  void remember_lost(std::uint64_t number, const SentPacket& packet, Instant now);
  void forget_lost(Instant now);
  void take_off(const SentPacket& packet);
  void lose_frames(const SentPacket& packet, FrameSink& sink) const;
  Duration loss_delay() const;
  Duration persistent_congestion_time() const;
  Instant probe_deadline() const;
  void give_back_for_probes(FrameSink& sink);
  std::uint64_t oldest_eliciting() const;

  RttEstimator rtt_;
  SentPackets packets_;
  DeliveryRate delivery_;
  Duration peer_ack_delay_max_;
  std::uint64_t acked_end_ = 0;  // one past largest_acked_packet
  std::uint64_t bytes_in_flight_ = 0;
  std::uint64_t eliciting_outstanding_ = 0;
  Instant last_eliciting_sent_{};
  Instant last_probe_timeout_{};
  Instant loss_time_ = kNever;
  unsigned pto_count_ = 0;
  unsigned probes_owed_ = 0;
  std::uint8_t route_ = 0;
  // The run of lost packets without an acknowledged one between (RFC 9002 7.6).
  Instant lost_run_start_ = kNever;
  // Reordering that is tolerated: grows with spurious losses, for a while.
  std::uint64_t packet_threshold_;
  int time_threshold_eighths_;
  Instant reordering_end_ = kNever;
  // Declared lost lately, ascending, to notice when one arrives after all.
  RingBuffer<LostPacket> lost_;
  // No ack-eliciting packet below this is outstanding.
  mutable std::uint64_t oldest_eliciting_ = 0;
};

}  // namespace whimbrel
