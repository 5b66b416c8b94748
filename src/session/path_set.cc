#include "session/path_set.h"

#include <algorithm>

namespace whimbrel {

PathEntry* PathSet::find(PathId id) {
  PathEntry* found = nullptr;
  for_each([&](PathEntry& entry) {
    if (entry.id() == id) found = &entry;
  });
  return found;
}

PathEntry* PathSet::find_local_of_several(ReceiverIndex index) {
  for (const auto& entry : several_->more) {
    if (entry->local_index == index && index != 0) return entry.get();
  }
  return nullptr;
}

PathEntry* PathSet::find_site(std::uint32_t site) {
  PathEntry* found = nullptr;
  for_each([&](PathEntry& entry) {
    const RelayRemote* relay = entry.remote.relay();
    if (relay != nullptr && relay->site == site && !entry.is<PathEntry::Gone>()) found = &entry;
  });
  return found;
}

PathEntry* PathSet::accept(PathId id, const PathConfig& config, Instant now) {
  Several& several = make_several();
  if (several.more.size() + 1 >= kPathsMax) return nullptr;
  ++several.indices_wanted;
  return several.more.emplace_back(std::make_unique<PathEntry>(id, config, now)).get();
}

PathEntry* PathSet::open(const PathConfig& config, Instant now) {
  PathEntry* entry = accept(PathId{make_several().next_id}, config, now);
  if (entry != nullptr) ++several_->next_id;
  return entry;
}

bool PathSet::was_there(PathId id) const {
  if (id == PathId{0}) return true;
  if (!several_) return false;
  if (leads_) return value(id) < several_->next_id;
  return several_->ended.contains(value(id)) || find(id) != nullptr;
}

void PathSet::end(PathId id) { make_several().ended.add(value(id)); }

bool PathSet::end_unseen(PathId id) {
  if (leads_) return false;
  end(id);
  return gaps_are_few();
}

void PathSet::sweep() {
  if (!several_) return;
  for (std::size_t i = several_->more.size(); i-- > 0;) {
    PathEntry& entry = *several_->more[i];
    const auto* gone = std::get_if<PathEntry::Gone>(&entry.state);
    if (gone != nullptr && gone->known && &entry != active_) erase(entry);
  }
}

void PathSet::erase(PathEntry& entry) {
  paid(entry.index_owed);
  paid(entry.abandon_owed);
  paid(entry.status_owed);
  if (entry.local_index == 0) {
    --several_->indices_wanted;
  } else {
    several_->retired.push_back(entry.local_index);
  }
  if (!leads_) end(entry.id());
  std::erase_if(several_->more, [&](const auto& one) { return one.get() == &entry; });
}

void PathSet::activate(PathEntry& entry, Instant now) {
  if (&entry == active_) return;
  if (!active_->is<PathEntry::Gone>()) active_->state = PathEntry::Standby{now + kProbeInterval};
  entry.state = PathEntry::Active{};
  active_ = &entry;
}

void PathSet::set_carriers(std::span<const RelayCarrier> carriers) {
  make_several().carriers.assign(carriers.begin(), carriers.end());
  several_->carriers_new = true;
}

const RelayCarrier* PathSet::carrier_of(std::uint32_t site) const {
  for (const RelayCarrier& carrier : carriers()) {
    if (carrier.remote.site == site) return &carrier;
  }
  return nullptr;
}

void PathSet::give_index(ReceiverIndex index) {
  for (const auto& entry : several_->more) {
    if (entry->local_index != 0) continue;
    entry->local_index = index;
    --several_->indices_wanted;
    owe(entry->index_owed);
    return;
  }
}

std::optional<ReceiverIndex> PathSet::take_retired_index() {
  if (!several_ || several_->retired.empty()) return std::nullopt;
  const ReceiverIndex index = several_->retired.back();
  several_->retired.pop_back();
  return index;
}

bool PathSet::idle() const {
  bool idle = true;
  for_each([&](const PathEntry& entry) {
    idle = idle && (!entry.expects_answers() || entry.path.idle());
  });
  return idle;
}

Instant PathSet::oldest_unacked_time() const {
  Instant oldest = kNever;
  for_each([&](const PathEntry& entry) {
    if (entry.expects_answers()) oldest = std::min(oldest, entry.path.oldest_unacked_time());
  });
  return oldest;
}

}  // namespace whimbrel
