// Writes FRAGMENTs, and tells how much fits into one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "wire/frame.h"

namespace whimbrel {

// Type, channel, sequence, offset, total and length at their largest.
inline constexpr std::size_t kFragmentHeaderSizeMax = 1 + 8 + 8 + 4 + 4 + 4;

// Payload bytes of a fragment that fit into `room`; 0 if none do.
std::size_t fragment_capacity(std::size_t room, const FragmentFrame& frame);
// All of it, frame.bytes too.
void write_fragment(ByteWriter& out, const FragmentFrame& frame);

}  // namespace whimbrel
