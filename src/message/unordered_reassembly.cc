#include "message/unordered_reassembly.h"

namespace whimbrel {

namespace {
// Islands in a message. Peers send pieces of a packet's size: more islands are an attack.
constexpr std::size_t kIslandsMax = 1024;  // twice the fragments of the largest message
}  // namespace

FrameVerdict UnorderedReassembly::on_frame(const FragmentFrame& frame,
                                           const ReceiveContext& context) {
  if (completed_.contains(frame.sequence)) return FrameVerdict::kTaken;
  auto at = partials_.find(frame.sequence);
  if (at == partials_.end()) {
    if (!context.charge_message() || !context.charge_bytes(frame.total)) {
      return FrameVerdict::kViolation;
    }
    PartialMessage message(SharedBytes::make(frame.total));
    at = partials_.emplace(frame.sequence, std::move(message)).first;
  }
  if (at->second.total() != frame.total) return FrameVerdict::kViolation;
  if (!at->second.add(frame.offset, frame.bytes)) {
    return at->second.range_count() > kIslandsMax ? FrameVerdict::kViolation : FrameVerdict::kTaken;
  }
  context.out.push_back(
      {at->second.take(), frame.channel, true, 0, frame.sequence + 1, context.now});
  partials_.erase(at);
  completed_.add(frame.sequence);
  return completed_.count() > gaps_max_ + 1 ? FrameVerdict::kViolation : FrameVerdict::kTaken;
}

}  // namespace whimbrel
