// Whether a frame states its length or runs to the packet's end.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace whimbrel {

struct FrameFit {
  // PADDING frames to put in front, so that a frame that is a byte or two too small to fill the
  // packet and too large to state its length can still run to the packet's end.
  std::size_t padding = 0;
  bool to_end = false;
};

// `room`: bytes left in the packet behind the frame's header without a length; `size`: payload,
// at most `room`.
inline FrameFit fit_frame(std::size_t room, std::size_t size) {
  if (size + varint_size(size) <= room) return {};
  return {room - size, true};
}

}  // namespace whimbrel
