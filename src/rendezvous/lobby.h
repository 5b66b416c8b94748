// One lobby: its members in the order in which they joined, its data, and what it shows in
// searches.
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
  // `owner` is its first member. Call stand_anew() or stand_as() next.
  Lobby(LobbyId id, std::uint32_t app_id, const LobbyCreate& create, const Identity& owner);

  LobbyId id() const { return id_; }
  std::uint32_t app_id() const { return app_id_; }
  // After a restart of the server the owner may not have come back yet.
  const Identity& owner() const { return owner_; }
  bool listed() const { return kind_ != LobbyKind::kPrivate; }
  bool empty() const { return members_.empty(); }
  std::size_t member_count() const { return members_.size(); }
  bool has(const Identity& user) const { return find(user) != nullptr; }
  // The bytes of the keys and values of the lobby and its members.
  std::size_t data_bytes() const { return data_bytes_; }

  struct Member {
    Identity identity;
    std::map<std::string, std::string> data;
  };
  const std::vector<Member>& members() const { return members_; }
  // Null: not a member.
  const Member* find(const Identity& user) const;

  // kOk, kKicked, kFull or kNotJoinable; for a member kOk, and nothing changes. `mark`: stands for
  // the user in the list of those who were kicked.
  LobbyResult add(const Identity& user, std::uint64_t mark);
  // As add(), for a user who had a place before: a closed lobby, or one that has filled up since,
  // lets them in.
  LobbyResult add_again(const Identity& user, std::uint64_t mark);
  // The user that `mark` stands for may not come back.
  void kick(std::uint64_t mark);
  // Does nothing for users who are no members. Does not name another owner: that is pass_on().
  void remove(const Identity& user);
  // kNotMember unless `user` is one.
  LobbyResult set_owner(const Identity& user);
  // Makes the member who joined first the owner.
  void pass_on() { owner_ = members_.front().identity; }
  LobbyStanding standing() const { return {owner_.text(), since_, life_, kicked_}; }
  // Its standing has changed at `unix_ms`, or later if the clock went back: after a restart the
  // latest standing counts. `life`: of the server.
  void stand_anew(std::uint64_t unix_ms, std::uint64_t life);
  // Takes its standing from an earlier life of the server, whatever has happened in this one.
  // False, and nothing changes, if a later standing of an earlier life is known, or if the lobby
  // was made in this life.
  bool stand_as(const LobbyStanding& standing, std::uint64_t life);
  // Until when the lobby waits for its owner, who is no member; kNever: it does not wait.
  Instant owner_due() const { return owner_due_; }
  void set_owner_due(Instant due) { owner_due_ = due; }
  bool kicked(std::uint64_t mark) const;
  // Its data and configuration came from its owner: nobody else's replace them.
  bool has_owners_data() const { return has_owners_data_; }
  void configure(const LobbyConfigure& configure);
  // Takes what its owner, or the first member to come back, brings from an earlier life, in place
  // of what there is.
  void restore(const LobbyRestore& restore, bool of_owner);
  // The same for a member's own data. Does nothing for users who are no members.
  void restore_data(const Identity& member, const std::vector<LobbyDatum>& data);
  // `member`: whose data; nothing: the lobby's own. With kTooMuch nothing changes. Removing a
  // missing key is kOk.
  LobbyResult set_data(const std::optional<Identity>& member, const LobbySetData& set);

  // Whether kind, free places and filters match.
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
  std::uint64_t since_ = 0;                    // of its last standing
  std::uint64_t life_ = 0;                     // of the server, when the standing began
  std::uint64_t brought_ = 0;                  // since_ of the latest standing of earlier lives
  std::vector<LobbyStanding::Kicked> kicked_;  // kLobbyKickedMax at most, the oldest first
  Instant owner_due_ = kNever;
  bool has_owners_data_ = false;
  std::vector<Member> members_;  // kLobbyMembersMax at most
  Data data_;
  std::size_t data_bytes_ = 0;
};

}  // namespace whimbrel::rendezvous
