#include "message/unordered_queue.h"

#include <algorithm>

#include "message/fragment_writer.h"
#include "message/range_gaps.h"

namespace whimbrel {

namespace {
// No fragment is smaller, but for the last of a message or of a lost piece.
constexpr std::uint64_t kFragmentMin = 64;
}  // namespace

void UnorderedQueue::push(SharedBytes&& payload) {
  ASSERT(!payload.empty());
  unsent_ += payload.size();
  messages_.push_back({std::move(payload), {}});
}

UnorderedQueue::Queued* UnorderedQueue::find(std::uint64_t sequence) {
  if (sequence < first_sequence_) return nullptr;
  Queued& message = messages_[static_cast<std::size_t>(sequence - first_sequence_)];
  return message.payload.empty() ? nullptr : &message;
}

// Returns how many bytes of the piece were written.
std::uint64_t UnorderedQueue::write_piece(ByteWriter& out, const Piece& piece,
                                          const SharedBytes& payload,
                                          std::vector<SentFrame>& records) {
  FragmentFrame frame{true,
                      channel_,
                      piece.sequence,
                      static_cast<std::uint32_t>(piece.offset),
                      static_cast<std::uint32_t>(payload.size()),
                      {}};
  const std::uint64_t size =
      std::min<std::uint64_t>(fragment_capacity(out.remaining(), frame), piece.size);
  if (size < std::min(kFragmentMin, piece.size)) return 0;
  frame.bytes = payload.view().subspan(static_cast<std::size_t>(piece.offset),
                                       static_cast<std::size_t>(size));
  write_fragment(out, frame);
  records.push_back({FrameType::kReliableFragment, static_cast<std::uint32_t>(size), place_,
                     piece.sequence, piece.offset});
  return size;
}

bool UnorderedQueue::write_lost(ByteWriter& out, std::vector<SentFrame>& records) {
  bool any = false;
  while (!lost_.empty()) {
    Piece& piece = lost_.front();
    const Queued* message = find(piece.sequence);
    if (message == nullptr || message->acked.covers(piece.offset, piece.offset + piece.size)) {
      lost_.pop_front();
      continue;
    }
    const std::uint64_t written = write_piece(out, piece, message->payload, records);
    if (written == 0) break;
    any = true;
    piece.offset += written;
    piece.size -= written;
    if (piece.size == 0) lost_.pop_front();
  }
  return any;
}

std::uint64_t UnorderedQueue::write_new(ByteWriter& out, LaneCredit credit,
                                        std::vector<SentFrame>& records) {
  std::uint64_t total = 0;
  while (has_new() && is_allowed(credit)) {
    const SharedBytes& payload = messages_[next_index_].payload;
    const Piece rest{first_sequence_ + next_index_, sent_, payload.size() - sent_};
    const std::uint64_t written = write_piece(out, rest, payload, records);
    if (written == 0) break;
    if (sent_ == 0) credit.start(payload.size());
    total += written;
    sent_ += written;
    if (written < rest.size) break;
    sent_ = 0;
    ++next_index_;
  }
  unsent_ -= total;
  return total;
}

UnorderedQueue::Released UnorderedQueue::on_acked(const SentFrame& frame) {
  Queued* message = find(frame.offset);
  if (message == nullptr) return {};
  Released released;
  released.acked_bytes = message->acked.add(frame.extra, frame.extra + frame.length);
  if (!message->acked.covers(0, message->payload.size())) return released;
  released.released_bytes = message->payload.size();
  released.messages = 1;
  *message = Queued();
  while (next_index_ > 0 && messages_.front().payload.empty()) {
    messages_.pop_front();
    ++first_sequence_;
    --next_index_;
  }
  return released;
}

void UnorderedQueue::on_lost(const SentFrame& frame) {
  const Queued* message = find(frame.offset);
  if (message == nullptr) return;
  for_each_gap(message->acked, frame.extra, frame.extra + frame.length,
               [&](std::uint64_t begin, std::uint64_t end) {
                 lost_.push_back({frame.offset, begin, end - begin});
               });
}

}  // namespace whimbrel
