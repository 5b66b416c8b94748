#include "io/thread.h"

#include <signal.h>

#include "io/mutex.h"

namespace whimbrel {

Thread::Thread(std::function<void()> body) {
  ThreadHooks* hooks = thread_hooks();
  if (hooks != nullptr) {
    scheduled_ = hooks->expect_thread();
    body = [hooks, scheduled = scheduled_, inner = std::move(body)] {
      hooks->begin_thread(scheduled);
      inner();
      hooks->end_thread();
    };
  }
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Thread::join() {
  if (ThreadHooks* hooks = thread_hooks()) hooks->wait_for_end(scheduled_);
  thread_.join();
}

void yield_thread() {
  if (ThreadHooks* hooks = thread_hooks()) return hooks->yield();
  std::this_thread::yield();
}

}  // namespace whimbrel
