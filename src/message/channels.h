// All channels with one peer: what waits to be sent, is in flight, has arrived in part, or is ready
// to be read.
//
// Reliable messages of a channel form one byte stream ({length varint, bytes} after one another)
// sent in STREAM frames, so that a packet of seventeen small messages costs one frame and one
// record. Unreliable messages leave once, whole in MESSAGE frames or cut into FRAGMENTs. Over
// kUnreliableFragmentsMax fragments they become reliable unordered: FRAGMENTs that are sent again
// when lost. No channel waits for another: the scheduler takes turns among channels (RFC 8260), so
// a 64-byte message passes a 512 KiB one on another channel.
//
// Driven by one Session, not thread-safe, no clock: `now` is handed in.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/shared_bytes.h"
#include "base/time.h"
#include "message/message.h"
#include "wire/frame.h"

namespace whimbrel {

class Channels {
 public:
  // `slabs`: where received messages live; shared by the sessions that one thread drives, so that
  // an idle session holds no slab. Must outlive this. Null: an allocator of its own.
  explicit Channels(const MessageLimits& limits, SlabAllocator* slabs = nullptr);
  ~Channels();
  Channels(Channels&&) noexcept;
  Channels& operator=(Channels&&) noexcept;

  // --- out --------------------------------------------------------------------------------------
  // False when the channel is new, channels_max is reached, and none of the others can give its
  // place (outgoing.h).
  bool can_send(ChannelId channel) const;
  // What is sent on it now would leave only after a round trip: the peer has to be told the
  // channel's name first.
  bool waits_for_name(ChannelId channel) const;
  // Tells the peer the name although nothing is sent now. Does nothing if the channel waits for no
  // name.
  void want_name(ChannelId channel);
  // Takes the payload (moved, not copied), at most kMessageSizeMax bytes. `fragment_size`: payload
  // bytes that one packet can carry, decides whether an unreliable message becomes reliable
  // unordered. The caller checks send limits. `now`: when an unreliable message begins to age.
  void send(ChannelId channel, Delivery delivery, SharedBytes payload, std::size_t fragment_size,
            Instant now = Instant{});
  // What the peer grants at the start (handshake) and later (credit frames): totals, never
  // shrinking.
  void set_initial_credit(const InitialCredit& credit);
  void on_session_credit(const SessionCreditFrame& frame);
  FrameVerdict on_channel_credit(const ChannelCreditFrame& frame);

  // Whether something could go into a packet now: lost data, new data within credit, or credit to
  // announce.
  bool has_frames() const;
  // Fills what room `out` has left: credit frames, lost stream ranges and fragments first, then new
  // data, channels taking turns. Appends a record for every frame that must come back. Copies
  // payload bytes once, into the packet. Returns true if it wrote anything; false although
  // has_frames() means that the room was too small. Nothing may be written after it: the last frame
  // may run to the packet's end. `whole`: no message is cut into FRAGMENTs, because the path would
  // carry a larger packet; what does not fit waits.
  bool produce(ByteWriter& out, std::vector<SentFrame>& records, Instant now, bool whole = false);
  void on_frame_acked(const SentFrame& frame);
  void on_frame_lost(const SentFrame& frame);

  // Payload bytes. A reliable byte is pending until sent, unacknowledged until acknowledged.
  std::uint64_t pending_reliable() const;
  std::uint64_t pending_unreliable() const;
  std::uint64_t unacknowledged_reliable() const;
  // All three together: payload bytes of whole messages not yet released, which the send limit
  // counts. A message is released when it is acknowledged (reliable; an ordered one when all before
  // it on its channel are, too) or when its last byte is sent (unreliable).
  std::uint64_t held_bytes() const;
  // An upper bound of the bytes that leave before a message that is sent on `channel` now. It
  // depends on the scheduler, and is less than all that waits on other channels. `turn`: bytes of a
  // packet.
  std::uint64_t bytes_before(ChannelId channel, std::size_t turn) const;
  // The same for the channel with the largest bound.
  std::uint64_t bytes_before_any(std::size_t turn) const;
  // Whether nothing reliable is pending or unacknowledged.
  bool flushed() const;
  // The same, and no unreliable message waits to leave.
  bool drained() const;
  // Drops all unreliable messages that were not sent; for a session that ends.
  void drop_unreliable();
  // Unreliable messages that wait longer are dropped, the oldest first, and counted. 0 (the
  // default): none are dropped.
  void set_unreliable_age_max(Duration age_max);
  // Drops them on all channels. next_expiry() says when there is something to do.
  void expire(Instant now);
  Instant next_expiry() const;
  // Counts this many messages as sent on the channel and dropped.
  void skip_unreliable(ChannelId channel, std::uint64_t messages);
  std::uint64_t unreliable_expired() const;

  // --- in ---------------------------------------------------------------------------------------
  FrameVerdict on_stream(const StreamFrame& frame, Instant now, std::vector<ReceivedMessage>& out);
  FrameVerdict on_message(const MessageFrame& frame, Instant now,
                          std::vector<ReceivedMessage>& out);
  FrameVerdict on_fragment(const FragmentFrame& frame, Instant now,
                           std::vector<ReceivedMessage>& out);
  FrameVerdict on_channel_name(const ChannelNameFrame& frame);
  // From now on the same unreliable message may come twice, on two paths; the second one is
  // dropped.
  void expect_copies();
  // The application has taken (or dropped) delivered messages, so there is room for more. `bytes`:
  // payload. `place`: that of the messages.
  void on_consumed(std::uint16_t place, bool reliable, std::uint64_t bytes, std::uint64_t messages);
  // A channel is open once a message was delivered on it. False when it is not.
  bool close_channel(ChannelId channel);
  bool has_open_channels() const;
  // Credit that we grant at the start, to be announced in the handshake.
  InitialCredit initial_credit() const;

  // Bytes that count to receive_bytes_max now: delivered and not consumed, or here in part.
  std::uint64_t receive_held() const;

  ChannelsStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace whimbrel
