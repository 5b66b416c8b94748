// What has arrived and the application has not read: one queue for each channel, first in first out over all users.
// The driver of the core delivers, any thread of the application takes. Thread-safe: one lock for a batch, not for a
// message. How much it may hold is the core's business: each session delivers no more than its limit.
#pragma once

#include <whimbrel/identity.h>
#include <whimbrel/networking_messages.h>

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/ring_buffer.h"
#include "endpoint/endpoint.h"

namespace whimbrel {

// Messages that the application took or dropped: room for the peer to send more.
struct Consumed {
  SessionId session{};
  ChannelId channel = 0;
  bool reliable = false;
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
};

class Inbox {
 public:
  using UserOf = std::function<Identity(SessionId)>;

  // A session that was read so far without the core knowing makes take() ask for the driver.
  void set_report_thresholds(std::uint64_t bytes, std::uint64_t messages);

  // Moves the messages out of `delivered`. `user_of` is asked once for a session that is new here.
  void deliver(std::vector<DeliveredMessage>& delivered, const UserOf& user_of);
  // Fills `out` from the front; answers how many. Sets `*report` when the driver should take_consumed() soon.
  std::size_t take(ChannelId channel, std::span<Message> out, bool* report);
  // Drops what is unread of a session, or of one channel of it.
  void drop(SessionId session);
  void drop(SessionId session, ChannelId channel);
  // Drops what is unread of all sessions with this user, those that are over included.
  void drop(const Identity& user);
  // Appends what was consumed since the last call.
  void take_consumed(std::vector<Consumed>& out);

  bool empty() const { return size_.load(std::memory_order_acquire) == 0; }
  std::size_t size() const { return size_.load(std::memory_order_acquire); }
  std::size_t size_of(ChannelId channel) const;

 private:
  static constexpr ChannelId kDirectChannels = 16;
  static constexpr std::size_t kSessionsSweepMin = 1024;
  static constexpr std::size_t kOtherChannelsKept = 256;

  struct Session {
    SessionId id{};
    Identity user;
    std::uint64_t queued = 0;
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

  Queue& queue(ChannelId channel);
  Session* session_of(SessionId id, const UserOf& user_of);
  void note_consumed(Session& session, const ReceivedMessage& message);
  void drop_from(Queue& queue, SessionId session);
  void drop_all_of(SessionId session);
  void sweep();

  mutable std::mutex mutex_;
  std::array<Queue, kDirectChannels> direct_;
  std::unordered_map<ChannelId, Queue> other_;
  std::unordered_map<std::uint64_t, Session> sessions_;
  Session* last_ = nullptr;
  std::vector<Consumed> consumed_;
  std::uint64_t report_bytes_ = 1;
  std::uint64_t report_messages_ = 1;
  std::size_t sweep_at_ = kSessionsSweepMin;
  std::atomic<std::size_t> size_{0};
};

}  // namespace whimbrel
