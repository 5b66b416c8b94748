// NetworkingMessages: who drives the core, and how the application waits.
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <algorithm>

#include "api/impl.h"
#include "io/abandoned.h"
#include "io/kernel.h"

namespace whimbrel {

namespace {

// The application left wait() and did not come back for so long: the I/O thread drives.
constexpr Duration kTakeOverAfter = milliseconds(1);
// While the application stays inside wait(), the I/O thread looks after it less and less often, then not at all.
constexpr Duration kLookIntervalMax = milliseconds(8);
// So many calls while the handle shows something make a turn: many more than a program makes between two looks at the handle.
constexpr std::uint64_t kTurn = 1024;
// Destruction waits for the server's answer to a logout at most so long.
constexpr Duration kLogoutMax = milliseconds(250);
// Destruction waits for the fake line (FakePacketLagSend) at most so long; what is still on it then leaves at once.
constexpr Duration kFakeLineWaitMax = seconds(1);

}  // namespace

// --- a pass ------------------------------------------------------------------------------------------------------

void NetworkingMessages::Impl::take_from_application(Instant now) {
  Endpoint& endpoint = core_->endpoint();
  outbox_.take(taken_);
  for (Outbox::Message& message : taken_) {
    endpoint.send(*message.user, std::move(message.payload), message.flags, message.channel, now,
                  message.gate);
  }
  taken_.clear();
  inbox_.take_consumed(consumed_);
  for (const Consumed& one : consumed_) {
    endpoint.consumed(one.session, one.place, one.reliable, one.bytes, one.messages, now);
  }
  consumed_.clear();
}

Inbox::Sender NetworkingMessages::Impl::sender_of(SessionId session) {
  const Endpoint& endpoint = core_->endpoint();
  return {endpoint.user_of(session), endpoint.user_data_of(session)};
}

// Somebody who does not answer and is in a lobby with us: a host that crashed shall not own it for long.
void NetworkingMessages::Impl::report_silence(const Event& event) {
  const auto* failed = std::get_if<SessionFailedEvent>(&event);
  auto* lobbies = core_->lobbies();
  if (failed == nullptr || lobbies == nullptr) return;
  const int reason = failed->info.end_reason;
  if (reason == kEndRemoteTimeout || reason == kEndMiscTimeout)
    lobbies->report_silent(failed->info.identity, clock_.now());
}

bool NetworkingMessages::Impl::give_to_application() {
  Endpoint& endpoint = core_->endpoint();
  endpoint.take_messages(delivered_);
  bool given = !delivered_.empty();
  inbox_.deliver(delivered_, [this](SessionId session) { return sender_of(session); });
  while (auto event = endpoint.poll_event()) {
    report_silence(*event);
    callbacks_.post(std::move(*event));
    given = true;
  }
  if (auto* lobbies = core_->lobbies()) given = lobby_callbacks_.take(*lobbies) || given;
  while (const auto presence = core_->poll_presence()) {
    callbacks_.post_presence(presence->user, presence->online);
    given = true;
  }
  if (notice_status()) given = true;
  return given;
}

// Whoever is not the driver tells it when the next deadline came closer than it planned to sleep.
bool NetworkingMessages::Impl::transmit(Instant now) {
  const bool more = core_->transmit(now);
  const Instant deadline = more ? now : core_->next_deadline();
  if (deadline < planned_wake_) {
    planned_wake_ = deadline;
    timer_armed_ = true;
    poller_.wake_at(deadline);
  }
  return more;
}

void NetworkingMessages::Impl::pass_in_passing() {
  std::unique_lock lock(core_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return wake_driver();
  const Instant now = clock_.now();
  passed_at_ns_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  take_from_application(now);
  if (core_->next_deadline() <= now) core_->advance(now);
  transmit(now);
  const bool given = give_to_application();
  lock.unlock();
  if (given) tell_waiting();
}

NetworkingMessages::Impl::Pass NetworkingMessages::Impl::pass(const Poller::Ready& ready) {
  // Calls that want the core go first: a busy driver takes the lock again and again.
  for (int i = 0; i < 100 && core_calls_waiting_.load(std::memory_order_relaxed) > 0; ++i) {
    yield_thread();
  }
  const MutexLock lock(core_mutex_);
  Pass result;
  result.more = core_->receive(ready);
  const Instant now = clock_.now();
  core_->advance(now);
  give_to_application();
  take_from_application(now);
  result.more = core_->transmit(now) || result.more;
  give_to_application();
  result.deadline = core_->next_deadline();
  result.moved = core_->take_moved();
  planned_wake_ = result.deadline;
  if (timer_armed_) {
    timer_armed_ = false;
    poller_.wake_at(kNever);
  }
  return result;
}

void NetworkingMessages::Impl::wake_driver() {
  if (outbox_.claim_wake()) poller_.wake();
}

// A thread inside wait() may sleep in the poller; it looks for itself once it is awake.
void NetworkingMessages::Impl::tell_waiting() {
  wake_driver();
  show_ready();
}

News NetworkingMessages::Impl::news() const {
  return {.messages = inbox_.news(),
          .callbacks = callbacks_.news(),
          .lobbies = lobby_callbacks_.news(),
          .room = room_.news(),
          .wakes = wakes_.load(std::memory_order_acquire)};
}

// --- the I/O thread ----------------------------------------------------------------------------------------------

void NetworkingMessages::Impl::run_io_thread() {
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

void NetworkingMessages::Impl::drive_io_thread() {
  Poller::Ready ready;
  while (!stopping_ && !application_drives_) {
    outbox_.set_driver(DriverState::kRunning);
    const Pass done = pass(ready);
    show_ready();
    if (application_drives_) break;
    const bool sleep = !done.more && outbox_.set_driver(DriverState::kAsleep);
    ready = poller_.wait(sleep ? done.deadline : kNow);
  }
  // Something may have woken this thread that was meant for the one that drives now.
  poller_.wake();
}

void NetworkingMessages::Impl::stand_aside() {
  MutexLock lock(role_mutex_);
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
    interval = application_drives_ && waits_ == waits_seen ? interval * 2 : kTakeOverAfter;
    waits_seen = waits_;
    if (!application_drives_ && clock_.now() - left_wait_at_ >= kTakeOverAfter) return;
  }
}

// --- waiting -----------------------------------------------------------------------------------------------------

bool NetworkingMessages::Impl::wait(std::chrono::microseconds timeout) {
  const Instant now = clock_.now();
  const bool forever = timeout > std::chrono::hours(24 * 365);
  const Instant deadline = forever ? kNever : now + std::max(timeout, std::chrono::microseconds(0));
  const std::uint64_t thread = ToldNews::this_thread();
  const News told = told_.of(thread);
  if (!(own_thread_ && news().ends_wait_of(told)) && enter_wait(deadline, told)) {
    const Pass done = drive_until(deadline, told);
    leave_wait(done);
  }
  const News found = news();
  told_.tell(thread, found);
  show_ready();
  return found.tells(told);
}

void NetworkingMessages::Impl::wake() {
  {
    const MutexLock lock(role_mutex_);
    wakes_.fetch_add(1, std::memory_order_release);
    if (followers_ > 0) waiters_wake_.notify_all();
  }
  poller_.wake();
}

// True: this thread drives. False: another one did, until there was something or the deadline passed.
bool NetworkingMessages::Impl::enter_wait(Instant deadline, const News& told) {
  MutexLock lock(role_mutex_);
  ++followers_;
  while (application_drives_ && !news().ends_wait_of(told) && clock_.now() < deadline) {
    const Duration left = std::min<Duration>(seconds(3600), time_until(deadline, clock_.now()));
    waiters_wake_.wait_for(role_mutex_, left);
  }
  --followers_;
  if (application_drives_) return false;
  application_drives_ = true;
  ++waits_;
  return true;
}

void NetworkingMessages::Impl::leave_wait(const Pass& done) {
  rest(done);
  const MutexLock lock(role_mutex_);
  application_drives_ = false;
  left_wait_at_ = clock_.now();
  if (io_thread_sleeps_long_) {
    io_thread_sleeps_long_ = false;
    io_thread_wakes_.notify_one();
  }
  if (followers_ > 0) waiters_wake_.notify_all();
}

NetworkingMessages::Impl::Pass NetworkingMessages::Impl::drive_until(Instant deadline,
                                                                     const News& told) {
  // Without a thread of our own nobody else looks at the sockets: what is unread must not keep us from that.
  bool looked = !own_thread_;
  Poller::Ready ready;
  if (looked) ready = poller_.wait(kNow);
  for (;;) {
    outbox_.set_driver(DriverState::kRunning);
    const Pass done = pass(ready);
    spin_.after_pass(done.moved.bytes);
    show_ready();
    if (news().ends_wait_of(told)) return done;
    const bool last = clock_.now() >= deadline;
    if (last && looked) return done;
    const bool sleep = !done.more && !last && outbox_.set_driver(DriverState::kAsleep);
    // What another thread gave since the last look came without a wake if it was before this thread said that it sleeps.
    if (sleep && news().ends_wait_of(told)) return done;
    ready = sleep ? sleep_until(std::min(deadline, done.deadline)) : poller_.wait(kNow);
    looked = true;
  }
}

Poller::Ready NetworkingMessages::Impl::sleep_until(Instant deadline) {
  const Instant begin = clock_.now();
  const Duration look = may_spin_ ? spin_.before_wait() : Duration::zero();
  Poller::Ready ready;
  bool caught = false;
  while (!caught && clock_.now() < std::min(deadline, begin + look)) {
    ready = poller_.wait(kNow);
    caught = ready.any();
  }
  if (!caught) ready = poller_.wait(deadline);
  spin_.after_wait(clock_.now() - begin, look > Duration::zero(), caught);
  return ready;
}

void NetworkingMessages::Impl::poll() {
  note_call();
  if (own_thread_) return;
  {
    const MutexLock lock(role_mutex_);
    if (application_drives_) return;
    application_drives_ = true;
  }
  Pass done{.more = true};
  for (std::size_t moved = 0; done.more && moved < poll_datagrams_max_;) {
    outbox_.set_driver(DriverState::kRunning);
    done = pass(poller_.wait(kNow));
    moved += std::max<std::size_t>(1, done.moved.datagrams);
  }
  rest(done);
  const MutexLock lock(role_mutex_);
  application_drives_ = false;
  if (followers_ > 0) waiters_wake_.notify_all();
}

// Nobody drives from here on. Where the application has the handle of the poller, that says when to come back.
void NetworkingMessages::Impl::rest(const Pass& done) {
  if (own_thread_ || !handle_given_) {
    outbox_.set_driver(DriverState::kAbsent);
    return;
  }
  const bool at_once = done.more || !outbox_.set_driver(DriverState::kAsleep);
  const MutexLock lock(core_mutex_);
  // A call may have brought a nearer deadline since the pass.
  planned_wake_ = at_once ? kNow : std::min(done.deadline, core_->next_deadline());
  timer_armed_ = true;
  poller_.wake_at(planned_wake_);
}

// --- the event handle --------------------------------------------------------------------------------------------

int NetworkingMessages::Impl::event_handle() {
  if (!own_thread_) {
    if (!handle_given_.exchange(true)) poller_.wake();
    return poller_.descriptor();
  }
  {
    const MutexLock lock(ready_mutex_);
    if (!ready_event_.valid())
      ready_event_ = FileDescriptor(kernel().eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    handle_given_ = true;
  }
  show_ready();
  return ready_event_.get();
}

// Keeps the handle readable exactly while there is something. Called after every change, with no lock held.
void NetworkingMessages::Impl::show_ready() {
  if (!own_thread_ || !handle_given_.load(std::memory_order_acquire)) return;
  const MutexLock lock(ready_mutex_);
  const bool ready =
      inbox_.shows() || callbacks_.due() || lobby_callbacks_.due() || room_.available();
  if (ready == shown_ready_) return;
  shown_ready_ = ready;
  std::uint64_t count = 1;
  if (ready) {
    [[maybe_unused]] const ssize_t written =
        kernel().write(ready_event_.get(), &count, sizeof count);
  } else {
    [[maybe_unused]] const ssize_t got = kernel().read(ready_event_.get(), &count, sizeof count);
  }
}

// A call of the application that looks for what the handle shows. What stays there for a whole turn is not wanted.
void NetworkingMessages::Impl::note_call() {
  if (!own_thread_ || !handle_given_.load(std::memory_order_acquire)) return;
  if (const std::uint64_t seen = inbox_.note_call(); seen > 0) {
    told_.tell(ToldNews::this_thread(), {.messages = seen});
  }
  if (shown_ready_ && calls_while_shown_.fetch_add(1, std::memory_order_relaxed) % kTurn == 0) {
    inbox_.end_turn();
    room_.end_turn();
  }
  show_ready();
}

// --- the end -----------------------------------------------------------------------------------------------------

// Nobody was inside when the process was copied.
bool NetworkingMessages::Impl::left_in_order() {
  if (own_thread_ || application_drives_ || core_calls_waiting_ > 0) return false;
  const std::unique_lock role(role_mutex_, std::try_to_lock);
  const std::unique_lock core(core_mutex_, std::try_to_lock);
  return role.owns_lock() && core.owns_lock() && followers_ == 0;
}

void NetworkingMessages::Impl::destroy(std::unique_ptr<Impl> impl) {
  if (!impl->forked() || impl->left_in_order()) return;
  impl->core_->close_descriptors();
  impl->poller_.close_descriptors();
  impl->ready_event_ = FileDescriptor();
  abandon(std::move(impl));
}

NetworkingMessages::Impl::~Impl() {
  if (forked()) return;
  {
    const MutexLock lock(role_mutex_);
    stopping_ = true;
    io_thread_wakes_.notify_all();
  }
  poller_.wake();
  if (io_thread_.joinable()) io_thread_.join();
  close_down();
}

void NetworkingMessages::Impl::close_down() {
  Instant give_up;
  {
    const MutexLock lock(core_mutex_);
    const Instant now = clock_.now();
    take_from_application(now);
    core_->endpoint().close_all(now);
    give_up = now + milliseconds(settings_.get(Option::kLingerTime)) + milliseconds(100);
  }
  Poller::Ready ready;
  for (;;) {
    const Pass done = pass(ready);
    if (!core_->endpoint().lingering() || clock_.now() >= give_up) break;
    ready = poller_.wait(done.more ? kNow : std::min(done.deadline, give_up));
  }
  log_out();
  wait_for_fake_line();
}

// So that nobody waits for us: the server is told, and other users by it.
void NetworkingMessages::Impl::log_out() {
  const Instant give_up = clock_.now() + kLogoutMax;
  {
    const MutexLock lock(core_mutex_);
    core_->leave(clock_.now());
  }
  Poller::Ready ready;
  for (;;) {
    const Pass done = pass(ready);
    if (!core_->network().leaving() || clock_.now() >= give_up) break;
    ready = poller_.wait(done.more ? kNow : std::min(done.deadline, give_up));
  }
}

// A line that is slow only in this process must not swallow the farewell that is on it.
void NetworkingMessages::Impl::wait_for_fake_line() {
  const Instant give_up = clock_.now() + kFakeLineWaitMax;
  Poller::Ready ready;
  while (core_->line_busy() && clock_.now() < give_up) {
    const Pass done = pass(ready);
    ready = poller_.wait(done.more ? kNow : std::min(done.deadline, give_up));
  }
  const MutexLock lock(core_mutex_);
  core_->flush_line();
}

}  // namespace whimbrel
