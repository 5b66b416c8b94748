// What the application is to be told, and by which of its functions. Events wait here until
// run_callbacks(). Thread-safe.
#pragma once

#include <whimbrel/connection_info.h>
#include <whimbrel/identity.h>
#include <whimbrel/networking_messages.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include "io/mutex.h"

#include "endpoint/endpoint.h"

namespace whimbrel {

class Callbacks {
 public:
  using OnRequest = std::function<void(const Identity& user)>;
  using OnFailed = std::function<void(const ConnectionInfo& info)>;
  using OnChanged =
      std::function<void(const Identity& user, ConnectionState state, const ConnectionInfo& info)>;
  using OnStatus = std::function<void(const ServerStatus& status)>;
  using OnPresence = std::function<void(const Identity& user, bool online)>;

  // Over it the oldest request goes, which is posted again; a failure only where there are failures
  // alone.
  static constexpr std::size_t kEventsMax = 4096;

  void on_request(OnRequest callback);
  void on_failed(OnFailed callback);
  void on_changed(OnChanged callback);
  void on_status(OnStatus callback);
  void on_presence(OnPresence callback);

  void post(Event event);
  // Takes the place of one that was not told yet.
  void post_status(ServerStatus status);
  // Takes the place of one about the same user that was not told yet. Without a callback it waits
  // for one.
  void post_presence(const Identity& user, bool online);
  void drop_presence(const Identity& user);
  // Calls what is due when it begins, with no lock held. Events that nobody wants to hear are
  // dropped.
  std::size_t run();
  // run() would call something.
  bool due() const { return due_.load(std::memory_order_acquire) > 0; }
  // Another, larger number whenever one became due; 0 while none is.
  std::uint64_t news() const { return due() ? posted_.load(std::memory_order_acquire) : 0; }

 private:
  template <typename Function>
  void put(Function callback, std::shared_ptr<const Function> Callbacks::*place);
  bool wanted(const Event& event) const REQUIRES(mutex_);
  // After a change; what is due now may be news.
  void recount() REQUIRES(mutex_);
  void count() REQUIRES(mutex_);
  void drop_one() REQUIRES(mutex_);
  bool run_status();
  std::size_t run_presence();
  std::size_t run_events();

  mutable Mutex mutex_;
  // Shared, so that one stays while it runs though another takes its place.
  std::shared_ptr<const OnRequest> on_request_ GUARDED_BY(mutex_);
  std::shared_ptr<const OnFailed> on_failed_ GUARDED_BY(mutex_);
  std::shared_ptr<const OnChanged> on_changed_ GUARDED_BY(mutex_);
  std::shared_ptr<const OnStatus> on_status_ GUARDED_BY(mutex_);
  std::shared_ptr<const OnPresence> on_presence_ GUARDED_BY(mutex_);
  std::deque<Event> events_ GUARDED_BY(mutex_);
  std::optional<ServerStatus> status_ GUARDED_BY(mutex_);
  std::deque<std::pair<Identity, bool>> presence_ GUARDED_BY(mutex_);  // as many as are watched
  std::atomic<std::size_t> due_{0};
  std::atomic<std::uint64_t> posted_{0};  // or found somebody who wants to hear of it
};

}  // namespace whimbrel
