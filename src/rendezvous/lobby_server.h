// The lobbies of a rendezvous: small groups in which users find each other before they talk.
//
// Sans-I/O, one driver. Users are logged in. A user who goes offline keeps their places for a
// grace. Everything is in memory. After a restart the members bring their lobbies back: for a
// while, whoever has a claim that the earlier life signed may restore a lobby, each member what
// they were allowed to change.
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

// The comments say what happens at each limit.
struct LobbyLimits {
  std::size_t lobbies_max = 10'000;                 // kTooMuch
  std::size_t lobbies_of_user = kLobbiesOfUserMax;  // kTooMuch; at most kLobbiesOfUserMax
  std::size_t data_bytes_max = 256 << 20;           // of all lobbies together: kTooMuch
  // Lobbies that one search looks at; others are not found this time.
  std::size_t scan_max = 5000;
  double changes_per_second = 10;  // of one user, without searches: kTooOften
  double changes_burst = 64;
  double lists_per_second = 2;  // kTooOften
  double lists_burst = 5;
  Duration grace = seconds(10);  // for an absent member
  // For the absent owner of a restored lobby, who may learn only by their next ping that the server
  // was restarted. Then the longest member becomes the owner.
  Duration owner_wait = seconds(40);
  // From the start of the server; later nothing can be restored. It is as long as it takes to call
  // back all users of the largest server.
  Duration restore_time = seconds(120);
};

// What stays the same over a restart of the server.
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
  // Called from within the calls below with each message for a user who is online; must not call
  // back.
  using Send = std::function<void(const LobbyUser& to, Bytes message)>;
  // Likewise: others say that a user does not answer. If the user does not answer the server
  // either, or stays away, the caller calls on_silent().
  using Doubt = std::function<void(const LobbyUser& user)>;
  // `random` must outlive it, and be unguessable: ids of private lobbies come from it.
  LobbyServer(const LobbyLimits& limits, Random& random, const LobbyOrigin& origin, Send send,
              Doubt doubt = {});
  // From now on; existing lobbies stay.
  void set_limits(const LobbyLimits& limits) { limits_ = limits; }

  // At each login, also one that replaces an older session: the user is told which lobbies it is
  // in.
  void on_online(const LobbyUser& user, Instant now);
  void on_offline(const LobbyUser& user, Instant now);
  // No place is kept for a user who logs out. Call it before on_offline().
  void on_left(const LobbyUser& user);
  // A user has not answered for too long; called before on_offline() or after it. Their lobbies get
  // another owner, at once or as soon as a member is online. Their places are kept as for any user
  // who goes offline.
  void on_silent(const LobbyUser& user, Instant now);
  // Ignored unless the user is online.
  void on_request(const LobbyUser& user, const LobbyRequest& request, Instant now);
  void advance(Instant now);
  Instant next_deadline() const;

  std::size_t lobby_count() const { return lobbies_.size(); }
  // Users who are online or have a place that is kept.
  std::size_t user_count() const { return users_.size(); }
  std::size_t data_bytes() const { return data_bytes_; }
  // Members of all lobbies; counted by going through them.
  std::size_t place_count() const;
  // Null: there is none, or not of this application.
  const Lobby* find(std::uint32_t app_id, LobbyId id) const;
  const LobbyCounters& counters() const { return counters_; }

 private:
  struct UserState {
    bool online = false;
    bool silent = false;  // and owns no lobby that others could own
    std::set<LobbyId> lobbies;
    TokenBucket changes, lists;
    Instant leaves_at = kNever;  // while offline
  };

  // Each carries out the request, tells others, and returns the result. kOk is answered unless the
  // request has an answer of its own.
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
  // The lobby that `user` is in, or owns. Null: `why` says why not.
  Lobby* find_as_member(const LobbyUser& user, LobbyId id, LobbyResult& why);
  Lobby* find_as_owner(const LobbyUser& user, LobbyId id, LobbyResult& why);
  LobbyId new_id();
  Lobby& add_lobby(LobbyId id, const LobbyUser& owner, const LobbyCreate& create);
  // Sends the whole lobby, and the claim that restores it.
  void welcome(const LobbyUser& user, const Lobby& lobby, std::uint32_t request);
  void send_claim(const LobbyUser& user, const Lobby& lobby);
  void send_claims(const Lobby& lobby);
  Digest sign(std::string_view what, const LobbyUser& user, LobbyId lobby, Bytes more) const;
  LobbyClaim claim_of(const LobbyUser& user, LobbyId lobby, LobbyStanding standing) const;
  std::uint64_t mark_of(const LobbyUser& user, LobbyId lobby) const;
  void stand_anew(Lobby& lobby);
  bool is_over(const UserState& state, bool new_lobby) const;
  // Takes what a restore brings. True: the other members have to be told everything.
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
  std::uint64_t life_;  // tells the claims of this life from those of earlier ones
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
