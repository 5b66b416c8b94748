// All channels with one peer: what waits to be sent, what is in flight, what has arrived in part, what is ready.
//
// Reliable messages of a channel form one byte stream ({length varint, bytes} after one another) sent in STREAM
// frames, so that a packet of seventeen small messages costs one frame and one record. Unreliable messages leave
// once, whole in MESSAGE frames or cut into FRAGMENTs. Over kUnreliableFragmentsMax fragments they become reliable
// unordered: FRAGMENTs that are sent again when lost. No channel waits for another: the scheduler takes turns among
// channels (RFC 8260), so a 64-byte message passes a 512 KiB one on another channel.
//
// Driven by one Session, not thread-safe, no clock: `now` is handed in.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/shared_bytes.h"
#include "base/time.h"
#include "wire/frame.h"

namespace whimbrel {

inline constexpr std::size_t kMessageSizeMax = 524288;
inline constexpr std::size_t kUnreliableFragmentsMax = 16;

enum class Delivery : std::uint8_t { kReliable, kReliableUnordered, kUnreliable };

// Limits of one session. What happens at each limit stands beside it.
struct MessageLimits {
  // Received and not yet consumed by the application, partial messages included. Reliable data is held back at the
  // sender by credit; unreliable data is dropped and counted. At least kReceiveBytesMin.
  std::uint64_t receive_bytes_max = 1 << 20;
  std::uint64_t receive_messages_max = 1000;
  // Channels with state, each way. Over it: the peer's frame breaks the protocol; our send is refused by can_send().
  std::size_t channels_max = 256;
  // Unreliable messages in reassembly; the oldest is dropped.
  std::size_t partial_unreliable_max = 64;
  // Stream pieces that arrived ahead of a gap; over it the packet is refused (not acknowledged).
  std::size_t early_pieces_max = 16384;
};
inline constexpr std::uint64_t kReceiveBytesMin = kMessageSizeMax + 16 * 1024;

struct ReceivedMessage {
  SharedBytes payload;
  ChannelId channel = 0;
  bool reliable = false;
  std::uint64_t number = 0;  // from 1, per channel and kind (reliable, unreliable) in the order they were sent
  Instant received;
};

// What to do with the packet a frame came in.
enum class FrameVerdict : std::uint8_t {
  kTaken,      // also when it was a duplicate
  kRefused,    // no room: do not acknowledge the packet
  kViolation,  // the peer breaks the protocol: close the session
};

struct ChannelsStats {
  std::uint64_t messages_sent = 0, messages_received = 0;
  std::uint64_t unreliable_dropped_receive_limit = 0, unreliable_dropped_incomplete = 0;
  std::uint64_t unreliable_lost = 0;  // a fragment or whole message that was reported lost
  std::uint64_t stream_bytes_resent = 0;
};

class Channels {
 public:
  explicit Channels(const MessageLimits& limits);
  ~Channels();
  Channels(Channels&&) noexcept;
  Channels& operator=(Channels&&) noexcept;

  // --- out -------------------------------------------------------------------------------------------------------
  // False when the channel is new and channels_max is reached.
  bool can_send(ChannelId channel) const;
  // Takes the payload (moved, not copied), at most kMessageSizeMax bytes. `fragment_size`: payload bytes that one packet
  // can carry, decides whether an unreliable message becomes reliable unordered. Send limits are the caller's.
  void send(ChannelId channel, Delivery delivery, SharedBytes payload, std::size_t fragment_size);
  // What the peer grants at the start (handshake) and later (credit frames): totals, never shrinking.
  void set_initial_credit(std::uint64_t session_bytes, std::uint64_t session_messages,
                          std::uint64_t channel_bytes);
  void on_session_credit(const SessionCreditFrame& frame);
  FrameVerdict on_channel_credit(const ChannelCreditFrame& frame);

  // Something could go into a packet now: lost data, new data within credit, or credit to announce.
  bool has_frames() const;
  // Fills what room `out` has left: credit frames, lost stream ranges and fragments first, then new data, channels taking turns.
  // Appends a record for every frame that must come back. Copies payload bytes once, into the packet. Returns true if it
  // wrote anything. If `last` is set the final frame may run to the packet's end without a length: then nothing may be
  // written after it.
  bool produce(ByteWriter& out, std::vector<SentFrame>& records, Instant now);
  void on_frame_acked(const SentFrame& frame);
  void on_frame_lost(const SentFrame& frame);

  // Payload bytes. A reliable byte is pending until sent, unacknowledged until acknowledged.
  std::uint64_t pending_reliable() const;
  std::uint64_t pending_unreliable() const;
  std::uint64_t unacknowledged_reliable() const;
  // All three together, payload bytes of whole messages not yet released: what the send limit counts. A message is
  // released when its last byte is acknowledged (reliable) or sent (unreliable).
  std::uint64_t held_bytes() const;
  // Nothing reliable is pending or unacknowledged.
  bool flushed() const;
  // Drops everything unsent that is unreliable; for a session that lingers.
  void drop_unreliable();

  // --- in --------------------------------------------------------------------------------------------------------
  FrameVerdict on_stream(const StreamFrame& frame, Instant now, std::vector<ReceivedMessage>& out);
  FrameVerdict on_message(const MessageFrame& frame, Instant now, std::vector<ReceivedMessage>& out);
  FrameVerdict on_fragment(const FragmentFrame& frame, Instant now, std::vector<ReceivedMessage>& out);
  // The application took (or dropped) delivered messages: room for more. `bytes` is payload.
  void on_consumed(ChannelId channel, bool reliable, std::uint64_t bytes, std::uint64_t messages);
  // Credit that we grant at the start, to be announced in the handshake: {session bytes, session messages, channel
  // bytes}.
  SessionCreditFrame initial_session_credit() const;
  std::uint64_t initial_channel_credit() const;

  ChannelsStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace whimbrel
