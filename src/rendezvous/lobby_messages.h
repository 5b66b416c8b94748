// What a client and the rendezvous say to each other about lobbies. Each is one reliable message on
// channel 0, and its first byte is its type, as in messages.h. The client numbers its requests,
// separately from those of messages.h. The answer to a request is LobbyEntered, LobbyListed or
// LobbyAnswer.
#pragma once

#include <whimbrel/lobbies.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "handshake/certificate.h"
#include "rendezvous/message_fields.h"

namespace whimbrel::rendezvous {

inline constexpr std::size_t kLobbyMembersMax = Lobbies::kMembersMax;
inline constexpr std::size_t kLobbyKeysMax = Lobbies::kKeysMax;
inline constexpr std::size_t kLobbyKeyBytesMax = Lobbies::kKeyBytesMax;
inline constexpr std::size_t kLobbyValueBytesMax = Lobbies::kValueBytesMax;
inline constexpr std::size_t kMemberKeysMax = Lobbies::kMemberKeysMax;
inline constexpr std::size_t kMemberDataBytesMax = Lobbies::kMemberDataBytesMax;
inline constexpr std::size_t kLobbyChatBytesMax = Lobbies::kChatBytesMax;
inline constexpr std::size_t kLobbyFiltersMax = 16;
inline constexpr std::size_t kLobbyResultsMax = 50;
inline constexpr std::size_t kLobbyTextMax = 128;  // for a person
// Data in one LobbyListed; lobbies that do not fit are left out.
inline constexpr std::size_t kLobbyListBytesMax = 64 * 1024;
inline constexpr std::size_t kLobbiesOfUserMax = Lobbies::kJoinedMax;
// Kicked users that a lobby remembers; beyond it the oldest are forgotten.
inline constexpr std::size_t kLobbyKickedMax = 64;

struct LobbyDatum {
  std::string key;
  std::string value;
  template <typename Fields>
  void fields(Fields& f) {
    f.text(key, kLobbyKeyBytesMax);
    f.text(value, kLobbyValueBytesMax);
  }
};

// --- client to server ---------------------------------------------------------------------------

// Answered by LobbyEntered: whoever creates a lobby is in it, and owns it.
struct LobbyCreate {
  static constexpr std::uint8_t kType = 16;
  std::uint32_t request = 0;
  LobbyKind kind{};
  std::uint8_t members_max = 0;  // 1 to kLobbyMembersMax
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.choice(kind, LobbyKind::kInvisible);
    f.number(members_max);
  }
};
struct LobbyFilter : whimbrel::LobbyFilter {
  template <typename Fields>
  void fields(Fields& f) {
    f.text(key, kLobbyKeyBytesMax);
    f.choice(compare, Compare::kGreaterOrEqual);
    f.text(text, kLobbyValueBytesMax);
    f.number(number);
  }
};
// Answered by LobbyListed.
struct LobbyList {
  static constexpr std::uint8_t kType = 17;
  std::uint32_t request = 0;
  std::vector<LobbyFilter> filters;  // all must match
  std::uint8_t slots_min = 0;        // free places
  std::uint8_t results_max = 0;      // at most kLobbyResultsMax count
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.list(filters, kLobbyFiltersMax);
    f.number(slots_min);
    f.number(results_max);
  }
};
// Answered by LobbyEntered, for members too.
struct LobbyJoin {
  static constexpr std::uint8_t kType = 18;
  std::uint32_t request = 0;
  LobbyId lobby{};
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.id(lobby);
  }
};
struct LobbyLeave {
  static constexpr std::uint8_t kType = 19;
  std::uint32_t request = 0;
  LobbyId lobby{};
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.id(lobby);
  }
};
// For the owner. `of_member`: for each member, their own data.
struct LobbySetData {
  static constexpr std::uint8_t kType = 20;
  std::uint32_t request = 0;
  LobbyId lobby{};
  bool of_member = false;
  bool remove = false;
  LobbyDatum datum;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.id(lobby);
    f.flag(of_member);
    f.flag(remove);
    datum.fields(f);
  }
};
struct LobbyChat {
  static constexpr std::uint8_t kType = 21;
  std::uint32_t request = 0;
  LobbyId lobby{};
  std::vector<std::uint8_t> body;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.id(lobby);
    f.blob(body, kLobbyChatBytesMax);
  }
};
// The owner's.
struct LobbyKick {
  static constexpr std::uint8_t kType = 22;
  std::uint32_t request = 0;
  LobbyId lobby{};
  std::string member;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.id(lobby);
    f.text(member, kIdentityTextSizeMax);
  }
};
// The owner's.
struct LobbySetOwner {
  static constexpr std::uint8_t kType = 23;
  std::uint32_t request = 0;
  LobbyId lobby{};
  std::string member;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.id(lobby);
    f.text(member, kIdentityTextSizeMax);
  }
};
// For the owner. `members_max` may be below the count of members: nobody is sent away, and nobody
// comes in.
struct LobbyConfigure {
  static constexpr std::uint8_t kType = 24;
  std::uint32_t request = 0;
  LobbyId lobby{};
  LobbyKind kind{};
  std::uint8_t members_max = 0;
  bool joinable = true;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.id(lobby);
    f.choice(kind, LobbyKind::kInvisible);
    f.number(members_max);
    f.flag(joinable);
  }
};
// What a member keeps over a restart of the server: proof, signed by the server, that they were in
// the lobby, and its standing.
using LobbyClaim = std::array<std::uint8_t, 16>;
// The standing of a lobby: who owns it, and who was kicked. Each new owner and each kick makes a
// new standing.
struct LobbyStanding {
  struct Kicked {
    std::uint64_t mark = 0;  // stands for the user's name without revealing it
    bool operator==(const Kicked&) const = default;
    template <typename Fields>
    void fields(Fields& f) {
      f.number(mark);
    }
  };
  std::string owner;
  std::uint64_t since = 0;  // unix time in ms; the latest counts
  std::uint64_t life = 0;   // of the server; another number after each start
  std::vector<Kicked> kicked;
  template <typename Fields>
  void fields(Fields& f) {
    f.text(owner, kIdentityTextSizeMax);
    f.number(since);
    f.number(life);
    f.list(kicked, kLobbyKickedMax);
  }
};
// Answered by LobbyEntered. Each member brings what they may change. The lobby's data and
// configuration from a member who is not the owner count until the owner comes.
struct LobbyRestore {
  static constexpr std::uint8_t kType = 25;
  std::uint32_t request = 0;
  LobbyId lobby{};
  LobbyStanding standing;  // as in LobbyClaimed
  LobbyClaim claim{};
  LobbyKind kind{};
  std::uint8_t members_max = 0;
  bool joinable = true;
  std::vector<LobbyDatum> data;
  std::vector<LobbyDatum> member_data;  // of the member who restores
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.id(lobby);
    standing.fields(f);
    f.fixed(claim);
    f.choice(kind, LobbyKind::kInvisible);
    f.number(members_max);
    f.flag(joinable);
    f.list(data, kLobbyKeysMax);
    f.list(member_data, kMemberKeysMax);
  }
};
// A member does not answer: the server asks them.
struct LobbyReport {
  static constexpr std::uint8_t kType = 26;
  std::uint32_t request = 0;
  LobbyId lobby{};
  std::string member;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.id(lobby);
    f.text(member, kIdentityTextSizeMax);
  }
};
using LobbyRequest =
    std::variant<LobbyCreate, LobbyList, LobbyJoin, LobbyLeave, LobbySetData, LobbyChat, LobbyKick,
                 LobbySetOwner, LobbyConfigure, LobbyRestore, LobbyReport>;
inline bool is_lobby_request(Bytes message) {
  return !message.empty() && message[0] >= LobbyCreate::kType && message[0] <= LobbyReport::kType;
}

// --- server to client ---------------------------------------------------------------------------

struct LobbyAnswer {
  static constexpr std::uint8_t kType = 96;
  std::uint32_t request = 0;
  LobbyResult result{};
  std::string text;  // says what to do; empty with kOk
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.choice(result, LobbyResult::kKicked);
    f.text(text, kLobbyTextMax);
  }
};
struct LobbyMemberState {
  std::string identity;
  std::vector<LobbyDatum> data;
  template <typename Fields>
  void fields(Fields& f) {
    f.text(identity, kIdentityTextSizeMax);
    f.list(data, kMemberKeysMax);
  }
};
// A whole lobby. `request` 0: a member who reconnected is still in it.
struct LobbyEntered {
  static constexpr std::uint8_t kType = 97;
  std::uint32_t request = 0;
  LobbyId lobby{};
  LobbyKind kind{};
  std::uint8_t members_max = 0;
  bool joinable = true;
  std::string owner;
  std::vector<LobbyMemberState> members;  // the longest member first
  std::vector<LobbyDatum> data;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.id(lobby);
    f.choice(kind, LobbyKind::kInvisible);
    f.number(members_max);
    f.flag(joinable);
    f.text(owner, kIdentityTextSizeMax);
    f.list(members, kLobbyMembersMax);
    f.list(data, kLobbyKeysMax);
  }
};
struct LobbyInfo {
  LobbyId lobby{};
  std::uint8_t member_count = 0;
  std::uint8_t members_max = 0;
  std::vector<LobbyDatum> data;
  template <typename Fields>
  void fields(Fields& f) {
    f.id(lobby);
    f.number(member_count);
    f.number(members_max);
    f.list(data, kLobbyKeysMax);
  }
};
struct LobbyListed {
  static constexpr std::uint8_t kType = 98;
  std::uint32_t request = 0;
  std::vector<LobbyInfo> lobbies;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.list(lobbies, kLobbyResultsMax);
  }
};
// After each login: the lobbies that the user is in. LobbyEntered of each follows.
struct LobbyMemberships {
  static constexpr std::uint8_t kType = 99;
  struct Entry {
    LobbyId lobby{};
    template <typename Fields>
    void fields(Fields& f) {
      f.id(lobby);
    }
  };
  std::vector<Entry> lobbies;
  template <typename Fields>
  void fields(Fields& f) {
    f.list(lobbies, kLobbiesOfUserMax);
  }
};
struct LobbyMemberJoined {
  static constexpr std::uint8_t kType = 100;
  LobbyId lobby{};
  std::string member;
  template <typename Fields>
  void fields(Fields& f) {
    f.id(lobby);
    f.text(member, kIdentityTextSizeMax);
  }
};
// The member who leaves is told too.
struct LobbyMemberLeft {
  static constexpr std::uint8_t kType = 101;
  LobbyId lobby{};
  std::string member;
  LobbyLeaveWhy why{};
  template <typename Fields>
  void fields(Fields& f) {
    f.id(lobby);
    f.text(member, kIdentityTextSizeMax);
    f.choice(why, LobbyLeaveWhy::kDisconnected);
  }
};
struct LobbyDataChanged {
  static constexpr std::uint8_t kType = 102;
  LobbyId lobby{};
  std::string member;  // empty: the lobby's own data
  bool removed = false;
  LobbyDatum datum;
  template <typename Fields>
  void fields(Fields& f) {
    f.id(lobby);
    f.text(member, kIdentityTextSizeMax);
    f.flag(removed);
    datum.fields(f);
  }
};
struct LobbyChatted {
  static constexpr std::uint8_t kType = 103;
  LobbyId lobby{};
  std::string from;
  std::vector<std::uint8_t> body;
  template <typename Fields>
  void fields(Fields& f) {
    f.id(lobby);
    f.text(from, kIdentityTextSizeMax);
    f.blob(body, kLobbyChatBytesMax);
  }
};
// Owner or configuration.
struct LobbyChanged {
  static constexpr std::uint8_t kType = 104;
  LobbyId lobby{};
  LobbyKind kind{};
  std::uint8_t members_max = 0;
  bool joinable = true;
  std::string owner;
  template <typename Fields>
  void fields(Fields& f) {
    f.id(lobby);
    f.choice(kind, LobbyKind::kInvisible);
    f.number(members_max);
    f.flag(joinable);
    f.text(owner, kIdentityTextSizeMax);
  }
};
// Sent before LobbyEntered, and to all members when the standing changes. The latest counts.
struct LobbyClaimed {
  static constexpr std::uint8_t kType = 105;
  LobbyId lobby{};
  LobbyStanding standing;
  LobbyClaim claim{};
  template <typename Fields>
  void fields(Fields& f) {
    f.id(lobby);
    standing.fields(f);
    f.fixed(claim);
  }
};
using LobbyNotice =
    std::variant<LobbyAnswer, LobbyEntered, LobbyListed, LobbyMemberships, LobbyMemberJoined,
                 LobbyMemberLeft, LobbyDataChanged, LobbyChatted, LobbyChanged, LobbyClaimed>;
inline bool is_lobby_notice(Bytes message) {
  return !message.empty() && message[0] >= LobbyAnswer::kType && message[0] <= LobbyClaimed::kType;
}

std::uint32_t request_of(const LobbyRequest& request);

// Every field must be within its limit (ASSERT).
std::vector<std::uint8_t> encode(const LobbyRequest& request);
std::vector<std::uint8_t> encode(const LobbyNotice& notice);
// Nothing unless `bytes` is exactly one message of the kind.
std::optional<LobbyRequest> decode_lobby_request(Bytes bytes);
std::optional<LobbyNotice> decode_lobby_notice(Bytes bytes);

}  // namespace whimbrel::rendezvous
