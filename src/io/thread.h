// A thread of ours: it gets none of the application's signals, and a test can schedule it.
#pragma once

#include <functional>
#include <thread>

namespace whimbrel {

class Thread {
 public:
  // None yet.
  Thread() = default;
  explicit Thread(std::function<void()> body);
  Thread(Thread&&) = default;
  Thread& operator=(Thread&&) = default;

  bool joinable() const { return thread_.joinable(); }
  void join();

 private:
  std::thread thread_;
  void* scheduled_ = nullptr;  // by ThreadHooks
};

// Lets another thread go first.
void yield_thread();

}  // namespace whimbrel
