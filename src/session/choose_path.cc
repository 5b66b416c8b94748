#include "session/choose_path.h"

#include <algorithm>
#include <tuple>

namespace whimbrel {

namespace {

Duration length(const PathView& path, const PathPolicy& policy) {
  Duration length = path.rtt;
  if (path.direct) length -= policy.direct_bonus;
  if (path.v6) length -= policy.v6_bonus;
  return length;
}

// The least is best. Both ends break a tie alike.
auto rank(const PathView& path, const PathPolicy& policy) {
  return std::tuple(path.dead, path.peer_standby && !policy.leads, !path.healthy(),
                    path.peer_standby, length(path, policy), value(path.id));
}

const PathView* find(std::span<const PathView> views, std::optional<PathId> id) {
  if (!id) return nullptr;
  const auto at =
      std::find_if(views.begin(), views.end(), [&](const PathView& one) { return one.id == *id; });
  return at == views.end() ? nullptr : &*at;
}

const PathView* best(std::span<const PathView> views, const PathPolicy& policy,
                     const PathView* except) {
  const PathView* found = nullptr;
  for (const PathView& path : views) {
    if (!path.usable || &path == except) continue;
    if (found == nullptr || rank(path, policy) < rank(*found, policy)) found = &path;
  }
  return found;
}

// While both are healthy.
PathChoice move_if_better(const PathView& active, const PathView& other, const PathPolicy& policy,
                          const PathChoice& before, Instant now) {
  PathChoice choice{.active = active.id};
  const Duration here = length(active, policy);
  const Duration gain = here - length(other, policy);
  if (!policy.leads || other.peer_standby ||
      gain <= std::max(policy.move_margin, active.rtt / 10)) {
    return choice;
  }
  choice.better = other.id;
  choice.move_at = before.better == other.id ? before.move_at : now + policy.move_time;
  if (now >= choice.move_at) return {.active = other.id};
  return choice;
}

}  // namespace

PathChoice choose_path(std::span<const PathView> views, const PathPolicy& policy,
                       const PathChoice& before, Instant now) {
  const PathView* active = find(views, before.active);
  const PathView* other = best(views, policy, active);
  if (active == nullptr || !active->usable) {
    return {.active = other == nullptr ? std::nullopt : std::optional(other->id)};
  }
  if (other == nullptr || other->dead) return {.active = active->id};
  // The peer has left this path: a follower goes with its leader, and a leader does not use what
  // its follower cannot.
  const bool left = active->peer_standby && !other->peer_standby;
  if (left || active->dead) return {.active = other->id};
  if (!other->healthy()) return {.active = active->id};
  // A relay that is about to stop is left while it works; what is in doubt may be well.
  if (active->draining) return {.active = other->id};
  if (active->doubted) return {.active = active->id, .also = other->id};
  return move_if_better(*active, *other, policy, before, now);
}

}  // namespace whimbrel
