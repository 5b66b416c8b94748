// Who was told LimitExceeded, and since when there is room again. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <vector>
#include "io/mutex.h"

#include "endpoint/endpoint.h"

namespace whimbrel {

class Room {
 public:
  // Users remembered at a time; over it the oldest is forgotten.
  static constexpr std::size_t kWaitingMax = 64;

  // A message of `size` bytes did not fit behind this gate. One that never will is not waited for.
  void want(std::shared_ptr<SendGate> gate, std::size_t size);
  // One more whenever one of them has room, or its session is over (a send tells): what wait()
  // looks at.
  std::uint64_t news() const;
  // One of them has room and was not used since. Cheap while nobody waits.
  bool available() const;
  // A message was taken behind this gate: whoever had room there was told of it, or has found it.
  void taken(const SendGate* gate);
  // Somebody is remembered: taken() had better be called.
  bool waited_for() const { return count_.load(std::memory_order_acquire) > 0; }
  // Forgets those that had room at the last call already: nobody seems to want it any more.
  void end_turn();

 private:
  struct Waiting {
    std::shared_ptr<SendGate> gate;
    std::size_t size = 0;
    bool was_open = false;  // the session was up at some time since
    bool free = false;      // has room, and was counted
    bool old = false;       // was so at the end of a turn
    bool has_room();
  };

  void look() const REQUIRES(mutex_);

  std::atomic<std::size_t> count_{0};
  mutable Mutex mutex_;
  mutable std::vector<Waiting> waiting_ GUARDED_BY(mutex_);
  mutable std::atomic<std::uint64_t> freed_{0};
};

}  // namespace whimbrel
