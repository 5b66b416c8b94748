// The inside of Message, for the inbox that makes them.
#pragma once

#include <whimbrel/networking_messages.h>

#include "message/channels.h"

namespace whimbrel {

class MessageAccess {
 public:
  static void fill(Message& out, ReceivedMessage&& in, const Identity& user,
                   std::int64_t user_data);
};

}  // namespace whimbrel
