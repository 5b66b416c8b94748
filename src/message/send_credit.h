// What the peer lets us send over the whole session: totals of bytes and messages.
//
// A message is paid for as a whole when its first byte leaves. So a message that has begun can
// always end, whatever the other channels do: were bytes paid for one by one, several large
// messages could each get half and then wait for one another for ever.
//
// A large message must not starve while small ones on other lanes use up every new bit of credit.
// The first lane that finds too little therefore saves: of the credit that is left or arrives,
// all but a share that the other lanes go on with is set aside for it. The share is filled up first:
// were it not, a channel that is never read and one that saves would together stop all others.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace whimbrel {

// One of the lanes that a channel sends on (scheduler.h).
using Lane = std::uint32_t;

class SendCredit {
 public:
  // Totals, never shrinking: smaller values than before are ignored.
  void raise(std::uint64_t bytes_max, std::uint64_t messages_max) {
    if (bytes_max_ == 0) shared_ = bytes_max / kSharedFraction;
    bytes_max_ = std::max(bytes_max_, bytes_max);
    messages_max_ = std::max(messages_max_, messages_max);
    save();
  }

  // Whether `lane` may begin a message of `size` bytes.
  bool can_start(Lane lane, std::uint64_t size) const {
    const std::uint64_t saved = saver_ == lane ? 0 : saved_;
    return messages_ < messages_max_ && size <= bytes_max_ - bytes_ - saved;
  }
  // Pays for it; only after can_start().
  void start(Lane lane, std::uint64_t size) {
    bytes_ += size;
    ++messages_;
    if (saver_ != lane) return;
    saver_.reset();
    saved_ = 0;
  }
  // `lane` found too little for a message of `size` bytes: it saves, unless another one does.
  void wait(Lane lane, std::uint64_t size) {
    if (saver_ && saver_ != lane) return;
    saver_ = lane;
    needed_ = size;
    save();
  }

 private:
  static constexpr std::uint64_t kSharedFraction = 8;

  void save() {
    if (!saver_ || saved_ >= needed_) return;
    // Where the whole window is hardly larger than the message, the others get what is over.
    const std::uint64_t window = shared_ * kSharedFraction;
    const std::uint64_t shared = window < needed_ ? 0 : std::min(shared_, window - needed_);
    const std::uint64_t spare = bytes_max_ - bytes_ - saved_;
    if (spare > shared) saved_ += std::min(spare - shared, needed_ - saved_);
  }

  std::uint64_t bytes_max_ = 0;
  std::uint64_t messages_max_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t shared_ = 0;  // what a saving lane leaves to the others
  std::optional<Lane> saver_;
  std::uint64_t needed_ = 0;
  std::uint64_t saved_ = 0;
};

}  // namespace whimbrel
