#include "network/routes.h"

#include <algorithm>

namespace whimbrel {

namespace {

// A better route must stay better for so long, by so much or a tenth.
constexpr Duration kMoveTime = seconds(5);
constexpr Duration kMoveMargin = milliseconds(5);
// The peer is heard over another route and not over ours for this long: it has left ours. Who follows does so at once; who leads
// first sends over both, and gives the peer time to follow.
constexpr Duration kFollowAfter = milliseconds(50);
constexpr Duration kDoubleAfter = milliseconds(100);
constexpr Duration kLeadAfterMin = milliseconds(150);
constexpr Duration kLeadSlack = milliseconds(100);
constexpr Duration kUnknownRtt = seconds(1);

const relay::Leg* leg_of(const Relays& relays, const Routes::Route& route) {
  const Relays::Site* site = relays.find(route.site());
  return site == nullptr ? nullptr : site->leg.get();
}

bool usable(const Relays& relays, const Routes::Route& route) {
  const relay::Leg* leg = leg_of(relays, route);
  return leg != nullptr && leg->bound(route.slot.grant.slot);
}

bool healthy(const Relays& relays, const Routes::Route& route) {
  const relay::Leg* leg = leg_of(relays, route);
  return leg != nullptr && leg->healthy() && leg->bound(route.slot.grant.slot);
}

// Round trip between the two ends.
Duration length(const Relays& relays, const Routes::Route& route) {
  const Relays::Site* site = relays.find(route.site());
  if (site == nullptr) return 2 * kUnknownRtt;
  const Duration theirs =
      route.slot.rtt == PeerSlot::kUnknown ? kUnknownRtt : route.slot.rtt * kSignalRttUnit;
  return relays.rtt(*site).value_or(kUnknownRtt) + theirs;
}

}  // namespace

std::size_t Routes::find(SiteId site, relay::SlotId slot) const {
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (routes_[i].site() == site && routes_[i].slot.grant.slot == slot) return i;
  }
  return kNone;
}

std::vector<PeerSlot> Routes::learn(const std::vector<PeerSlot>& slots, Instant now) {
  std::vector<Route> learned;
  for (const PeerSlot& slot : slots) {
    if (learned.size() == kMax) break;
    const std::size_t known = find(slot.grant.relay_id, slot.grant.slot);
    learned.push_back({slot, known == kNone ? now : routes_[known].heard});
  }
  const auto kept = [&](const Route& old) {
    return std::any_of(learned.begin(), learned.end(), [&](const Route& route) {
      return route.site() == old.site() && route.slot.grant.slot == old.slot.grant.slot;
    });
  };
  std::vector<PeerSlot> gone;
  for (const Route& old : routes_) {
    if (!kept(old)) gone.push_back(old.slot);
  }
  const auto moved = [&](std::size_t old) {
    if (old >= routes_.size()) return kNone;
    const relay::Grant grant = routes_[old].slot.grant;
    for (std::size_t i = 0; i < learned.size(); ++i) {
      if (learned[i].site() == grant.relay_id && learned[i].slot.grant.slot == grant.slot) return i;
    }
    return kNone;
  };
  active_ = moved(active_);
  also_ = moved(also_);
  routes_ = std::move(learned);
  return gone;
}

bool Routes::forget(SiteId site, relay::SlotId slot) {
  const std::size_t at = find(site, slot);
  if (at == kNone) return false;
  const auto after = [at](std::size_t place) {
    if (place == at) return kNone;
    return place != kNone && place > at ? place - 1 : place;
  };
  active_ = after(active_);
  also_ = after(also_);
  routes_.erase(routes_.begin() + static_cast<long>(at));
  return true;
}

std::vector<Routes::Route> Routes::ready(const Relays& relays) const {
  std::vector<Route> known;
  for (const Route& route : routes_) {
    if (relays.find(route.site()) != nullptr) known.push_back(route);
  }
  const auto order = [&](const Route& a, const Route& b) {
    const Duration first = length(relays, a);
    const Duration second = length(relays, b);
    return first != second ? first < second : a.site() < b.site();
  };
  std::stable_sort(known.begin(), known.end(), order);
  if (known.size() > kReady) known.resize(kReady);
  return known;
}

// Healthy ones before others, then the shortest; both ends break a tie alike.
std::size_t Routes::best(const Relays& relays, std::size_t except) const {
  std::size_t found = kNone;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const Route& route = routes_[i];
    if (i == except || !usable(relays, route)) continue;
    if (found == kNone) {
      found = i;
      continue;
    }
    const Route& other = routes_[found];
    const bool sound = healthy(relays, route);
    const bool other_sound = healthy(relays, other);
    const Duration a = length(relays, route);
    const Duration b = length(relays, other);
    const bool wins = sound != other_sound ? sound : a != b ? a < b : route.site() < other.site();
    if (wins) found = i;
  }
  return found;
}

void Routes::use(std::size_t at, Instant now) {
  if (at < routes_.size()) routes_[at].heard = now;
  active_ = at;
  also_ = kNone;
  answered_ = doubled_ = false;
  move_at_ = kNever;
}

void Routes::choose(const Relays& relays, Instant now) {
  if (also_ >= routes_.size() || !usable(relays, routes_[also_])) {
    also_ = kNone;
    doubled_ = false;
  }
  if (active_ >= routes_.size() || !usable(relays, routes_[active_])) {
    return use(best(relays, kNone), now);
  }
  if (healthy(relays, routes_[active_])) {
    if (!doubled_) also_ = kNone;
    if (!follows_) return move_if_better(relays, now);
    move_at_ = kNever;
    return;
  }
  move_at_ = kNever;  // a deadline that nobody serves would keep the driver busy
  const std::size_t other = best(relays, active_);
  if (other == kNone || !healthy(relays, routes_[other])) return;
  const relay::Leg* leg = leg_of(relays, routes_[active_]);
  // A relay that is about to stop is left while it still works; one in doubt may be well.
  if (leg->draining()) return use(other, now);
  also_ = other;
}

void Routes::move_if_better(const Relays& relays, Instant now) {
  const std::size_t other = best(relays, kNone);
  const Duration here = length(relays, routes_[active_]);
  const bool worth = other != active_ && healthy(relays, routes_[other]) &&
                     here - length(relays, routes_[other]) > std::max(kMoveMargin, here / 10);
  if (!worth || (move_at_ != kNever && move_to_ != routes_[other].site())) move_at_ = kNever;
  if (!worth) return;
  if (move_at_ == kNever) {
    move_to_ = routes_[other].site();
    move_at_ = now + kMoveTime;
  } else if (now >= move_at_) {
    use(other, now);
  }
}

void Routes::on_heard(SiteId site, relay::SlotId slot, const Relays& relays, Instant now) {
  const std::size_t at = find(site, slot);
  if (at == kNone) return;
  if (at == active_) {
    routes_[at].heard = now;
    answered_ = true;
    if (doubled_) also_ = kNone;
    doubled_ = false;
    return;
  }
  if (active_ >= routes_.size()) return choose(relays, now);
  const Duration silence = now - routes_[active_].heard;
  if (silence < kFollowAfter || !usable(relays, routes_[at])) return;
  if (follows_) return use(at, now);
  if (silence >= std::max(kLeadAfterMin, 2 * length(relays, routes_[active_]) + kLeadSlack)) {
    use(at, now);
  } else if (answered_ && silence >= kDoubleAfter) {
    also_ = at;
    doubled_ = true;
  }
}

}  // namespace whimbrel
