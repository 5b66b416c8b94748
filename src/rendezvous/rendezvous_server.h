// The rendezvous: knows which users are here, answers where somebody is, and carries signals between them.
//
// Sans-I/O, one driver. Clients are numbers that the driver gives to its sessions; what reaches the server is what a client
// proved there: its key. Whoever is not logged in can do nothing but log in, and not for long.
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

// Who gives out what opens relays.
class TicketIssuer {
 public:
  virtual ~TicketIssuer() = default;
  // As of RelayTickets, at most kRelayTicketsMax. None: there is no relay, or not now.
  virtual std::vector<RelayTicket> issue(const Identity& identity, std::uint32_t app_id,
                                         std::int64_t unix_seconds) = 0;
};

// What happens at each limit stands beside it.
struct RendezvousLimits {
  std::size_t clients_max = 100'000;  // logged in: refused, and its session closed
  std::size_t waiting_max = 2048;     // connected and not logged in: the oldest goes
  Duration login_time = seconds(10);  // then the session is closed
  // Where more come with an interval of 10 s, users are told longer ones, up to 25 s.
  double pings_per_second = 2000;
  // Of a client: its session is closed. In intervals between its pings, and before the first of them.
  double silence_pings_max = 2.5;
  Duration silence_at_first_max = seconds(30);
  // From the question whether a client is there, because others say that it does not answer: likewise.
  Duration answer_time = seconds(5);
  std::uint32_t requests_per_second = 200;            // of one client, all together: refused
  double renewals_per_second = 0.1;                   // of one client, apart from those: refused
  std::uint32_t signal_bytes_per_second = 256 << 10;  // to one client, of all others: dropped
  std::size_t watches_max = 256;                      // of one client: refused
  std::size_t watchers_max = 10'000;  // of one user, who tells all of them when it comes: refused
  // Messages that wait for the driver: dropped and counted; who was to get one that must not be lost is cut off, to begin anew,
  // and who watches users is told later how it is then.
  std::size_t outputs_max = 65'536;
};

// They only grow.
struct RendezvousCounters {
  std::uint64_t logins = 0, logins_refused = 0, lookups = 0, lookups_offline = 0;
  std::uint64_t signals = 0, signals_offline = 0, signals_dropped = 0, tickets = 0;
  std::uint64_t malformed = 0, not_logged_in = 0, rate_limited = 0, late = 0, silent = 0;
  std::uint64_t dropped_outputs = 0;
};

// Why a client that was logged in is sent away.
enum class PutOut : std::uint8_t { kRevoked, kLoginOver, kTooSlow };

// Of Recorded::kTrouble unless said otherwise.
struct RendezvousEvent {
  enum class Kind : std::uint8_t {
    kLogin,         // Recorded::kAll
    kLoginRefused,  // code; the text is what the client was told, and may have names in it
    kPutOut,        // put_out
    kRevoked,       // key: nobody accepts it any more
  };
  Kind kind{};
  IpAddress from{};
  RefusalCode code{};
  std::uint32_t app_id = 0;
  std::string identity;  // as the client gave it: any bytes; empty: none
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

  // Without this, lobbies are answered by kUnsupported. Before the first client. `random`: as LobbyServer wants it; `key` is the
  // same after a restart, so that members can restore their lobbies.
  void enable_lobbies(const LobbyLimits& limits, const Secret& key, Random& random);
  // From now on: clients who are here stay, with the rates that they were told. Lobbies where they are enabled.
  void set_limits(const RendezvousLimits& limits, const LobbyLimits& lobbies);
  // Null: not enabled.
  const LobbyServer* lobbies() const { return lobbies_.get(); }

  // --- inputs ----------------------------------------------------------------------------------------------------
  // `from`: where the client is, as far as is known. It has proved its key by a message of its own.
  void on_connected(ClientId client, const PublicKey& key, const IpAddress& from, Instant now);
  void on_message(ClientId client, Bytes message, Instant now);
  void on_disconnected(ClientId client, Instant now);
  void advance(Instant now);
  // The wall clock is another one: what was dated by it is given out anew, a part of the clients at a time.
  void on_clock_jump(Instant now);
  // The client takes nothing at the moment, and this got lost: how it is with those whom it watches is told again.
  void on_not_taken(ClientId client, Bytes message, Instant now);
  // Everybody is told that the server stops.
  void farewell(Duration left);

  // For an operator's log. Nothing at first.
  void record(Recorded what) { events_.set(what); }
  EventRecord<RendezvousEvent>::Taken take_events() { return events_.take(); }

  // --- outputs ---------------------------------------------------------------------------------------------------
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
  // Messages of a client before it is logged in, each of which is answered: after these its session is closed.
  static constexpr unsigned kBeforeLoginMax = 32;
  // How often a client is looked after.
  static constexpr Duration kSilenceInterval = seconds(5);

  struct Client {
    PublicKey key;
    IpAddress from;
    std::optional<User> user;  // logged in
    unsigned before_login = 0;
    std::vector<std::uint8_t> certificate;
    Instant renewable_until = kNever;       // then it must log in with something new
    Instant heard;                          // last
    std::optional<Duration> ping_interval;  // as it was told with the last answer to a ping
    std::uint32_t requests_per_second = 0;
    TokenBucket requests;
    TokenBucket renewals;
    TokenBucket signals_in;  // bytes, of others
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

  // Who is logged in under that name; null if nobody is.
  const Client* find(const User& user, ClientId* id = nullptr) const;
  void replace_older(const User& user, ClientId newer, Instant now);
  // Counts the message. False: there were too many of its kind.
  bool take(Client& client, const ClientMessage& message, Instant now) const;
  void on_lobby_message(ClientId id, Client& client, Bytes message, Instant now);
  void leave(ClientId id, Client& client, Instant now);
  void make_room_to_log_in(Instant now);
  bool is_full_for(const User& user) const {
    return by_user_.size() >= limits_.clients_max && !by_user_.contains(user);
  }
  void close_late(Instant now);
  void close_silent(Instant now);
  // Asks whether it is there, once at a time.
  void doubt(const LobbyUser& user);
  void close_unanswered(Instant now);
  void close_as_silent(ClientId id, Instant now);
  // Looks whether somebody was revoked, and goes on telling the clients of it, some at a time.
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
  // As close(), for what an operator may want to know of.
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
  std::deque<std::pair<Instant, ClientId>> looks_due_;  // one of each client: is it silent?
  std::map<User, Instant> asked_;  // whether it is there, since when: it is time for an answer
  std::deque<std::pair<Instant, User>> answers_due_;  // of each of these
  Instant now_;                                       // of the message that is looked at
  std::deque<Output> outputs_;
  std::set<ClientId> cut_off_;             // have missed something
  std::set<ClientId> untold_;              // have missed that a user whom they watch came or went
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
