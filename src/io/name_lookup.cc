#include "io/name_lookup.h"

#include <csignal>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace whimbrel {

struct NameLookup::Shared {
  Resolve resolve;
  // Not a Mutex: the system's thread may outlive the instance, and no test schedules it.
  std::mutex mutex;
  std::function<void()> wake;  // empty once nobody waits any more
  std::optional<Answer> answer;
  bool busy = false;
};

namespace {

// Signals are for the application's threads.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

NameLookup::NameLookup(Resolve resolve, std::function<void()> wake)
    : shared_(std::make_shared<Shared>()) {
  shared_->resolve = std::move(resolve);
  shared_->wake = std::move(wake);
}

NameLookup::~NameLookup() {
  const std::lock_guard lock(shared_->mutex);
  shared_->wake = nullptr;
}

void NameLookup::start() {
  {
    const std::lock_guard lock(shared_->mutex);
    if (std::exchange(shared_->busy, true)) return;
  }
  const WithoutSignals blocked;
  try {
    std::thread([shared = shared_] {
      Answer answer = shared->resolve();
      const std::lock_guard lock(shared->mutex);
      shared->answer = std::move(answer);
      shared->busy = false;
      if (shared->wake) shared->wake();
    }).detach();
  } catch (const std::system_error&) {
    const std::lock_guard lock(shared_->mutex);
    shared_->busy = false;
  }
}

std::optional<NameLookup::Answer> NameLookup::take() {
  const std::lock_guard lock(shared_->mutex);
  return std::exchange(shared_->answer, std::nullopt);
}

}  // namespace whimbrel
