// What the peer lets us send: totals of bytes and messages, of the whole session and of each
// channel.
//
// A message is paid for as a whole when its first byte leaves. So a message that has begun can
// always end, whatever the other channels do: were bytes paid for one by one, several large
// messages could each get half and then wait for one another for ever.
//
// A channel that the peer's application does not read must not use up the session's credit: each
// keeps within its share (channel_share.h).
//
// A large message must not starve while small ones on other lanes use up every new bit of credit.
// So the first lane that finds too little saves: credit that is left or arrives is set aside for
// it, except a share with which the other lanes go on. The share is filled first: otherwise an
// unread channel and a saving one would together stop all others.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "message/channel_share.h"
#include "message/message.h"

namespace whimbrel {

// One of the lanes that a channel sends on (scheduler.h).
using Lane = std::uint32_t;

// Of one channel, both its reliable lanes together.
struct ChannelCredit {
  std::uint64_t bytes_max = 0;
  std::uint64_t messages_max = 0;
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;

  // Totals, never shrinking. True if one grew.
  bool raise(std::uint64_t bytes_to, std::uint64_t messages_to) {
    if (bytes_to <= bytes_max && messages_to <= messages_max) return false;
    bytes_max = std::max(bytes_max, bytes_to);
    messages_max = std::max(messages_max, messages_to);
    return true;
  }
  bool allows(std::uint64_t size) const {
    return messages < messages_max && size <= bytes_max - bytes;
  }
};

class SendCredit {
 public:
  // What was granted at the start. Totals never shrink: smaller values than before are ignored.
  void grant(const InitialCredit& initial) {
    channel_bytes_ = std::max(channel_bytes_, initial.channel_bytes);
    channel_messages_ = std::max(channel_messages_, initial.channel_messages);
    raise(initial.session_bytes, initial.session_messages);
  }
  // True if one grew.
  bool raise(std::uint64_t bytes_max, std::uint64_t messages_max) {
    if (bytes_max <= bytes_max_ && messages_max <= messages_max_) return false;
    if (bytes_max_ == 0) {
      window_bytes_ = bytes_max;
      share_of_bytes_ = share_of_bytes(bytes_max);
      // A channel holds no more than its first grant.
      if (channel_bytes_ <= bytes_max) plenty_bytes_ = plenty(bytes_max);
      if (channel_messages_ <= messages_max) plenty_messages_ = plenty(messages_max) + 1;
      window_messages_ = messages_max;
    }
    bytes_max_ = std::max(bytes_max_, bytes_max);
    messages_max_ = std::max(messages_max_, messages_max);
    save();
    return true;
  }
  std::uint64_t channel_bytes() const { return channel_bytes_; }
  std::uint64_t channel_messages() const { return channel_messages_; }

  // Whether `lane` of `channel` may begin a message of `size` bytes.
  bool can_start(Lane lane, const ChannelCredit& channel, std::uint64_t size) const {
    if (!channel.allows(size)) return false;
    const std::uint64_t saved = saver_ == lane ? 0 : saved_;
    // The usual case, without calculating shares.
    if (messages_max_ - messages_ > plenty_messages_ &&
        bytes_max_ - bytes_ - saved > plenty_bytes_ + size) {
      return true;
    }
    return within_share(held_messages(channel), 1, messages_max_ - messages_, window_messages_,
                        kShareOfMessages) &&
           within_share(held_bytes(channel), size, bytes_max_ - bytes_ - saved, window_bytes_,
                        share_of_bytes_);
  }
  // Pays for it; only after can_start().
  void start(Lane lane, ChannelCredit& channel, std::uint64_t size) {
    bytes_ += size;
    ++messages_;
    channel.bytes += size;
    ++channel.messages;
    if (saver_ == lane) stop_saving();
  }
  // `lane` found too little for a message of `size` bytes: it saves, unless another one does, or
  // its channel holds more already than it should.
  void wait(Lane lane, const ChannelCredit& channel, std::uint64_t size) {
    if (saver_ && saver_ != lane) return;
    const std::uint64_t held = held_bytes(channel);
    const std::uint64_t needed = share_needs(held, size, window_bytes_, share_of_bytes_);
    // A channel that holds this much could never save enough.
    const bool in_vain = held != 0 && held + needed > window_bytes_ - shared();
    if (in_vain || !channel.allows(size)) return stop_saving();
    saver_ = lane;
    needed_ = needed;
    save();
  }
  // No more than what may be consumed and not announced yet, a quarter: the channel is not one that
  // nobody reads.
  bool is_read(const ChannelCredit& channel) const {
    return held_bytes(channel) <= channel_bytes_ / 4 &&
           held_messages(channel) <= channel_messages_ / 4 + 1;
  }

 private:
  static constexpr std::uint64_t kSharedFraction = 8;
  static constexpr std::uint64_t kNoPlenty = std::uint64_t{1} << 62;

  // Sent and, as far as we know, not consumed: the peer grants more as it is consumed.
  std::uint64_t held_bytes(const ChannelCredit& channel) const {
    return held(channel.bytes, channel.bytes_max, channel_bytes_);
  }
  std::uint64_t held_messages(const ChannelCredit& channel) const {
    return held(channel.messages, channel.messages_max, channel_messages_);
  }
  static std::uint64_t held(std::uint64_t sent, std::uint64_t max, std::uint64_t initial) {
    const std::uint64_t consumed = max - std::min(max, initial);
    return sent - std::min(sent, consumed);
  }

  // What a saving lane leaves to the others.
  std::uint64_t shared() const { return window_bytes_ / kSharedFraction; }
  void stop_saving() {
    saver_.reset();
    saved_ = 0;
  }
  void save() {
    if (!saver_ || saved_ >= needed_) return;
    // If the whole window is hardly larger than the message, the others get the rest.
    const std::uint64_t left = window_bytes_ - std::min(window_bytes_, needed_);
    const std::uint64_t others = std::min(shared(), left);
    const std::uint64_t spare = bytes_max_ - bytes_ - saved_;
    if (spare > others) saved_ += std::min(spare - others, needed_ - saved_);
  }

  std::uint64_t bytes_max_ = 0;
  std::uint64_t messages_max_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t channel_bytes_ = 0;  // of each channel at the start
  std::uint64_t channel_messages_ = 0;
  std::uint64_t window_bytes_ = 0;  // the first grant
  std::uint64_t window_messages_ = 0;
  double share_of_bytes_ = 0;
  std::uint64_t plenty_bytes_ = kNoPlenty;
  std::uint64_t plenty_messages_ = kNoPlenty;
  std::optional<Lane> saver_;
  std::uint64_t needed_ = 0;
  std::uint64_t saved_ = 0;
};

// What one lane draws on.
class LaneCredit {
 public:
  LaneCredit(SendCredit& session, ChannelCredit& channel, Lane lane)
      : session_(session), channel_(channel), lane_(lane) {}

  bool can_start(std::uint64_t size) const { return session_.can_start(lane_, channel_, size); }
  void start(std::uint64_t size) { session_.start(lane_, channel_, size); }
  void wait(std::uint64_t size) { session_.wait(lane_, channel_, size); }

 private:
  SendCredit& session_;
  ChannelCredit& channel_;
  Lane lane_;
};

}  // namespace whimbrel
