#include "api/exchange.h"

#include "api/server_status.h"
#include "io/key_files.h"
#include "io/thread.h"

namespace whimbrel {

namespace {

// So many messages before its own a user's data is fetched into the processor's cache.
constexpr std::size_t kUsersAhead = 4;
constexpr std::size_t kSessionsAhead = 2;

}  // namespace

Exchange::Exchange(std::unique_ptr<Core> core, Settings settings, bool own_thread, Queues& queues,
                   ReadyHandle& handle, Poller& poller, const Clock& clock)
    : own_thread_(own_thread),
      queues_(queues),
      handle_(handle),
      poller_(poller),
      clock_(clock),
      core_(std::move(core)),
      settings_(std::move(settings), *core_, queues.inbox),
      public_key_hex_(to_hex(core_->endpoint().public_key().view())),
      port_v4_(core_->port(true)),
      port_v6_(core_->port(false)) {}

// --- handing over --------------------------------------------------------------------------------

void Exchange::take_from_application(Instant now) {
  Endpoint& endpoint = core_->endpoint();
  queues_.outbox.take(taken_);
  said_ = said_ || !taken_.empty();
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    if (i + kUsersAhead < taken_.size()) {
      Endpoint::prefetch(*taken_[i + kUsersAhead].gate);
      Endpoint::prefetch_session(*taken_[i + kSessionsAhead].gate);
    }
    Outbox::Message& message = taken_[i];
    endpoint.send(*message.user, std::move(message.payload), message.flags, message.channel, now,
                  message.gate);
  }
  taken_.clear();
  queues_.inbox.take_consumed(consumed_);
  for (const Consumed& one : consumed_) {
    endpoint.consumed(one.session, one.place, one.reliable, one.bytes, one.messages, now);
  }
  consumed_.clear();
}

void Exchange::give_to_application(Instant now) {
  Endpoint& endpoint = core_->endpoint();
  endpoint.take_messages(delivered_);
  queues_.inbox.deliver(delivered_, [&endpoint](SessionId session) {
    return Inbox::Sender(endpoint.user_of(session), endpoint.user_data_of(session));
  });
  while (auto event = endpoint.poll_event()) {
    report_silence(*event, now);
    queues_.callbacks.post(std::move(*event));
  }
  if (auto* lobbies = core_->lobbies()) queues_.lobbies.take(*lobbies);
  while (const auto presence = core_->poll_presence()) {
    queues_.callbacks.post_presence(presence->user, presence->online);
  }
  give_status();
}

// Somebody who does not answer and is in a lobby with us: a host that crashed shall not own it for
// long.
void Exchange::report_silence(const Event& event, Instant now) {
  const auto* failed = std::get_if<SessionFailedEvent>(&event);
  auto* lobbies = core_->lobbies();
  if (failed == nullptr || lobbies == nullptr) return;
  const int reason = failed->info.end_reason;
  if (reason == kEndRemoteTimeout || reason == kEndMiscTimeout)
    lobbies->report_silent(failed->info.identity, now);
}

void Exchange::give_status() {
  const std::uint64_t mark = core_->network().status_mark();
  if (mark == status_mark_) return;
  status_mark_ = mark;
  queues_.callbacks.post_status(public_status(core_->network().status()));
}

// Whoever is not the driver tells it when the next deadline came closer than it planned to sleep.
void Exchange::transmit(Instant now) {
  const bool more = core_->transmit(now);
  const Instant deadline = more ? now : core_->next_deadline();
  if (deadline < planned_wake_) {
    planned_wake_ = deadline;
    timer_armed_ = true;
    poller_.wake_at(deadline);
  }
}

// --- a call --------------------------------------------------------------------------------------

Exchange::Inside Exchange::begin_call() {
  const Instant now = clock_.now();
  take_from_application(now);
  give_to_application(now);
  return {*core_, settings_, now};
}

void Exchange::end_call(Kind kind, Instant now) {
  said_ = said_ || kind != Kind::kQuestion;
  take_from_application(now);  // what the call itself dropped
  give_to_application(now);
  if (!leaves(kind)) return;
  transmit(now);
  give_to_application(clock_.now());  // what came meanwhile
}

// --- a pass --------------------------------------------------------------------------------------

Exchange::Pass Exchange::pass(const Poller::Ready& ready) {
  // Calls that want the core go first: a busy driver takes the lock again and again.
  for (int i = 0; i < 100 && calls_waiting_.load(std::memory_order_relaxed) > 0; ++i) {
    yield_thread();
  }
  const MutexLock lock(mutex_);
  Pass result;
  result.more = core_->receive(ready);
  const Instant now = clock_.now();
  core_->advance(now);
  give_to_application(now);
  take_from_application(now);
  result.more = core_->transmit(now) || result.more;
  give_to_application(clock_.now());
  result.deadline = core_->next_deadline();
  result.moved = core_->take_moved();
  result.said = std::exchange(said_, false);
  planned_wake_ = result.deadline;
  if (timer_armed_) {
    timer_armed_ = false;
    poller_.wake_at(kNever);
  }
  return result;
}

void Exchange::pass_if_free() {
  if (!mutex_.try_lock()) return wake_driver();
  const News before = queues_.news();
  const Instant now = clock_.now();
  passed_at_ns_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  take_from_application(now);
  if (core_->next_deadline() <= now) core_->advance(now);
  transmit(now);
  give_to_application(clock_.now());
  mutex_.unlock();
  if (queues_.news().tells(before)) tell_application();
}

bool Exchange::passed_lately() const {
  const std::int64_t now = clock_.now().time_since_epoch().count();
  return now - passed_at_ns_.load(std::memory_order_relaxed) < kPassInterval.count();
}

// --- telling -------------------------------------------------------------------------------------

void Exchange::wake_driver() {
  if (queues_.outbox.claim_wake()) poller_.wake();
}

void Exchange::tell_application() {
  wake_driver();
  handle_.show();
}

void Exchange::plan_wake(Instant deadline) {
  const MutexLock lock(mutex_);
  // A call may have brought a nearer deadline since the pass.
  planned_wake_ = std::min(deadline, core_->next_deadline());
  timer_armed_ = true;
  poller_.wake_at(planned_wake_);
}

bool Exchange::is_free() {
  if (calls_waiting_ > 0 || !mutex_.try_lock()) return false;
  mutex_.unlock();
  return true;
}

}  // namespace whimbrel
