// Who was told LimitExceeded, and since when there is room again. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "endpoint/endpoint.h"

namespace whimbrel {

class Room {
 public:
  // Users remembered at a time; over it the oldest is forgotten.
  static constexpr std::size_t kWaitingMax = 64;

  // A message of `size` bytes did not fit behind this gate. One that never will is not waited for.
  void want(std::shared_ptr<SendGate> gate, std::size_t size);
  // One of them has room, or its session is over (a send tells). Cheap while nobody waits.
  bool available() const;
  // The application hears of it now: forgets those that have room.
  void announce();

 private:
  struct Waiting {
    std::shared_ptr<SendGate> gate;
    std::size_t size = 0;
    bool was_open = false;  // the session was up at some time since
    bool has_room();
  };

  std::atomic<std::size_t> count_{0};
  mutable std::mutex mutex_;
  mutable std::vector<Waiting> waiting_;
};

}  // namespace whimbrel
