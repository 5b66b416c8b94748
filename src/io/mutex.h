// Locks that Clang checks (thread_safety.h), and that a test can schedule (test_threads.h).
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/time.h"
#include "io/thread_safety.h"

namespace whimbrel {

// What a test does instead of the system when threads lock, wait and begin. Objects are told apart
// by their address.
class ThreadHooks {
 public:
  virtual ~ThreadHooks() = default;
  virtual void lock(const void* mutex) = 0;
  virtual bool try_lock(const void* mutex) = 0;
  virtual void unlock(const void* mutex) = 0;
  // Lets `mutex` go while it waits. `timeout` kNoTimeout: as long as it takes.
  static constexpr Duration kNoTimeout = Duration::max();
  virtual void wait(const void* condition, const void* mutex, Duration timeout) = 0;
  virtual void notify(const void* condition, bool all) = 0;
  virtual void yield() = 0;
  // A thread is about to be made; answers by what it is told apart. It says itself where it begins
  // and ends.
  virtual void* expect_thread() = 0;
  virtual void begin_thread(void* thread) = 0;
  virtual void end_thread() = 0;
  virtual void wait_for_end(void* thread) = 0;
};

namespace detail {
inline std::atomic<ThreadHooks*> thread_hooks_in_use{nullptr};
}

// Null, but in tests.
inline ThreadHooks* thread_hooks() {
  return detail::thread_hooks_in_use.load(std::memory_order_relaxed);
}
// For tests; null ends it. Only while no lock is held and no thread waits.
inline void use_thread_hooks(ThreadHooks* hooks) { detail::thread_hooks_in_use.store(hooks); }

class CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() ACQUIRE() {
    if (ThreadHooks* hooks = thread_hooks()) [[unlikely]]
      return hooks->lock(this);
    mutex_.lock();
  }
  bool try_lock() TRY_ACQUIRE(true) {
    if (ThreadHooks* hooks = thread_hooks()) [[unlikely]]
      return hooks->try_lock(this);
    return mutex_.try_lock();
  }
  void unlock() RELEASE() {
    if (ThreadHooks* hooks = thread_hooks()) [[unlikely]]
      return hooks->unlock(this);
    mutex_.unlock();
  }

 private:
  friend class Condition;
  std::mutex mutex_;
};

// Holds a mutex to the end of its scope, but between unlock() and lock().
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() {
    if (held_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void lock() ACQUIRE() {
    mutex_.lock();
    held_ = true;
  }
  void unlock() RELEASE() {
    held_ = false;
    mutex_.unlock();
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

// A condition variable. Each wait may end without reason, so callers look again at what they wait
// for.
class Condition {
 public:
  void wait(Mutex& mutex) REQUIRES(mutex) {
    if (ThreadHooks* hooks = thread_hooks()) [[unlikely]]
      return hooks->wait(this, &mutex, ThreadHooks::kNoTimeout);
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  void wait_for(Mutex& mutex, Duration timeout) REQUIRES(mutex) {
    if (ThreadHooks* hooks = thread_hooks()) [[unlikely]]
      return hooks->wait(this, &mutex, timeout);
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_for(lock, timeout);
    lock.release();
  }
  void notify_one() {
    if (ThreadHooks* hooks = thread_hooks()) [[unlikely]]
      return hooks->notify(this, false);
    condition_.notify_one();
  }
  void notify_all() {
    if (ThreadHooks* hooks = thread_hooks()) [[unlikely]]
      return hooks->notify(this, true);
    condition_.notify_all();
  }

 private:
  std::condition_variable condition_;
};

}  // namespace whimbrel
