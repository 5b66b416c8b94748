#include "rendezvous/lobby_server.h"

#include <algorithm>
#include <type_traits>

#include "crypto/hash.h"
#include "crypto/secure_memory.h"

namespace whimbrel::rendezvous {

namespace {

// Limits of what one member can bring.
constexpr std::size_t kRestoredBytesMax =
    kLobbyKeysMax * (kLobbyKeyBytesMax + kLobbyValueBytesMax) + kMemberDataBytesMax;

}  // namespace

LobbyServer::LobbyServer(const LobbyLimits& limits, Random& random, const LobbyOrigin& origin,
                         Send send, Doubt doubt)
    : limits_(limits),
      random_(random),
      origin_(origin),
      life_(random.u64()),
      send_(std::move(send)),
      doubt_(std::move(doubt)),
      now_(origin.start) {
  ASSERT(limits_.lobbies_of_user <= kLobbiesOfUserMax);
}

// --- users come and go --------------------------------------------------------------------------

void LobbyServer::on_online(const LobbyUser& user, Instant now) {
  now_ = now;
  const auto [at, fresh] = users_.try_emplace(user);
  UserState& state = at->second;
  if (fresh) {
    state.changes = TokenBucket(limits_.changes_per_second, limits_.changes_burst, now);
    state.lists = TokenBucket(limits_.lists_per_second, limits_.lists_burst, now);
  }
  leaving_.erase({state.leaves_at, user});
  state.leaves_at = kNever;
  state.online = true;
  state.silent = false;
  LobbyMemberships memberships;
  for (const LobbyId id : state.lobbies) memberships.lobbies.push_back({id});
  send(user, memberships);
  for (const LobbyId id : state.lobbies) {
    replace_silent_owner(lobbies_.at(id));
    welcome(user, lobbies_.at(id), 0);
  }
}

// The state is kept even without places, so that reconnecting does not refill the buckets.
void LobbyServer::on_offline(const LobbyUser& user, Instant now) {
  const auto at = users_.find(user);
  if (at == users_.end() || !at->second.online) return;
  at->second.online = false;
  at->second.leaves_at = now + limits_.grace;
  leaving_.emplace(at->second.leaves_at, user);
}

void LobbyServer::on_silent(const LobbyUser& user, Instant now) {
  now_ = now;
  const auto at = users_.find(user);
  if (at == users_.end()) return;
  at->second.silent = true;
  for (const LobbyId id : at->second.lobbies) replace_silent_owner(lobbies_.at(id));
}

void LobbyServer::replace_silent_owner(Lobby& lobby) {
  const auto& members = lobby.members();
  const auto state = [&](const Identity& member) -> const UserState& {
    return users_.at({lobby.app_id(), member});
  };
  if (!lobby.has(lobby.owner()) || !state(lobby.owner()).silent) return;
  const auto next = std::find_if(members.begin(), members.end(), [&](const auto& member) {
    return member.identity != lobby.owner() && state(member.identity).online;
  });
  if (next == members.end()) return;  // there is nobody who could own it
  const Identity owner = next->identity;
  lobby.set_owner(owner);
  tell(lobby, lobby.changed());
  stand_anew(lobby);
}

void LobbyServer::on_left(const LobbyUser& user) {
  const auto at = users_.find(user);
  if (at != users_.end()) leave_all(user, at->second, LobbyLeaveWhy::kLeft);
}

void LobbyServer::advance(Instant now) {
  now_ = now;
  while (!leaving_.empty() && leaving_.begin()->first <= now) {
    const LobbyUser user = leaving_.begin()->second;
    leaving_.erase(leaving_.begin());
    const auto at = users_.find(user);
    leave_all(user, at->second, LobbyLeaveWhy::kDisconnected);
    users_.erase(at);
  }
  pass_on_overdue();
}

Instant LobbyServer::next_deadline() const {
  const Instant leaving = leaving_.empty() ? kNever : leaving_.begin()->first;
  return owners_due_.empty() ? leaving : std::min(leaving, owners_due_.begin()->first);
}

void LobbyServer::leave_all(const LobbyUser& user, UserState& state, LobbyLeaveWhy why) {
  while (!state.lobbies.empty()) {
    remove_member(lobbies_.at(*state.lobbies.begin()), user.second, why);
  }
}

// --- requests -----------------------------------------------------------------------------------

void LobbyServer::on_request(const LobbyUser& user, const LobbyRequest& request, Instant now) {
  const auto at = users_.find(user);
  if (at == users_.end() || !at->second.online) return;
  now_ = now;
  UserState& state = at->second;
  const bool is_list = std::holds_alternative<LobbyList>(request);
  LobbyResult result = LobbyResult::kTooOften;
  if ((is_list ? state.lists : state.changes).take(1, now)) {
    result = std::visit([&](const auto& one) { return on(user, state, one); }, request);
  } else {
    ++counters_.rate_limited;
  }
  const bool answered = is_list || std::holds_alternative<LobbyCreate>(request) ||
                        std::holds_alternative<LobbyJoin>(request) ||
                        std::holds_alternative<LobbyRestore>(request);
  if (result == LobbyResult::kOk) {
    if (!answered) send(user, LobbyAnswer{request_of(request), result, {}});
    return;
  }
  ++counters_.refused;
  send(user, LobbyAnswer{request_of(request), result, std::string(to_string(result))});
}

const Lobby* LobbyServer::find(std::uint32_t app_id, LobbyId id) const {
  const auto at = lobbies_.find(id);
  return at == lobbies_.end() || at->second.app_id() != app_id ? nullptr : &at->second;
}

Lobby* LobbyServer::find(const LobbyUser& user, LobbyId id) {
  return const_cast<Lobby*>(std::as_const(*this).find(user.first, id));
}

std::size_t LobbyServer::place_count() const {
  std::size_t count = 0;
  for (const auto& [id, lobby] : lobbies_) count += lobby.member_count();
  return count;
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
    // Positive as a signed number too, for scripting languages that have only those.
    const LobbyId id{random_.u64() >> 1};
    if (id != LobbyId{} && !lobbies_.contains(id)) return id;
  }
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState& state, const LobbyCreate& create) {
  if (create.members_max < 1 || create.members_max > kLobbyMembersMax ||
      lobbies_.size() >= limits_.lobbies_max || state.lobbies.size() >= limits_.lobbies_of_user) {
    return LobbyResult::kTooMuch;
  }
  Lobby& lobby = add_lobby(new_id(), user, create);
  lobby.stand_anew(unix_ms(now_), life_);
  state.lobbies.insert(lobby.id());
  ++counters_.created;
  welcome(user, lobby, create.request);
  return LobbyResult::kOk;
}

Lobby& LobbyServer::add_lobby(LobbyId id, const LobbyUser& owner, const LobbyCreate& create) {
  of_app_[owner.first].insert(id);
  return lobbies_.emplace(id, Lobby(id, owner.first, create, owner.second)).first->second;
}

// The claim comes first: a client that knows it is in the lobby can then restore it after a
// restart.
void LobbyServer::welcome(const LobbyUser& user, const Lobby& lobby, std::uint32_t request) {
  send_claim(user, lobby);
  send(user, lobby.entered(request));
}

LobbyResult LobbyServer::on(const LobbyUser& user, UserState&, const LobbyList& list) {
  ++counters_.lists;
  LobbyListed answer{list.request, {}};
  const std::size_t wanted = std::min<std::size_t>(list.results_max, kLobbyResultsMax);
  const auto of_app = of_app_.find(user.first);
  if (of_app != of_app_.end()) {
    // Ids are random: starting anywhere shows each lobby equally often, however many there are.
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
  const LobbyResult result = lobby->add(user.second, mark_of(user, join.lobby));
  if (result != LobbyResult::kOk) return result;
  await_owner(*lobby);
  welcome(user, *lobby, join.request);
  if (!fresh) return LobbyResult::kOk;
  state.lobbies.insert(join.lobby);
  ++counters_.joined;
  tell_joined(*lobby, user.second);
  replace_silent_owner(*lobby);
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
  // The whole new value is counted, as if it replaced nothing: the limit is never exceeded, but may
  // be reached a little early.
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
  if (why != LobbyResult::kOk) return why;
  tell(*lobby, lobby->changed());
  stand_anew(*lobby);
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

LobbyResult LobbyServer::on(const LobbyUser& user, UserState&, const LobbyReport& report) {
  LobbyResult why{};
  const Lobby* lobby = find_as_member(user, report.lobby, why);
  if (lobby == nullptr) return why;
  const auto member = Identity::parse(report.member);
  if (!member || !lobby->has(*member)) return LobbyResult::kNotMember;
  if (doubt_ && *member != user.second) doubt_({user.first, *member});
  return why;
}

// --- after a restart ----------------------------------------------------------------------------

std::uint64_t LobbyServer::unix_ms(Instant now) const {
  return static_cast<std::uint64_t>(origin_.clock.at(now));
}

Digest LobbyServer::sign(std::string_view what, const LobbyUser& user, LobbyId lobby,
                         Bytes more) const {
  std::array<std::uint8_t, 12> fields;
  ByteWriter out(fields);
  out.u32(user.first);
  out.u64(static_cast<std::uint64_t>(lobby));
  const std::string name = user.second.text();
  return hmac_sha256(origin_.key.view(), {as_bytes(what), out.written(), more, as_bytes(name)});
}

LobbyClaim LobbyServer::claim_of(const LobbyUser& user, LobbyId lobby,
                                 LobbyStanding standing) const {
  FieldWriter fields(LobbyClaimed::kType);
  standing.fields(fields);
  const std::vector<std::uint8_t> bytes = std::move(fields).take();
  const Digest digest = sign("whimbrel lobby claim", user, lobby, Bytes(bytes).subspan(1));
  LobbyClaim claim;
  std::copy_n(digest.begin(), claim.size(), claim.begin());
  return claim;
}

std::uint64_t LobbyServer::mark_of(const LobbyUser& user, LobbyId lobby) const {
  return ByteReader(sign("whimbrel lobby kicked", user, lobby, {})).u64();
}

void LobbyServer::send_claim(const LobbyUser& user, const Lobby& lobby) {
  const LobbyStanding standing = lobby.standing();
  send(user, LobbyClaimed{lobby.id(), standing, claim_of(user, lobby.id(), standing)});
}

void LobbyServer::send_claims(const Lobby& lobby) {
  for (const Lobby::Member& member : lobby.members()) {
    const LobbyUser user{lobby.app_id(), member.identity};
    if (users_.at(user).online) send_claim(user, lobby);
  }
}

// It has another owner, or a user was kicked: members need a new claim for a restart.
void LobbyServer::stand_anew(Lobby& lobby) {
  lobby.stand_anew(unix_ms(now_), life_);
  send_claims(lobby);
}

// Until the owner is a member again, nobody has the owner's rights. Then, or when that takes too
// long, the waiting ends.
void LobbyServer::await_owner(Lobby& lobby) {
  const bool here = lobby.has(lobby.owner());
  if (here == (lobby.owner_due() == kNever)) return;
  if (here) owners_due_.erase({lobby.owner_due(), lobby.id()});
  lobby.set_owner_due(here ? kNever : now_ + limits_.owner_wait);
  if (!here) owners_due_.emplace(lobby.owner_due(), lobby.id());
}

void LobbyServer::pass_on_overdue() {
  while (!owners_due_.empty() && owners_due_.begin()->first <= now_) {
    Lobby& lobby = lobbies_.at(owners_due_.begin()->second);
    lobby.pass_on();
    await_owner(lobby);
    tell(lobby, lobby.changed());
    stand_anew(lobby);
    replace_silent_owner(lobby);
  }
}

// Who owns the lobby and who was kicked is only taken from what the server has signed, and the
// latest counts. Everything else is only taken if the member was allowed to change it.
LobbyResult LobbyServer::on(const LobbyUser& user, UserState& state, const LobbyRestore& restore) {
  const LobbyClaim expected = claim_of(user, restore.lobby, restore.standing);
  if (!constant_time_equal(expected, restore.claim)) {
    ++counters_.bad_claims;
    return LobbyResult::kNoSuchLobby;
  }
  if (now_ >= origin_.start + limits_.restore_time) return LobbyResult::kNoSuchLobby;
  Lobby* lobby = find(user, restore.lobby);
  if (lobby != nullptr && lobby->has(user.second)) {
    welcome(user, *lobby, restore.request);
    return LobbyResult::kOk;
  }
  if (is_over(state, lobby == nullptr)) return LobbyResult::kTooMuch;
  if (lobby == nullptr) {
    lobby = &add_lobby(restore.lobby, user, {0, restore.kind, restore.members_max});
    ++counters_.restored;
  }
  const bool later = lobby->stand_as(restore.standing, life_);
  if (later) send_away_kicked(*lobby);
  const LobbyResult result = lobby->add_again(user.second, mark_of(user, restore.lobby));
  const bool all = result == LobbyResult::kOk ? take_restored(*lobby, user, restore, later) : later;
  await_owner(*lobby);
  if (later) send_claims(*lobby);
  if (all) {
    // Members who came before may have said something else.
    tell(*lobby, lobby->entered(0), &user.second);
  } else if (result == LobbyResult::kOk) {
    tell_joined(*lobby, user.second);
  }
  if (result != LobbyResult::kOk) return result;
  state.lobbies.insert(restore.lobby);
  welcome(user, *lobby, restore.request);
  return LobbyResult::kOk;
}

bool LobbyServer::is_over(const UserState& state, bool new_lobby) const {
  return state.lobbies.size() >= limits_.lobbies_of_user ||
         (new_lobby && lobbies_.size() >= limits_.lobbies_max) ||
         data_bytes_ + kRestoredBytesMax > limits_.data_bytes_max;
}

bool LobbyServer::take_restored(Lobby& lobby, const LobbyUser& user, const LobbyRestore& restore,
                                bool later) {
  const bool is_owner = lobby.owner() == user.second;
  const bool replaces = later || (is_owner && !lobby.has_owners_data());
  data_bytes_ -= lobby.data_bytes();
  if (replaces) lobby.restore(restore, is_owner);
  lobby.restore_data(user.second, restore.member_data);
  data_bytes_ += lobby.data_bytes();
  return replaces;
}

void LobbyServer::tell_joined(const Lobby& lobby, const Identity& member) {
  tell(lobby, LobbyMemberJoined{lobby.id(), member.text()}, &member);
  for (const auto& [key, value] : lobby.find(member)->data) {
    tell(lobby, LobbyDataChanged{lobby.id(), member.text(), false, {key, value}}, &member);
  }
}

void LobbyServer::send_away_kicked(Lobby& lobby) {
  std::vector<Identity> kicked;
  for (const Lobby::Member& member : lobby.members()) {
    if (lobby.kicked(mark_of({lobby.app_id(), member.identity}, lobby.id())))
      kicked.push_back(member.identity);
  }
  for (const Identity& member : kicked) drop_member(lobby, member, LobbyLeaveWhy::kKicked);
}

// --- members ------------------------------------------------------------------------------------

// Ends the lobby with its last member: `lobby` may be gone afterwards. `member` must not be the
// lobby's own copy.
void LobbyServer::remove_member(Lobby& lobby, const Identity& member, LobbyLeaveWhy why) {
  const bool owned = lobby.owner() == member;
  const bool kicked = why == LobbyLeaveWhy::kKicked;
  drop_member(lobby, member, why);
  if (kicked) lobby.kick(mark_of({lobby.app_id(), member}, lobby.id()));
  if (lobby.empty()) return end_lobby(lobby);
  if (owned) {
    lobby.pass_on();
    tell(lobby, lobby.changed());
  }
  if (owned || kicked) stand_anew(lobby);
  if (owned) replace_silent_owner(lobby);
}

void LobbyServer::drop_member(Lobby& lobby, const Identity& member, LobbyLeaveWhy why) {
  ++counters_.left;
  tell(lobby, LobbyMemberLeft{lobby.id(), member.text(), why});
  data_bytes_ -= lobby.data_bytes();
  lobby.remove(member);
  data_bytes_ += lobby.data_bytes();
  users_.at({lobby.app_id(), member}).lobbies.erase(lobby.id());
}

void LobbyServer::end_lobby(const Lobby& lobby) {
  data_bytes_ -= lobby.data_bytes();
  owners_due_.erase({lobby.owner_due(), lobby.id()});
  const auto of_app = of_app_.find(lobby.app_id());
  of_app->second.erase(lobby.id());
  if (of_app->second.empty()) of_app_.erase(of_app);
  lobbies_.erase(lobbies_.find(lobby.id()));
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
