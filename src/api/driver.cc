#include "api/driver.h"

#include <sys/prctl.h>

#include <algorithm>

namespace whimbrel {

namespace {

// While the application stays inside wait(), the I/O thread looks after it less and less often,
// then not at all.
constexpr Duration kLookIntervalMax = milliseconds(8);
// The same while it comes and goes, but is never away for long.
constexpr Duration kLookIntervalBusy = milliseconds(4);

}  // namespace

Driver::Driver(bool own_thread, std::size_t poll_datagrams_max, Exchange& exchange, Queues& queues,
               ReadyHandle& handle, Poller& poller, const Clock& clock)
    : own_thread_(own_thread),
      poll_datagrams_max_(poll_datagrams_max),
      exchange_(exchange),
      queues_(queues),
      handle_(handle),
      poller_(poller),
      clock_(clock) {}

// --- the I/O thread ------------------------------------------------------------------------------

void Driver::start() {
  if (own_thread_) io_thread_ = Thread([this] { run_io_thread(); });
}

void Driver::stop() {
  {
    const MutexLock lock(role_mutex_);
    stopping_ = true;
    io_thread_wakes_.notify_all();
  }
  poller_.wake();
  if (io_thread_.joinable()) io_thread_.join();
}

void Driver::run_io_thread() {
  prctl(PR_SET_NAME, "whimbrel");
  // Pacing is finer than the 50 us that the kernel may add to a sleep by default.
  prctl(PR_SET_TIMERSLACK, 1000);
  while (!stopping_) {
    if (application_drives_) {
      stand_aside();
    } else {
      drive_io_thread();
    }
  }
}

void Driver::drive_io_thread() {
  GatherPolicy gather;
  Poller::Ready ready;
  while (!stopping_ && !application_drives_) {
    queues_.outbox.set_driver(DriverState::kRunning);
    const Pass done = exchange_.pass(ready);
    handle_.show();
    if (application_drives_) break;
    gather.after_pass(done.moved, done.said);
    const bool sleep = !done.more && queues_.outbox.set_driver(DriverState::kAsleep);
    ready = sleep ? doze_until(done.deadline, gather) : poller_.wait(kNow);
  }
  // Something may have woken this thread that was meant for the one that drives now.
  poller_.wake();
}

Poller::Ready Driver::doze_until(Instant deadline, GatherPolicy& policy) {
  if (const auto gathered = gather_until(deadline, policy)) return *gathered;
  const Instant begin = clock_.now();
  const Poller::Ready ready = poller_.wait(deadline);
  policy.after_wait(clock_.now() - begin);
  return ready;
}

void Driver::stand_aside() {
  const MutexLock lock(role_mutex_);
  io_thread_aside_ = true;
  wait_for_role();
  io_thread_aside_ = false;
}

void Driver::wait_for_role() {
  Duration interval = kTakeOverAfter;
  std::uint64_t waits_seen = waits_;
  while (!stopping_) {
    const bool inside = application_drives_;
    if (inside && waits_ == waits_seen && interval > kLookIntervalMax) {
      io_thread_sleeps_long_ = true;
      while (!stopping_ && io_thread_sleeps_long_) io_thread_wakes_.wait(role_mutex_);
      io_thread_sleeps_long_ = false;
      interval = kTakeOverAfter;
      continue;
    }
    io_thread_wakes_.wait_for(role_mutex_, interval);
    if (!application_drives_) {
      interval = kTakeOverAfter;
    } else if (waits_ == waits_seen || interval < kLookIntervalBusy) {
      interval = interval * 2;
    } else {
      interval = kLookIntervalBusy;
    }
    waits_seen = waits_;
    if (!application_drives_ && clock_.now() - left_at_ >= kTakeOverAfter) return;
  }
}

// --- waiting -------------------------------------------------------------------------------------

bool Driver::wait(std::chrono::microseconds timeout) {
  const Instant now = clock_.now();
  const bool forever = timeout > std::chrono::hours(24 * 365);
  const Instant deadline = forever ? kNever : now + std::max(timeout, std::chrono::microseconds(0));
  const std::uint64_t thread = ToldNews::this_thread();
  const News told = queues_.told.of(thread);
  if (!(own_thread_ && queues_.news().ends_wait_of(told)) && enter_wait(deadline, told)) {
    leave(drive_until(deadline, told));
  }
  const News found = queues_.news();
  queues_.told.tell(thread, found);
  handle_.show();
  return found.tells(told);
}

void Driver::wake() {
  {
    const MutexLock lock(role_mutex_);
    queues_.wakes.fetch_add(1, std::memory_order_release);
    if (followers_ > 0) followers_wake_.notify_all();
  }
  poller_.wake();
}

// True: this thread drives. False: another one did, until there was something or the deadline
// passed.
bool Driver::enter_wait(Instant deadline, const News& told) {
  const MutexLock lock(role_mutex_);
  ++followers_;
  while (application_drives_ && !queues_.news().ends_wait_of(told) && clock_.now() < deadline) {
    const Duration left = std::min<Duration>(seconds(3600), time_until(deadline, clock_.now()));
    followers_wake_.wait_for(role_mutex_, left);
  }
  --followers_;
  if (application_drives_) return false;
  application_drives_ = true;
  ++waits_;
  wake_io_thread();
  return true;
}

// One that sleeps in the poller does not know who has the role, nor what the application's thread
// has left to do.
void Driver::wake_io_thread() {
  if (own_thread_ && !io_thread_aside_) poller_.wake();
}

Driver::Pass Driver::drive_until(Instant deadline, const News& told) {
  // Without a thread of our own nobody else looks at the sockets: what is unread must not keep us
  // from that.
  bool looked = !own_thread_;
  Poller::Ready ready;
  if (looked) ready = poller_.wait(kNow);
  for (;;) {
    queues_.outbox.set_driver(DriverState::kRunning);
    const Pass done = exchange_.pass(ready);
    spin_.after_pass(done.moved.bytes, done.said);
    gather_.after_pass(done.moved, done.said);
    handle_.show();
    if (queues_.news().ends_wait_of(told)) {
      spin_.after_answer();
      return done;
    }
    const bool last = clock_.now() >= deadline;
    if (last && looked) return done;
    // Refused where another thread gave something since the pass: it is looked for again.
    const bool sleep = !done.more && !last && queues_.outbox.set_driver(DriverState::kAsleep);
    ready = sleep ? sleep_until(std::min(deadline, done.deadline)) : poller_.wait(kNow);
    looked = true;
  }
}

Poller::Ready Driver::sleep_until(Instant deadline) {
  if (const auto gathered = gather_until(deadline, gather_)) return *gathered;
  const Instant begin = clock_.now();
  const Duration look = may_spin_ ? spin_.before_wait() : Duration::zero();
  Poller::Ready ready;
  bool caught = false;
  while (!caught && clock_.now() < std::min(deadline, begin + look)) {
    ready = poller_.wait(kNow);
    caught = ready.any();
  }
  if (!caught) ready = poller_.wait(deadline);
  const Duration waited = clock_.now() - begin;
  spin_.after_wait(waited, look > Duration::zero(), caught);
  gather_.after_wait(waited);
  return ready;
}

// What has piled up meanwhile; nothing where nothing has, or the policy is against it.
std::optional<Poller::Ready> Driver::gather_until(Instant deadline, const GatherPolicy& policy) {
  const Duration time = policy.before_wait();
  if (time == Duration::zero()) return std::nullopt;
  const bool woken = poller_.pause(std::min(deadline, clock_.now() + time));
  Poller::Ready ready = poller_.wait(kNow);
  ready.woken = ready.woken || woken;
  return ready.any() || clock_.now() >= deadline ? std::optional(ready) : std::nullopt;
}

void Driver::leave(const Pass& done) {
  rest(done);
  const MutexLock lock(role_mutex_);
  application_drives_ = false;
  left_at_ = clock_.now();
  wake_io_thread();
  if (io_thread_sleeps_long_) {
    io_thread_sleeps_long_ = false;
    io_thread_wakes_.notify_one();
  }
  if (followers_ > 0) followers_wake_.notify_all();
}

// Nobody drives from here on. Where the application has the handle of the poller, that says when to
// come back.
void Driver::rest(const Pass& done) {
  if (own_thread_ || !handle_given_) {
    queues_.outbox.set_driver(DriverState::kAbsent);
    return;
  }
  const bool at_once = done.more || !queues_.outbox.set_driver(DriverState::kAsleep);
  exchange_.plan_wake(at_once ? kNow : done.deadline);
}

// --- without a thread of our own -----------------------------------------------------------------

void Driver::poll() {
  if (own_thread_) return handle_.note_call();
  {
    const MutexLock lock(role_mutex_);
    if (application_drives_) return;
    application_drives_ = true;
  }
  Pass done{.more = true};
  for (std::size_t moved = 0; done.more && moved < poll_datagrams_max_;) {
    queues_.outbox.set_driver(DriverState::kRunning);
    done = exchange_.pass(poller_.wait(kNow));
    moved += std::max<std::size_t>(1, done.moved.datagrams);
  }
  leave(done);
}

int Driver::event_handle() {
  if (own_thread_) return handle_.give_away();
  if (!handle_given_.exchange(true)) poller_.wake();
  return poller_.descriptor();
}

// --- the end -------------------------------------------------------------------------------------

bool Driver::left_in_order() {
  if (own_thread_ || application_drives_ || !role_mutex_.try_lock()) return false;
  const bool alone = followers_ == 0;
  role_mutex_.unlock();
  return alone && exchange_.is_free();
}

}  // namespace whimbrel
