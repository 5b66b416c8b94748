// A scheduler for tests: real threads, of which one runs at a time. At every lock, wait and system
// call it may hand over to another one; a seed decides to which. So a lost wake-up, which needs its
// moment, is found by some seed, and found again by the same one. Time is the scheduler's: it
// stands still but for a little at each step, and jumps when all threads wait.
//
//   TestThreads threads(seed);     // this thread is the first one
//   Thread other([&] { ... });     // as in the code that is tested
//   ...
//   other.join();
//
// When all threads wait and no time will end that, or when they run round in circles, it prints who
// waits for what and the seed, and ends the program with 1.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <semaphore>
#include <vector>

#include "base/random.h"
#include "io/mutex.h"

namespace whimbrel {

class TestThreads final : public ThreadHooks {
 public:
  // Far more than any test needs; over it the threads run round in circles.
  static constexpr std::uint64_t kStepsMax = 3'000'000;

  explicit TestThreads(std::uint64_t seed) : seed_(seed), dice_(seed ^ 0x7768696d6272656cu) {
    tasks_.push_back(std::make_unique<Task>());
    current_ = tasks_.front().get();
    switch_in_ = std::uint64_t{1} << dice_.below(5);
    use_thread_hooks(this);
  }
  ~TestThreads() override {
    use_thread_hooks(nullptr);
    for (std::size_t i = 1; i < tasks_.size(); ++i) {
      if (!tasks_[i]->ended) fail("a thread was not joined");
    }
  }

  std::int64_t now_ns() const { return now_ns_; }
  std::uint64_t seed() const { return seed_; }
  std::uint64_t steps() const { return steps_; }
  // The same for each run of a seed.
  std::uint64_t trace() const { return trace_; }
  FastRandom& dice() { return dice_; }
  // When the world changes by itself, after now; INT64_MAX: never.
  void set_next_event(std::function<std::int64_t()> next) { next_event_ = std::move(next); }

  // A moment at which another thread may go on.
  void step(const char* where) {
    tick(where);
    if (dice_.below(switch_in_) == 0) hand_over(pick());
  }
  // Until `ready` (asked often, by any thread) or the deadline.
  void block(const char* where, std::function<bool()> ready, std::int64_t deadline_ns = INT64_MAX) {
    step(where);
    if (ready() || deadline_ns <= now_ns_) return;
    current_->ready = std::move(ready);
    current_->deadline_ns = deadline_ns;
    hand_over(pick());
    current_->ready = nullptr;
  }
  // Sleeps, as a test's own code does.
  void sleep(Duration time) {
    block(
        "sleep", [] { return false; }, now_ns_ + time.count());
  }

  // --- ThreadHooks -------------------------------------------------------------------------------
  void lock(const void* mutex) override {
    block("lock", [this, mutex] { return !owners_.contains(mutex); });
    owners_[mutex] = current_;
  }
  bool try_lock(const void* mutex) override {
    step("try_lock");
    return owners_.try_emplace(mutex, current_).second;
  }
  void unlock(const void* mutex) override {
    if (owners_[mutex] != current_) fail("a lock is let go that another thread holds");
    owners_.erase(mutex);
    step("unlock");
  }
  void wait(const void* condition, const void* mutex, Duration timeout) override {
    const std::int64_t deadline =
        timeout >= Duration::max() - Duration(now_ns_) ? INT64_MAX : now_ns_ + timeout.count();
    Task* const me = current_;
    me->waits_for = condition;
    me->notified = dice_.below(16) == 0;  // a wait may end without reason
    owners_.erase(mutex);
    block(
        "condition", [me] { return me->notified; }, deadline);
    me->waits_for = nullptr;
    lock(mutex);
  }
  void notify(const void* condition, bool all) override {
    step("notify");
    for (const auto& task : tasks_) {
      if (task->waits_for != condition || task->notified) continue;
      task->notified = true;
      if (!all) break;
    }
  }
  void yield() override {
    tick("yield");
    hand_over(pick());
  }
  void* expect_thread() override {
    tasks_.push_back(std::make_unique<Task>());
    return tasks_.back().get();
  }
  void begin_thread(void* thread) override { static_cast<Task*>(thread)->go.acquire(); }
  void end_thread() override {
    tick("end");
    current_->ended = true;
    Task* const next = pick();
    current_ = next;
    next->go.release();
  }
  void wait_for_end(void* thread) override {
    block("join", [thread] { return static_cast<Task*>(thread)->ended; });
  }

 private:
  struct Task {
    std::binary_semaphore go{0};
    bool ended = false;
    std::function<bool()> ready;  // null: it runs
    std::int64_t deadline_ns = INT64_MAX;
    const char* where = "";
    const void* waits_for = nullptr;  // a condition
    bool notified = false;
  };

  void tick(const char* where) {
    current_->where = where;
    now_ns_ += static_cast<std::int64_t>(dice_.below(400));
    if (++steps_ > kStepsMax) fail("the threads run round in circles");
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (tasks_[i].get() == current_) trace_ = (trace_ ^ (i + 1)) * 0x100000001b3u;
    }
    trace_ = (trace_ ^ static_cast<std::uint64_t>(now_ns_)) * 0x100000001b3u;
  }
  bool can_run(const Task& task) const {
    if (task.ended) return false;
    return task.ready == nullptr || task.deadline_ns <= now_ns_ || task.ready();
  }
  // One of those that can go on, as the dice fall.
  Task* pick() {
    for (;;) {
      std::vector<Task*> able;
      for (const auto& task : tasks_) {
        if (can_run(*task)) able.push_back(task.get());
      }
      if (!able.empty()) return able[dice_.below(able.size())];
      std::int64_t next = next_event_ ? next_event_() : INT64_MAX;
      for (const auto& task : tasks_) {
        if (!task->ended) next = std::min(next, task->deadline_ns);
      }
      if (next == INT64_MAX) fail("all threads wait, and nothing will end it");
      now_ns_ = std::max(now_ns_ + 1, next);
    }
  }
  void hand_over(Task* next) {
    Task* const me = current_;
    if (next == me) return;
    current_ = next;
    next->go.release();
    me->go.acquire();
  }
  [[noreturn]] void fail(const char* what) const {
    std::fprintf(stderr, "[  FAILED  ] seed %llu, %.6f s, step %llu: %s\n",
                 static_cast<unsigned long long>(seed_), static_cast<double>(now_ns_) * 1e-9,
                 static_cast<unsigned long long>(steps_), what);
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      const Task& task = *tasks_[i];
      std::fprintf(stderr, "  thread %zu: %s%s\n", i, task.ended ? "ended" : task.where,
                   &task == current_ ? " (runs)" : "");
    }
    std::fflush(stderr);
    std::_Exit(1);
  }

  const std::uint64_t seed_;
  FastRandom dice_;
  std::uint64_t switch_in_ = 2;
  std::vector<std::unique_ptr<Task>> tasks_;
  Task* current_ = nullptr;
  std::map<const void*, Task*> owners_;
  std::function<std::int64_t()> next_event_;
  std::int64_t now_ns_ = 1'000'000'000;
  std::uint64_t steps_ = 0;
  std::uint64_t trace_ = 0xcbf29ce484222325u;
};

}  // namespace whimbrel
