// What has arrived and the application has not read: one queue for each channel, first in first out
// over all users. The driver of the core delivers, any thread of the application takes.
// Thread-safe: one lock for a batch, not for a message. Each session delivers no more than its
// limit, which the core sees to. What sessions that are over have left counts here: together with
// what the same user's next session delivers, and over all users.
#pragma once

#include <whimbrel/identity.h>
#include <whimbrel/networking_messages.h>

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/ring_buffer.h"
#include "endpoint/endpoint.h"
#include "io/mutex.h"

namespace whimbrel {

// Messages that the application took or dropped: room for the peer to send more.
struct Consumed {
  SessionId session{};
  std::uint16_t place = 0;  // of the channel in the session
  bool reliable = false;
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
};

class Inbox {
 public:
  struct Sender {
    Sender(const Identity& name, std::int64_t data = -1) : user(name), user_data(data) {}
    Identity user;
    std::int64_t user_data;
  };
  using UserOf = std::function<Sender(SessionId)>;

  // Unread messages that went because there were too many: of sessions of this user that were over,
  // or of several users (this one's the oldest).
  struct Eviction {
    Identity user;
    std::uint64_t messages = 0;
    std::size_t users = 0;
  };
  using OnEviction = std::function<void(const Eviction&)>;
  // Told of each by the thread that delivers, with no lock of the inbox held. Set before the first
  // message.
  void set_on_eviction(OnEviction tell) { on_eviction_ = std::move(tell); }

  // A session that was read so far without the core knowing makes take() ask for the driver. So
  // does one that has so much here, when a channel is read to its end.
  void set_report_thresholds(std::uint64_t bytes, std::uint64_t messages);

  // What one user may have here, over all of its sessions: the largest receive limits that a
  // session has.
  void set_user_limits(std::uint64_t bytes, std::uint64_t messages);
  // What all sessions that are over may have here; over it the oldest of them go, down to half.
  static constexpr std::uint64_t kEndedBytesMax = 64u << 20;
  static constexpr std::uint64_t kEndedMessagesMax = 65536;

  // Moves the messages out of `delivered`. `user_of` is asked once for a session that is new here;
  // it answers the invalid identity for one that is over. A user that has too much here loses what
  // its oldest session left, whole.
  void deliver(std::vector<DeliveredMessage>& delivered, const UserOf& user_of);
  // Of all that is taken from now on.
  void set_user_data(SessionId session, std::int64_t data, const UserOf& user_of);
  // Fills `out` from the front; answers how many. Sets `*report` when the driver should
  // take_consumed() soon.
  std::size_t take(ChannelId channel, std::span<Message> out, bool* report);
  // Drops what is unread of one channel of a session.
  void drop(SessionId session, ChannelId channel);
  // Drops what is unread of all sessions with this user, those that are over included.
  void drop(const Identity& user);
  // Appends what was consumed since the last call.
  void take_consumed(std::vector<Consumed>& out);

  // What wait() looks at: another, larger number whenever something new has come, 0 while nothing
  // is unread. What take() leaves on its channel counts as new again: whoever reads it wants the
  // rest.
  std::uint64_t news() const { return news_.load(std::memory_order_acquire); }
  // What the handle shows: something is unread on a channel that the application reads, or
  // something has come on another one since it last called. So a program is not woken again and
  // again for what it never reads, and whatever comes on its channels between its calls is shown
  // until it is taken.
  bool shows() const {
    return shown_channels_.load(std::memory_order_acquire) > 0 ||
           shows_once_.load(std::memory_order_acquire);
  }
  // The application called, and has seen what the handle showed once. Answers up to which of news()
  // that was all there was, or 0.
  std::uint64_t note_call();
  // Of the application's calls a good number were made since the last time: what is unread on a
  // channel that it did not read meanwhile is not shown any more.
  void end_turn();

  bool empty() const { return size_.load(std::memory_order_acquire) == 0; }
  std::size_t size() const { return size_.load(std::memory_order_acquire); }
  std::size_t size_of(ChannelId channel) const;
  // Messages of sessions that were over, which went because there were too many.
  std::uint64_t evicted() const;

 private:
  static constexpr ChannelId kDirectChannels = 16;
  static constexpr std::size_t kSessionsSweepMin = 1024;
  static constexpr std::size_t kOtherChannelsKept = 256;

  struct Session;
  // What is here of one user. Only the last of its sessions can be up.
  struct Held {
    std::vector<Session*> sessions;
    std::uint64_t bytes = 0;
    std::uint64_t messages = 0;
  };
  using Users = std::map<Identity, Held>;
  struct Session {
    const Identity& user() const { return entry->first; }
    Held& held() const { return entry->second; }

    SessionId id{};
    Users::value_type* entry = nullptr;
    std::int64_t user_data = -1;
    std::uint64_t queued = 0;
    std::uint64_t queued_bytes = 0;
    bool dropping = false;  // drop_from() takes its messages
    // Consumed, and not taken by take_consumed() yet.
    std::uint64_t unreported_bytes = 0;
    std::uint64_t unreported_messages = 0;
  };
  struct Entry {
    Session* session = nullptr;
    ReceivedMessage message;
  };
  // A flood fills and empties it again and again: that must not cost fresh memory each time.
  static constexpr std::size_t kKeptEntries = 32768;
  using Queue = RingBuffer<Entry, kKeptEntries>;

  struct Channel {
    Queue queue;
    bool heeded = false;       // the application reads it
    bool read_lately = false;  // in this turn
    bool shown = false;        // heeded, and something is unread
  };

  Channel& channel(ChannelId id) REQUIRES(mutex_);
  Channel* find(ChannelId id) REQUIRES(mutex_);
  // After any change of the channel.
  void show(Channel& channel) REQUIRES(mutex_);
  void publish_news() REQUIRES(mutex_);
  void heed(ChannelId id);
  Session* session_of(SessionId id, const UserOf& user_of) REQUIRES(mutex_);
  bool is_crowded(const Session& session) const REQUIRES(mutex_);
  void note_consumed(Session& session, const ReceivedMessage& message) REQUIRES(mutex_);
  void add(Session& session, const ReceivedMessage& message) REQUIRES(mutex_);
  void remove(Session& session, const ReceivedMessage& message) REQUIRES(mutex_);
  void limit_user(Held& held) REQUIRES(mutex_);
  void limit_ended(const UserOf& user_of) REQUIRES(mutex_);
  // Those of sessions that are marked. All queues are gone through once.
  std::size_t drop_from(Channel& channel) REQUIRES(mutex_);
  std::size_t drop_marked() REQUIRES(mutex_);
  void note_eviction(const Identity& user, std::uint64_t messages, std::size_t users)
      REQUIRES(mutex_);
  void sweep() REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::array<Channel, kDirectChannels> direct_ GUARDED_BY(mutex_);
  std::unordered_map<ChannelId, Channel> other_ GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, Session> sessions_ GUARDED_BY(mutex_);
  Users users_ GUARDED_BY(mutex_);
  Session* last_ GUARDED_BY(mutex_) = nullptr;
  std::uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t evicted_ GUARDED_BY(mutex_) = 0;
  std::vector<Eviction> evictions_ GUARDED_BY(mutex_);  // that nobody was told of yet
  OnEviction on_eviction_;
  std::uint64_t user_bytes_max_ GUARDED_BY(mutex_) = UINT64_MAX;
  std::uint64_t user_messages_max_ GUARDED_BY(mutex_) = UINT64_MAX;
  // With so much here, it is looked how much of it is of sessions that are over.
  std::uint64_t look_at_bytes_ GUARDED_BY(mutex_) = kEndedBytesMax;
  std::uint64_t look_at_messages_ GUARDED_BY(mutex_) = kEndedMessagesMax;
  std::vector<Consumed> consumed_ GUARDED_BY(mutex_);
  std::uint64_t report_bytes_ GUARDED_BY(mutex_) = 1;
  std::uint64_t report_messages_ GUARDED_BY(mutex_) = 1;
  std::size_t sweep_at_ GUARDED_BY(mutex_) = kSessionsSweepMin;
  std::atomic<std::size_t> size_{0};
  std::uint64_t newest_ GUARDED_BY(mutex_) = 0;
  std::atomic<std::uint64_t> news_{0};
  std::atomic<std::size_t> shown_channels_{0};
  std::atomic<bool> shows_once_{false};
  std::atomic<std::uint32_t> heeded_direct_{0};  // bit i: channel i
};

}  // namespace whimbrel
