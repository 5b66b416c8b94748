#include "message/unreliable_reassembly.h"

namespace whimbrel {

void UnreliableReassembly::begin(std::uint32_t place, std::uint64_t sequence, SharedBytes space,
                                 Instant now) {
  if (partials_.size() >= partial_max_) drop_oldest();
  bytes_ += space.size();
  by_age_.emplace(next_age_, Key{place, sequence});
  partials_.emplace(Key{place, sequence}, Entry{PartialMessage(std::move(space)), next_age_, now});
  ++next_age_;
}

UnreliableReassembly::Added UnreliableReassembly::add(std::uint32_t place,
                                                      const FragmentFrame& frame,
                                                      SharedBytes& out) {
  const auto at = partials_.find({place, frame.sequence});
  PartialMessage& message = at->second.message;
  if (message.total() != frame.total) return Added::kContradiction;
  if (message.add(frame.offset, frame.bytes)) {
    bytes_ -= message.total();
    out = message.take();
    erase(at);
    return Added::kComplete;
  }
  if (message.range_count() > kRangesMax) {
    bytes_ -= message.total();
    ++dropped_;
    erase(at);
  }
  return Added::kIncomplete;
}

void UnreliableReassembly::drop_oldest() {
  const auto at = partials_.find(by_age_.begin()->second);
  bytes_ -= at->second.message.total();
  ++dropped_;
  erase(at);
}

void UnreliableReassembly::expire(Instant now) {
  while (!by_age_.empty() && partials_.at(by_age_.begin()->second).begun + kAgeMax <= now) {
    drop_oldest();
  }
}

void UnreliableReassembly::erase(std::map<Key, Entry>::iterator at) {
  by_age_.erase(at->second.age);
  partials_.erase(at);
}

}  // namespace whimbrel
