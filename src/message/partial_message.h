// A message that arrives in fragments, in any order. Where they overlap, what came first counts.
#pragma once

#include <cstdint>

#include "base/range_set.h"
#include "base/shared_bytes.h"

namespace whimbrel {

class PartialMessage {
 public:
  explicit PartialMessage(SharedBytes space) : payload_(std::move(space)) {}

  std::size_t total() const { return payload_.size(); }
  std::size_t range_count() const { return got_.count(); }
  // A fragment that lies within the message. True if the message is complete now.
  bool add(std::uint64_t offset, Bytes bytes);
  SharedBytes take() { return std::move(payload_); }

 private:
  SharedBytes payload_;
  RangeSet got_;
};

}  // namespace whimbrel
