#include "path/arrival_meter.h"

#include <algorithm>

namespace whimbrel {

void ArrivalMeter::advance(Instant now) {
  if (now - slot_start_ < kSlotTime) return;
  const auto passed = static_cast<std::uint64_t>((now - slot_start_) / kSlotTime);
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(passed, kSlots); ++i) {
    current_ = (current_ + 1) % kSlots;
    slots_[current_] = {};
  }
  slot_start_ += kSlotTime * static_cast<std::int64_t>(passed);
}

void ArrivalMeter::on_received(std::uint64_t expected, Instant now) {
  advance(now);
  Slot& slot = slots_[current_];
  ++slot.received;
  if (expected > expected_) {
    slot.due += static_cast<std::uint32_t>(std::min<std::uint64_t>(expected - expected_, 1u << 24));
    expected_ = expected;
  }
}

double ArrivalMeter::share(Instant now) const {
  ArrivalMeter view = *this;
  view.advance(now);
  std::uint64_t received = 0;
  std::uint64_t due = 0;
  for (const Slot& slot : view.slots_) {
    received += slot.received;
    due += slot.due;
  }
  if (due == 0) return -1.0;
  return std::min(1.0, static_cast<double>(received) / static_cast<double>(due));
}

}  // namespace whimbrel
