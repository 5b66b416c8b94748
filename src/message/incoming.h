// The receiving half of Channels: what has arrived in part, what the application has not consumed,
// and what the peer may therefore send.
//
// Reliable and unreliable data share the receive limit. What was promised to the peer as credit
// cannot be taken back, so unreliable data gets what is not promised: of the bytes an eighth, of
// the messages half. A peer that sends only reliable messages is promised all but an eighth. An
// unread channel gets only a share of either kind (channel_share.h): the sender keeps to it for
// reliable data; unreliable data beyond it is dropped here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/ring_buffer.h"
#include "base/shared_bytes.h"
#include "message/channel_share.h"
#include "message/channel_table.h"
#include "message/message.h"
#include "message/receive_context.h"
#include "message/receive_stream.h"
#include "message/receive_window.h"
#include "message/seen_sequences.h"
#include "message/unordered_reassembly.h"
#include "message/unreliable_reassembly.h"

namespace whimbrel {

class Incoming {
 public:
  // `slabs` may be shared by the sessions of one thread; null: an allocator of its own.
  Incoming(const MessageLimits& limits, SlabAllocator* slabs);

  FrameVerdict on_stream(const StreamFrame& frame, Instant now, std::vector<ReceivedMessage>& out);
  FrameVerdict on_message(const MessageFrame& frame, Instant now,
                          std::vector<ReceivedMessage>& out);
  FrameVerdict on_fragment(const FragmentFrame& frame, Instant now,
                           std::vector<ReceivedMessage>& out);
  FrameVerdict on_channel_name(const ChannelNameFrame& frame);
  void on_consumed(std::uint16_t place, bool reliable, std::uint64_t bytes, std::uint64_t messages);
  bool close_channel(ChannelId name);
  bool has_open_channels() const { return open_channels_ > 0; }

  InitialCredit initial_credit() const {
    return {bytes_.limit(), messages_.limit(), channel_bytes_, channel_messages_};
  }

  // From now on the same unreliable message may come twice, on two paths.
  void expect_copies() { copies_ = true; }

  // Credit to announce.
  bool has_frames() const { return bytes_.due() || messages_.due() || !due_channels_.empty(); }
  void produce(ByteWriter& out, std::vector<SentFrame>& records);
  void on_frame_lost(const SentFrame& frame);
  // Drops unreliable messages that will not be completed any more.
  void expire(Instant now) {
    if (!partials_.empty()) partials_.expire(now);
  }

  std::uint64_t messages_received() const { return messages_received_; }
  std::uint64_t unreliable_dropped_receive_limit() const { return dropped_receive_limit_; }
  std::uint64_t unreliable_dropped_incomplete() const { return partials_.dropped(); }
  // Payload and stream bytes that take room under the receive limit.
  std::uint64_t held_bytes() const;

 private:
  // What the peer calls a channel of its packets, and how many messages of each kind had come
  // before.
  struct Naming {
    ChannelId name = 0;
    std::uint64_t count = 0;
    std::uint64_t ordered = 0;
    std::uint64_t unordered = 0;
    std::uint64_t unreliable = 0;
  };
  struct Channel {
    Channel(ChannelId channel, std::uint64_t bytes_window, std::uint64_t messages_window);

    std::uint32_t unread = 0;  // reliable messages delivered and not consumed
    // Of unreliable ones.
    std::uint32_t unreliable_messages = 0;
    std::uint32_t unreliable_bytes = 0;
    bool credit_queued = false;
    bool open = false;  // a message was delivered, and the application has not closed it
    ReceiveWindow bytes;
    ReceiveWindow messages;
    ReceiveStream stream;
    std::unique_ptr<UnorderedReassembly> unordered;
    std::unique_ptr<Naming> naming;       // where it has another name than at first
    std::unique_ptr<SeenSequences> seen;  // unreliable ones, where copies may come

    ChannelId name() const { return naming ? naming->name : stream.channel(); }
    // An unreliable message of its former name, or one that was delivered.
    bool is_over(std::uint64_t sequence) const {
      return (naming && sequence < naming->unreliable) || (seen && seen->seen(sequence));
    }
  };

  static constexpr std::size_t kGivenAwayMax = 4096;

  Channel* channel_of(ChannelId channel);
  void open(Channel& channel);
  void give_away(Channel& channel);
  ReceiveContext context(Channel& channel, Instant now, std::vector<ReceivedMessage>& out);
  void note_charged(Channel& channel, std::size_t delivered);
  bool scarce() const;
  void consider(Channel& channel, bool is_scarce);
  bool within_unreliable_share(const Channel& channel, std::uint64_t size) const;
  bool make_room_for_unreliable(const Channel& channel, std::uint64_t size);
  FrameVerdict on_reliable_fragment(const FragmentFrame& frame, Instant now,
                                    std::vector<ReceivedMessage>& out);
  void deliver_unreliable(Channel& channel, std::uint64_t sequence, SharedBytes payload,
                          Instant now, std::vector<ReceivedMessage>& out);
  void label(Channel& channel, std::uint64_t Naming::*former, std::size_t first,
             std::vector<ReceivedMessage>& out);
  void queue_credit(Channel& channel);
  void share_messages();

  MessageLimits limits_;
  std::unique_ptr<SlabAllocator> own_slabs_;
  SlabAllocator* slabs_;
  std::uint64_t channel_bytes_;
  std::uint64_t channel_messages_;
  ChannelTable table_;
  std::vector<Channel> channels_;
  ReceiveWindow bytes_;                              // reliable
  ReceiveWindow messages_;                           // reliable
  std::optional<std::uint64_t> unreliable_came_at_;  // messages_.charged() then
  bool was_scarce_ = false;
  bool copies_ = false;
  std::size_t early_pieces_ = 0;
  std::size_t open_channels_ = 0;
  // Open channels that gave their place to another one. Beyond kGivenAwayMax they stay open for
  // good.
  std::unique_ptr<std::set<ChannelId>> given_away_;
  UnreliableReassembly partials_;
  RingBuffer<std::uint32_t> due_channels_;  // with credit to announce
  std::uint64_t unreliable_bytes_ = 0;      // delivered and not consumed
  std::uint64_t unreliable_messages_ = 0;
  std::uint64_t messages_received_ = 0;
  std::uint64_t dropped_receive_limit_ = 0;
};

}  // namespace whimbrel
