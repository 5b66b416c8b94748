#include "api/room.h"

#include <algorithm>

namespace whimbrel {

// Half of the buffer is free, so that a sender that is woken has something to do; or all of it, for
// messages that need more than that.
bool Room::Waiting::has_room() {
  const bool open = gate->open.load(std::memory_order_acquire);
  if (was_open && !open) return true;
  was_open = open;
  const std::uint64_t max = gate->held_bytes_max.load(std::memory_order_relaxed);
  const std::uint64_t held = gate->held_bytes.load(std::memory_order_relaxed);
  return held == 0 || (held <= max / 2 && held + size <= max);
}

void Room::want(std::shared_ptr<SendGate> gate, std::size_t size) {
  // Refused for another reason than its bytes, or for ever: no room will help.
  if (size > gate->held_bytes_max.load(std::memory_order_relaxed)) return;
  const MutexLock lock(mutex_);
  const auto it = std::find_if(waiting_.begin(), waiting_.end(),
                               [&](const Waiting& one) { return one.gate == gate; });
  if (it != waiting_.end()) {
    it->size = size;
    it->free = it->old = false;
    return;
  }
  if (waiting_.size() >= kWaitingMax) waiting_.erase(waiting_.begin());
  const bool open = gate->open.load(std::memory_order_acquire);
  waiting_.push_back({std::move(gate), size, open, false, false});
  count_.store(waiting_.size(), std::memory_order_release);
}

void Room::look() const {
  for (Waiting& one : waiting_) {
    if (one.free || !one.has_room()) continue;
    one.free = true;
    ++freed_;
  }
}

std::uint64_t Room::news() const {
  if (waited_for()) {
    const MutexLock lock(mutex_);
    look();
  }
  return freed_;
}

bool Room::available() const {
  if (!waited_for()) return false;
  const MutexLock lock(mutex_);
  look();
  return std::any_of(waiting_.begin(), waiting_.end(), [](const Waiting& one) { return one.free; });
}

void Room::taken(const SendGate* gate) {
  const MutexLock lock(mutex_);
  std::erase_if(waiting_, [&](const Waiting& one) { return one.free && one.gate.get() == gate; });
  count_.store(waiting_.size(), std::memory_order_release);
}

void Room::end_turn() {
  const MutexLock lock(mutex_);
  std::erase_if(waiting_, [](const Waiting& one) { return one.old; });
  for (Waiting& one : waiting_) one.old = one.free;
  count_.store(waiting_.size(), std::memory_order_release);
}

}  // namespace whimbrel
