#include "api/ready_handle.h"

#include <sys/eventfd.h>

namespace whimbrel {

int ReadyHandle::give_away() {
  int descriptor = -1;
  {
    const MutexLock lock(mutex_);
    if (!event_.valid()) event_ = FileDescriptor(kernel().eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    descriptor = event_.get();
    given_ = true;
  }
  show();
  return descriptor;
}

void ReadyHandle::show() {
  if (!given_.load(std::memory_order_acquire)) return;
  const MutexLock lock(mutex_);
  const bool ready = queues_.shows();
  if (ready == shown_) return;
  shown_ = ready;
  std::uint64_t count = 1;
  if (ready) {
    [[maybe_unused]] const ssize_t written = kernel().write(event_.get(), &count, sizeof count);
  } else {
    [[maybe_unused]] const ssize_t got = kernel().read(event_.get(), &count, sizeof count);
  }
}

void ReadyHandle::note_call() {
  if (!given_.load(std::memory_order_acquire)) return;
  if (const std::uint64_t seen = queues_.inbox.note_call(); seen > 0) {
    queues_.told.tell(ToldNews::this_thread(), {.messages = seen});
  }
  if (shown_ && calls_while_shown_.fetch_add(1, std::memory_order_relaxed) % kTurn == 0) {
    queues_.inbox.end_turn();
    queues_.room.end_turn();
  }
  show();
}

}  // namespace whimbrel
