// What the application has sent to a user while there is no session to send it on. It leaves
// reliably and in order when the session is up; of the unreliable ones only what is still young
// then, for a position of ten seconds ago is of no use.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "base/ring_buffer.h"
#include "base/shared_bytes.h"
#include "base/time.h"
#include "message/message.h"

namespace whimbrel {

struct WaitingMessage {
  SharedBytes payload;
  ChannelId channel = 0;
  bool reliable = false;
  Instant sent;
};

class WaitingMessages {
 public:
  // Unreliable ones that wait longer are dropped, and counted.
  static constexpr Duration kAgeMax = seconds(5);

  // False when this would be one channel too many.
  bool can_take(ChannelId channel) const {
    return channels_.contains(channel) || channels_.size() < MessageLimits().channels_max;
  }
  void push(WaitingMessage&& message);
  // Returns how many were dropped. `exactly`: also those for which next_drop() has still to come.
  std::uint64_t drop_old(Instant now, bool exactly = false);
  // When drop_old() has something to do, or a little later; kNever if it never will.
  Instant next_drop() const { return next_drop_; }

  bool empty() const { return messages_.empty(); }
  WaitingMessage pop() {
    bytes_ -= send_charge(messages_.front().payload.size());
    return messages_.pop_front();
  }
  // As the send limit counts them.
  std::uint64_t bytes() const { return bytes_; }
  // How many were dropped on which channel, and altogether.
  const std::map<ChannelId, std::uint64_t>& dropped() const { return dropped_; }
  std::uint64_t dropped_count() const { return dropped_count_; }

 private:
  RingBuffer<WaitingMessage, 16> messages_;
  std::uint64_t bytes_ = 0;
  std::set<ChannelId> channels_;
  std::map<ChannelId, std::uint64_t> dropped_;
  std::uint64_t dropped_count_ = 0;
  Instant next_drop_ = kNever;
};

}  // namespace whimbrel
