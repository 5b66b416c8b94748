// The program's side of the rendezvous: logs in, keeps the certificate fresh, asks where users are,
// carries signals.
//
// Sans-I/O, one driver. It does not connect: the layer above does, and calls on_connected() and
// on_disconnected(). Questions that are open when the connection ends are asked again after the
// next login; signals are lost, as packets may be.
#pragma once

#include <whimbrel/identity.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "base/timers.h"
#include "rendezvous/lobby_client.h"
#include "rendezvous/messages.h"
#include "rendezvous/watches.h"

namespace whimbrel::rendezvous {

struct ClientConfig {
  std::uint32_t app_id = 0;
  std::string identity;  // the wanted one; empty: the server chooses
  std::string token;     // from the game's backend
};

// What the layer above is told.
struct OnlineEvent {
  Identity identity;
  std::vector<std::uint8_t> certificate;
  VerifyKey authority;
  std::uint32_t requests_per_second = 0;  // that the server accepts; 0: it does not say
};
// Final until something is changed, unless `again`: then a later attempt may succeed.
struct LoginRefusedEvent {
  RefusalCode code{};
  std::string text;
  bool again = false;
};
struct CertificateEvent {
  std::vector<std::uint8_t> certificate;
};
struct FoundEvent {
  Identity user;
  bool online = false;
  std::vector<std::uint8_t> certificate;
};
// A look-up that was refused or not answered.
struct LookupFailedEvent {
  Identity user;
  std::string text;
};
struct SignalEvent {
  Identity from;
  std::vector<std::uint8_t> body;
};
struct UndeliveredEvent {
  Identity to;
  bool again = false;  // there were too many; otherwise the user is offline
};
struct TicketsEvent {
  std::vector<RelayTicket> relays;  // never empty
};
// There is no relay; the server says why.
struct NoRelayEvent {
  std::string text;
};
struct RevocationsEvent {
  std::vector<std::uint8_t> list;
};
// About a watched user: the first that is known, and then each change. Changes while we were
// offline are told after the next login.
struct PresenceEvent {
  Identity user;
  bool online = false;
};
// The server does not answer: connect again.
struct SilentEvent {};
struct FarewellEvent {
  bool replaced = false;
  std::uint16_t seconds = 0;
};
using ClientEvent =
    std::variant<OnlineEvent, LoginRefusedEvent, CertificateEvent, FoundEvent, LookupFailedEvent,
                 SignalEvent, UndeliveredEvent, TicketsEvent, NoRelayEvent, RevocationsEvent,
                 PresenceEvent, SilentEvent, FarewellEvent>;

class Client {
 public:
  enum class State : std::uint8_t { kOffline, kLoggingIn, kOnline, kRefused };

  // A question without an answer fails after this.
  static constexpr Duration kAnswerTime = seconds(5);
  // How long the answer to a ping may take.
  static constexpr Duration kPongTime = seconds(2);
  // A login without an answer ends the connection after this.
  static constexpr Duration kLoginTime = seconds(5);
  // Questions that are open at once; further ones fail.
  static constexpr std::size_t kOpenMax = 1024;

  explicit Client(ClientConfig config) : config_(std::move(config)) {}

  // --- inputs -----------------------------------------------------------------------------------
  void on_connected(Instant now);
  void on_disconnected(Instant now);
  void on_message(Bytes message, Instant now);
  void advance(Instant now);

  // --- commands ---------------------------------------------------------------------------------
  // For the next login, which may be tried though the last one was refused. At most kTokenTextMax
  // bytes.
  void set_token(std::string token);
  // Answered by FoundEvent or LookupFailedEvent. While offline it waits for the login, kAnswerTime
  // at most.
  void lookup(const Identity& user, Instant now);
  // At most kSignalBytesMax bytes. Lost while offline.
  void signal(const Identity& to, std::vector<std::uint8_t> body);
  // Answered by TicketsEvent, or not at all.
  void want_ticket();
  // Answered by PresenceEvents until it is turned off. False: Watches::kMax other users are
  // watched.
  bool watch(const Identity& user, bool on, Instant now);
  // The caller suspects that the server is gone: sends a ping now, and expects the answer within
  // `patience`.
  void check_server(Duration patience, Instant now);

  // Another program has logged in as this user: no more logins until set_token(), as after a
  // refusal.
  void give_way(const std::string& why);

  // Logs out; the server closes the session.
  void logout();

  // Lobbies have their own commands and events; their messages and time go through this class.
  LobbyClient& lobbies() { return lobbies_; }
  const LobbyClient& lobbies() const { return lobbies_; }

  // --- outputs ----------------------------------------------------------------------------------
  std::optional<std::vector<std::uint8_t>> poll_output();
  std::optional<ClientEvent> poll_event();
  Instant next_deadline() const;

  State state() const { return state_; }
  const Identity& identity() const { return identity_; }

 private:
  struct Question {
    Identity user;
    Instant fails_at{};
    Instant ask_at = kNever;  // when it is asked again
  };

  void on(const LoggedIn& message, Instant now);
  void on(const Refused& message, Instant now);
  void on(const Found& message, Instant now);
  void on(const SignalDone& message, Instant now);
  void on(const Signalled& message, Instant now);
  void on(const RelayTickets& message, Instant now);
  void on(const Revocations& message, Instant now);
  void on(const Pong& message, Instant now);
  void on(const Check& message, Instant now);
  void on(const Presence& message, Instant now);
  void on(const Renewed& message, Instant now);
  void on(const Farewell& message, Instant now);

  void send(const ClientMessage& message);
  void take_certificate(const std::vector<std::uint8_t>& encoded, std::int64_t unix_s, Instant now);
  void ping(Duration patience, Instant now);
  void fail_questions(const std::string& why);
  void fail_question(std::uint32_t request, const std::string& text);
  std::string why_unanswered() const;
  void postpone_question(std::uint32_t request, Instant now);
  void ask_postponed(Instant now);
  void send_watches(Instant now);

  ClientConfig config_;
  State state_ = State::kOffline;
  Identity identity_;
  std::string refusal_;  // of the last login; empty if it was not refused
  std::uint32_t next_request_ = 1;
  std::map<std::uint32_t, Question> lookups_;
  std::map<std::uint32_t, Identity> signals_;
  Watches watches_;
  std::vector<std::uint8_t> certificate_;  // the latest
  bool ticket_wanted_ = false;
  enum class Timer : std::uint8_t {
    kAsk,     // a question that the server had no time for
    kRenew,   // the certificate
    kAnswer,  // of the server to a ping
    kLogin,   // the same to a login
    kPing,
    kCount
  };
  void on_timer(Timer timer, Instant now);
  Timers<Timer> timers_;
  Duration ping_interval_ = kPingInterval;
  std::uint64_t ping_number_ = 0;
  std::deque<std::vector<std::uint8_t>> outputs_;
  std::deque<ClientEvent> events_;
  LobbyClient lobbies_;
};

}  // namespace whimbrel::rendezvous
