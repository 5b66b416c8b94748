// Unreliable messages of all channels that have arrived in part. Bounded in number, bytes and age:
// a message that misses a fragment stays incomplete for ever, since nothing is sent again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/shared_bytes.h"
#include "base/time.h"
#include "message/partial_message.h"
#include "wire/frame.h"

namespace whimbrel {

class UnreliableReassembly {
 public:
  // Fragments of one packet train arrive within moments; what is older will not be completed.
  static constexpr Duration kAgeMax = seconds(2);
  // Islands that a message may consist of while it is incomplete; over it, it is dropped. A message
  // leaves in about kUnreliableFragmentsMax fragments.
  static constexpr std::size_t kRangesMax = 64;

  explicit UnreliableReassembly(std::size_t partial_max) : partial_max_(partial_max) {}

  bool empty() const { return partials_.empty(); }
  std::size_t count() const { return partials_.size(); }
  // Sizes of the messages, as they will be when complete: that is what is allocated.
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t dropped() const { return dropped_; }

  bool knows(std::uint32_t place, std::uint64_t sequence) const {
    return partials_.contains({place, sequence});
  }
  // For a message not known yet; the oldest is dropped if there are too many. Only if partial_max
  // is not 0.
  void begin(std::uint32_t place, std::uint64_t sequence, SharedBytes space, Instant now);
  enum class Added : std::uint8_t { kIncomplete, kComplete, kContradiction };
  // For a known one. kComplete: `out` is the message. kContradiction: another total than before.
  Added add(std::uint32_t place, const FragmentFrame& frame, SharedBytes& out);

  void drop_oldest();
  void expire(Instant now);

 private:
  using Key = std::pair<std::uint32_t, std::uint64_t>;
  struct Entry {
    PartialMessage message;
    std::uint64_t age = 0;  // in by_age_
    Instant begun;
  };
  void erase(std::map<Key, Entry>::iterator at);

  std::size_t partial_max_;
  std::map<Key, Entry> partials_;
  std::map<std::uint64_t, Key> by_age_;
  std::uint64_t next_age_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace whimbrel
