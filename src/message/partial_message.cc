#include "message/partial_message.h"

#include <cstring>

#include "message/range_gaps.h"

namespace whimbrel {

bool PartialMessage::add(std::uint64_t offset, Bytes bytes) {
  for_each_gap(got_, offset, offset + bytes.size(), [&](std::uint64_t begin, std::uint64_t end) {
    std::memcpy(payload_.mutable_view().data() + begin, bytes.data() + (begin - offset),
                static_cast<std::size_t>(end - begin));
  });
  got_.add(offset, offset + bytes.size());
  return got_.covers(0, payload_.size());
}

}  // namespace whimbrel
