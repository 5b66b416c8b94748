// The core behind its lock, and what is handed over between it and the application: what was sent
// and read goes in, what has come of it goes out. Whoever has a moment does that: the driver in a
// pass, a call of the application before and after its own work.
#pragma once

#include <atomic>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "api/core.h"
#include "api/live_settings.h"
#include "api/queues.h"
#include "api/ready_handle.h"
#include "io/clock.h"
#include "io/mutex.h"
#include "io/poller.h"

namespace whimbrel {

// Thread-safe. What the constructor is given must outlive it.
class Exchange {
 public:
  // How a call of the application ends.
  enum class Kind : std::uint8_t {
    kCommand,      // the driver may have something to do afterwards
    kCommandHere,  // the same, and packets leave on this thread (kSendUseCurrentThread)
    kQuestion,     // changes nothing
  };
  // What a call has before it, under the core's lock.
  struct Inside {
    Core& core;
    LiveSettings& settings;
    Instant now;
    Endpoint& endpoint() const { return core.endpoint(); }
  };
  // What a pass of the driver has left.
  struct Pass {
    bool more = false;  // there is more to do at once
    Instant deadline = kNever;
    Core::Moved moved{};
    bool said = false;  // the application has sent something since the last pass
  };

  // `own_thread`: the instance has one, and packets may leave on whichever thread makes them.
  Exchange(std::unique_ptr<Core> core, Settings settings, bool own_thread, Queues& queues,
           ReadyHandle& handle, Poller& poller, const Clock& clock);

  // Runs `call(Inside&)` with the core's lock, for which the driver stands aside, and answers what
  // it answers. What was sent before is handed over first, and what has arrived is in the inbox.
  // The end is the same for every call: what came of it is given to the application, packets leave
  // or are left to the driver, and whoever sleeps is told.
  template <typename Call>
  auto with_core(Kind kind, Call&& call) EXCLUDES(mutex_) {
    calls_waiting_.fetch_add(1, std::memory_order_relaxed);
    MutexLock lock(mutex_);
    calls_waiting_.fetch_sub(1, std::memory_order_relaxed);
    const News before = queues_.news();
    Inside inside = begin_call();
    auto answer = call(inside);
    end_call(kind, inside.now);
    lock.unlock();
    // Without a thread of our own packets are the driver's: a thread inside wait(), or whoever
    // watches the handle.
    const bool left = !leaves(kind) && kind == Kind::kCommand;
    if (left || queues_.news().tells(before)) wake_driver();
    handle_.show();
    return answer;
  }
  template <typename Call>
  auto with_core(Call&& call) EXCLUDES(mutex_) {
    return with_core(Kind::kCommand, std::forward<Call>(call));
  }

  // A pass of the driver.
  Pass pass(const Poller::Ready& ready) EXCLUDES(mutex_);
  // A pass of a thread that has just sent, so that its packet leaves at once. Where the core is
  // busy, its driver is told instead.
  void pass_if_free() EXCLUDES(mutex_);
  // Not within kPassInterval of the last one: that is a burst, which is gathered.
  bool passed_lately() const;

  // Lets the driver look at the queues before it sleeps again.
  void wake_driver();
  // The application has something new. Whoever is inside wait() looks for it, and the handle shows
  // it.
  void tell_application();
  // Nobody drives until the poller says so: at `deadline`, or when a call brings a nearer one.
  void plan_wake(Instant deadline) EXCLUDES(mutex_);

  // What never changes.
  const std::string& public_key_hex() const { return public_key_hex_; }
  std::uint16_t port(bool v4) const { return v4 ? port_v4_ : port_v6_; }

  // Nobody was inside when the process was copied.
  bool is_free();
  // In a child process, where it cannot be used any more.
  void close_descriptors() NO_THREAD_SAFETY_ANALYSIS { core_->close_descriptors(); }

 private:
  // On an idle line a send puts its packet on the wire itself; the sends right after it are a
  // burst, and are gathered.
  static constexpr Duration kPassInterval = microseconds(100);

  Inside begin_call() REQUIRES(mutex_);
  void end_call(Kind kind, Instant now) REQUIRES(mutex_);
  // Packets leave at the end of such a call.
  bool leaves(Kind kind) const { return own_thread_ || kind == Kind::kCommandHere; }
  void take_from_application(Instant now) REQUIRES(mutex_);
  void give_to_application(Instant now) REQUIRES(mutex_);
  void report_silence(const Event& event, Instant now) REQUIRES(mutex_);
  void give_status() REQUIRES(mutex_);
  void transmit(Instant now) REQUIRES(mutex_);

  const bool own_thread_;
  Queues& queues_;
  ReadyHandle& handle_;
  Poller& poller_;
  const Clock& clock_;

  Mutex mutex_;
  std::atomic<int> calls_waiting_{0};
  const std::unique_ptr<Core> core_ PT_GUARDED_BY(mutex_);
  LiveSettings settings_ GUARDED_BY(mutex_);
  std::vector<Outbox::Message> taken_ GUARDED_BY(mutex_);
  std::vector<Consumed> consumed_ GUARDED_BY(mutex_);
  std::vector<DeliveredMessage> delivered_ GUARDED_BY(mutex_);
  std::uint64_t status_mark_ GUARDED_BY(mutex_) = 0;  // that the application was told of
  Instant planned_wake_ GUARDED_BY(mutex_) = kNever;  // the driver sleeps no longer than this
  bool timer_armed_ GUARDED_BY(mutex_) = false;
  bool said_ GUARDED_BY(mutex_) = false;

  std::atomic<std::int64_t> passed_at_ns_{0};
  std::string public_key_hex_;
  std::uint16_t port_v4_ = 0, port_v6_ = 0;
};

}  // namespace whimbrel
