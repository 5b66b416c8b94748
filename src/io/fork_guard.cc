#include "io/fork_guard.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

#include "base/assert.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

namespace whimbrel {

namespace {

using Mark = std::atomic<std::uint32_t>;

Mark* made_mark = nullptr;

// A page that the kernel empties in a child, however that is made (Linux 4.14); where it does not,
// pthread_atfork() does it for children by fork().
Mark* make_mark() {
  const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT(page != MAP_FAILED);
  made_mark = new (page) Mark(0);
  if (madvise(page, size, MADV_WIPEONFORK) != 0) {
    pthread_atfork(nullptr, nullptr, [] { made_mark->store(0); });
  }
  return made_mark;
}

// Of this process; 0: it has none yet.
Mark& process_mark() {
  static Mark* const mark = make_mark();
  return *mark;
}

// A child counts on, so that it never has a mark that one of its ancestors had.
Mark last_mark{0};

}  // namespace

ForkGuard::ForkGuard() {
  Mark& mark = process_mark();
  std::uint32_t none = 0;
  if (mark.load() == 0) mark.compare_exchange_strong(none, ++last_mark);
  mark_ = mark.load();
}

bool ForkGuard::forked() const { return process_mark().load(std::memory_order_relaxed) != mark_; }

}  // namespace whimbrel
