#include "path/sent_packets.h"

namespace whimbrel {

void SentPackets::push(SentPacket packet, std::span<const SentFrame> frames) {
  ASSERT(frames.size() <= UINT16_MAX);
  packet.first_frame = frames_popped_ + static_cast<std::uint32_t>(frames_.size());
  packet.frame_count = static_cast<std::uint16_t>(frames.size());
  for (const SentFrame& frame : frames) frames_.push_back(frame);
  packets_.push_back(packet);
  ++next_number_;
}

void SentPackets::pop_front() {
  packets_.pop_front();
  const std::uint32_t keep_from = packets_.empty()
                                      ? frames_popped_ + static_cast<std::uint32_t>(frames_.size())
                                      : packets_.front().first_frame;
  while (frames_popped_ != keep_from) {
    frames_.pop_front();
    ++frames_popped_;
  }
}

void SentPackets::shrink() {
  if (!packets_.empty()) return;
  packets_.clear();
  frames_.clear();
}

}  // namespace whimbrel
