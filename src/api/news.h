// What is new to the application, and what each thread inside wait() was told of it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>
#include "io/mutex.h"

namespace whimbrel {

// Each is a number that grows whenever something of its kind comes.
struct News {
  std::uint64_t messages = 0;   // 0 also while nothing is unread
  std::uint64_t callbacks = 0;  // 0 also while none is due
  std::uint64_t lobbies = 0;    // likewise
  std::uint64_t room = 0;
  std::uint64_t wakes = 0;  // calls of wake()

  // Something to do for whoever was told `told`.
  bool tells(const News& told) const {
    return messages > told.messages || callbacks > told.callbacks || lobbies > told.lobbies ||
           room > told.room;
  }
  // Ends the wait of whoever was told `told`.
  bool ends_wait_of(const News& told) const { return wakes > told.wakes || tells(told); }
  void merge(const News& other) {
    messages = std::max(messages, other.messages);
    callbacks = std::max(callbacks, other.callbacks);
    lobbies = std::max(lobbies, other.lobbies);
    room = std::max(room, other.room);
    wakes = std::max(wakes, other.wakes);
  }
};

// By thread: one that was busy when another one was told must not miss it. Thread-safe.
class ToldNews {
 public:
  // Threads remembered; over it the one that was told first is forgotten, and told again.
  static constexpr std::size_t kThreadsMax = 64;

  // Numbers threads; never used twice.
  static std::uint64_t this_thread();

  News of(std::uint64_t thread) const;
  void tell(std::uint64_t thread, const News& news);

 private:
  struct Entry {
    std::uint64_t thread = 0;
    News news;
  };

  mutable Mutex mutex_;
  std::vector<Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace whimbrel
