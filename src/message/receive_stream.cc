#include "message/receive_stream.h"

#include <algorithm>
#include <cstring>

#include "message/range_gaps.h"

namespace whimbrel {

namespace {

// Islands in the open message; beyond it packets are refused until gaps are filled. It is twice the
// number of fragments that the largest message has in the smallest datagrams: more is not loss but
// malice, and each island costs a move of those behind it.
constexpr std::size_t kIslandsMax = 1024;
// Between messages, memory for this many is kept.
constexpr std::size_t kIdleCapacity = 64;

Bytes cut_front(Bytes bytes, std::uint64_t count) {
  return bytes.subspan(static_cast<std::size_t>(std::min<std::uint64_t>(count, bytes.size())));
}
Bytes keep_front(Bytes bytes, std::uint64_t count) {
  return bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(count, bytes.size())));
}

}  // namespace

FrameVerdict ReceiveStream::on_frame(std::uint64_t offset, Bytes bytes,
                                     const ReceiveContext& context) {
  const std::uint64_t end = offset + bytes.size();
  if (!charge_to(end, context)) return FrameVerdict::kViolation;
  if (end <= parsed_) return FrameVerdict::kTaken;
  if (offset > parsed_) return keep_early(offset, bytes, context);
  return take_in_order(offset, bytes, context) ? FrameVerdict::kTaken : FrameVerdict::kViolation;
}

// RFC 9000 4.1: the largest offset counts, whether or not all before it has arrived; and here the
// whole of a message as soon as its size is known, since the sender pays for messages whole.
bool ReceiveStream::charge_to(std::uint64_t end, const ReceiveContext& context) {
  if (end <= charged_) return true;
  if (!context.charge_bytes(end - charged_)) return false;
  charged_ = end;
  return true;
}

// A piece behind a gap.
FrameVerdict ReceiveStream::keep_early(std::uint64_t begin, Bytes bytes,
                                       const ReceiveContext& context) {
  if (open() && begin < message_end_) {
    if (in_place_.count() >= kIslandsMax) return FrameVerdict::kRefused;
    const Bytes inside = keep_front(bytes, message_end_ - begin);
    place(begin, inside, context);
    bytes = cut_front(bytes, inside.size());
    begin += inside.size();
  }
  const std::uint64_t end = begin + bytes.size();
  auto next = early_.upper_bound(begin);
  if (next != early_.begin()) {
    const auto previous = std::prev(next);
    begin = std::max(begin, previous->first + previous->second.size());
  }
  while (begin < end) {
    const std::uint64_t gap_end = next == early_.end() ? end : std::min(next->first, end);
    if (begin < gap_end) {
      if (context.early_pieces >= context.early_pieces_max) return FrameVerdict::kRefused;
      const Bytes piece = cut_front(keep_front(bytes, bytes.size() - (end - gap_end)),
                                    bytes.size() - (end - begin));
      // Its own memory: a byte that waits for long must not pin a whole slab.
      early_.emplace_hint(next, begin, SharedBytes::copy(piece));
      ++context.early_pieces;
    }
    if (next == early_.end()) break;
    begin = std::max(begin, next->first + next->second.size());
    ++next;
  }
  return FrameVerdict::kTaken;
}

// Bytes from `begin`, at most parsed_, on; and whatever early pieces they make ready.
bool ReceiveStream::take_in_order(std::uint64_t begin, Bytes bytes, const ReceiveContext& context) {
  const std::uint64_t end = begin + bytes.size();
  while (true) {
    const auto next = early_.begin();
    if (next != early_.end() && next->first <= parsed_) {
      const SharedBytes piece = std::move(next->second);
      const std::uint64_t piece_begin = next->first;
      early_.erase(next);
      --context.early_pieces;
      if (!parse(cut_front(piece, parsed_ - piece_begin), context)) return false;
      continue;
    }
    if (parsed_ >= end) return true;
    const std::uint64_t stop = next == early_.end() ? end : std::min(end, next->first);
    const Bytes run = keep_front(bytes, stop - begin);
    if (!parse(cut_front(run, parsed_ - begin), context)) return false;
  }
}

// Takes the next bytes of the stream. False: they make no sense, or exceed a limit. Where pieces
// that came before carry parsed_ further than these bytes reach, the rest is ignored.
bool ReceiveStream::parse(Bytes bytes, const ReceiveContext& context) {
  while (!bytes.empty()) {
    const std::uint64_t before = parsed_;
    if (open()) {
      place(parsed_, keep_front(bytes, message_end_ - parsed_), context);
    } else {
      std::uint64_t size = 0;
      const std::size_t had = length_have_;
      const std::size_t taken = take_length(bytes, size);
      parsed_ += taken;
      if (length_have_ == 0) {
        if (!begin_message(size, had + taken, context)) return false;
        if (size <= bytes.size() - taken) {
          deliver(context.slabs.copy(bytes.subspan(taken, static_cast<std::size_t>(size))),
                  context);
          parsed_ += size;
        } else {
          open_message(size, context);
        }
      }
    }
    bytes = cut_front(bytes, parsed_ - before);
  }
  return true;
}

// Returns how many bytes of a length were taken. If it is complete, `size` is set and length_have_
// is 0.
std::size_t ReceiveStream::take_length(Bytes bytes, std::uint64_t& size) {
  if (length_have_ == 0 && bytes[0] < 64) [[likely]] {
    size = bytes[0];
    return 1;
  }
  if (length_have_ == 0 && bytes[0] < 128 && bytes.size() > 1) {
    size = std::uint64_t{bytes[0] & 63u} << 8 | bytes[1];
    return 2;
  }
  const std::uint8_t first = length_have_ == 0 ? bytes[0] : length_[0];
  const std::size_t wanted = std::size_t{1} << (first >> 6);
  const std::size_t taken = std::min(wanted - length_have_, bytes.size());
  std::memcpy(length_.data() + length_have_, bytes.data(), taken);
  length_have_ = static_cast<std::uint8_t>(length_have_ + taken);
  if (length_have_ == wanted) {
    size = ByteReader(Bytes(length_).first(wanted)).varint();
    length_have_ = 0;
  }
  return taken;
}

// A message of `size` bytes begins at parsed_, behind its length.
bool ReceiveStream::begin_message(std::uint64_t size, std::size_t length_size,
                                  const ReceiveContext& context) {
  if (size > kMessageSizeMax || varint_size(size) != length_size) return false;
  if (!context.charge_message() || !charge_to(parsed_ + size, context)) return false;
  // The length takes no memory: its credit goes back at once.
  context.channel_bytes.free(length_size);
  context.bytes.free(length_size);
  return true;
}

// The message has not arrived in one run. Early pieces are put into their places.
void ReceiveStream::open_message(std::uint64_t size, const ReceiveContext& context) {
  // Its own memory, as for early pieces: the rest may not come for long.
  message_ = SharedBytes::make(static_cast<std::size_t>(size));
  message_end_ = parsed_ + size;
  while (!early_.empty() && early_.begin()->first < message_end_) {
    const auto next = early_.begin();
    const std::uint64_t begin = next->first;
    const SharedBytes piece = std::move(next->second);
    early_.erase(next);
    --context.early_pieces;
    const Bytes inside = keep_front(piece, message_end_ - begin);
    if (inside.size() < piece.size()) {
      early_.emplace(message_end_, SharedBytes::copy(cut_front(piece, inside.size())));
      ++context.early_pieces;
    }
    place(begin, inside, context);
  }
}

void ReceiveStream::copy_into_message(std::uint64_t begin, Bytes bytes) {
  const std::uint64_t message_begin = message_end_ - message_.size();
  std::memcpy(message_.mutable_view().data() + (begin - message_begin), bytes.data(), bytes.size());
}

// Bytes that lie within the open message, at parsed_ or above.
void ReceiveStream::place(std::uint64_t begin, Bytes bytes, const ReceiveContext& context) {
  const std::uint64_t end = begin + bytes.size();
  if (begin == parsed_ && in_place_.empty()) {
    copy_into_message(begin, bytes);
    parsed_ = end;
  } else {
    for_each_gap(in_place_, begin, end, [&](std::uint64_t from, std::uint64_t to) {
      copy_into_message(from, keep_front(cut_front(bytes, from - begin), to - from));
    });
    in_place_.add(begin, end);
    if (in_place_.front().begin > parsed_) return;
    parsed_ = in_place_.front().end;
    in_place_.pop_front();
  }
  if (parsed_ != message_end_) return;
  if (in_place_.ranges().capacity() > kIdleCapacity) in_place_ = RangeSet();
  deliver(std::move(message_), context);
}

void ReceiveStream::deliver(SharedBytes payload, const ReceiveContext& context) {
  context.out.push_back({std::move(payload), channel_, true, 0, ++number_, context.now});
}

}  // namespace whimbrel
