// The rendezvous: knows which users are online, answers look-ups, and carries signals between
// users.
//
// Sans-I/O, one driver. Clients have numbers, which the driver gives to its sessions; each has
// proved its key there. A client that is not logged in can only log in, and has limited time for
// it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/event_record.h"
#include "base/ip_address.h"
#include "base/time.h"
#include "base/token_bucket.h"
#include "base/wall_clock.h"
#include "rendezvous/authority.h"
#include "rendezvous/lobby_server.h"
#include "rendezvous/messages.h"

namespace whimbrel::rendezvous {

enum class ClientId : std::uint64_t {};

// Makes tickets for relays.
class TicketIssuer {
 public:
  virtual ~TicketIssuer() = default;
  // See RelayTickets; at most kRelayTicketsMax. None: there is no relay, or none at the moment.
  virtual std::vector<RelayTicket> issue(const Identity& identity, std::uint32_t app_id,
                                         std::int64_t unix_seconds) = 0;
};

// The comments say what happens at each limit.
struct RendezvousLimits {
  // Logged in; further ones are refused, and their sessions closed.
  std::size_t clients_max = 100'000;
  std::size_t waiting_max = 2048;     // connected and not logged in; then the oldest is closed
  Duration login_time = seconds(10);  // then the session is closed
  // Pings of all clients. If an interval of 10 s would bring more, users get longer intervals, up
  // to 25 s.
  double pings_per_second = 2000;
  // How long a client may be silent before its session is closed: in intervals of its pings, and
  // before its first ping.
  double silence_pings_max = 2.5;
  Duration silence_at_first_max = seconds(30);
  // How long a client has to answer a Check, which is sent when others say that it does not answer.
  // Then its session is closed.
  Duration answer_time = seconds(5);
  std::uint32_t requests_per_second = 200;  // of one client, in all; then refused
  // Of one client, not counted above; then refused.
  double renewals_per_second = 0.1;
  // To one client, from all others; then dropped.
  std::uint32_t signal_bytes_per_second = 256 << 10;
  std::size_t watches_max = 256;      // of one client; then refused
  std::size_t watchers_max = 10'000;  // of one user: all are told when the user comes; then refused
  // Messages that wait for the driver; further ones are dropped and counted. If one must not be
  // lost, its client is disconnected, and logs in again. Presence is told later.
  std::size_t outputs_max = 65'536;
};

// They only grow.
struct RendezvousCounters {
  std::uint64_t logins = 0, logins_refused = 0, lookups = 0, lookups_offline = 0;
  std::uint64_t signals = 0, signals_offline = 0, signals_dropped = 0, tickets = 0;
  std::uint64_t malformed = 0, not_logged_in = 0, rate_limited = 0, late = 0, silent = 0;
  std::uint64_t dropped_outputs = 0;
};

// Why a logged-in client is disconnected.
enum class PutOut : std::uint8_t { kRevoked, kLoginOver, kTooSlow };

// Recorded with Recorded::kTrouble unless the comment says otherwise.
struct RendezvousEvent {
  enum class Kind : std::uint8_t {
    kLogin,         // Recorded::kAll
    kLoginRefused,  // with code; the text is what the client was told, and may contain names
    kPutOut,        // put_out
    kRevoked,       // with key: it was revoked
  };
  Kind kind{};
  IpAddress from{};
  RefusalCode code{};
  std::uint32_t app_id = 0;
  std::string identity;  // as the client sent it: any bytes; empty: none
  std::string text;
  PublicKey key{};
  PutOut put_out{};
};

class RendezvousServer {
 public:
  // `authority`, `tickets` (null: no relay) and `clock` must outlive it.
  RendezvousServer(const RendezvousLimits& limits, Authority& authority, TicketIssuer* tickets,
                   Instant now, const WallClock& clock);

  RendezvousServer(const RendezvousServer&) = delete;
  RendezvousServer& operator=(const RendezvousServer&) = delete;

  // Without this, requests for lobbies are answered by kUnsupported. To be called before the first
  // client. `random`: see LobbyServer. `key` must be the same after a restart, so that members can
  // restore their lobbies.
  void enable_lobbies(const LobbyLimits& limits, const Secret& key, Random& random);
  // Applies from now on; clients that are here stay, with the rates that they were told. `lobbies`
  // counts only where lobbies are enabled.
  void set_limits(const RendezvousLimits& limits, const LobbyLimits& lobbies);
  // Null: not enabled.
  const LobbyServer* lobbies() const { return lobbies_.get(); }

  // --- inputs -----------------------------------------------------------------------------------
  // `from`: the client's address, as far as it is known. The client has proved its key by a message
  // under the session's keys.
  void on_connected(ClientId client, const PublicKey& key, const IpAddress& from, Instant now);
  void on_message(ClientId client, Bytes message, Instant now);
  void on_disconnected(ClientId client, Instant now);
  void advance(Instant now);
  // The wall clock has jumped: dated things (certificates, tickets, revocations) are sent again, to
  // some clients at a time.
  void on_clock_jump(Instant now);
  // The client could not take this message, and it is lost. Presence is told again later.
  void on_not_taken(ClientId client, Bytes message, Instant now);
  // Everybody is told that the server stops.
  void farewell(Duration left);

  // Events for an operator's log. Nothing is recorded at first.
  void record(Recorded what) { events_.set(what); }
  EventRecord<RendezvousEvent>::Taken take_events() { return events_.take(); }

  // --- outputs ----------------------------------------------------------------------------------
  struct Output {
    ClientId to{};
    std::vector<std::uint8_t> message;  // empty: close the session
  };
  std::optional<Output> poll_output();
  Instant next_deadline() const;

  // Connected, and logged in.
  std::size_t client_count() const { return clients_.size(); }
  std::size_t user_count() const { return by_user_.size(); }
  const RendezvousCounters& counters() const { return counters_; }

 private:
  using User = std::pair<std::uint32_t, Identity>;  // app id, identity
  // Messages of a client before its login, which are all answered; after so many its session is
  // closed.
  static constexpr unsigned kBeforeLoginMax = 32;
  // How often each client is checked for silence.
  static constexpr Duration kSilenceInterval = seconds(5);

  struct Client {
    PublicKey key;
    IpAddress from;
    std::optional<User> user;  // logged in
    unsigned before_login = 0;
    std::vector<std::uint8_t> certificate;
    Instant renewable_until = kNever;       // then it must log in with a new token
    Instant heard;                          // last
    std::optional<Duration> ping_interval;  // as told with the last answer to a ping
    std::uint32_t requests_per_second = 0;
    TokenBucket requests;
    TokenBucket renewals;
    TokenBucket signals_in;  // bytes, from others
    std::set<Identity> watches;
  };

  void on(ClientId id, Client& client, const Login& login, Instant now);
  void on(ClientId id, Client& client, const Renew& renew, Instant now);
  std::variant<std::vector<std::uint8_t>, Rejection> renew(const Client& client, Instant now);
  void on(ClientId id, Client& client, const Lookup& lookup, Instant now);
  void on(ClientId id, Client& client, const Signal& signal, Instant now);
  void on(ClientId id, Client& client, const WantRelayTicket& want, Instant now);
  void on(ClientId id, Client& client, const Ping& ping, Instant now);
  void on(ClientId id, Client& client, const Watch& watch, Instant now);
  void on(ClientId id, Client& client, const Logout& logout, Instant now);

  Duration ping_interval() const;
  Duration silence_max(const Client& client) const;

  // The client that is logged in as this user; null if there is none.
  const Client* find(const User& user, ClientId* id = nullptr) const;
  void replace_older(const User& user, ClientId newer, Instant now);
  // Counts the message against its rate. False: there were too many.
  bool take(Client& client, const ClientMessage& message, Instant now) const;
  void on_lobby_message(ClientId id, Client& client, Bytes message, Instant now);
  void leave(ClientId id, Client& client, Instant now);
  void make_room_to_log_in(Instant now);
  bool is_full_for(const User& user) const {
    return by_user_.size() >= limits_.clients_max && !by_user_.contains(user);
  }
  void close_late(Instant now);
  void close_silent(Instant now);
  // Asks the client whether it is there, one question at a time.
  void doubt(const LobbyUser& user);
  void close_unanswered(Instant now);
  void close_as_silent(ClientId id, Instant now);
  // Looks for new revocations. tell_revocations() sends them to some clients at a time.
  void look_at_revocations(Instant now);
  void tell_revocations(Instant now);
  void renew_some(Instant now);
  void tell_watchers(const User& user, bool online);
  void tell_later(ClientId id, Instant when);
  void tell_again();
  void forget_watches(ClientId id, Client& client);
  void send(ClientId to, const ServerMessage& message) { push(to, encode(message)); }
  void push(ClientId to, std::vector<std::uint8_t> message);
  void refuse(ClientId to, std::uint32_t request, RefusalCode code, std::string text);
  void close(ClientId id, Instant now);
  // close(), with an event for the operator.
  void put_out(ClientId id, PutOut why, Instant now);
  void note_refused(const Client& client, const Login& login, const Rejection& why);
  void note_revoked(const std::vector<PublicKey>& keys);

  RendezvousLimits limits_;
  Authority& authority_;
  TicketIssuer* tickets_;
  Instant start_;
  const WallClock& clock_;
  std::map<ClientId, Client> clients_;
  std::map<User, ClientId> by_user_;
  std::map<User, std::set<ClientId>> watchers_;
  std::deque<std::pair<Instant, ClientId>> logins_due_;
  // One for each client: when to check it for silence.
  std::deque<std::pair<Instant, ClientId>> looks_due_;
  std::map<User, Instant> asked_;                     // who was asked by a Check, and when
  std::deque<std::pair<Instant, User>> answers_due_;  // one for each of these
  Instant now_;                                       // of the current message
  std::deque<Output> outputs_;
  std::set<ClientId> cut_off_;             // have missed a message that must not be lost
  std::set<ClientId> untold_;              // have missed presence of a user whom they watch
  Instant tell_again_at_ = kNever;         // how it is, to those
  std::vector<std::uint8_t> revocations_;  // as all are to know them; empty: nobody is revoked
  std::int64_t registry_version_ = 0;
  Instant next_look_;
  std::optional<ClientId> tell_from_;  // the next client that is to be told
  std::optional<ClientId>
      renew_from_;  // the next one that gets a certificate and tickets of the right time
  std::unique_ptr<LobbyServer> lobbies_;
  std::optional<std::set<PublicKey>> noted_revoked_;  // nothing: the list was not looked at yet
  EventRecord<RendezvousEvent> events_;
  RendezvousCounters counters_;
};

}  // namespace whimbrel::rendezvous
