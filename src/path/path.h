// One way through the network to one peer: packet numbers, acknowledgements, round-trip time, loss
// recovery, congestion window, pacer and MTU search. Knows nothing of channels: it keeps the
// SentFrames of each packet and hands them back when the packet is acknowledged or lost; the frames
// may then leave again, here or on another path.
//
// Driven by one Session. Not thread-safe. Time is handed in and never runs backwards.
//
//   sending     send_allowance() -> the session builds packet next_packet_number() -> on_packet_sent()
//   receiving   is_duplicate() before opening; on_packet_received() after; make_ack() when a packet is built
//   timers      next_deadline(), on_deadline()
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/time.h"
#include "path/rtt_estimator.h"
#include "wire/frame.h"
#include "wire/packet.h"

namespace whimbrel {

enum class ControllerKind : std::uint8_t { kCubic, kBbr };

struct PathConfig {
  // RFC 9002 6.2.2: the round trip assumed before the first sample.
  Duration rtt_initial = milliseconds(333);
  // How long we may hold back an acknowledgement, and what the peer promised.
  Duration ack_delay_max = milliseconds(25);
  Duration peer_ack_delay_max = milliseconds(25);
  // UDP payload: never below the first, searched up to the second (RFC 8899).
  std::size_t datagram_size_min = kDatagramSizeMin;
  std::size_t datagram_size_max = kDatagramSizeEthernet;
  bool mtu_search = true;
  // Bytes per second; 0 = the controller decides alone.
  std::uint64_t send_rate_min = 0;
  std::uint64_t send_rate_max = 0;
  ControllerKind controller = ControllerKind::kCubic;
};

// Who gets the frames of a packet back. Called only from inside on_ack_received(), on_deadline()
// and owe_probe(); must not call the path. A frame comes back once; but one that was lost to a
// probe may be acknowledged after all.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  virtual void on_frame_acked(const SentFrame& frame) = 0;
  virtual void on_frame_lost(const SentFrame& frame) = 0;
};

enum class PacketPurpose : std::uint8_t {
  kNormal,    // counts against the window when ack-eliciting
  kPtoProbe,  // RFC 9002 7.5: may exceed the window
  kMtuProbe,  // its loss says nothing about congestion (RFC 8899 3)
};

struct PathStats {
  Duration rtt_smoothed{};
  Duration rtt_min{};
  Duration rtt_variation{};
  bool has_rtt = false;
  std::uint64_t window_bytes = 0;
  std::uint64_t bytes_in_flight = 0;
  std::uint64_t send_rate = 0;  // bytes/s that window and pacer allow
  std::uint64_t packets_sent = 0, packets_received = 0, packets_lost = 0, spurious_losses = 0;
  std::uint64_t pto_count_total = 0;
  std::size_t datagram_size = 0;
};

class Path {
 public:
  Path(PathId id, const PathConfig& config, Instant now);
  ~Path();
  Path(Path&&) noexcept;
  Path& operator=(Path&&) noexcept;

  PathId id() const;
  const PathConfig& config() const;
  const RttEstimator& rtt() const;

  // --- sending -----------------------------------------------------------------------------------
  PacketNumber next_packet_number() const;
  // One past the largest number that the peer has acknowledged; 0 if none.
  std::uint64_t next_unacked() const;
  // UDP payload of a full packet now.
  std::size_t datagram_size() const;
  // Bytes of ack-eliciting packets that may leave now: the least of window, pacer and amplification
  // limit (RFC 9000 8.1). 0: wait for an acknowledgement or for next_deadline(). A single packet
  // may overshoot the pacer, not the window.
  std::size_t send_allowance(Instant now) const;
  // Bytes of any packets (acks, close) that the amplification limit still allows; SIZE_MAX once
  // validated.
  std::size_t amplification_allowance() const;
  // How long until the window has room for a packet, as far as the round trip tells;
  // Duration::max() where the answer that would make room is overdue by a probe timeout, or nothing
  // may leave at all.
  Duration time_to_room(Instant now) const;
  // Probe packets owed by a probe timeout (RFC 9002 6.2.4): send them before anything else, beyond
  // the window.
  unsigned probes_owed() const;
  // One more, without a timeout: the way may be open again, and nobody has time to wait for the
  // back-off.
  void owe_probe(FrameSink& sink);
  // The peer was heard: where nothing of ours has been answered for two timeouts or more, that
  // shows that the way is open again, and a probe is owed, one in a timeout without back-off at
  // most.
  void on_sign_of_life(Instant now, FrameSink& sink);
  // So many packets are tracked, because the peer acknowledges nothing, that none may leave but
  // those of a timer.
  bool full() const;
  // Size of the padded probe that the MTU search wants to send now, if any.
  std::optional<std::size_t> mtu_probe_size(Instant now) const;
  // Takes the next number. `frames` are what must come back; PING and padding need not be listed.
  // `bytes`: the datagram.
  void on_packet_sent(Instant now, std::size_t bytes, bool ack_eliciting, PacketPurpose purpose,
                      std::span<const SentFrame> frames);
  // RFC 9002 7.8: the application had nothing more to send although the window had room. May be
  // called at any time; nothing happens when the window is full.
  void on_app_limited();
  // True when no ack-eliciting packet is in flight.
  bool idle() const;
  std::uint64_t bytes_in_flight() const;

  // --- receiving ---------------------------------------------------------------------------------
  // One past the largest number received: base of RFC 9000 A.3.
  std::uint64_t expected_number() const;
  // Seen before, or too old to tell (RFC 6479 window). Checked before and registered after opening.
  bool is_duplicate(PacketNumber number) const;
  void on_packet_received(PacketNumber number, std::size_t bytes, bool ack_eliciting, Instant now);
  // The acknowledgement of what came last must leave now.
  void hurry_ack();
  // It was opened and is not wanted, at least not now: the peer takes it for lost and sends its
  // content again, under another number. A copy of it is a duplicate.
  void on_packet_refused(PacketNumber number);
  // Something new was received that has not been acknowledged yet (worth adding to a packet that
  // leaves anyway).
  bool has_ack() const;
  // There is something to acknowledge, be it once more.
  bool can_ack() const;
  // An acknowledgement must leave now by itself (RFC 9000 13.2: every second packet or 25 ms;
  // thinned at high rate; at once when a gap appears).
  bool ack_due(Instant now) const;
  // Fills `out`; call only when can_ack(). Then on_ack_written() once it is in a packet, before
  // that packet's on_packet_sent().
  void make_ack(AckFrame& out, Instant now) const;
  void on_ack_written(Instant now);
  // The same where it left in a packet of another path.
  void on_ack_written_elsewhere();
  // RFC 9000 13.2.4: a side that only acknowledges asks now and then for an acknowledgement itself;
  // true: add a PING. So does one whose probes get no answer: the packet leaves anyway.
  bool wants_ping_with_ack(Instant now) const;

  // False when it acknowledges a packet that was never sent: the peer breaks the protocol.
  bool on_ack_received(const AckFrame& ack, Instant now, FrameSink& sink);

  // --- timers ------------------------------------------------------------------------------------
  // Loss, probe, ack delay, pacing, MTU search: the earliest, kNever if none. Pacing counts only
  // while set_waiting(true): the session has something to send.
  Instant next_deadline() const;
  void set_waiting(bool has_data);
  void on_deadline(Instant now, FrameSink& sink);
  // The way was closed and is open again: what waits for an acknowledgement is probed for at once,
  // and without back-off.
  void probe_now(Instant now, FrameSink& sink);

  // --- address validation and roaming ------------------------------------------------------------
  // Before it, at most three times the bytes received may be sent (RFC 9000 8.1). Starts
  // unvalidated.
  void set_address_validated();
  bool address_validated() const;
  // Bytes of every datagram that came from the address before it is validated, handshake packets
  // included.
  void on_unvalidated_bytes(std::size_t bytes);
  // RFC 9000 9.4: the peer moved: round-trip time, window and MTU start afresh; packet numbers go
  // on. What is validated stays validated: move only to an address that has answered a challenge.
  // `rtt_initial`: what the challenge took, for the timers until the first sample (RFC 9002 6.2.2);
  // nothing if unknown.
  void reset_for_new_route(Instant now, std::optional<Duration> rtt_initial = std::nullopt);
  // The peer's promise, known after the handshake; and what the handshake's round trip took.
  void set_peer_ack_delay_max(Duration delay);
  // Floor and ceiling in bytes/s, 0 = none; from now on.
  void set_send_rate(std::uint64_t min, std::uint64_t max);
  void on_handshake_rtt(Duration rtt);

  // Gives every frame in flight back as lost (the path is given up).
  void abandon(FrameSink& sink);
  // The same while the path is only in doubt: its packets may still be acknowledged.
  void give_back_all(FrameSink& sink);

  // When the oldest unanswered ack-eliciting packet went out; kNever if none. For the connected
  // timeout.
  Instant oldest_unacked_time() const;
  // Probe timeout now (RFC 9002 6.2.1), with its back-off.
  Duration probe_timeout() const;
  PathStats stats() const;
  // Share of the peer's packets, by number, that arrived over the last 10 s; 0..1, negative if
  // unknown.
  double arrival_share(Instant now) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace whimbrel
