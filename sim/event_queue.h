// What happens next in a simulation: one ordered queue. Equal times leave in the order in which
// they were put in, so that the same seed gives the same run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "base/time.h"

namespace whimbrel::sim {

enum class EventKind : std::uint8_t {
  kTimer,     // a node's deadline; `subject` is the node
  kUplinked,  // a packet has left its sender's uplink; `subject` is the packet
  kArrived,   // a packet has left its receiver's downlink; `subject` is the packet
  kCall,      // something that a test planned; `subject` is the call
};

struct SimEvent {
  Instant at;
  std::uint64_t order = 0;
  std::uint32_t subject = 0;
  EventKind kind = EventKind::kTimer;
};

class EventQueue {
 public:
  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  Instant next() const { return heap_.empty() ? kNever : heap_.front().at; }

  void push(Instant at, EventKind kind, std::uint32_t subject) {
    heap_.push_back(SimEvent{at, next_order_++, subject, kind});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  SimEvent pop() {
    ASSERT(!heap_.empty());
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const SimEvent event = heap_.back();
    heap_.pop_back();
    return event;
  }

 private:
  static bool later(const SimEvent& a, const SimEvent& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }

  std::vector<SimEvent> heap_;
  std::uint64_t next_order_ = 0;
};

}  // namespace whimbrel::sim
