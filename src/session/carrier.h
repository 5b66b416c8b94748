#pragma once

#include <cstdint>

#include "base/remote.h"
#include "base/time.h"

namespace whimbrel {

// What the carrier of a path can do at the moment. Of sockets it is always kUp.
enum class CarrierState : std::uint8_t {
  kDown,      // nothing can be sent
  kDraining,  // it works, and is about to stop
  kDoubted,   // it may be dead
  kUp,
};

// A way over a relay, as those who carry packets see it.
struct RelayCarrier {
  RelayRemote remote;
  CarrierState state = CarrierState::kDown;
  Duration rtt{};  // between the two ends, as far as it is known
};

}  // namespace whimbrel
