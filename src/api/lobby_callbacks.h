// What the application is to be told about lobbies: the answers to its calls, and events, in the
// order in which they came. They wait here until run_callbacks(). Thread-safe.
#pragma once

#include <whimbrel/lobbies.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <variant>
#include "io/mutex.h"

#include "rendezvous/lobby_client.h"

namespace whimbrel {

class LobbyCallbacks {
 public:
  using Completion = std::variant<Lobbies::Done, Lobbies::Entered, Lobbies::Listed>;

  // A call is about to be made: false, and nothing changes, where Lobbies::kUnansweredMax others
  // have no answer yet.
  bool begin();
  // The number of a call that was begun.
  void expect(std::uint32_t request, Completion completion);
  // Or its answer, where nobody needs to be asked.
  void answer(Completion completion, LobbyResult result);
  void on_event(std::function<void(const LobbyEvent& event)> callback);

  // Takes all events of `client`.
  void take(rendezvous::LobbyClient& client);
  // Calls what is due when it begins, with no lock held.
  std::size_t run();
  // run() would call something.
  bool due() const { return due_.load(std::memory_order_acquire) > 0; }
  // Another, larger number whenever one became due; 0 while none is.
  std::uint64_t news() const { return due() ? told_count_.load(std::memory_order_acquire) : 0; }

 private:
  using OnEvent = std::function<void(const LobbyEvent& event)>;
  using Answer = std::function<void()>;  // may be empty
  using Told = std::variant<Answer, LobbyEvent>;

  void tell(Told told) REQUIRES(mutex_);
  void tell_event(LobbyEvent event) REQUIRES(mutex_);
  Completion take_completion(std::uint32_t request) REQUIRES(mutex_);
  void on(const rendezvous::LobbyDoneEvent& event, const rendezvous::LobbyClient& client)
      REQUIRES(mutex_);
  void on(const rendezvous::LobbyEnteredEvent& event, const rendezvous::LobbyClient& client)
      REQUIRES(mutex_);
  void on(const rendezvous::LobbyListedEvent& event, const rendezvous::LobbyClient& client)
      REQUIRES(mutex_);
  void on(const rendezvous::LobbyJoinedEvent& event, const rendezvous::LobbyClient& client)
      REQUIRES(mutex_);
  void on(const rendezvous::LobbyLeftEvent& event, const rendezvous::LobbyClient& client)
      REQUIRES(mutex_);
  void on(const rendezvous::LobbyDataEvent& event, const rendezvous::LobbyClient& client)
      REQUIRES(mutex_);
  void on(const rendezvous::LobbyChatEvent& event, const rendezvous::LobbyClient& client)
      REQUIRES(mutex_);
  void on(const rendezvous::LobbyChangedEvent& event, const rendezvous::LobbyClient& client)
      REQUIRES(mutex_);
  void on(const rendezvous::LobbyGoneEvent& event, const rendezvous::LobbyClient& client)
      REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::shared_ptr<const OnEvent> on_event_ GUARDED_BY(mutex_);
  std::map<std::uint32_t, Completion> expected_ GUARDED_BY(mutex_);
  std::size_t unanswered_ GUARDED_BY(mutex_) = 0;  // begun, and their callbacks have not run
  std::deque<Told> told_ GUARDED_BY(mutex_);
  std::size_t events_ GUARDED_BY(mutex_) = 0;  // of told_
  std::atomic<std::size_t> due_{0};
  std::atomic<std::uint64_t> told_count_{0};
};

}  // namespace whimbrel
