// One peer: joins keys, paths and channels; builds and opens packets. The endpoint makes it when a
// handshake is done; what was sent before waits there.
//
// Its states are in session_state.h, its timers in session_timers.cc.
//
// Driven by one Endpoint. Not thread-safe; `now` is handed in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/counters.h"
#include "base/random.h"
#include "base/remote.h"
#include "base/transmit.h"
#include "crypto/packet_keys.h"
#include "message/channels.h"
#include "session/path_set.h"
#include "session/rate_meter.h"
#include "session/session_options.h"
#include "session/session_state.h"

namespace whimbrel {

// What the handshake told of the peer.
struct PeerLimits {
  InitialCredit credit;
  Duration ack_delay_max = milliseconds(25);
  std::size_t datagram_size_max = kDatagramSizeMin;
};

struct Establishment {
  PacketKeys keys;
  ReceiverIndex local_index = 0;   // the peer puts it into packets to us
  ReceiverIndex remote_index = 0;  // we put it into packets to the peer
  Remote remote;
  PeerLimits peer;
  bool answering = false;  // we accepted: the first packet of ours confirms it (HANDSHAKE_DONE)
  bool await_confirmation =
      false;  // say nothing before the peer's first packet (it may not have accepted yet)
  AddressProof address_proof = AddressProof::kKeys;
  std::size_t bytes_received = 0;  // from `remote`, while that is not validated
  Duration handshake_rtt{};        // 0: not measured
  bool one_of_several = false;     // message 1 went to other addresses of the peer as well
  bool leads = true;  // of the two sides it opens further paths, and says which one is used
};

// Why a session is over, for the application.
struct SessionEnd {
  enum class Kind : std::uint8_t { kIdle, kClosedByPeer, kTimedOut, kLocalProblem, kClosedByUs };
  Kind kind = Kind::kClosedByUs;
  int reason = 0;
  std::string text;
  bool lost_reliable = false;  // reliable messages that were taken were not acknowledged
  Duration waited{};           // kTimedOut: so long for an answer
};

class Session final : private FrameSink {
 public:
  // `random`, `counters` and `slabs` (where received messages live) must outlive the session.
  Session(const SessionOptions& options, Establishment&& with, Random& random, Counters& counters,
          SlabAllocator& slabs, Instant now);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() override;

  // --- commands ----------------------------------------------------------------------------------
  bool can_send(ChannelId channel) const { return channels_.can_send(channel); }
  // `flags` of send_flags.h.
  void send(ChannelId channel, SharedBytes payload, int flags, Instant now);
  // What was taken may still leave for the linger time, and reliable data be sent again; then
  // CLOSE.
  void close(int reason, std::string_view text, bool linger, Instant now);
  // Over, for a reason of ours (timeout, violation); the peer is told.
  void fail(SessionEnd::Kind kind, int reason, std::string_view text, Instant now);
  // So many unreliable messages were dropped before the session began: their numbers are left out.
  void skip_unreliable(ChannelId channel, std::uint64_t messages) {
    channels_.skip_unreliable(channel, messages);
    counted_expired_ = channels_.unreliable_expired();
  }
  // The peer has forgotten the session. RFC 9000 10.3.1: nothing more is said.
  void drain() { state_ = SessionEnded{}; }
  // See Channels.
  bool close_channel(ChannelId channel) { return channels_.close_channel(channel); }
  bool has_open_channels() const { return channels_.has_open_channels(); }
  void consumed(std::uint16_t place, bool reliable, std::uint64_t bytes, std::uint64_t messages,
                Instant now);
  void set_options(const SessionOptions& options);
  // Ask the peer for a sign of life. It has until the connected timeout, or, where there is more to
  // the rival than a claim, three probe timeouts and no less than 3 s.
  void probe_liveness(Rival rival, Instant now);
  // The relays over which the peer can be reached now: all of them. Without effect where the
  // handshake went to an address.
  void set_carriers(std::span<const RelayCarrier> carriers, Instant now);
  // True where something waited to leave, since the last call, and no path can be used.
  bool take_cut_off() { return std::exchange(cut_off_, false); }
  // set_carriers() was called: the next three may say something.
  bool has_relays() const { return paths_.several(); }
  // A path was opened, and wants an index at which the peer reaches us on it.
  bool wants_index() const { return paths_.wants_index(); }
  void give_index(ReceiverIndex index) { paths_.give_index(index); }
  // Of a path that is gone: it leads here no more.
  std::optional<ReceiverIndex> take_retired_index() { return paths_.take_retired_index(); }
  // The handshake itself has shown that the peer has the keys and is alive.
  void confirm() { stage_ = HandshakeStage::kConfirmed; }

  // FinishXX came again: the peer has not heard that it arrived.
  void repeat_handshake_done() { owed_.handshake_done = !confirmed(); }

  // RespIK went to another address as well: keys that are known show nothing of the first one any
  // more.
  void answered_to(const Remote& address) {
    PathEntry& first = paths_.first();
    if (address != first.remote && first.proof == AddressProof::kKeys)
      first.proof = AddressProof::kAck;
  }

  // FinishXX leaves again and nothing has come back: perhaps we have moved, and the confirmation
  // goes to where we were. A packet under the session's keys lets the peer find and validate the
  // new address.
  void show_address() { owed_.address = silent(); }

  // --- inputs ------------------------------------------------------------------------------------
  // A data packet for an index of ours. Decrypts in place; messages go to the end of `out`.
  void receive(const Remote& from, const DataHeader& header, MutableBytes datagram, Instant now,
               std::vector<ReceivedMessage>& out);
  void advance(Instant now);
  // True, ever more rarely, where what we have sent is not answered for a probe timeout or two:
  // perhaps the peer has started again.
  bool take_doubt() { return std::exchange(doubt_, false); }

  // --- outputs -----------------------------------------------------------------------------------
  std::optional<RemoteTransmit> poll_transmit(MutableBytes buffer, Instant now);
  Instant next_deadline() const;

  // --- getters -----------------------------------------------------------------------------------
  SessionPhase phase() const { return static_cast<SessionPhase>(state_.index()); }
  // Set once the session is over for the application; the endpoint reads it after every call.
  const std::optional<SessionEnd>& end() const { return end_; }
  // Of the active path.
  const Remote& remote() const { return paths_.active().remote; }
  bool address_validated() const { return path().address_validated(); }
  // Of the handshake.
  ReceiverIndex local_index() const { return paths_.first().local_index; }
  ReceiverIndex remote_index() const { return paths_.first().remote_index; }
  bool receives_at(ReceiverIndex index) { return paths_.find_local(index) != nullptr; }
  // A data packet of the peer was opened: both sides have the keys.
  bool confirmed() const { return stage_ == HandshakeStage::kConfirmed; }
  const Channels& channels() const { return channels_; }
  const SessionOptions& options() const { return options_; }
  std::uint64_t held_bytes() const { return channels_.held_bytes(); }
  // Of the active path.
  PathStats path_stats() const { return path().stats(); }
  const PathSet& paths() const { return paths_; }
  float local_quality(Instant now) const;
  float remote_quality() const { return remote_quality_; }
  RateMeter::Rate rate_in(Instant now) const { return meter_in_.rate(now); }
  RateMeter::Rate rate_out(Instant now) const { return meter_out_.rate(now); }
  Duration queue_time() const;
  // For kSendNoDelay: a message on `channel` leaves within kNoDelayMax. False for the second one:
  // one on some channel may not.
  bool can_leave_soon(ChannelId channel, Instant now) const;
  bool can_leave_soon_on_any(Instant now) const;
  // What is sent on it later shall not wait until the peer knows the channel.
  void want_channel(ChannelId channel) { channels_.want_name(channel); }
  Instant last_received() const { return last_received_; }

 private:
  // A packet that came, while it is read.
  struct Arrival {
    PathEntry& entry;
    const Remote& from;
    Instant now;
    std::vector<ReceivedMessage>& out;
    std::size_t bytes = 0;
    bool is_newest = false;
  };
  bool silent() const { return stage_ == HandshakeStage::kSilent; }
  // Packets are read and made.
  bool flows() const { return phase() <= SessionPhase::kLingering; }
  Path& path() { return paths_.active().path; }
  const Path& path() const { return paths_.active().path; }

  // session_receive.cc
  bool open_packet(PathEntry& entry, const DataHeader& header, MutableBytes datagram, Instant now,
                   Bytes& frames, PacketNumber& number);
  // What asks for an acknowledgement in a packet.
  struct Asking {
    bool ping = false;
    bool more = false;
  };
  FrameVerdict read_frames(ByteReader& in, Arrival& arrival, Asking& asking);
  FrameVerdict read_frame(FrameType type, ByteReader& in, Arrival& arrival);
  FrameVerdict read_path_frame(FrameType type, ByteReader& in, Arrival& arrival);
  FrameVerdict on_ack(ByteReader& in, PathEntry& entry, Instant now);
  FrameVerdict on_path_ack(ByteReader& in, Instant now);
  FrameVerdict on_close(ByteReader& in, Instant now);
  void receive_while_closing(SessionClosing& closing, Bytes frames);
  void settle(Arrival& arrival, bool delivered);
  void after_packet(Arrival& arrival);
  void note_heard(Instant now);
  void count_drop(Count count) { counters_.add(count); }
  void count_unreliable_drops();
  void count_expired();

  // session_roaming.cc
  void note_source(Arrival& arrival);
  void on_path_response(PathEntry& entry, const PathData& frame, Instant now);
  std::unique_ptr<Validation> new_validation(const Remote& to, Instant now);
  void advance_validation(PathEntry& entry, Instant now);
  std::optional<RemoteTransmit> transmit_while_silent(MutableBytes buffer, Instant now);

  // session_paths.cc
  void settle_paths(Instant now);
  void place_first(Instant now);
  void open_paths(Instant now);
  void choose(Instant now);
  void use(PathEntry& entry, Instant now);
  // Nothing answers on it: what is in flight there goes elsewhere.
  void suspect(PathEntry& entry, Instant now);
  void update_status(PathEntry& entry);
  void move_active(Instant now);
  void take_carrier(PathEntry& entry, Instant now);
  void move_entry(PathEntry& entry, const Remote& to, Instant now);
  PathView view_of(const PathEntry& entry, Instant now) const;
  // How long a path whose packets nobody has answered is silent already; zero where none are out.
  Duration silence_of(const PathEntry& entry, Instant now) const;
  bool is_dead(const PathEntry& entry, Instant now) const;
  Instant silent_since(const PathEntry& entry) const;
  bool asks_at(const PathEntry& entry, Instant at) const;
  enum class PathTimer : std::uint8_t;
  [[gnu::always_inline]] inline Instant deadline_of(const PathEntry& entry, PathTimer timer) const;
  Instant path_deadline(const PathEntry& entry) const;
  void on_path_timer(PathEntry& entry, PathTimer timer, Instant now);
  void advance_path(PathEntry& entry, Instant now);
  void on_path_works(PathEntry& entry, Instant now);
  FrameVerdict on_path_index(const PathIndexFrame& frame, Instant now);
  FrameVerdict on_path_status(const PathStatusFrame& frame);
  FrameVerdict on_path_abandon(const PathAbandonFrame& frame);
  void abandon(PathEntry& entry);
  void on_first_packet(const Arrival& arrival);
  void on_other_relay(const Arrival& arrival);
  bool write_path_frames(ByteWriter& out);
  bool owes_other_acks(Instant now) const;
  void write_other_acks(ByteWriter& out, Instant now);
  void double_packet(Bytes content, Instant now);
  std::optional<RemoteTransmit> transmit_doubled(MutableBytes buffer);
  std::optional<RemoteTransmit> transmit_aside(MutableBytes buffer, Instant now);

  // session_transmit.cc
  bool may_send_data(PathEntry& entry, std::size_t room, Instant now);
  bool write_content(ByteWriter& out, Instant now, bool whole);
  // `whole`: messages that do not fit wait, rather than be cut. Messages leave on the active path
  // only.
  std::size_t build_data_packet(PathEntry& entry, MutableBytes out, Instant now,
                                bool whole = false);
  std::size_t build_single(PathEntry& entry, MutableBytes out, Instant now, FrameType type,
                           const PathData& data);
  std::size_t build_mtu_probe(MutableBytes out, std::size_t size, Instant now);
  void write_all_acks(PathEntry& entry, ByteWriter& out, Instant now);
  std::size_t build_close(PathEntry& entry, const ClosingWords& words, MutableBytes out,
                          Instant now);
  std::size_t seal(PathEntry& entry, MutableBytes out, std::size_t plain_size,
                   std::size_t header_size, PacketNumber number);
  std::optional<RemoteTransmit> transmit_probe(PathEntry& entry, MutableBytes buffer, Instant now);
  std::optional<RemoteTransmit> transmit_close(SessionClosing& closing, MutableBytes buffer,
                                               Instant now);
  std::optional<RemoteTransmit> transmit_batch(MutableBytes buffer, Instant now);
  bool write_handshake_done(ByteWriter& out);
  bool write_quality(ByteWriter& out, Instant now);
  bool has_control() const;
  bool sets_segment(std::size_t bytes, std::size_t full) const;
  bool hold_for_more(std::size_t room, Instant now);
  void maybe_update_keys(Instant now);
  void begin_phase(Instant now);
  void sent(std::size_t bytes, bool ack_eliciting, Instant now);

  // session.cc
  void on_frame_acked(const SentFrame& frame) override;
  void on_frame_lost(const SentFrame& frame) override;
  void enter_closing(ClosingWords words, Instant now);
  void on_path_frame_lost(const SentFrame& frame);
  void on_abandon_acked(PathId id);

  // session_timers.cc
  enum class Timer : std::uint8_t;
  [[gnu::always_inline]] inline Instant deadline_of(Timer timer) const;
  void on_timer(Timer timer, Instant now);
  Instant paths_deadline() const;
  void advance_paths(Instant now);
  void raise_doubt();
  void measure_quality(Instant now);
  // So long a quiet line is left alone; zero: for ever.
  Duration quiet_max() const;
  Instant keep_alive_at() const;
  // When it asks whether a stream of packets that has stopped was meant to; kNever if there was
  // none.
  Instant flow_question_at() const;
  void note_flow(bool of_content, Instant now);
  // When the peer is given up, and when it is asked once more before; kNever while nothing is
  // awaited.
  Instant timeout_at() const;
  Instant last_question_at() const;
  Instant doubt_at() const;
  bool leaves_soon_behind(std::uint64_t bytes, Instant now) const;
  void time_out(Duration waited, std::string_view text, Instant now);
  void note_message(Instant now) { last_message_ = now; }
  void end_with(SessionEnd::Kind kind, int reason, std::string_view text);

  // At most this often, and only along with something else.
  static constexpr Duration kQualityInterval = seconds(2);
  // A stream is so many packets with no such pause between them; the question costs little beside
  // it.
  static constexpr std::uint8_t kFlowPackets = 20;
  static constexpr Duration kFlowPause = seconds(1);
  static constexpr std::size_t kDoubledMax = 64;  // what is over it leaves on the active path only
  static constexpr std::uint32_t kPathIdsMax = 1u << 30;  // of a session's life
  // So long after the last message there is nothing to tell of the line any more.
  static constexpr Duration kQuietLine = seconds(10);

  SessionOptions options_;
  Random& random_;
  Counters& counters_;
  Channels channels_;
  PathSet paths_;
  PacketKeys keys_;
  HandshakeStage stage_;
  SessionState state_;
  std::optional<SessionEnd> end_;

  Instant last_message_;   // either way, for the idle timeout
  Instant last_received_;  // any packet that opened; the handshake before there is one
  std::optional<AwaitedAnswer> awaited_;
  std::optional<SignOfLife> sign_of_life_;
  Instant last_activity_;          // any packet either way, for keep-alives
  Instant last_content_{};         // a packet with more in it than acknowledgements and PING
  std::uint8_t flow_packets_ = 0;  // of them in a row without a pause, at most kFlowPackets
  bool answering_ = false;
  bool doubt_ = false;
  bool cut_off_ = false;

  OwedFrames owed_;
  Instant stays_until_{};  // whatever address packets come from
  Instant quality_next_ = kNever;
  float remote_quality_ = -1;

  // Nagle (RFC 896, bounded): since when a part-full packet waits for more.
  Instant hold_since_ = kNever;
  bool flush_ = false;

  Instant old_key_until_ = kNever;  // after a key update

  // What of the channels' own counts is in counters_ already.
  std::uint64_t counted_receive_limit_ = 0, counted_incomplete_ = 0, counted_expired_ = 0;

  RateMeter meter_in_;
  RateMeter meter_out_;
  std::vector<SentFrame> records_;  // of the packet being built
  // Packets that leave on the second path, while the active one is in doubt.
  struct Doubled {
    Remote to;
    std::vector<std::uint8_t> packet;
  };
  std::vector<Doubled> doubled_;
  Instant looked_at_paths_{};
  bool look_at_paths_ = false;  // a frame has changed what is known of them
};

}  // namespace whimbrel
