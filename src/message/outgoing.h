// The sending half of Channels: the queues of all channels, the credit they share and the
// scheduler that takes turns among them.
//
// Each channel has three lanes: its stream, its unreliable messages, and its reliable unordered
// ones. A lane is active (it could send now), waits for credit, or has nothing to send.
//
// If all places are taken, a new channel gets the place of one that is idle and mostly read by the
// peer's application; channels 0 to 63 keep theirs. Packets go on using the old number. The peer is
// told which channel it stands for, and nothing leaves on it until that is acknowledged.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/ring_buffer.h"
#include "message/channel_table.h"
#include "message/message.h"
#include "message/scheduler.h"
#include "message/send_credit.h"
#include "message/send_stream.h"
#include "message/unordered_queue.h"
#include "message/unreliable_queue.h"

namespace whimbrel {

class Outgoing {
 public:
  explicit Outgoing(std::size_t channels_max) : channels_max_(channels_max) {}

  bool can_send(ChannelId channel) const;
  // Whether what is sent on it now would wait until the peer knows the channel's name.
  bool waits_for_name(ChannelId channel) const;
  // Then gives it a place, if there is one, and tells the peer its name.
  void want_name(ChannelId channel);
  void send(ChannelId channel, Delivery delivery, SharedBytes&& payload, std::size_t fragment_size,
            Instant now);

  void set_initial_credit(const InitialCredit& credit);
  void on_session_credit(const SessionCreditFrame& frame);
  FrameVerdict on_channel_credit(const ChannelCreditFrame& frame);

  // Lost or new data could be written now. Lanes that turn out to wait for credit are put aside on
  // the way.
  bool has_frames();
  void produce(ByteWriter& out, std::vector<SentFrame>& records, Instant now, bool fresh,
               bool whole);
  void on_frame_acked(const SentFrame& frame);
  void on_frame_lost(const SentFrame& frame);

  std::uint64_t pending_reliable() const { return pending_reliable_; }
  std::uint64_t pending_unreliable() const { return pending_unreliable_; }
  std::uint64_t unacknowledged_reliable() const { return unacknowledged_reliable_; }
  std::uint64_t held_bytes() const { return held_bytes_; }
  // See channels.h.
  std::uint64_t bytes_before(ChannelId channel, std::size_t turn) const;
  std::uint64_t bytes_before_any(std::size_t turn) const;
  bool flushed() const { return reliable_messages_ == 0; }
  // Nothing waits to leave either.
  bool drained() const { return flushed() && pending_unreliable_messages_ == 0; }
  void drop_unreliable();
  // Of unreliable messages that wait; 0: for ever.
  void set_unreliable_age_max(Duration age_max) { unreliable_age_max_ = age_max; }
  // Drops those that are older, and says when it should be called again; kNever if none waits.
  void expire(Instant now);
  // As if so many had been sent on the channel and dropped. Only while no unreliable one waits
  // there.
  void skip_unreliable(ChannelId channel, std::uint64_t messages);
  Instant next_expiry() const { return pending_expiry() ? next_expiry_ : kNever; }

  std::uint64_t messages_sent() const { return messages_sent_; }
  std::uint64_t unreliable_lost() const { return unreliable_lost_; }
  std::uint64_t unreliable_expired() const { return unreliable_expired_; }
  std::uint64_t stream_bytes_resent() const { return stream_bytes_resent_; }

 private:
  enum class LaneReadiness : std::uint8_t { kIdle, kReady, kWaits };
  struct Channel {
    Channel(ChannelId id, std::uint32_t place);

    ChannelId id;  // in packets: its name at first
    // In waiting_, or in lost_lanes_.
    bool stream_waits = false;
    bool unordered_waits = false;
    bool stream_lost_queued = false;
    bool unordered_lost_queued = false;
    // It has another name, which the peer has not acknowledged; which is to be said to it.
    bool naming = false;
    bool name_owed = false;
    bool used = false;        // since take_idle_place() came by
    bool kept = false;        // its name is one of kKeptChannels
    std::uint32_t names = 0;  // beside the first
    ChannelCredit credit;
    SendStream stream;
    // Made when first used.
    std::unique_ptr<UnreliableQueue> unreliable;
    std::unique_ptr<UnorderedQueue> unordered;
  };

  static Delivery kind_of(Lane lane) { return static_cast<Delivery>(lane % kLanesPerChannel); }
  static Lane lane_of(std::uint32_t place, Delivery kind) {
    return place * kLanesPerChannel + static_cast<Lane>(kind);
  }
  Channel& channel_of(Lane lane) { return channels_[lane / kLanesPerChannel]; }
  static constexpr Lane kLanesPerChannel = 3;

  std::uint32_t place_of(ChannelId channel);
  bool gives_its_place(const Channel& channel) const;
  std::uint32_t take_idle_place();
  void rename(std::uint32_t place, ChannelId channel);
  void write_names(ByteWriter& out, std::vector<SentFrame>& records);
  void on_name_acked(std::uint32_t place, std::uint64_t count);
  void on_name_lost(std::uint32_t place, std::uint64_t count);
  UnreliableQueue& unreliable_of(std::uint32_t place) {
    const auto& queue = channels_[place].unreliable;
    return queue ? *queue : make_unreliable(place);
  }
  UnreliableQueue& make_unreliable(std::uint32_t place);
  void push_unreliable(std::uint32_t place, SharedBytes&& payload, std::size_t fragment_size,
                       Instant now);
  bool pending_expiry() const {
    return pending_unreliable_messages_ > 0 && unreliable_age_max_ > Duration::zero();
  }
  void expire(UnreliableQueue& queue, Instant now);
  void forget(const UnreliableQueue::Written& gone);
  void push_unordered(std::uint32_t place, SharedBytes&& payload);
  std::uint64_t bytes_before(std::uint64_t own, std::size_t others, std::size_t turn) const;
  std::uint64_t unsent(Lane lane) const;
  LaneCredit credit_of(Lane lane);
  bool& waits(Lane lane);
  LaneReadiness readiness_of(Lane lane);
  void wake(Lane lane);
  void wake_waiting();
  void put_aside(Lane lane, LaneReadiness state);

  std::uint64_t write_new(Lane lane, ByteWriter& out, std::vector<SentFrame>& records, bool fresh,
                          bool whole);
  bool write_lost(Lane lane, ByteWriter& out, std::vector<SentFrame>& records);
  bool& lost_queued(Lane lane);
  bool has_lost(Lane lane);
  void queue_lost(Lane lane, std::uint32_t bytes);
  void resend(ByteWriter& out, std::vector<SentFrame>& records, bool whole);
  void send_new(ByteWriter& out, std::vector<SentFrame>& records, Instant now, bool fresh,
                bool whole);

  std::size_t channels_max_;
  std::uint32_t names_owed_ = 0;
  std::uint32_t hand_ = 0;  // where take_idle_place() goes on
  ChannelTable table_;      // by the names that the application knows
  std::vector<Channel> channels_;
  SendCredit credit_;
  Scheduler scheduler_;
  RingBuffer<Lane> waiting_;     // for credit, or did until their channel got some
  RingBuffer<Lane> lost_lanes_;  // with something to send again

  std::uint64_t lost_bytes_ = 0;  // to be sent again, at most
  std::uint64_t pending_reliable_ = 0;
  std::uint64_t pending_unreliable_ = 0;
  std::uint64_t unacknowledged_reliable_ = 0;
  std::uint64_t held_bytes_ = 0;
  std::uint64_t reliable_messages_ = 0;  // not released
  std::uint64_t messages_sent_ = 0;
  std::uint64_t unreliable_lost_ = 0;
  std::uint64_t unreliable_expired_ = 0;
  std::uint64_t pending_unreliable_messages_ = 0;
  Duration unreliable_age_max_{};
  Instant next_expiry_ = kNever;  // of the oldest, or earlier
  std::uint64_t stream_bytes_resent_ = 0;
};

}  // namespace whimbrel
