// Lobbies: groups of users of one server (Config::server), who find each other before they talk.
//
//   whimbrel::Lobbies& lobbies = net->lobbies();
//   lobbies.create(whimbrel::LobbyKind::kPublic, 4, [&](auto result, const auto& lobby) {
//     if (result == whimbrel::LobbyResult::kOk) lobbies.set_data(lobby.id, "map", "dunes");
//   });
//   const auto dunes = whimbrel::LobbyFilter::equal("map", "dunes");
//   lobbies.list({.filters = {dunes}}, [&](auto result, const auto& found) { ... });
//
// Every call is thread-safe and returns at once. Answers and events come as callbacks from within
// NetworkingMessages::run_callbacks(). A call that is made before the login is done waits for it,
// 5 s at most.
//
// A lobby makes no sessions between its members: send_message_to_user() to each of them does that.
// A member whose connection to the server breaks keeps their place for 10 s. A lobby outlives a
// restart of its server: the members who are back within two minutes bring it along
// (docs/decisions/0008-lobbies-over-a-restart.md).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <whimbrel/identity.h>
#include <whimbrel/payload.h>

namespace whimbrel {

// From 1 to 2^63 - 1. Unguessable: only users who were told the id of a private lobby can join it.
enum class LobbyId : std::uint64_t {};
// As a decimal number.
std::string to_string(LobbyId id);
// Nothing unless `text` is such a number.
std::optional<LobbyId> parse_lobby_id(std::string_view text);

enum class LobbyKind : std::uint8_t {
  kPublic,     // listed
  kPrivate,    // not listed: for users who are told the id
  kInvisible,  // listed, as kPublic; programs are to show nobody that a user is in it
};
// "Public", "Private", ...; "?" for any other number.
std::string_view to_string(LobbyKind kind);

// What a call was answered. The numbers are fixed, and those below 10 and 12 are on the wire
// (docs/PROTOCOL.md, Lobbies).
enum class LobbyResult : std::uint8_t {
  kOk = 0,
  kNoSuchLobby = 1,  // or one of another application
  kFull = 2,
  kNotJoinable = 3,  // its owner has closed it to others
  kNotMember = 4,    // the caller, or the user that the call is about
  kNotOwner = 5,
  kTooMuch = 6,   // over a limit: of lobbies, keys, bytes, members
  kTooOften = 7,  // more than 10 changes or 2 searches a second
  kNotLoggedIn = 8,
  kUnsupported = 9,  // this server has no lobbies
  kTimeout = 10,     // no answer came in 5 s: the server may have done it or not
  kOffline = 11,     // there is no connection to a server, or it broke: likewise
  kKicked = 12,      // the owner has sent this user away
};
// A few words for a person; "?" for any other number.
std::string_view to_string(LobbyResult result);

enum class LobbyLeaveWhy : std::uint8_t { kLeft, kKicked, kDisconnected };
// "Left", "Kicked", ...; "?" for any other number, as for the ones below.
std::string_view to_string(LobbyLeaveWhy why);

// One lobby, as far as it is known here.
struct Lobby {
  struct Member {
    Identity identity;
    std::map<std::string, std::string> data;
  };
  LobbyId id{};
  LobbyKind kind{};
  std::uint8_t members_max = 0;
  bool joinable = true;
  // After a restart of the server the owner may not be back yet. They are no member then, for 40 s
  // at most. Take the owner for the host of a game only if owner_is_here().
  Identity owner;
  std::vector<Member> members;  // the longest member first
  std::map<std::string, std::string> data;

  // Null if `user` is not a member. Valid as long as `members` does not change.
  const Member* find(const Identity& user) const;
  // False if the lobby waits for its owner; then nobody has the owner's rights.
  bool owner_is_here() const { return find(owner) != nullptr; }
};

// One line of a list.
struct LobbyListing {
  LobbyId id{};
  std::uint8_t member_count = 0;
  std::uint8_t members_max = 0;
  std::map<std::string, std::string> data;
};

// A condition on a value of a lobby's data. A missing key counts as the empty text. Numbers are
// whole, decimal, of 64 bits with a sign. A value that is no such number matches no comparison of
// numbers.
struct LobbyFilter {
  enum class Compare : std::uint8_t {
    kTextEqual,
    kTextNotEqual,
    kEqual,  // from here on numbers are compared
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
  };
  std::string key;  // 64 bytes at most
  Compare compare{};
  std::string text;  // 512 bytes at most
  std::int64_t number = 0;

  static LobbyFilter equal(std::string key, std::string text) {
    return {std::move(key), Compare::kTextEqual, std::move(text), 0};
  }
  static LobbyFilter not_equal(std::string key, std::string text) {
    return {std::move(key), Compare::kTextNotEqual, std::move(text), 0};
  }
  // `compare`: kEqual to kGreaterOrEqual.
  static LobbyFilter number_is(std::string key, Compare compare, std::int64_t number) {
    return {std::move(key), compare, {}, number};
  }
};
std::string_view to_string(LobbyFilter::Compare compare);
struct LobbyQuery {
  std::vector<LobbyFilter> filters;  // all must match; at most 16
  std::uint8_t slots_min = 0;        // free places at least, 0 to 250
  std::uint8_t results_max = 50;     // never more than 50
};

// What happened in a lobby that the user is in. Behind each kind: the members of this struct that
// it sets, besides `lobby`.
struct LobbyEvent {
  enum class Kind : std::uint8_t {
    kMemberJoined,       // user
    kMemberLeft,         // user, why
    kDataChanged,        // key, body: the new value, or removed
    kMemberDataChanged,  // user, and likewise
    kChat,               // user, body
    kConfigured,         // owner, kind, members_max or joinable
    kReturned,           // nothing: the connection broke and is back; anything may have changed
    kLost,               // why: we are no longer in it, although we have not left
  };
  Kind kind{};
  LobbyId lobby{};
  Identity user{};
  LobbyLeaveWhy why{};
  std::string key{};
  bool removed = false;
  std::vector<std::uint8_t> body{};

  std::string_view text() const {
    return {reinterpret_cast<const char*>(body.data()), body.size()};
  }
};

std::string_view to_string(LobbyEvent::Kind kind);

class Lobbies {
 public:
  // Limits. Calls beyond them are answered by kTooMuch. Texts are counted in bytes.
  static constexpr std::size_t kMembersMax = 250;
  static constexpr std::size_t kKeysMax = 64;
  static constexpr std::size_t kKeyBytesMax = 64;  // at least 1
  static constexpr std::size_t kValueBytesMax = 512;
  static constexpr std::size_t kMemberKeysMax = 16;
  static constexpr std::size_t kMemberDataBytesMax = 512;  // keys and values of a member
  static constexpr std::size_t kChatBytesMax = 1024;
  static constexpr std::size_t kJoinedMax = 8;  // lobbies that a user is in
  // Calls whose callback has not run yet.
  static constexpr std::size_t kUnansweredMax = 256;
  // Events that wait for run_callbacks(). Beyond that the oldest ones are dropped.
  static constexpr std::size_t kEventsMax = 16'384;

  using Done = std::function<void(LobbyResult result)>;
  using Entered = std::function<void(LobbyResult result, const Lobby& lobby)>;
  using Listed = std::function<void(LobbyResult result, const std::vector<LobbyListing>& lobbies)>;

  // Each of these calls returns true if it is under way. Then its callback (which may be empty) is
  // called exactly once, unless the instance ends before. It returns false, and nothing is done, if
  // kUnansweredMax answers wait for run_callbacks(). Each callback gets a LobbyResult; a lobby is
  // valid only during the call.

  // Makes a lobby. The user is in it and owns it. `members_max`: 1 to kMembersMax.
  bool create(LobbyKind kind, std::size_t members_max, Entered entered);
  // Finds lobbies that can be joined, in no order. A server with more than 5,000 lobbies searches
  // 5,000 of them for one call.
  bool list(const LobbyQuery& query, Listed listed);
  // If the user is in it already, this gives the same as find().
  bool join(LobbyId lobby, Entered entered);
  bool leave(LobbyId lobby, Done done = {});
  // Sets or removes a value. The owner changes the lobby's own data; each member changes their own.
  // `key`: 1 to kKeyBytesMax bytes. `value`: 0 to kValueBytesMax bytes.
  bool set_data(LobbyId lobby, std::string_view key, std::string_view value, Done done = {});
  bool remove_data(LobbyId lobby, std::string_view key, Done done = {});
  bool set_member_data(LobbyId lobby, std::string_view key, std::string_view value, Done done = {});
  bool remove_member_data(LobbyId lobby, std::string_view key, Done done = {});
  // Sends a kChat event with `body` (0 to kChatBytesMax bytes, see payload.h) to all members, the
  // sender included, in the same order for all.
  bool chat(LobbyId lobby, Payload body, Done done = {});
  // For the owner. Sends a member away. They cannot come back (kKicked) as long as the lobby
  // exists; 64 users are remembered.
  bool kick(LobbyId lobby, const Identity& member, Done done = {});
  // For the owner. Makes another member the owner. If an owner leaves, or is silent (for 25 s, or
  // 5 s after a report), the member who has been there longest becomes the owner.
  bool set_owner(LobbyId lobby, const Identity& member, Done done = {});
  // Reports that `member` does not answer. The server asks them. If no answer comes in 5 s, they
  // count as disconnected, and the lobbies that they own get other owners. The library reports by
  // itself when a session with a member times out.
  bool report(LobbyId lobby, const Identity& member, Done done = {});
  // For the owner. Changes kind, places (1 to kMembersMax) and whether users can join. If
  // `members_max` is below the number of members, nobody is sent away, and nobody can join.
  bool configure(LobbyId lobby, LobbyKind kind, std::size_t members_max, bool joinable,
                 Done done = {});

  // The lobby as it is known here now, which may be newer than an event. Nothing if the user is not
  // in it.
  std::optional<Lobby> find(LobbyId lobby) const;
  // The lobbies that the user is in, at most kJoinedMax.
  std::vector<LobbyId> joined() const;
  // Gets what happens in lobbies. It replaces an earlier callback. What happens while there is none
  // is not reported.
  void on_event(std::function<void(const LobbyEvent& event)> callback);

  ~Lobbies();
  Lobbies(const Lobbies&) = delete;
  Lobbies& operator=(const Lobbies&) = delete;

 private:
  friend class LobbiesAccess;
  class Impl;
  explicit Lobbies(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace whimbrel
