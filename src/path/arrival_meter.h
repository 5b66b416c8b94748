// Share of the peer's packets, by number, that arrived over the last ten seconds. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"

namespace whimbrel {

class ArrivalMeter {
 public:
  explicit ArrivalMeter(Instant now) : slot_start_(now) {}

  // A packet came in that is no duplicate; `expected` is one past the largest number, it included.
  void on_received(std::uint64_t expected, Instant now);
  // 0 to 1; negative when nothing was due in that time.
  double share(Instant now) const;

 private:
  struct Slot {
    std::uint32_t received = 0;
    std::uint32_t due = 0;  // numbers by which the largest rose
  };
  static constexpr std::size_t kSlots = 10;
  static constexpr Duration kSlotTime = seconds(1);

  void advance(Instant now);

  std::array<Slot, kSlots> slots_{};
  std::size_t current_ = 0;
  Instant slot_start_;
  std::uint64_t expected_ = 0;
};

}  // namespace whimbrel
