#include "rendezvous/lobby_server.h"

#include <algorithm>
#include <type_traits>

namespace whimbrel::rendezvous {

LobbyServer::LobbyServer(const LobbyLimits& limits, Random& random, Send send)
    : limits_(limits), random_(random), send_(std::move(send)) {
  ASSERT(limits_.lobbies_of_user <= kLobbiesOfUserMax);
}

// --- users come and go ---------------------------------------------------------------------------------------------

void LobbyServer::on_online(const LobbyUser& user, Instant now) {
  const auto [at, fresh] = users_.try_emplace(user);
  UserState& state = at->second;
  if (fresh) {
    state.changes = TokenBucket(limits_.changes_per_second, limits_.changes_burst, now);
    state.lists = TokenBucket(limits_.lists_per_second, limits_.lists_burst, now);
  }
  leaving_.erase({state.leaves_at, user});
  state.leaves_at = kNever;
  state.online = true;
  LobbyMemberships memberships;
  for (const LobbyId id : state.lobbies) memberships.lobbies.push_back({id});
  send(user, memberships);
  for (const LobbyId id : state.lobbies) send(user, lobbies_.at(id).entered(0));
}

// The state is kept without places too, so that reconnecting does not fill the buckets.
void LobbyServer::on_offline(const LobbyUser& user, Instant now) {
  const auto at = users_.find(user);
  if (at == users_.end() || !at->second.online) return;
  at->second.online = false;
  at->second.leaves_at = now + limits_.grace;
  leaving_.emplace(at->second.leaves_at, user);
}

void LobbyServer::advance(Instant now) {
  while (!leaving_.empty() && leaving_.begin()->first <= now) {
    const LobbyUser user = leaving_.begin()->second;
    leaving_.erase(leaving_.begin());
    const auto at = users_.find(user);
    leave_all(user, at->second);
    users_.erase(at);
  }
}

Instant LobbyServer::next_deadline() const {
  return leaving_.empty() ? kNever : leaving_.begin()->first;
}

void LobbyServer::leave_all(const LobbyUser& user, UserState& state) {
  while (!state.lobbies.empty()) {
    remove_member(lobbies_.at(*state.lobbies.begin()), user.second, LobbyLeaveWhy::kDisconnected);
  }
}

// --- requests ------------------------------------------------------------------------------------------------------

void LobbyServer::on_request(const LobbyUser& user, const LobbyRequest& request, Instant now) {
  const auto at = users_.find(user);
  if (at == users_.end() || !at->second.online) return;
  UserState& state = at->second;
  const bool is_list = std::holds_alternative<LobbyList>(request);
  LobbyResult result = LobbyResult::kTooOften;
  if ((is_list ? state.lists : state.changes).take(1, now)) {
    result = std::visit([&](const auto& one) { return on(user, state, one); }, request);
  } else {
    ++counters_.rate_limited;
  }
  const bool answered = is_list || std::holds_alternative<LobbyCreate>(request) ||
                        std::holds_alternative<LobbyJoin>(request);
  if (result == LobbyResult::kOk) {
    if (!answered) send(user, LobbyAnswer{request_of(request), result, {}});
    return;
  }
  ++counters_.refused;
  send(user, LobbyAnswer{request_of(request), result, to_string(result)});
}

Lobby* LobbyServer::find(const LobbyUser& user, LobbyId id) {
  const auto at = lobbies_.find(id);
  return at == lobbies_.end() || at->second.app_id() != user.first ? nullptr : &at->second;
}

Lobby* LobbyServer::find_as_member(const LobbyUser& user, LobbyId id, LobbyResult& why) {
  Lobby* lobby = find(user, id);
  if (lobby == nullptr) {
    why = LobbyResult::kNoSuchLobby;
  } else if (!lobby->has(user.second)) {
    why = LobbyResult::kNotMember;
    lobby = nullptr;
  }
  return lobby;
}

Lobby* LobbyServer::find_as_owner(const LobbyUser& user, LobbyId id, LobbyResult& why) {
  Lobby* lobby = find_as_member(user, id, why);
  if (lobby == nullptr || lobby->owner() == user.second) return lobby;
  why = LobbyResult::kNotOwner;
  return nullptr;
}

LobbyId LobbyServer::new_id() {
  for (;;) {
    // Positive as a signed number too, for scripts that have no other.
    const LobbyId id{random_.u64() >> 1};
    if (id != LobbyId{} && !lobbies_.contains(id)) return id;
  }
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState& state, const LobbyCreate& create) {
  if (create.members_max < 1 || create.members_max > kLobbyMembersMax ||
      lobbies_.size() >= limits_.lobbies_max || state.lobbies.size() >= limits_.lobbies_of_user) {
    return LobbyResult::kTooMuch;
  }
  const LobbyId id = new_id();
  const Lobby& lobby =
      lobbies_.emplace(id, Lobby(id, user.first, create, user.second)).first->second;
  of_app_[user.first].insert(id);
  state.lobbies.insert(id);
  ++counters_.created;
  send(user, lobby.entered(create.request));
  return LobbyResult::kOk;
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState&, const LobbyList& list) {
  ++counters_.lists;
  LobbyListed answer{list.request, {}};
  const std::size_t wanted = std::min<std::size_t>(list.results_max, kLobbyResultsMax);
  const auto of_app = of_app_.find(user.first);
  if (of_app != of_app_.end()) {
    // Ids are random: a start anywhere shows every lobby as often as any other, however many there are.
    const std::set<LobbyId>& ids = of_app->second;
    auto at = ids.lower_bound(LobbyId{random_.u64() >> 1});
    const std::size_t scanned_max = std::min(ids.size(), limits_.scan_max);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < scanned_max && answer.lobbies.size() < wanted; ++i, ++at) {
      if (at == ids.end()) at = ids.begin();
      const Lobby& lobby = lobbies_.at(*at);
      if (!lobby.matches(list)) continue;
      LobbyInfo info = lobby.info();
      for (const LobbyDatum& datum : info.data) bytes += datum.key.size() + datum.value.size();
      if (bytes > kLobbyListBytesMax) break;
      answer.lobbies.push_back(std::move(info));
    }
  }
  send(user, answer);
  return LobbyResult::kOk;
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState& state, const LobbyJoin& join) {
  Lobby* lobby = find(user, join.lobby);
  if (lobby == nullptr) return LobbyResult::kNoSuchLobby;
  const bool fresh = !lobby->has(user.second);
  if (fresh && state.lobbies.size() >= limits_.lobbies_of_user) return LobbyResult::kTooMuch;
  if (const LobbyResult result = lobby->add(user.second); result != LobbyResult::kOk) return result;
  send(user, lobby->entered(join.request));
  if (!fresh) return LobbyResult::kOk;
  state.lobbies.insert(join.lobby);
  ++counters_.joined;
  tell(*lobby, LobbyMemberJoined{lobby->id(), user.second.text()}, &user.second);
  return LobbyResult::kOk;
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState&, const LobbyLeave& leave) {
  LobbyResult why{};
  Lobby* lobby = find_as_member(user, leave.lobby, why);
  if (lobby != nullptr) remove_member(*lobby, user.second, LobbyLeaveWhy::kLeft);
  return why;
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState&, const LobbySetData& set) {
  LobbyResult why{};
  Lobby* lobby =
      set.of_member ? find_as_member(user, set.lobby, why) : find_as_owner(user, set.lobby, why);
  if (lobby == nullptr) return why;
  // The whole new value is counted, as if it replaced nothing: the limit is never passed, and met a little early at most.
  const std::size_t added = set.remove ? 0 : set.datum.key.size() + set.datum.value.size();
  if (set.datum.key.empty() || data_bytes_ + added > limits_.data_bytes_max) {
    return LobbyResult::kTooMuch;
  }
  const std::size_t before = lobby->data_bytes();
  const auto member = set.of_member ? std::optional(user.second) : std::nullopt;
  why = lobby->set_data(member, set);
  if (why != LobbyResult::kOk) return why;
  data_bytes_ = data_bytes_ - before + lobby->data_bytes();
  LobbyDataChanged notice{lobby->id(), set.of_member ? user.second.text() : "", set.remove,
                          set.datum};
  if (set.remove) notice.datum.value.clear();
  tell(*lobby, notice);
  return why;
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState&, const LobbyChat& chat) {
  LobbyResult why{};
  const Lobby* lobby = find_as_member(user, chat.lobby, why);
  if (lobby == nullptr) return why;
  ++counters_.chats;
  tell(*lobby, LobbyChatted{lobby->id(), user.second.text(), chat.body});
  return why;
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState&, const LobbyKick& kick) {
  LobbyResult why{};
  Lobby* lobby = find_as_owner(user, kick.lobby, why);
  if (lobby == nullptr) return why;
  const auto member = Identity::parse(kick.member);
  if (!member || !lobby->has(*member)) return LobbyResult::kNotMember;
  remove_member(*lobby, *member, LobbyLeaveWhy::kKicked);
  return why;
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState&, const LobbySetOwner& set) {
  LobbyResult why{};
  Lobby* lobby = find_as_owner(user, set.lobby, why);
  if (lobby == nullptr) return why;
  const auto member = Identity::parse(set.member);
  why = member ? lobby->set_owner(*member) : LobbyResult::kNotMember;
  if (why == LobbyResult::kOk) tell(*lobby, lobby->changed());
  return why;
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState&, const LobbyConfigure& configure) {
  LobbyResult why{};
  Lobby* lobby = find_as_owner(user, configure.lobby, why);
  if (lobby == nullptr) return why;
  if (configure.members_max < 1 || configure.members_max > kLobbyMembersMax) {
    return LobbyResult::kTooMuch;
  }
  lobby->configure(configure);
  tell(*lobby, lobby->changed());
  return why;
}

// --- members -------------------------------------------------------------------------------------------------------

// Ends the lobby with its last member; `lobby` may be gone afterwards. `member` is not the lobby's own copy.
void LobbyServer::remove_member(Lobby& lobby, const Identity& member, LobbyLeaveWhy why) {
  const LobbyId id = lobby.id();
  const std::uint32_t app_id = lobby.app_id();
  const bool owned = lobby.owner() == member;
  ++counters_.left;
  tell(lobby, LobbyMemberLeft{id, member.text(), why});
  data_bytes_ -= lobby.data_bytes();
  lobby.remove(member);
  data_bytes_ += lobby.data_bytes();
  users_.at({app_id, member}).lobbies.erase(id);
  if (!lobby.empty()) {
    if (owned) tell(lobby, lobby.changed());
    return;
  }
  data_bytes_ -= lobby.data_bytes();
  lobbies_.erase(id);
  const auto of_app = of_app_.find(app_id);
  of_app->second.erase(id);
  if (of_app->second.empty()) of_app_.erase(of_app);
}

void LobbyServer::tell(const Lobby& lobby, const LobbyNotice& notice, const Identity* except) {
  const std::vector<std::uint8_t> bytes = encode(notice);
  for (const Lobby::Member& member : lobby.members()) {
    if (except != nullptr && member.identity == *except) continue;
    const LobbyUser user{lobby.app_id(), member.identity};
    if (users_.at(user).online) send_(user, bytes);
  }
}

}  // namespace whimbrel::rendezvous
