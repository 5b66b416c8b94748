// The lobbies of a rendezvous: small rooms where users find each other before they talk.
//
// Sans-I/O, one driver. Users are those who are logged in; who goes offline keeps its places for a grace, and finds them again when
// it is back in time. Everything is in memory. What a server's end takes along its members bring back: for a while after the
// start, whoever has the earlier server's word for it may restore a lobby, each what was its own to change.
#pragma once

#include <whimbrel/identity.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "base/token_bucket.h"
#include "base/wall_clock.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "rendezvous/lobby.h"
#include "rendezvous/lobby_messages.h"

namespace whimbrel::rendezvous {

// App id and identity: users of two applications never meet.
using LobbyUser = std::pair<std::uint32_t, Identity>;

// What happens at each limit stands beside it.
struct LobbyLimits {
  std::size_t lobbies_max = 10'000;                 // kTooMuch
  std::size_t lobbies_of_user = kLobbiesOfUserMax;  // kTooMuch; at most kLobbiesOfUserMax
  std::size_t data_bytes_max = 256 << 20;           // of all lobbies together: kTooMuch
  std::size_t scan_max = 5000;     // lobbies that one list looks at; others are not found this time
  double changes_per_second = 10;  // of one user, lists aside: kTooOften
  double changes_burst = 64;
  double lists_per_second = 2;  // kTooOften
  double lists_burst = 5;
  Duration grace = seconds(10);  // of an absent member
  // For the owner of a restored lobby, who may find out by their next ping that the server has started again: then the longest member
  // is it.
  Duration owner_wait = seconds(40);
  // From the start: later there is nothing to restore. As long as it takes to call back all users of the largest server.
  Duration restore_time = seconds(120);
};

// What makes two lives of a server one.
struct LobbyOrigin {
  Secret key;  // signs claims: the same in each life
  Instant start;
  const WallClock& clock;  // must outlive the server
};

// They only grow.
struct LobbyCounters {
  std::uint64_t created = 0, joined = 0, left = 0, lists = 0, chats = 0, restored = 0;
  std::uint64_t refused = 0, rate_limited = 0, bad_claims = 0;
};

class LobbyServer {
 public:
  // Called with each message for a user who is online, from within the calls below; must not call back.
  using Send = std::function<void(const LobbyUser& to, Bytes message)>;
  // Likewise: others say that a user does not answer. Who does not answer the server either, or is away for as long, is to be
  // on_silent().
  using Doubt = std::function<void(const LobbyUser& user)>;
  // `random` must outlive it, and not be guessable: ids of private lobbies come from it.
  LobbyServer(const LobbyLimits& limits, Random& random, const LobbyOrigin& origin, Send send,
              Doubt doubt = {});
  // From now on: what is there stays.
  void set_limits(const LobbyLimits& limits) { limits_ = limits; }

  // At each login, also one that replaces an older session: the user is told which lobbies it is in.
  void on_online(const LobbyUser& user, Instant now);
  void on_offline(const LobbyUser& user, Instant now);
  // No place is kept for a user who says that he goes. Before on_offline().
  void on_left(const LobbyUser& user);
  // Of a user who has not answered for too long, before on_offline() or after it: what it owns passes on, at once or to the first who
  // is there again; its places are kept as for any who goes offline.
  void on_silent(const LobbyUser& user, Instant now);
  // Ignored unless the user is online.
  void on_request(const LobbyUser& user, const LobbyRequest& request, Instant now);
  void advance(Instant now);
  Instant next_deadline() const;

  std::size_t lobby_count() const { return lobbies_.size(); }
  // Online, or with a place that is kept.
  std::size_t user_count() const { return users_.size(); }
  std::size_t data_bytes() const { return data_bytes_; }
  // Members of all lobbies; one look at each.
  std::size_t place_count() const;
  // Null: there is none, or not of this application.
  const Lobby* find(std::uint32_t app_id, LobbyId id) const;
  const LobbyCounters& counters() const { return counters_; }

 private:
  struct UserState {
    bool online = false;
    bool silent = false;  // and owns nothing that others could have
    std::set<LobbyId> lobbies;
    TokenBucket changes, lists;
    Instant leaves_at = kNever;  // while offline
  };

  // Each does the request, tells others, and gives the result; kOk is answered unless the answer was of its own kind.
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbyCreate& create);
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbyList& list);
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbyJoin& join);
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbyLeave& leave);
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbySetData& set);
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbyChat& chat);
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbyKick& kick);
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbySetOwner& set);
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbyConfigure& configure);
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbyRestore& restore);
  LobbyResult on(const LobbyUser& user, UserState& state, const LobbyReport& report);

  // Null: there is none, or not of this application.
  Lobby* find(const LobbyUser& user, LobbyId id);
  // The lobby that `user` is in, or owns; null, and `why` says so.
  Lobby* find_as_member(const LobbyUser& user, LobbyId id, LobbyResult& why);
  Lobby* find_as_owner(const LobbyUser& user, LobbyId id, LobbyResult& why);
  LobbyId new_id();
  Lobby& add_lobby(LobbyId id, const LobbyUser& owner, const LobbyCreate& create);
  // The whole of the lobby, and what restores it.
  void welcome(const LobbyUser& user, const Lobby& lobby, std::uint32_t request);
  void send_claim(const LobbyUser& user, const Lobby& lobby);
  void send_claims(const Lobby& lobby);
  Digest sign(std::string_view what, const LobbyUser& user, LobbyId lobby, Bytes more) const;
  LobbyClaim claim_of(const LobbyUser& user, LobbyId lobby, LobbyStanding standing) const;
  std::uint64_t mark_of(const LobbyUser& user, LobbyId lobby) const;
  void stand_anew(Lobby& lobby);
  bool is_over(const UserState& state, bool new_lobby) const;
  // What a restore brings. True: the others are to be told all of it.
  bool take_restored(Lobby& lobby, const LobbyUser& user, const LobbyRestore& restore, bool later);
  void tell_joined(const Lobby& lobby, const Identity& member);
  void send_away_kicked(Lobby& lobby);
  void await_owner(Lobby& lobby);
  void pass_on_overdue();
  void replace_silent_owner(Lobby& lobby);
  void remove_member(Lobby& lobby, const Identity& member, LobbyLeaveWhy why);
  void drop_member(Lobby& lobby, const Identity& member, LobbyLeaveWhy why);
  void end_lobby(const Lobby& lobby);
  void tell(const Lobby& lobby, const LobbyNotice& notice, const Identity* except = nullptr);
  void send(const LobbyUser& to, const LobbyNotice& notice) { send_(to, encode(notice)); }
  void leave_all(const LobbyUser& user, UserState& state, LobbyLeaveWhy why);

  std::uint64_t unix_ms(Instant now) const;

  LobbyLimits limits_;
  Random& random_;
  LobbyOrigin origin_;
  std::uint64_t life_;  // tells claims of this life of the server from earlier ones
  Send send_;
  Doubt doubt_;
  Instant now_;  // of the call that is running
  std::map<LobbyId, Lobby> lobbies_;
  std::map<std::uint32_t, std::set<LobbyId>> of_app_;
  std::map<LobbyUser, UserState> users_;
  std::set<std::pair<Instant, LobbyUser>> leaving_;
  std::set<std::pair<Instant, LobbyId>> owners_due_;  // Lobby::owner_due()
  std::size_t data_bytes_ = 0;
  LobbyCounters counters_;
};

}  // namespace whimbrel::rendezvous
