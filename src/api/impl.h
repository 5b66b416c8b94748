// The inside of NetworkingMessages. Three things between the application's threads and the core:
//
//   outbox     what was sent and the core has not taken yet
//   inbox      what has arrived and was not read yet
//   callbacks  what the application is to be told
//
// and, beside the last, what it is to be told about lobbies. Each has a lock of its own, held for moments. The core (endpoint and sockets) has the core lock; whoever holds it may
// run a pass: take from the outbox, receive, let timers fire, fill inbox and callbacks, transmit. Who that is:
//
//   - the I/O thread, while the application computes;
//   - an application's thread inside wait(): then the I/O thread stands aside, so that a datagram wakes the thread that
//     wants it, not another one first;
//   - an application's thread inside poll(), or inside a send on an idle line: the packet leaves before send returns.
//
// Locks are taken in this order: role, core, then one of outbox, inbox, the callbacks, room. No callback of the application
// runs under any of them.
#pragma once

#include <whimbrel/networking_messages.h>

#include <atomic>
#include <mutex>

#include "api/callbacks.h"
#include "api/core.h"
#include "api/inbox.h"
#include "api/lobby_desk.h"
#include "api/news.h"
#include "api/outbox.h"
#include "api/room.h"
#include "api/settings.h"
#include "api/spin_policy.h"
#include "io/clock.h"
#include "io/fork_guard.h"
#include "io/mutex.h"
#include "io/poller.h"
#include "io/thread.h"

namespace whimbrel {

class NetworkingMessages::Impl : private LobbyDesk {
 public:
  // Checks everything, binds, starts. nullptr with the reason.
  static std::unique_ptr<Impl> create(const Config& config, std::string* error);
  // In a child process nothing is sent, and what may be in disorder there is left as it is.
  static void destroy(std::unique_ptr<Impl> impl);
  ~Impl() override;
  // This is a child of the process that made it: nothing else may be called any more.
  bool forked() const { return fork_guard_.forked(); }

  // --- calls.cc ----------------------------------------------------------------------------------------------------
  // `shared` (if given) holds the payload already: it is not copied again.
  Result send(const Identity& user, Bytes payload, int flags, ChannelId channel,
              const SharedBytes* shared = nullptr);
  std::size_t receive(ChannelId channel, std::span<Message> out);
  std::size_t unread(ChannelId channel) const { return inbox_.size_of(channel); }
  bool accept(const Identity& user);
  bool close_session(const Identity& user);
  bool close_channel(const Identity& user, ChannelId channel);
  bool set_user_data(const Identity& user, std::int64_t data);
  void on_session_changed(
      std::function<void(const Identity& user, ConnectionState state, const ConnectionInfo& info)>
          callback);
  ConnectionState connection_info(const Identity& user, ConnectionInfo* info,
                                  ConnectionStatus* status);
  Callbacks& callbacks() { return callbacks_; }
  Lobbies& lobbies() { return *lobbies_; }
  std::size_t run_callbacks();
  bool set_option(Option option, std::int64_t value, std::string* error);
  bool set_session_option(const Identity& user, Option option, std::int64_t value,
                          std::string* error);
  bool add_route(const Route& route, std::string* error);
  bool set_login_token(std::string token, std::string* error);
  Result watch(const Identity& user, bool on);
  // A copy: a server may give it later.
  Identity identity() const;
  ServerStatus server_status() const;
  std::string public_key_hex() const;
  std::uint16_t port(bool v4) const { return core_->port(v4); }
  std::vector<Counter> counters();
  std::vector<Identity> users();

  // --- drive.cc ----------------------------------------------------------------------------------------------------
  void poll();
  bool wait(std::chrono::microseconds timeout);
  void wake();
  int event_handle();

 private:
  // A call of the application that needs the core: has the core lock, for which the driver stands aside, and has handed over
  // what was sent before it. Its end is the same for all of them: what came of it is given to the application, leaves or is
  // left to the driver, and whoever sleeps is told.
  class CoreCall {
   public:
    enum class Kind : std::uint8_t {
      kCommand,      // the driver may have something to do afterwards
      kCommandHere,  // the same, and packets leave on this thread (kSendUseCurrentThread)
      kQuestion,     // changes nothing
    };

    explicit CoreCall(Impl& impl, Kind kind = Kind::kCommand);
    ~CoreCall();
    CoreCall(const CoreCall&) = delete;
    CoreCall& operator=(const CoreCall&) = delete;

    Instant now() const { return now_; }

   private:
    Impl& impl_;
    const Kind kind_;
    std::unique_lock<Mutex> lock_;
    const Instant now_;
  };
  struct Parts;
  struct Pass {
    bool more = false;  // there is more to do at once
    Instant deadline = kNever;
    Core::Moved moved{};
  };

  explicit Impl(Parts parts);

  // --- calls.cc ----------------------------------------------------------------------------------------------------
  Result send_through_core(const Identity& user, Bytes payload, int flags, ChannelId channel,
                           const SharedBytes* shared);
  void after_push(const Outbox::Push& push, int flags);
  void apply_settings();
  void apply_settings_of(const Identity& user);

  // --- lobby_calls.cc ----------------------------------------------------------------------------------------------
  bool call(const Call& call, LobbyCallbacks::Completion completion) override;
  bool refuse(LobbyResult result, LobbyCallbacks::Completion completion) override;
  void look(const std::function<void(const rendezvous::LobbyClient& client)>& look) override;
  void on_lobby_event(std::function<void(const LobbyEvent& event)> callback) override;

  // --- drive.cc ----------------------------------------------------------------------------------------------------
  // All of these: the caller holds the core lock.
  void take_from_application(Instant now);
  // True if there was something for it. Then whoever is not the driver calls tell_waiting(), after the core lock.
  Inbox::Sender sender_of(SessionId session);
  bool give_to_application();
  void report_silence(const Event& event);
  // The same for what get_server_status() says.
  bool notice_status();
  bool transmit(Instant now);
  // A pass on a thread that does not go to sleep after it.
  void pass_in_passing();
  // A pass of the driver, which takes the core lock itself.
  Pass pass(const Poller::Ready& ready);
  void wake_driver();
  // Something was given to the application by a thread that is not the driver.
  void tell_waiting();
  News news() const;
  void show_ready();
  void note_call();

  void run_io_thread();
  void drive_io_thread();
  void stand_aside();
  bool enter_wait(Instant deadline, const News& told);
  void leave_wait(const Pass& done);
  // Until there are news for whoever was told `told`.
  Pass drive_until(Instant deadline, const News& told);
  void rest(const Pass& done);
  Poller::Ready sleep_until(Instant deadline);
  bool left_in_order();
  void close_down();
  void log_out();
  void wait_for_fake_line();

  const ForkGuard fork_guard_;
  Clock clock_;
  Poller poller_{clock_};
  const bool own_thread_;
  const std::size_t poll_datagrams_max_;

  mutable Mutex core_mutex_;
  std::atomic<int> core_calls_waiting_{0};
  // Under the core lock:
  std::unique_ptr<Core> core_;
  Settings settings_;
  std::uint64_t receive_bytes_min_ = 0;  // of all sessions
  std::uint64_t receive_messages_min_ = 0;
  std::uint64_t receive_bytes_max_ = 0;
  std::uint64_t receive_messages_max_ = 0;
  std::size_t routes_ = 0;
  std::vector<Outbox::Message> taken_;
  std::vector<Consumed> consumed_;
  std::vector<DeliveredMessage> delivered_;
  std::uint64_t status_mark_ = 0;  // that the application was told of
  Instant planned_wake_ = kNever;  // the driver sleeps no longer than this
  bool timer_armed_ = false;

  Outbox outbox_;
  Inbox inbox_;
  Callbacks callbacks_;
  LobbyCallbacks lobby_callbacks_;
  const std::unique_ptr<Lobbies> lobbies_ = LobbiesAccess::make(*this);
  Room room_;

  // Nanoseconds of the last pass in passing.
  std::atomic<std::int64_t> passed_at_ns_{0};

  // Who drives. Under the role lock, but for the flags that are looked at in passing.
  Mutex role_mutex_;
  Condition io_thread_wakes_;
  Condition waiters_wake_;
  std::atomic<bool> application_drives_{false};
  std::atomic<bool> stopping_{false};
  bool io_thread_sleeps_long_ = false;
  std::uint64_t waits_ = 0;
  std::size_t followers_ = 0;
  Instant left_wait_at_;
  std::atomic<std::uint64_t> wakes_{0};
  ToldNews told_;
  // Of the thread inside wait().
  SpinPolicy spin_;
  const bool may_spin_ = std::thread::hardware_concurrency() > 1;

  // What event_handle() gave away, if it did.
  std::atomic<bool> handle_given_{false};
  Mutex ready_mutex_;
  FileDescriptor ready_event_;
  std::atomic<bool> shown_ready_{false};
  std::atomic<std::uint64_t> calls_while_shown_{0};

  Thread io_thread_;
};

}  // namespace whimbrel
