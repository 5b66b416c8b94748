// Reliable unordered messages of one channel on their way in: each is delivered once, as soon as
// all its fragments are here.
#pragma once

#include <cstdint>
#include <map>

#include "base/range_set.h"
#include "message/partial_message.h"
#include "message/receive_context.h"
#include "wire/frame.h"

namespace whimbrel {

class UnorderedReassembly {
 public:
  // `gaps_max`: messages that may be missing at a time. The peer's credit for messages bounds how
  // many it can have begun and not completed.
  explicit UnorderedReassembly(std::uint64_t gaps_max) : gaps_max_(gaps_max) {}

  // One past the largest sequence that was delivered.
  std::uint64_t end() const { return completed_.empty() ? 0 : completed_.ranges().back().end; }
  FrameVerdict on_frame(const FragmentFrame& frame, const ReceiveContext& context);

 private:
  std::uint64_t gaps_max_;
  std::map<std::uint64_t, PartialMessage> partials_;  // by sequence
  RangeSet completed_;
};

}  // namespace whimbrel
