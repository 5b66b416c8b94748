#include "message/fragment_writer.h"

namespace whimbrel {

std::size_t fragment_capacity(std::size_t room, const FragmentFrame& frame) {
  const std::size_t fixed = 1 + varint_size(zigzag(frame.channel)) + varint_size(frame.sequence) +
                            varint_size(frame.offset) + varint_size(frame.total);
  if (room <= fixed) return 0;
  const std::size_t left = room - fixed;
  // The length takes a byte more from 64 on, and two more from 16384 on.
  if (left < 65) return left - 1;
  if (left < 16386) return left - 2;
  return left - 4;
}

void write_fragment(ByteWriter& out, const FragmentFrame& frame) {
  out.u8(static_cast<std::uint8_t>(frame.reliable ? FrameType::kReliableFragment
                                                  : FrameType::kFragment));
  out.varint(zigzag(frame.channel));
  out.varint(frame.sequence);
  out.varint(frame.offset);
  out.varint(frame.total);
  out.varint(frame.bytes.size());
  out.bytes(frame.bytes);
}

}  // namespace whimbrel
