#include "endpoint/waiting_messages.h"

#include <algorithm>
#include <utility>

namespace whimbrel {

namespace {
// All that waits is gone through no more often than this.
constexpr Duration kDropInterval = milliseconds(100);
}  // namespace

void WaitingMessages::push(WaitingMessage&& message) {
  if (!message.reliable) next_drop_ = std::min(next_drop_, message.sent + kAgeMax);
  bytes_ += send_charge(message.payload.size());
  channels_.insert(message.channel);
  messages_.push_back(std::move(message));
}

std::uint64_t WaitingMessages::drop_old(Instant now, bool exactly) {
  if (now < next_drop_ && !exactly) return 0;
  const std::uint64_t before = dropped_count_;
  next_drop_ = kNever;
  for (std::size_t count = messages_.size(); count > 0; --count) {
    WaitingMessage message = pop();
    if (message.reliable || message.sent + kAgeMax > now) {
      push(std::move(message));
      continue;
    }
    ++dropped_[message.channel];
    ++dropped_count_;
  }
  if (next_drop_ != kNever) next_drop_ = std::max(next_drop_, now + kDropInterval);
  return dropped_count_ - before;
}

}  // namespace whimbrel
