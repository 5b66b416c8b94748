// The program's side of lobbies: asks, and keeps a mirror of each lobby that the user is in.
//
// Sans-I/O, part of Client (client.h), which feeds it. Every request gets exactly one
// LobbyDoneEvent, LobbyEnteredEvent or LobbyListedEvent with its number. Requests made while
// offline wait for the login, at most kAnswerTime. Requests are not repeated: those that are open
// when the connection ends fail with kOffline, and the server may or may not have done them. The
// mirror outlives a reconnect within the server's grace. It outlives a restart of the server too:
// the server is told what it has lost. LobbyGoneEvent tells of a lobby that could not be kept.
#pragma once

#include <whimbrel/identity.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "rendezvous/lobby_messages.h"

namespace whimbrel::rendezvous {

using LobbyView = whimbrel::Lobby;

struct LobbyDoneEvent {
  std::uint32_t request = 0;
  LobbyResult result{};
  std::string text;
};
// `request` 0: after a reconnect; the mirror has what was missed.
struct LobbyEnteredEvent {
  std::uint32_t request = 0;
  LobbyId lobby{};
};
struct LobbyListedEvent {
  std::uint32_t request = 0;
  std::vector<LobbyInfo> lobbies;
};
struct LobbyJoinedEvent {
  LobbyId lobby{};
  Identity member;
};
struct LobbyLeftEvent {
  LobbyId lobby{};
  Identity member;  // not this user: that is LobbyGoneEvent
  LobbyLeaveWhy why{};
};
struct LobbyDataEvent {
  LobbyId lobby{};
  std::optional<Identity> member;  // nothing: the lobby's own data
  std::string key;
  std::string value;
  bool removed = false;
};
struct LobbyChatEvent {
  LobbyId lobby{};
  Identity from;
  std::vector<std::uint8_t> body;
};
// Owner or configuration: see the mirror.
struct LobbyChangedEvent {
  LobbyId lobby{};
};
// The user is not in it any more.
struct LobbyGoneEvent {
  LobbyId lobby{};
  LobbyLeaveWhy why{};
};
using LobbyEvent =
    std::variant<LobbyDoneEvent, LobbyEnteredEvent, LobbyListedEvent, LobbyJoinedEvent,
                 LobbyLeftEvent, LobbyDataEvent, LobbyChatEvent, LobbyChangedEvent, LobbyGoneEvent>;

class LobbyClient {
 public:
  // A request without an answer fails after this with kTimeout, or with kOffline if it was never
  // sent. The mirror waits as long after a login.
  static constexpr Duration kAnswerTime = seconds(5);
  // Requests that are open at once; further ones fail with kTooMuch.
  static constexpr std::size_t kOpenMax = Lobbies::kUnansweredMax + kLobbiesOfUserMax;
  // Events that wait to be polled; further ones are dropped and counted, but the mirror stays
  // right.
  static constexpr std::size_t kEventsMax = Lobbies::kEventsMax;

  // --- commands: each gives the number of its request -------------------------------------------
  // Fields within the limits of lobby_messages.h (ASSERT); members_max 1 to kLobbyMembersMax.
  std::uint32_t create(LobbyKind kind, std::uint8_t members_max, Instant now);
  std::uint32_t list(std::vector<LobbyFilter> filters, std::uint8_t slots_min,
                     std::uint8_t results_max, Instant now);
  std::uint32_t join(LobbyId lobby, Instant now);
  std::uint32_t leave(LobbyId lobby, Instant now);
  std::uint32_t set_data(LobbyId lobby, const std::string& key, const std::string& value,
                         Instant now);
  std::uint32_t remove_data(LobbyId lobby, const std::string& key, Instant now);
  std::uint32_t set_member_data(LobbyId lobby, const std::string& key, const std::string& value,
                                Instant now);
  std::uint32_t remove_member_data(LobbyId lobby, const std::string& key, Instant now);
  std::uint32_t chat(LobbyId lobby, std::vector<std::uint8_t> body, Instant now);
  std::uint32_t kick(LobbyId lobby, const Identity& member, Instant now);
  std::uint32_t set_owner(LobbyId lobby, const Identity& member, Instant now);
  std::uint32_t configure(LobbyId lobby, LobbyKind kind, std::uint8_t members_max, bool joinable,
                          Instant now);

  // `member` does not answer us: the server asks it whether it is there.
  std::uint32_t report(LobbyId lobby, const Identity& member, Instant now);
  // The same in every lobby that we share; no event follows.
  void report_silent(const Identity& user, Instant now);

  // --- the mirror -------------------------------------------------------------------------------
  // Null: the user is not in it. Valid until the next call that is not const.
  const LobbyView* find(LobbyId lobby) const;
  const std::map<LobbyId, LobbyView>& lobbies() const { return lobbies_; }

  std::optional<LobbyEvent> poll_event();
  std::uint64_t dropped_events() const { return dropped_events_; }

  // --- of Client --------------------------------------------------------------------------------
  void on_online(const Identity& self, Instant now);
  void on_offline();
  void on_message(Bytes message, Instant now);
  void advance(Instant now);
  Instant next_deadline() const;
  std::optional<std::vector<std::uint8_t>> poll_output();

 private:
  template <typename Request>
  std::uint32_t ask(Request request, Instant now);
  std::uint32_t send_datum(LobbyId lobby, bool of_member, bool remove, LobbyDatum datum,
                           Instant now);
  void on(const LobbyAnswer& answer);
  void on(const LobbyEntered& entered);
  void on(const LobbyListed& listed);
  void on(const LobbyMemberships& memberships);
  void on(const LobbyMemberJoined& joined);
  void on(const LobbyMemberLeft& left);
  void on(const LobbyDataChanged& changed);
  void on(const LobbyChatted& chatted);
  void on(const LobbyChanged& changed);
  void on(const LobbyClaimed& claimed);
  void restore(LobbyId lobby, Instant now);
  bool may_send() const;
  void lose(LobbyId lobby, LobbyLeaveWhy why);
  void push(LobbyEvent event);
  void done(std::uint32_t request, LobbyResult result);

  struct Output {
    std::uint32_t request = 0;
    std::vector<std::uint8_t> message;
  };
  struct Claim {
    LobbyStanding standing;
    LobbyClaim claim{};
  };

  bool online_ = false;
  Identity self_;
  Instant now_;  // of the call that is running
  std::uint32_t next_request_ = 1;
  std::map<std::uint32_t, Instant> open_;  // when each fails; in the order of their numbers
  std::map<LobbyId, LobbyView> lobbies_;   // kLobbiesOfUserMax at most
  Instant memberships_due_ = kNever;
  std::map<LobbyId, Claim> claims_;            // of lobbies_, and of a lobby that is being entered
  std::map<std::uint32_t, LobbyId> restores_;  // open requests that the application did not make
  std::set<std::uint32_t> reports_;            // likewise
  std::deque<Output> outputs_;                 // of requests that are open
  std::deque<LobbyEvent> events_;
  std::uint64_t dropped_events_ = 0;
};

}  // namespace whimbrel::rendezvous
