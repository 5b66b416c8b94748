// Packets and bytes over about the last two seconds, in a few counters.
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"

namespace whimbrel {

class RateMeter {
 public:
  void add(std::size_t bytes, Instant now) {
    Slot& slot = slot_at(now);
    ++slot.packets;
    slot.bytes += static_cast<std::uint32_t>(bytes);
  }
  struct Rate {
    float packets_per_second = 0;
    float bytes_per_second = 0;
  };
  // The mean over the whole window that has passed; 0 when nothing came.
  Rate rate(Instant now) const {
    Rate sum;
    const std::int64_t tick = now.time_since_epoch() / kSlotLength;
    for (const Slot& slot : slots_) {
      if (tick - slot.tick > kSlots || slot.packets == 0) continue;
      sum.packets_per_second += static_cast<float>(slot.packets);
      sum.bytes_per_second += static_cast<float>(slot.bytes);
    }
    const auto window = static_cast<float>(to_seconds(kSlotLength * kSlots));
    return {sum.packets_per_second / window, sum.bytes_per_second / window};
  }

 private:
  static constexpr Duration kSlotLength = milliseconds(250);
  static constexpr std::int64_t kSlots = 8;
  struct Slot {
    std::int64_t tick = -1;
    std::uint32_t packets = 0;
    std::uint32_t bytes = 0;
  };
  Slot& slot_at(Instant now) {
    const std::int64_t tick = now.time_since_epoch() / kSlotLength;
    Slot& slot = slots_[static_cast<std::size_t>(tick % kSlots)];
    if (slot.tick != tick) slot = {tick, 0, 0};
    return slot;
  }
  std::array<Slot, kSlots> slots_;
};

}  // namespace whimbrel
