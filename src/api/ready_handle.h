// The event handle of an instance with a thread of its own: readable exactly while there is
// something for the application.
#pragma once

#include <atomic>

#include "api/queues.h"
#include "io/file_descriptor.h"
#include "io/mutex.h"

namespace whimbrel {

// Thread-safe.
class ReadyHandle {
 public:
  // So many calls while the handle shows something make a turn: many more than a program makes
  // between two looks at the handle.
  static constexpr std::uint64_t kTurn = 1024;

  explicit ReadyHandle(Queues& queues) : queues_(queues) {}

  // The descriptor; shown from the first call on.
  int give_away() EXCLUDES(mutex_);
  // After every change of the queues, with no lock held.
  void show() EXCLUDES(mutex_);
  // The application has called, and looks for what the handle shows. What stays there for a whole
  // turn is not wanted.
  void note_call() EXCLUDES(mutex_);

  // In a child process, where it cannot be used any more.
  void close_descriptor() NO_THREAD_SAFETY_ANALYSIS { event_ = FileDescriptor(); }

 private:
  Queues& queues_;
  std::atomic<bool> given_{false};
  Mutex mutex_;
  FileDescriptor event_ GUARDED_BY(mutex_);
  std::atomic<bool> shown_{false};  // changes under the lock
  std::atomic<std::uint64_t> calls_while_shown_{0};
};

}  // namespace whimbrel
