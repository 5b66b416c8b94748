// For destructors in a child process (io/fork_guard.h).
#pragma once

#include <memory>

namespace whimbrel {

// Lets an object be, for good. A thread that does not exist here may have been in the midst of
// changing it, or hold its locks, when fork() copied it: its destructor would find anything. Its
// memory goes with the process.
template <typename Object>
void abandon(std::unique_ptr<Object> object) {
  struct Abandoned {
    std::unique_ptr<Object> object;
    Abandoned* next;
  };
  // Reachable, so that no checker takes it for a leak.
  static Abandoned* all = nullptr;
  all = new Abandoned{std::move(object), all};
}

}  // namespace whimbrel
