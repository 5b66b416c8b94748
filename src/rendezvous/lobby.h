// One lobby: its members in the order they came, its data, and what it tells who searches.
#pragma once

#include <whimbrel/identity.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rendezvous/lobby_messages.h"

namespace whimbrel::rendezvous {

class Lobby {
 public:
  // Users that are kept out.
  static constexpr std::size_t kKickedMax = 64;

  // `owner` is its first member.
  Lobby(LobbyId id, std::uint32_t app_id, const LobbyCreate& create, const Identity& owner);

  LobbyId id() const { return id_; }
  std::uint32_t app_id() const { return app_id_; }
  const Identity& owner() const { return owner_; }
  bool listed() const { return kind_ != LobbyKind::kPrivate; }
  bool empty() const { return members_.empty(); }
  std::size_t member_count() const { return members_.size(); }
  bool has(const Identity& user) const { return find(user) != nullptr; }
  // Keys and values of the lobby and its members, in bytes.
  std::size_t data_bytes() const { return data_bytes_; }

  struct Member {
    Identity identity;
    std::map<std::string, std::string> data;
  };
  const std::vector<Member>& members() const { return members_; }
  // Null: not a member.
  const Member* find(const Identity& user) const;

  // kOk, kKicked, kFull or kNotJoinable; for a member kOk, and nothing changes.
  LobbyResult add(const Identity& user);
  // As add() for who had a place before: a shut lobby and one that has filled up meanwhile let him in.
  LobbyResult add_again(const Identity& user);
  // remove() of who is not to come back.
  void kick(const Identity& user);
  // No-op for others than members. The owner's place passes to who is longest there.
  void remove(const Identity& user);
  // kNotMember unless `user` is one.
  LobbyResult set_owner(const Identity& user);
  // Unix time in ms; 0: only until the one comes who was it before the server's restart.
  std::uint64_t owner_since() const { return owner_since_; }
  void set_owner_since(std::uint64_t unix_ms) { owner_since_ = unix_ms; }
  void configure(const LobbyConfigure& configure);
  // What its owner, or whoever came first, brings of an earlier life: takes the place of what is there.
  void restore(const LobbyRestore& restore);
  // The same for a member's own data; nothing for others than members.
  void restore_data(const Identity& member, const std::vector<LobbyDatum>& data);
  // `member`: whose data; nothing: the lobby's own. kTooMuch changes nothing. Removing what is not there is kOk.
  LobbyResult set_data(const std::optional<Identity>& member, const LobbySetData& set);

  // Kind, places and filters fit.
  bool matches(const LobbyList& list) const;
  LobbyInfo info() const;
  LobbyEntered entered(std::uint32_t request) const;
  LobbyChanged changed() const;

 private:
  using Data = std::map<std::string, std::string>;
  Member* find(const Identity& user);
  bool room_for(const Data& data, bool of_member, const LobbyDatum& datum) const;
  bool kicked(const Identity& user) const;

  LobbyId id_;
  std::uint32_t app_id_;
  LobbyKind kind_;
  std::uint8_t members_max_;
  bool joinable_ = true;
  Identity owner_;
  std::uint64_t owner_since_ = 0;
  std::deque<Identity> kicked_;  // kKickedMax at most: the oldest is forgotten
  std::vector<Member> members_;  // kLobbyMembersMax at most
  Data data_;
  std::size_t data_bytes_ = 0;
};

}  // namespace whimbrel::rendezvous
