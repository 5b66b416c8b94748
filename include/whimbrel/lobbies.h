// Lobbies: groups of users of one server (Config::server), who find each other before they talk.
//
//   whimbrel::Lobbies& lobbies = net->lobbies();
//   lobbies.create(whimbrel::LobbyKind::kPublic, 4, [&](auto result, const auto& lobby) {
//     if (result == whimbrel::LobbyResult::kOk) lobbies.set_data(lobby.id, "map", "dunes");
//   });
//   const auto dunes = whimbrel::LobbyFilter::equal("map", "dunes");
//   lobbies.list({.filters = {dunes}}, [&](auto result, const auto& found) { ... });
//
// Every call is thread-safe and returns at once. Its answer comes as a callback of its own, as do
// events, from within NetworkingMessages::run_callbacks(). A call that is made before the login is
// done waits for it, 5 s at most.
//
// Members of a lobby are not connected by it: send_message_to_user() to each of them does that. A
// member whose connection breaks keeps its place for 10 s. A lobby outlives a restart of its
// server: members who are back within a minute bring it along.
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
  kInvisible,  // listed, as kPublic; by it programs know not to show that a user is in it
};
// "Public", "Private", ...; "?" for any other number.
std::string_view to_string(LobbyKind kind);

// The numbers are fixed.
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
  kOffline = 11,     // there is no connection to a server, or it broke: the same
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
  // After a restart of the server the owner may not be back yet, for at most 40 s, and is no member
  // then. Take the owner for the host of a game only if owner_is_here().
  Identity owner;
  std::vector<Member> members;  // the longest member first
  std::map<std::string, std::string> data;

  // Null: not a member. Valid as long as `members` does not change.
  const Member* find(const Identity& user) const;
  // False: the lobby waits for its owner, and nobody has the owner's rights.
  bool owner_is_here() const { return find(owner) != nullptr; }
};

// One line of a list.
struct LobbyListing {
  LobbyId id{};
  std::uint8_t member_count = 0;
  std::uint8_t members_max = 0;
  std::map<std::string, std::string> data;
};

// A condition on a value. A missing key counts as the empty text. Numbers are whole, decimal, of 64
// bits; a value that is no number matches no comparison of numbers.
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
  std::uint8_t slots_min = 0;        // free places
  std::uint8_t results_max = 50;     // never more than 50
};

// What happened in a lobby that the user is in.
struct LobbyEvent {
  enum class Kind : std::uint8_t {
    kMemberJoined,       // user
    kMemberLeft,         // user, why
    kDataChanged,        // key, body: the new value, or removed
    kMemberDataChanged,  // user, and likewise
    kChat,               // user, body
    kConfigured,         // owner, kind, members_max or joinable
    kReturned,           // after a broken connection: anything may have changed
    kLost,               // why: we are not in it any more, although we have not left
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
  // Limits. Beyond them calls are answered by kTooMuch; texts are counted in bytes.
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
  // Events that wait for run_callbacks(); the oldest go first.
  static constexpr std::size_t kEventsMax = 16'384;

  using Done = std::function<void(LobbyResult result)>;
  using Entered = std::function<void(LobbyResult result, const Lobby& lobby)>;
  using Listed = std::function<void(LobbyResult result, const std::vector<LobbyListing>& lobbies)>;

  // Each returns true; then its callback (which may be empty) is called exactly once, unless the
  // instance ends before. Or false, and nothing was done: kUnansweredMax answers are waiting for
  // run_callbacks().

  // Makes a lobby. Its maker is in it, and owns it. `members_max`: 1 to kMembersMax.
  bool create(LobbyKind kind, std::size_t members_max, Entered entered);
  // Finds lobbies that can be joined, in no order. A server with more than 5,000 lobbies searches
  // 5,000 of them at a time.
  bool list(const LobbyQuery& query, Listed listed);
  // If the user is in it already, this gives the same as find().
  bool join(LobbyId lobby, Entered entered);
  bool leave(LobbyId lobby, Done done = {});
  // The owner can change the lobby's own data, each member their own.
  bool set_data(LobbyId lobby, std::string_view key, std::string_view value, Done done = {});
  bool remove_data(LobbyId lobby, std::string_view key, Done done = {});
  bool set_member_data(LobbyId lobby, std::string_view key, std::string_view value, Done done = {});
  bool remove_member_data(LobbyId lobby, std::string_view key, Done done = {});
  // Sends a kChat event to all members, the sender included, in the same order for all. See
  // payload.h for what `body` can be.
  bool chat(LobbyId lobby, Payload body, Done done = {});
  // For the owner. A user who was sent away cannot come back (kKicked) as long as the lobby exists;
  // 64 users are remembered.
  bool kick(LobbyId lobby, const Identity& member, Done done = {});
  // For the owner. When an owner leaves, or is silent (for 25 s, or 5 s after a report), the member
  // who has been there longest becomes the owner.
  bool set_owner(LobbyId lobby, const Identity& member, Done done = {});
  // `member` does not answer: the server asks them. If no answer comes in 5 s, they count as
  // disconnected, and the lobbies that they own get other owners. This happens by itself when a
  // session with a member times out.
  bool report(LobbyId lobby, const Identity& member, Done done = {});
  // For the owner. With `members_max` below the count of members nobody is sent away, and nobody
  // can join.
  bool configure(LobbyId lobby, LobbyKind kind, std::size_t members_max, bool joinable,
                 Done done = {});

  // The lobby as it is known here now; it may have changed again since an event. Nothing: the user
  // is not in it.
  std::optional<Lobby> find(LobbyId lobby) const;
  // The lobbies that the user is in.
  std::vector<LobbyId> joined() const;
  // Replaces an earlier callback. What happens before there is one is not reported.
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
