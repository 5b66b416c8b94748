// Who drives the core, and how the application waits. One thread at a time has the role:
//
//   - the I/O thread, while the application computes;
//   - a thread of the application inside wait(): then the I/O thread stands aside, so that a
//     datagram wakes the thread that wants it, not another one first. Others inside wait() follow
//     it, and sleep until it leaves;
//   - a thread of the application inside poll().
//
// Locks are taken in this order: role, core, then one of the queues'.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "api/exchange.h"
#include "api/gather_policy.h"
#include "api/queues.h"
#include "api/ready_handle.h"
#include "api/spin_policy.h"
#include "io/mutex.h"
#include "io/poller.h"
#include "io/thread.h"

namespace whimbrel {

// Thread-safe, but for start() and stop(). What the constructor is given must outlive it.
class Driver {
 public:
  // The application left wait() and did not come back for so long: the I/O thread drives.
  static constexpr Duration kTakeOverAfter = milliseconds(1);

  // `poll_datagrams_max`: a poll() moves about so many.
  Driver(bool own_thread, std::size_t poll_datagrams_max, Exchange& exchange, Queues& queues,
         ReadyHandle& handle, Poller& poller, const Clock& clock);

  // The I/O thread, where the instance has one. After stop() nobody drives.
  void start();
  void stop();

  // As the calls of NetworkingMessages.
  void poll();
  bool wait(std::chrono::microseconds timeout);
  void wake();
  int event_handle();

  // Nobody was inside when the process was copied.
  bool left_in_order();

 private:
  using Pass = Exchange::Pass;

  void run_io_thread();
  void drive_io_thread();
  Poller::Ready doze_until(Instant deadline, GatherPolicy& policy);
  void stand_aside();
  void wait_for_role() REQUIRES(role_mutex_);
  void wake_io_thread() REQUIRES(role_mutex_);
  bool enter_wait(Instant deadline, const News& told);
  // Until there are news for whoever was told `told`.
  Pass drive_until(Instant deadline, const News& told);
  // Gives the role back.
  void leave(const Pass& done);
  void rest(const Pass& done);
  Poller::Ready sleep_until(Instant deadline);
  std::optional<Poller::Ready> gather_until(Instant deadline, const GatherPolicy& policy);

  const bool own_thread_;
  const std::size_t poll_datagrams_max_;
  Exchange& exchange_;
  Queues& queues_;
  ReadyHandle& handle_;
  Poller& poller_;
  const Clock& clock_;

  Mutex role_mutex_;
  Condition io_thread_wakes_;
  Condition followers_wake_;
  // Both change under the lock, and are looked at without it.
  std::atomic<bool> application_drives_{false};
  std::atomic<bool> stopping_{false};
  // Stands aside: it is not in the poller, and comes back by itself. Otherwise whoever takes or
  // gives back the role wakes it.
  bool io_thread_aside_ GUARDED_BY(role_mutex_) = false;
  bool io_thread_sleeps_long_ GUARDED_BY(role_mutex_) = false;
  std::uint64_t waits_ GUARDED_BY(role_mutex_) = 0;
  std::size_t followers_ GUARDED_BY(role_mutex_) = 0;
  Instant left_at_ GUARDED_BY(role_mutex_);

  // Of the thread that drives inside wait().
  SpinPolicy spin_;
  GatherPolicy gather_;
  const bool may_spin_ = std::thread::hardware_concurrency() > 1;

  // Without a thread of our own: the application has the poller's descriptor.
  std::atomic<bool> handle_given_{false};

  Thread io_thread_;
};

}  // namespace whimbrel
