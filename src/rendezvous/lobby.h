// One lobby: its members in the order they came, its data, and what it tells who searches.
#pragma once

#include <whimbrel/identity.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "rendezvous/lobby_messages.h"

namespace whimbrel::rendezvous {

class Lobby {
 public:
  // `owner` is its first member. stand_anew() or stand_as() is to follow.
  Lobby(LobbyId id, std::uint32_t app_id, const LobbyCreate& create, const Identity& owner);

  LobbyId id() const { return id_; }
  std::uint32_t app_id() const { return app_id_; }
  // After a restart of the server it may be one who has not come back yet.
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

  // kOk, kKicked, kFull or kNotJoinable; for a member kOk, and nothing changes. `mark`: what stands for the user among those
  // who were kicked.
  LobbyResult add(const Identity& user, std::uint64_t mark);
  // As add() for who had a place before: a shut lobby and one that has filled up meanwhile let him in.
  LobbyResult add_again(const Identity& user, std::uint64_t mark);
  // Whoever it stands for is not to come back.
  void kick(std::uint64_t mark);
  // No-op for others than members. The owner's place is left to pass_on().
  void remove(const Identity& user);
  // kNotMember unless `user` is one.
  LobbyResult set_owner(const Identity& user);
  // To who is longest there.
  void pass_on() { owner_ = members_.front().identity; }
  LobbyStanding standing() const { return {owner_.text(), since_, life_, kicked_}; }
  // It stands otherwise since `unix_ms`, or later where the clock went back: of two the later one counts after a restart. `life`:
  // the server's.
  void stand_anew(std::uint64_t unix_ms, std::uint64_t life);
  // As it stood in an earlier life of the server, whatever became of it in this one. False, and nothing changes, where it is
  // known how it stood later in an earlier life, or where it was made in this one.
  bool stand_as(const LobbyStanding& standing, std::uint64_t life);
  // Until when its owner, who is not a member, is waited for; kNever.
  Instant owner_due() const { return owner_due_; }
  void set_owner_due(Instant due) { owner_due_ = due; }
  bool kicked(std::uint64_t mark) const;
  // Its data and configuration are its owner's: nobody else's replace them.
  bool has_owners_data() const { return has_owners_data_; }
  void configure(const LobbyConfigure& configure);
  // What its owner, or whoever came first, brings of an earlier life: takes the place of what is there.
  void restore(const LobbyRestore& restore, bool of_owner);
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

  LobbyId id_;
  std::uint32_t app_id_;
  LobbyKind kind_;
  std::uint8_t members_max_;
  bool joinable_ = true;
  Identity owner_;
  std::uint64_t since_ = 0;                    // of its standing
  std::uint64_t life_ = 0;                     // of the server when it began
  std::uint64_t brought_ = 0;                  // since_ of the latest of earlier lives
  std::vector<LobbyStanding::Kicked> kicked_;  // kLobbyKickedMax at most, the oldest first
  Instant owner_due_ = kNever;
  bool has_owners_data_ = false;
  std::vector<Member> members_;  // kLobbyMembersMax at most
  Data data_;
  std::size_t data_bytes_ = 0;
};

}  // namespace whimbrel::rendezvous
