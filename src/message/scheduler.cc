#include "message/scheduler.h"

#include <algorithm>

namespace whimbrel {

void Scheduler::activate(Lane lane) {
  LaneState& state = lanes_[lane];
  if (state.active) return;
  state = {0, true, false};
  order_.push_back(lane);
}

Lane Scheduler::front(std::int64_t quantum) {
  while (true) {
    const Lane lane = order_.front();
    LaneState& state = lanes_[lane];
    if (!state.in_turn) {
      state.deficit = std::max(state.deficit, -quantum) + quantum;
      state.in_turn = true;
    }
    if (state.deficit > 0) return lane;
    state.in_turn = false;
    order_.push_back(order_.pop_front());
  }
}

bool Scheduler::spend(std::size_t bytes) {
  const Lane lane = order_.front();
  LaneState& state = lanes_[lane];
  state.deficit -= static_cast<std::int64_t>(bytes);
  if (state.deficit > 0) return false;
  state.in_turn = false;
  if (order_.size() > 1) order_.push_back(order_.pop_front());
  return true;
}

void Scheduler::leave() { lanes_[order_.pop_front()] = LaneState(); }

bool Scheduler::set_aside() {
  if (aside_count_ == kAsideMax) return false;
  aside_[aside_count_++] = order_.pop_front();
  return true;
}

void Scheduler::restore() {
  while (aside_count_ > 0) order_.push_front(aside_[--aside_count_]);
}

}  // namespace whimbrel
