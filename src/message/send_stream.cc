#include "message/send_stream.h"

#include <algorithm>

#include "message/frame_fit.h"
#include "message/message.h"
#include "message/range_gaps.h"

namespace whimbrel {

namespace {

// A frame with fewer bytes is written only if they are all that is left of a message or of a lost
// range.
constexpr std::uint64_t kFrameBytesMin = 16;
// A queue that has run empty keeps memory for this many messages or ranges.
constexpr std::size_t kIdleCapacity = 64;

std::uint64_t stream_size(const SharedBytes& payload) {
  return varint_size(payload.size()) + payload.size();
}

}  // namespace

void SendStream::push(SharedBytes&& payload) {
  const std::uint64_t begin = end_;
  const std::uint64_t payload_begin = payload_total_;
  end_ += stream_size(payload);
  payload_total_ += payload.size();
  messages_.push_back({std::move(payload), begin, payload_begin});
}

// The message that holds `offset`, which is not released yet.
std::size_t SendStream::index_of(std::uint64_t offset) const {
  // Acknowledged messages lie near the front of a queue that may be long and cold. So search from
  // the front in doubling steps, then by halves.
  std::size_t low = 0;
  std::size_t step = 1;
  while (low + step < messages_.size() && messages_[low + step].begin <= offset) {
    low += step;
    step *= 2;
  }
  std::size_t high = std::min(low + step, messages_.size());
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    (messages_[middle].begin <= offset ? low : high) = middle;
  }
  return low;
}

std::uint64_t SendStream::payload_before(std::uint64_t offset, std::size_t index) const {
  if (index == messages_.size()) return payload_total_;
  const Queued& message = messages_[index];
  const std::uint64_t first = message.begin + varint_size(message.payload.size());
  return message.payload_begin + (offset > first ? offset - first : 0);
}

std::uint64_t SendStream::payload_before(std::uint64_t offset) const {
  return offset == end_ ? payload_total_ : payload_before(offset, index_of(offset));
}

std::size_t SendStream::header_size(std::uint64_t offset) const {
  return 1 + varint_size(zigzag(channel_)) + varint_size(offset);
}

std::uint64_t SendStream::write_lost(ByteWriter& out, std::vector<SentFrame>& records) {
  const Range lost = lost_.front();
  const std::size_t header = header_size(lost.begin);
  if (out.remaining() <= header) return 0;
  const std::uint64_t room = out.remaining() - header;
  if (room < std::min(kFrameBytesMin, lost.size())) return 0;
  const std::uint64_t end = lost.begin + std::min(room, lost.size());
  write_frame(out, lost.begin, end, index_of(lost.begin));
  records.push_back(
      {FrameType::kStream, static_cast<std::uint32_t>(end - lost.begin), place_, lost.begin, 0});
  lost_.remove(lost.begin, end);
  return end - lost.begin;
}

std::uint64_t SendStream::write_new(ByteWriter& out, LaneCredit credit,
                                    std::vector<SentFrame>& records) {
  const std::size_t header = header_size(next_);
  if (out.remaining() <= header) return 0;
  const std::uint64_t room = out.remaining() - header;
  if (room < std::min(kFrameBytesMin, next_end() - next_)) return 0;
  const std::uint64_t begin = next_;
  const std::size_t index = next_index_;
  const std::uint64_t payload = payload_before(begin, index);
  next_ = pay_for(room, credit);
  write_frame(out, begin, next_, index);
  records.push_back(
      {FrameType::kStream, static_cast<std::uint32_t>(next_ - begin), place_, begin, 0});
  return payload_before(next_, next_index_) - payload;
}

// Where a frame of at most `room` new bytes ends, having paid for the messages that begin in it.
// Moves next_index_ to the message behind.
std::uint64_t SendStream::pay_for(std::uint64_t room, LaneCredit& credit) {
  const std::uint64_t full = next_ + room;
  std::uint64_t end = next_;
  while (end < full && next_index_ < messages_.size()) {
    const std::uint64_t begin = next_begin();
    const std::uint64_t message_end = next_end();
    if (end == begin) {
      const std::uint64_t size = message_end - begin;
      if (!credit.can_start(size)) break;
      credit.start(size);
    }
    if (message_end > full) return full;
    end = message_end;
    ++next_index_;
  }
  return end;
}

void SendStream::write_frame(ByteWriter& out, std::uint64_t begin, std::uint64_t end,
                             std::size_t index) {
  const std::size_t size = static_cast<std::size_t>(end - begin);
  const FrameFit fit = fit_frame(out.remaining() - header_size(begin), size);
  out.zeros(fit.padding);
  out.u8(static_cast<std::uint8_t>(fit.to_end ? FrameType::kStreamToEnd : FrameType::kStream));
  out.varint(zigzag(channel_));
  out.varint(begin);
  if (!fit.to_end) out.varint(size);
  copy(out, begin, end, index);
}

// The bytes [begin, end) of the stream, where `begin` lies in message `index`.
void SendStream::copy(ByteWriter& out, std::uint64_t begin, std::uint64_t end,
                      std::size_t index) const {
  for (; begin < end; ++index) {
    const Queued& message = messages_[index];
    const std::uint64_t size = message.payload.size();
    const std::uint64_t first = message.begin + varint_size(size);
    const std::uint64_t last = std::min(first + size, end);
    if (begin == message.begin && first <= end) {
      out.varint(size);
      begin = first;
    } else if (begin < first) {
      std::array<std::uint8_t, 8> length;
      ByteWriter(length).varint(size);
      const std::uint64_t length_end = std::min(first, end);
      out.bytes(Bytes(length).subspan(static_cast<std::size_t>(begin - message.begin),
                                      static_cast<std::size_t>(length_end - begin)));
      begin = length_end;
    }
    if (begin < last) {
      out.bytes(message.payload.view().subspan(static_cast<std::size_t>(begin - first),
                                               static_cast<std::size_t>(last - begin)));
      begin = last;
    }
  }
}

SendStream::Released SendStream::on_acked(std::uint64_t offset, std::uint32_t length) {
  const std::uint64_t end = offset + length;
  ASSERT(end <= next_);
  const std::uint64_t begin = std::max(offset, acked_);
  if (begin >= end) return {};
  if (!lost_.empty()) lost_.remove(begin, end);
  const std::uint64_t acked_bytes = mark_acked(begin, end);
  Released released = release();
  released.acked_bytes = acked_bytes;
  return released;
}

// Returns the payload bytes among [begin, end) that were not acknowledged before.
std::uint64_t SendStream::mark_acked(std::uint64_t begin, std::uint64_t end) {
  if (begin == acked_ && acked_ahead_.empty()) {
    const std::uint64_t before = payload_before(acked_, 0);
    acked_ = end;
    return payload_before(end) - before;
  }
  std::uint64_t payload = 0;
  for_each_gap(acked_ahead_, begin, end, [&](std::uint64_t from, std::uint64_t to) {
    payload += payload_before(to) - payload_before(from);
  });
  acked_ahead_.add(begin, end);
  if (acked_ahead_.front().begin <= acked_) {
    acked_ = acked_ahead_.front().end;
    acked_ahead_.pop_front();
  }
  return payload;
}

SendStream::Released SendStream::release() {
  Released released;
  SharedBytesRelease gone;
  while (!messages_.empty() && end_of(0) <= acked_) {
    Queued message = messages_.pop_front();
    released.released_bytes += send_charge(message.payload.size());
    ++released.messages;
    gone.add(std::move(message.payload));
  }
  next_index_ -= static_cast<std::size_t>(released.messages);
  if (messages_.empty()) shrink();
  return released;
}

// Nothing is in flight: an idle session gives its memory back.
void SendStream::shrink() {
  if (messages_.capacity() > kIdleCapacity) messages_.clear();
  if (acked_ahead_.ranges().capacity() > kIdleCapacity) acked_ahead_ = RangeSet();
  if (lost_.ranges().capacity() > kIdleCapacity) lost_ = RangeSet();
}

void SendStream::on_lost(std::uint64_t offset, std::uint32_t length) {
  const std::uint64_t end = offset + length;
  ASSERT(end <= next_);
  const std::uint64_t begin = std::max(offset, acked_);
  for_each_gap(acked_ahead_, begin, end,
               [this](std::uint64_t from, std::uint64_t to) { lost_.add(from, to); });
}

}  // namespace whimbrel
