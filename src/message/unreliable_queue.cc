#include "message/unreliable_queue.h"

#include <algorithm>

#include "message/fragment_writer.h"
#include "message/frame_fit.h"
#include "message/message.h"

namespace whimbrel {

namespace {
// A message is first cut only where at least this much of it fits.
constexpr std::size_t kFirstFragmentMin = 600;
// No fragment is smaller, but for the last.
constexpr std::size_t kFragmentMin = 64;
// A queue that has run empty keeps memory for this many messages.
constexpr std::size_t kIdleCapacity = 64;
}  // namespace

UnreliableQueue::Written UnreliableQueue::write(ByteWriter& out, bool fresh,
                                                std::vector<SentFrame>& records, bool whole_only) {
  Written written;
  const std::uint64_t first = sequence_;
  std::uint32_t whole = 0;
  while (!messages_.empty()) {
    const std::size_t left = front_remaining();
    if (sent_ == 0 && write_whole(out)) {
      ++whole;
    } else if (whole_only || !write_fragment(out, fresh && whole == 0, records)) {
      break;
    }
    written.bytes += left - front_remaining();
    if (front_remaining() > 0) continue;
    written.released += pop();
    ++written.messages;
  }
  pending_bytes_ -= written.bytes;
  if (whole > 0) records.push_back({FrameType::kMessage, whole, place_, first, 0});
  return written;
}

bool UnreliableQueue::write_whole(ByteWriter& out) {
  const Bytes bytes = messages_.front().payload;
  const std::size_t header = 1 + varint_size(zigzag(channel_)) + varint_size(sequence_);
  if (out.remaining() < header + bytes.size()) return false;
  const FrameFit fit = fit_frame(out.remaining() - header, bytes.size());
  out.zeros(fit.padding);
  out.u8(static_cast<std::uint8_t>(fit.to_end ? FrameType::kMessageToEnd : FrameType::kMessage));
  out.varint(zigzag(channel_));
  out.varint(sequence_);
  if (!fit.to_end) out.varint(bytes.size());
  out.bytes(bytes);
  sent_ = bytes.size();
  return true;
}

bool UnreliableQueue::write_fragment(ByteWriter& out, bool fresh, std::vector<SentFrame>& records) {
  const Bytes bytes = messages_.front().payload;
  FragmentFrame frame{false,
                      channel_,
                      sequence_,
                      static_cast<std::uint32_t>(sent_),
                      static_cast<std::uint32_t>(bytes.size()),
                      {}};
  const std::size_t left = bytes.size() - sent_;
  if (sent_ == 0 && !fresh && left <= fragment_size_) return false;
  const std::size_t size = std::min(fragment_capacity(out.remaining(), frame), left);
  const std::size_t wanted = sent_ == 0 && !fresh ? kFirstFragmentMin : kFragmentMin;
  if (size < std::min(wanted, left) || size == 0) return false;
  frame.bytes = bytes.subspan(sent_, size);
  whimbrel::write_fragment(out, frame);
  records.push_back({FrameType::kFragment, static_cast<std::uint32_t>(size), place_, sequence_,
                     static_cast<std::uint64_t>(sent_)});
  sent_ += size;
  return true;
}

std::uint64_t UnreliableQueue::pop() {
  sent_ = 0;
  ++sequence_;
  const std::uint64_t size = send_charge(messages_.front().payload.size());
  messages_.drop_front();
  if (messages_.empty() && messages_.capacity() > kIdleCapacity) messages_.clear();
  return size;
}

UnreliableQueue::Written UnreliableQueue::drop() { return drop_until(Instant::max()); }

UnreliableQueue::Written UnreliableQueue::drop_until(Instant newest) {
  Written dropped;
  while (!messages_.empty() && oldest() <= newest) {
    dropped.bytes += front_remaining();
    dropped.released += pop();
    ++dropped.messages;
  }
  pending_bytes_ -= dropped.bytes;
  return dropped;
}

}  // namespace whimbrel
