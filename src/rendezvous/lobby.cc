#include "rendezvous/lobby.h"

#include <algorithm>
#include <charconv>

namespace whimbrel::rendezvous {

namespace {

using Compare = LobbyFilter::Compare;

std::size_t size_of(const std::map<std::string, std::string>& data) {
  std::size_t size = 0;
  for (const auto& [key, value] : data) size += key.size() + value.size();
  return size;
}

std::vector<LobbyDatum> list_of(const std::map<std::string, std::string>& data) {
  std::vector<LobbyDatum> list;
  list.reserve(data.size());
  for (const auto& [key, value] : data) list.push_back({key, value});
  return list;
}

bool number_fits(Compare compare, std::int64_t value, std::int64_t wanted) {
  switch (compare) {
    case Compare::kEqual:
      return value == wanted;
    case Compare::kNotEqual:
      return value != wanted;
    case Compare::kLess:
      return value < wanted;
    case Compare::kLessOrEqual:
      return value <= wanted;
    case Compare::kGreater:
      return value > wanted;
    case Compare::kGreaterOrEqual:
      return value >= wanted;
    case Compare::kTextEqual:
    case Compare::kTextNotEqual:
      break;
  }
  return false;
}

bool fits(const LobbyFilter& filter, const std::map<std::string, std::string>& data) {
  const auto at = data.find(filter.key);
  const std::string_view text = at == data.end() ? std::string_view() : at->second;
  if (filter.compare == Compare::kTextEqual) return text == filter.text;
  if (filter.compare == Compare::kTextNotEqual) return text != filter.text;
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stopped == end &&
         number_fits(filter.compare, value, filter.number);
}

std::uint8_t clamp_members(std::uint8_t wanted) {
  return std::clamp<std::uint8_t>(wanted, 1, kLobbyMembersMax);
}

}  // namespace

Lobby::Lobby(LobbyId id, std::uint32_t app_id, const LobbyCreate& create, const Identity& owner)
    : id_(id),
      app_id_(app_id),
      kind_(create.kind),
      members_max_(clamp_members(create.members_max)),
      owner_(owner) {
  members_.push_back({owner, {}});
}

const Lobby::Member* Lobby::find(const Identity& user) const {
  const auto at = std::find_if(members_.begin(), members_.end(),
                               [&](const Member& member) { return member.identity == user; });
  return at == members_.end() ? nullptr : &*at;
}

Lobby::Member* Lobby::find(const Identity& user) {
  return const_cast<Member*>(std::as_const(*this).find(user));
}

LobbyResult Lobby::add(const Identity& user, std::uint64_t mark) {
  if (has(user)) return LobbyResult::kOk;
  if (kicked(mark)) return LobbyResult::kKicked;
  if (!joinable_) return LobbyResult::kNotJoinable;
  if (members_.size() >= members_max_) return LobbyResult::kFull;
  members_.push_back({user, {}});
  return LobbyResult::kOk;
}

LobbyResult Lobby::add_again(const Identity& user, std::uint64_t mark) {
  if (has(user)) return LobbyResult::kOk;
  if (kicked(mark)) return LobbyResult::kKicked;
  if (members_.size() >= kLobbyMembersMax) return LobbyResult::kFull;
  members_.push_back({user, {}});
  return LobbyResult::kOk;
}

bool Lobby::kicked(std::uint64_t mark) const {
  return std::find(kicked_.begin(), kicked_.end(), LobbyStanding::Kicked{mark}) != kicked_.end();
}

void Lobby::kick(std::uint64_t mark) {
  if (kicked(mark)) return;
  if (kicked_.size() >= kLobbyKickedMax) kicked_.erase(kicked_.begin());
  kicked_.push_back({mark});
}

void Lobby::remove(const Identity& user) {
  const Member* member = find(user);
  if (member == nullptr) return;
  data_bytes_ -= size_of(member->data);
  members_.erase(members_.begin() + (member - members_.data()));
}

LobbyResult Lobby::set_owner(const Identity& user) {
  if (!has(user)) return LobbyResult::kNotMember;
  owner_ = user;
  return LobbyResult::kOk;
}

void Lobby::stand_anew(std::uint64_t unix_ms, std::uint64_t life) {
  since_ = std::max(since_ + 1, unix_ms);
  life_ = life;
}

bool Lobby::stand_as(const LobbyStanding& standing, std::uint64_t life) {
  const bool made_here = life_ == life && brought_ == 0;
  const auto owner = Identity::parse(standing.owner);
  if (!owner || made_here || standing.life == life || standing.since <= brought_) return false;
  owner_ = *owner;
  kicked_ = standing.kicked;
  since_ = brought_ = standing.since;
  life_ = standing.life;
  has_owners_data_ = false;
  return true;
}

void Lobby::configure(const LobbyConfigure& configure) {
  kind_ = configure.kind;
  members_max_ = clamp_members(configure.members_max);
  joinable_ = configure.joinable;
}

namespace {

// This comes from a client: what is over the limits of set_data() is left out.
std::map<std::string, std::string> restored(const std::vector<LobbyDatum>& data,
                                            std::size_t bytes_max) {
  std::map<std::string, std::string> map;
  std::size_t bytes = 0;
  for (const LobbyDatum& datum : data) {
    bytes += datum.key.size() + datum.value.size();
    if (!datum.key.empty() && bytes <= bytes_max) map.emplace(datum.key, datum.value);
  }
  return map;
}

}  // namespace

void Lobby::restore(const LobbyRestore& restore, bool of_owner) {
  has_owners_data_ = of_owner;
  configure({0, id_, restore.kind, restore.members_max, restore.joinable});
  data_bytes_ -= size_of(data_);
  data_ = restored(restore.data, kLobbyKeysMax * (kLobbyKeyBytesMax + kLobbyValueBytesMax));
  data_bytes_ += size_of(data_);
}

void Lobby::restore_data(const Identity& user, const std::vector<LobbyDatum>& data) {
  Member* member = find(user);
  if (member == nullptr) return;
  data_bytes_ -= size_of(member->data);
  member->data = restored(data, kMemberDataBytesMax);
  data_bytes_ += size_of(member->data);
}

bool Lobby::room_for(const Data& data, bool of_member, const LobbyDatum& datum) const {
  const auto at = data.find(datum.key);
  const std::size_t keys = data.size() + (at == data.end() ? 1 : 0);
  if (keys > (of_member ? kMemberKeysMax : kLobbyKeysMax)) return false;
  if (!of_member) return true;
  const std::size_t before = at == data.end() ? 0 : at->first.size() + at->second.size();
  return size_of(data) - before + datum.key.size() + datum.value.size() <= kMemberDataBytesMax;
}

LobbyResult Lobby::set_data(const std::optional<Identity>& member, const LobbySetData& set) {
  Member* found = member ? find(*member) : nullptr;
  if (member && found == nullptr) return LobbyResult::kNotMember;
  Data& data = found == nullptr ? data_ : found->data;
  if (!set.remove && !room_for(data, found != nullptr, set.datum)) return LobbyResult::kTooMuch;
  const auto at = data.find(set.datum.key);
  if (at != data.end()) {
    data_bytes_ -= at->first.size() + at->second.size();
    data.erase(at);
  }
  if (set.remove) return LobbyResult::kOk;
  data_bytes_ += set.datum.key.size() + set.datum.value.size();
  data.emplace(set.datum.key, set.datum.value);
  return LobbyResult::kOk;
}

bool Lobby::matches(const LobbyList& list) const {
  if (!listed() || !joinable_) return false;
  // Never negative, although members_max_ may be below the count.
  const std::size_t free = members_max_ - std::min<std::size_t>(members_max_, members_.size());
  if (free < list.slots_min) return false;
  return std::all_of(list.filters.begin(), list.filters.end(),
                     [&](const LobbyFilter& filter) { return fits(filter, data_); });
}

LobbyInfo Lobby::info() const {
  return {id_, static_cast<std::uint8_t>(members_.size()), members_max_, list_of(data_)};
}

LobbyEntered Lobby::entered(std::uint32_t request) const {
  LobbyEntered all{request, id_, kind_, members_max_, joinable_, owner_.text(), {}, list_of(data_)};
  all.members.reserve(members_.size());
  for (const Member& member : members_) {
    all.members.push_back({member.identity.text(), list_of(member.data)});
  }
  return all;
}

LobbyChanged Lobby::changed() const { return {id_, kind_, members_max_, joinable_, owner_.text()}; }

}  // namespace whimbrel::rendezvous
