#include "rendezvous/lobby_client.h"

#include <algorithm>

namespace whimbrel::rendezvous {

namespace {

std::vector<LobbyDatum> list_of(const std::map<std::string, std::string>& data) {
  std::vector<LobbyDatum> list;
  list.reserve(data.size());
  for (const auto& [key, value] : data) list.push_back({key, value});
  return list;
}

std::map<std::string, std::string> map_of(const std::vector<LobbyDatum>& data) {
  std::map<std::string, std::string> map;
  for (const LobbyDatum& datum : data) map[datum.key] = datum.value;
  return map;
}

Identity identity_of(const std::string& text) { return Identity::parse(text).value_or(Identity()); }

LobbyView view_of(const LobbyEntered& entered) {
  LobbyView view{entered.lobby,
                 entered.kind,
                 entered.members_max,
                 entered.joinable,
                 identity_of(entered.owner),
                 {},
                 map_of(entered.data)};
  view.members.reserve(entered.members.size());
  for (const LobbyMemberState& member : entered.members) {
    view.members.push_back({identity_of(member.identity), map_of(member.data)});
  }
  return view;
}

}  // namespace

// --- commands -----------------------------------------------------------------------------------

template <typename Request>
std::uint32_t LobbyClient::ask(Request request, Instant now) {
  // 0 stands for what the server tells unasked.
  if (next_request_ == 0) ++next_request_;
  request.request = next_request_++;
  if (open_.size() >= kOpenMax) {
    done(request.request, LobbyResult::kTooMuch);
  } else {
    open_[request.request] = now + kAnswerTime;
    outputs_.push_back({request.request, encode(LobbyRequest(request))});
  }
  return request.request;
}

std::uint32_t LobbyClient::create(LobbyKind kind, std::uint8_t members_max, Instant now) {
  ASSERT(members_max >= 1 && members_max <= kLobbyMembersMax);
  return ask(LobbyCreate{0, kind, members_max}, now);
}
std::uint32_t LobbyClient::list(std::vector<LobbyFilter> filters, std::uint8_t slots_min,
                                std::uint8_t results_max, Instant now) {
  return ask(LobbyList{0, std::move(filters), slots_min, results_max}, now);
}
std::uint32_t LobbyClient::join(LobbyId lobby, Instant now) {
  return ask(LobbyJoin{0, lobby}, now);
}
std::uint32_t LobbyClient::leave(LobbyId lobby, Instant now) {
  return ask(LobbyLeave{0, lobby}, now);
}
std::uint32_t LobbyClient::send_datum(LobbyId lobby, bool of_member, bool remove, LobbyDatum datum,
                                      Instant now) {
  ASSERT(!datum.key.empty());
  return ask(LobbySetData{0, lobby, of_member, remove, std::move(datum)}, now);
}
std::uint32_t LobbyClient::set_data(LobbyId lobby, const std::string& key, const std::string& value,
                                    Instant now) {
  return send_datum(lobby, false, false, {key, value}, now);
}
std::uint32_t LobbyClient::remove_data(LobbyId lobby, const std::string& key, Instant now) {
  return send_datum(lobby, false, true, {key, {}}, now);
}
std::uint32_t LobbyClient::set_member_data(LobbyId lobby, const std::string& key,
                                           const std::string& value, Instant now) {
  return send_datum(lobby, true, false, {key, value}, now);
}
std::uint32_t LobbyClient::remove_member_data(LobbyId lobby, const std::string& key, Instant now) {
  return send_datum(lobby, true, true, {key, {}}, now);
}
std::uint32_t LobbyClient::chat(LobbyId lobby, std::vector<std::uint8_t> body, Instant now) {
  return ask(LobbyChat{0, lobby, std::move(body)}, now);
}
std::uint32_t LobbyClient::kick(LobbyId lobby, const Identity& member, Instant now) {
  return ask(LobbyKick{0, lobby, member.text()}, now);
}
std::uint32_t LobbyClient::set_owner(LobbyId lobby, const Identity& member, Instant now) {
  return ask(LobbySetOwner{0, lobby, member.text()}, now);
}
std::uint32_t LobbyClient::configure(LobbyId lobby, LobbyKind kind, std::uint8_t members_max,
                                     bool joinable, Instant now) {
  ASSERT(members_max >= 1 && members_max <= kLobbyMembersMax);
  return ask(LobbyConfigure{0, lobby, kind, members_max, joinable}, now);
}
std::uint32_t LobbyClient::report(LobbyId lobby, const Identity& member, Instant now) {
  return ask(LobbyReport{0, lobby, member.text()}, now);
}

void LobbyClient::report_silent(const Identity& user, Instant now) {
  for (const auto& [id, lobby] : lobbies_) {
    if (!online_ || open_.size() >= kOpenMax) return;
    if (lobby.find(user) != nullptr) reports_.insert(report(id, user, now));
  }
}

// --- the connection -----------------------------------------------------------------------------

void LobbyClient::on_online(const Identity& self, Instant now) {
  online_ = true;
  self_ = self;
  memberships_due_ = lobbies_.empty() ? kNever : now + kAnswerTime;
}

void LobbyClient::on_offline() {
  online_ = false;
  memberships_due_ = kNever;
  outputs_.clear();
  while (!open_.empty()) done(open_.begin()->first, LobbyResult::kOffline);
}

void LobbyClient::advance(Instant now) {
  now_ = now;
  while (!open_.empty() && open_.begin()->second <= now) {
    const std::uint32_t request = open_.begin()->first;
    std::erase_if(outputs_, [&](const Output& output) { return output.request == request; });
    done(request, online_ ? LobbyResult::kTimeout : LobbyResult::kOffline);
  }
  // A server without lobbies does not answer.
  if (now >= memberships_due_) on(LobbyMemberships());
}

Instant LobbyClient::next_deadline() const {
  if (may_send()) return kNow;
  return open_.empty() ? memberships_due_ : std::min(memberships_due_, open_.begin()->second);
}

// --- messages -----------------------------------------------------------------------------------

void LobbyClient::on_message(Bytes bytes, Instant now) {
  now_ = now;
  const auto notice = decode_lobby_notice(bytes);
  if (notice && online_) std::visit([&](const auto& one) { on(one); }, *notice);
}

void LobbyClient::on(const LobbyAnswer& answer) {
  if (restores_.contains(answer.request) || reports_.contains(answer.request))
    return done(answer.request, answer.result);
  if (open_.erase(answer.request) == 0) return;
  push(LobbyDoneEvent{answer.request, answer.result, answer.text});
}

void LobbyClient::on(const LobbyEntered& entered) {
  // Late answers count: the user is in the lobby, although the program was told that it failed.
  const bool asked = open_.erase(entered.request) > 0 && restores_.erase(entered.request) == 0;
  if (!lobbies_.contains(entered.lobby) && lobbies_.size() >= kLobbiesOfUserMax) {
    if (asked) push(LobbyDoneEvent{entered.request, LobbyResult::kTooMuch, {}});
    return;
  }
  lobbies_[entered.lobby] = view_of(entered);
  push(LobbyEnteredEvent{asked ? entered.request : 0, entered.lobby});
}

void LobbyClient::on(const LobbyListed& listed) {
  if (open_.erase(listed.request) > 0) push(LobbyListedEvent{listed.request, listed.lobbies});
}

void LobbyClient::on(const LobbyMemberships& memberships) {
  memberships_due_ = kNever;
  for (auto at = lobbies_.begin(); at != lobbies_.end();) {
    const LobbyId id = at->first;
    ++at;
    const bool kept = std::any_of(memberships.lobbies.begin(), memberships.lobbies.end(),
                                  [&](const auto& entry) { return entry.lobby == id; });
    if (!kept) restore(id, now_);
  }
}

void LobbyClient::on(const LobbyClaimed& claimed) {
  // Claims of lobbies that were not entered after all.
  if (claims_.size() > kLobbiesOfUserMax)
    std::erase_if(claims_, [&](const auto& one) { return !lobbies_.contains(one.first); });
  claims_[claimed.lobby] = {claimed.standing, claimed.claim};
}

// A restarted server knows no lobby; it says itself whether it was restarted.
void LobbyClient::restore(LobbyId lobby, Instant now) {
  const auto claim = claims_.find(lobby);
  if (claim == claims_.end()) return lose(lobby, LobbyLeaveWhy::kDisconnected);
  const LobbyView& view = lobbies_.at(lobby);
  const LobbyView::Member* self = view.find(self_);
  LobbyRestore request{0,
                       lobby,
                       claim->second.standing,
                       claim->second.claim,
                       view.kind,
                       std::max<std::uint8_t>(view.members_max, 1),
                       view.joinable,
                       list_of(view.data),
                       self == nullptr ? std::vector<LobbyDatum>() : list_of(self->data)};
  if (open_.size() >= kOpenMax) return lose(lobby, LobbyLeaveWhy::kDisconnected);
  restores_[ask(std::move(request), now)] = lobby;
  // Sent before everything that waits: new places must not take the room of those that existed.
  outputs_.push_front(std::move(outputs_.back()));
  outputs_.pop_back();
}

bool LobbyClient::may_send() const {
  if (!online_ || outputs_.empty()) return false;
  const bool settled = memberships_due_ == kNever && restores_.empty();
  return settled || restores_.contains(outputs_.front().request);
}

void LobbyClient::lose(LobbyId lobby, LobbyLeaveWhy why) {
  lobbies_.erase(lobby);
  claims_.erase(lobby);
  push(LobbyGoneEvent{lobby, why});
}

void LobbyClient::on(const LobbyMemberJoined& joined) {
  const auto at = lobbies_.find(joined.lobby);
  const Identity member = identity_of(joined.member);
  if (at == lobbies_.end() || !member.valid() || at->second.find(member) != nullptr) return;
  if (at->second.members.size() >= kLobbyMembersMax) return;
  at->second.members.push_back({member, {}});
  push(LobbyJoinedEvent{joined.lobby, member});
}

void LobbyClient::on(const LobbyMemberLeft& left) {
  const auto at = lobbies_.find(left.lobby);
  if (at == lobbies_.end()) return;
  const Identity member = identity_of(left.member);
  if (member == self_) return lose(left.lobby, left.why);
  std::vector<LobbyView::Member>& members = at->second.members;
  const std::size_t erased =
      std::erase_if(members, [&](const auto& one) { return one.identity == member; });
  if (erased > 0) push(LobbyLeftEvent{left.lobby, member, left.why});
}

void LobbyClient::on(const LobbyDataChanged& changed) {
  const auto at = lobbies_.find(changed.lobby);
  if (at == lobbies_.end()) return;
  LobbyView& view = at->second;
  std::map<std::string, std::string>* data = &view.data;
  std::optional<Identity> whose;
  if (!changed.member.empty()) {
    whose = identity_of(changed.member);
    const auto member = std::find_if(view.members.begin(), view.members.end(),
                                     [&](const auto& one) { return one.identity == *whose; });
    if (member == view.members.end()) return;
    data = &member->data;
  }
  const std::string& key = changed.datum.key;
  if (changed.removed) {
    data->erase(key);
  } else if (data->contains(key) || data->size() < (whose ? kMemberKeysMax : kLobbyKeysMax)) {
    (*data)[key] = changed.datum.value;
  }
  push(LobbyDataEvent{changed.lobby, whose, key, changed.datum.value, changed.removed});
}

void LobbyClient::on(const LobbyChatted& chatted) {
  const Identity from = identity_of(chatted.from);
  if (!lobbies_.contains(chatted.lobby) || !from.valid()) return;
  push(LobbyChatEvent{chatted.lobby, from, chatted.body});
}

void LobbyClient::on(const LobbyChanged& changed) {
  const auto at = lobbies_.find(changed.lobby);
  if (at == lobbies_.end()) return;
  at->second.kind = changed.kind;
  at->second.members_max = changed.members_max;
  at->second.joinable = changed.joinable;
  at->second.owner = identity_of(changed.owner);
  push(LobbyChangedEvent{changed.lobby});
}

// --- outputs ------------------------------------------------------------------------------------

const LobbyView* LobbyClient::find(LobbyId lobby) const {
  const auto at = lobbies_.find(lobby);
  return at == lobbies_.end() ? nullptr : &at->second;
}

void LobbyClient::push(LobbyEvent event) {
  if (events_.size() >= kEventsMax) {
    ++dropped_events_;
    return;
  }
  events_.push_back(std::move(event));
}

void LobbyClient::done(std::uint32_t request, LobbyResult result) {
  open_.erase(request);
  if (reports_.erase(request) > 0) return;
  const auto restored = restores_.find(request);
  if (restored == restores_.end())
    return push(LobbyDoneEvent{request, result, std::string(to_string(result))});
  const LobbyId lobby = restored->second;
  restores_.erase(restored);
  // If the connection broke again, that says nothing about the lobby.
  if (result != LobbyResult::kOffline) lose(lobby, LobbyLeaveWhy::kDisconnected);
}

std::optional<std::vector<std::uint8_t>> LobbyClient::poll_output() {
  if (!may_send()) return std::nullopt;
  std::vector<std::uint8_t> message = std::move(outputs_.front().message);
  outputs_.pop_front();
  return message;
}

std::optional<LobbyEvent> LobbyClient::poll_event() {
  if (events_.empty()) return std::nullopt;
  LobbyEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace whimbrel::rendezvous
