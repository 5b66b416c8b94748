// Message: a payload on its way out of the library.
#include <whimbrel/networking_messages.h>

#include <utility>

#include "api/message_access.h"
#include "base/shared_bytes.h"

namespace whimbrel {

Message::Message(Message&& other) noexcept { *this = std::move(other); }

Message& Message::operator=(Message&& other) noexcept {
  if (this == &other) return *this;
  std::swap(owner_, other.owner_);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  number_ = other.number_;
  received_us_ = other.received_us_;
  user_data_ = other.user_data_;
  channel_ = other.channel_;
  flags_ = other.flags_;
  identity_ = other.identity_;
  return *this;
}

Message::~Message() { detail::release(static_cast<detail::Slab*>(owner_)); }

void MessageAccess::fill(Message& out, ReceivedMessage&& in, const Identity& user,
                         std::int64_t user_data) {
  detail::release(static_cast<detail::Slab*>(out.owner_));
  out.data_ = in.payload.data();
  out.size_ = in.payload.size();
  out.owner_ = std::move(in.payload).detach();
  out.number_ = in.number;
  out.received_us_ = to_microseconds(in.received.time_since_epoch());
  out.user_data_ = user_data;
  out.channel_ = in.channel;
  out.flags_ = in.reliable ? kSendReliable : kSendUnreliable;
  out.identity_ = user;
}

}  // namespace whimbrel
