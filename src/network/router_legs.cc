// What the router does when something becomes of a leg.
#include <algorithm>
#include <utility>

#include "network/router.h"

namespace whimbrel {

namespace {

constexpr std::size_t kLegsLostMax = 64;
// A relay binds so many peers and no more; whom nothing was sent to for this long makes room for
// others.
constexpr Duration kIdleBinding = seconds(5);

}  // namespace

void Router::take_leg_events(Instant now) {
  while (const auto event = relays_.poll_event()) {
    std::visit([&](const auto& one) { on_leg(event->site, one, now); }, event->event);
  }
}

Router::Reached Router::take_reopened(const std::vector<IpAddress>& relays) {
  Reached most = Reached::kNothingNew;
  for (const auto& [id, reached] : std::exchange(reopened_, {})) {
    const Relays::Site* site = relays_.find(id);
    if (site == nullptr) continue;
    const bool asked = std::find(relays.begin(), relays.end(), site->ticket.relay) != relays.end();
    if (asked) most = std::max(most, reached);
  }
  return most;
}

void Router::suspect(const IpAddress& relay, bool restarted, Instant now) {
  for (const auto& site : relays_.sites()) {
    if (site->leg && site->ticket.relay == relay) site->leg->suspect(now, restarted);
  }
}

std::optional<relay::LegLost> Router::poll_leg_lost() {
  if (legs_lost_.empty()) return std::nullopt;
  const relay::LegLost lost = legs_lost_.front();
  legs_lost_.pop_front();
  return lost;
}

// Our slot is a new one: whoever talks to us must know. Where it is not at a relay of our own
// choice, only those who are there.
void Router::on_leg(SiteId site, const relay::LegOpened& event, Instant now) {
  Reached& reached = reopened_[site];
  reached = std::max(reached, event.forgotten ? Reached::kForgotten : Reached::kOpened);
  tell_carriers_at(site, now);  // what was bound is not bound here
  const Relays::Site* opened = relays_.find(site);
  const bool ours = opened == relays_.home() || opened == relays_.backup();
  for (auto& [id, contact] : contacts_) {
    if (!has_session(contact.user)) continue;
    if (!ours && !has_slot_at(contact, site)) continue;
    owe(contact, false);
    make_ready(contact, now);
  }
}

// Peers know our slot still.
void Router::on_leg(SiteId site, const relay::LegResumed&, Instant now) {
  reopened_.try_emplace(site, Reached::kOpened);
  tell_carriers_at(site, now);
}

void Router::on_leg(SiteId site, const relay::LegLost& event, Instant now) {
  if (legs_lost_.size() < kLegsLostMax) legs_lost_.push_back(event);
  tell_carriers_at(site, now);
}

void Router::on_leg(SiteId site, const relay::LegBound& event, Instant now) {
  const auto at = by_slot_.find(slot_key(site, event.slot));
  if (at == by_slot_.end()) return;
  if (event.result == relay::BindResult::kFull)
    return make_room(site, contacts_.at(at->second), now);
  if (event.result != relay::BindResult::kBound) return on_slot_gone(site, event.slot, now);
  tell_carriers(contacts_.at(at->second), now);
}

// Nothing is wrong with the grant: whoever has been sent nothing for a while gives its place to the
// other.
void Router::make_room(SiteId site, Contact& wants, Instant now) {
  relay::Leg& leg = *relays_.find(site)->leg;
  Contact* idle = nullptr;
  for (auto& [id, contact] : contacts_) {
    if (&contact == &wants || now - contact.sent < kIdleBinding) continue;
    const bool bound = std::any_of(
        contact.slots.begin(), contact.slots.end(),
        [&](const PeerSlot& slot) { return is_at(slot, site) && leg.bound(slot.grant.slot); });
    if (bound && (idle == nullptr || contact.sent < idle->sent)) idle = &contact;
  }
  if (idle == nullptr) return;
  for (const PeerSlot& slot : idle->slots) {
    if (is_at(slot, site)) leg.unbind(slot.grant.slot);
  }
  tell_carriers(*idle, now);
  make_ready(wants, now);
}

void Router::on_leg(SiteId site, const relay::LegPeerGone& event, Instant now) {
  on_slot_gone(site, event.slot, now);
}

// Peers shall use another relay, too.
void Router::on_leg(SiteId site, const relay::LegDraining&, Instant now) {
  tell_carriers_at(site, now);
  for (auto& [id, contact] : contacts_) {
    if (has_session(contact.user)) owe(contact, false);
  }
}

void Router::on_leg(SiteId site, const relay::LegSuspected&, Instant now) {
  tell_carriers_at(site, now);
}
void Router::on_leg(SiteId site, const relay::LegHeard&, Instant now) {
  tell_carriers_at(site, now);
}

bool Router::has_slot_at(const Contact& contact, SiteId site) {
  return std::any_of(contact.slots.begin(), contact.slots.end(),
                     [site](const PeerSlot& slot) { return is_at(slot, site); });
}

void Router::tell_carriers_at(SiteId site, Instant now) {
  for (const auto& [id, contact] : contacts_) {
    if (has_slot_at(contact, site)) tell_carriers(contact, now);
  }
}

}  // namespace whimbrel
