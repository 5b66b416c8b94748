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
  ReceiveWindow& bytes;     // of the session
  ReceiveWindow& messages;  // of the session
  std::size_t& early_pieces;
  std::size_t early_pieces_max;
  Instant now;
  std::vector<ReceivedMessage>& out;
};

}  // namespace whimbrel
