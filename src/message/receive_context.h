// What the channels of a session share while they receive.
#pragma once

#include <cstddef>
#include <vector>

#include "base/shared_bytes.h"
#include "base/time.h"
#include "message/message.h"
#include "message/receive_window.h"

namespace whimbrel {

struct ReceiveContext {
  SlabAllocator& slabs;
  // Of the session, and of the channel.
  ReceiveWindow& bytes;
  ReceiveWindow& messages;
  ReceiveWindow& channel_bytes;
  ReceiveWindow& channel_messages;
  std::size_t& early_pieces;
  std::size_t early_pieces_max;
  Instant now;
  std::vector<ReceivedMessage>& out;

  // False if the peer exceeds its credit.
  bool charge_bytes(std::uint64_t amount) const {
    return channel_bytes.charge(amount) && bytes.charge(amount);
  }
  bool charge_message() const { return channel_messages.charge(1) && messages.charge(1); }
};

}  // namespace whimbrel
