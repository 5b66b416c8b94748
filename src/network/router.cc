#include "network/router.h"

#include <algorithm>
#include <utility>

#include "handshake/packets.h"
#include "handshake/reset.h"

namespace whimbrel {

namespace {

constexpr Duration kSweepInterval = seconds(10);
// A contact without a session is forgotten after this.
constexpr Duration kRemoteLife = seconds(60);
constexpr std::int64_t kGrantLifeSeconds = 600;
// A peer gets new ones well before: it may need to bind again when no rendezvous is there.
constexpr Duration kTellInterval = seconds(240);
// So many relays to a user are kept ready: one that is used and one for when it is lost.
constexpr std::size_t kReady = 2;
// Round trip to a relay that nobody has measured.
constexpr Duration kUnknownRtt = seconds(1);
// A peer that has lost our slot, or we its, is asked no more often.
constexpr Duration kAskInterval = milliseconds(500);

// InitXX and what follows it show a stranger that somebody is here; over the rendezvous the key is
// known, so nobody needs it.
bool may_come_as_signal(Bytes packet) {
  const auto kind = handshake_kind(packet);
  return kind == HandshakeKind::kInitIk || kind == HandshakeKind::kRespIk ||
         kind == HandshakeKind::kCookieReply || kind == HandshakeKind::kVersionReply;
}

// Those that are only sent to whom we want to talk to.
bool shows_consent(Bytes packet) {
  const auto kind = handshake_kind(packet);
  return kind == HandshakeKind::kInitIk || kind == HandshakeKind::kRespIk;
}

}  // namespace

Router::Router(Endpoint& users, std::uint32_t app_id, Random& random, Instant now,
               const WallClock& clock, const RouterLimits& limits)
    : endpoint_(users),
      app_id_(app_id),
      limits_(limits),
      clock_(clock),
      relays_(random),
      pace_(limits.requests_per_second, limits.requests_per_second, now),
      next_sweep_(now + kSweepInterval) {}

// --- contacts ------------------------------------------------------------------------------------

Router::Contact* Router::find(const Identity& user) {
  const auto at = by_user_.find(user);
  return at == by_user_.end() ? nullptr : find(at->second);
}

Router::Contact* Router::find(ContactId id) {
  const auto at = contacts_.find(id);
  return at == contacts_.end() ? nullptr : &at->second;
}

Router::Contact* Router::contact_for(const Identity& user, bool stranger, Instant now) {
  Contact* known = find(user);
  if (known == nullptr) {
    // Names may cost nothing: those whom others make up leave room for those whom we dial.
    const std::size_t room = stranger ? limits_.contacts_max * 3 / 4 : limits_.contacts_max;
    if (contacts_.size() >= room) return nullptr;
    const ContactId id{next_id_++};
    known = &contacts_[id];
    known->id = id;
    known->user = user;
    known->hash = relay::identity_hash(app_id_, user.text());
    by_user_[user] = id;
  }
  known->used = now;
  return known;
}

void Router::sweep(Instant now) {
  next_sweep_ = now + kSweepInterval;
  for (auto at = contacts_.begin(); at != contacts_.end();) {
    Contact& contact = at->second;
    if (has_session(contact.user)) {
      contact.used = now;
      make_ready(contact, now);
      if (now - contact.told >= kTellInterval) owe(contact, false);
    }
    if (now - contact.used < kRemoteLife) {
      ++at;
      continue;
    }
    for (const PeerSlot& slot : contact.slots) forget_slot(contact, slot);
    by_user_.erase(contact.user);
    at = contacts_.erase(at);
  }
}

// --- the rendezvous ------------------------------------------------------------------------------

void Router::on_found(const Identity& user, const PublicKey& key, Instant now) {
  Contact* contact = contact_for(user, false, now);
  if (contact == nullptr) {
    return endpoint_.refuse_route(user, kEndMiscInternalError, "too many users at once", now);
  }
  endpoint_.provide_route(user, SignalRemote{value(contact->id)}, key, now);
}

void Router::on_not_found(const Identity& user, int reason, const std::string& text, Instant now) {
  endpoint_.refuse_route(user, reason, text, now);
}

void Router::on_tickets(const std::vector<SiteTicket>& tickets, Instant now) {
  relays_.on_tickets(tickets, now);
  take_leg_events(now);
  // A site may have gone from the list.
  for (auto& [id, contact] : contacts_) tell_carriers(contact, now);
}

UserSites Router::sites_of(const Identity& user) const {
  UserSites found;
  const auto at = by_user_.find(user);
  if (at == by_user_.end()) return found;
  const auto name = [&](SiteId site_id) {
    const Relays::Site* site = relays_.find(site_id);
    return site == nullptr ? std::string() : site->name;
  };
  const auto remote = endpoint_.remote_of(user);
  if (remote && remote->relay() != nullptr) found.relay = name(remote->relay()->site);
  const std::vector<PeerSlot>& slots = contacts_.at(at->second).slots;
  if (!slots.empty()) found.home = name(slots.front().grant.relay_id);
  return found;
}

void Router::on_signal(const Identity& user, Bytes body, Instant now) {
  ++stats_.signals_in;
  const auto signal = read_signal(body);
  if (!signal) {
    ++stats_.dropped_malformed;
    return;
  }
  // Only a packet may come from somebody who is new here.
  const bool is_packet = signal->kind == SignalKind::kPacket;
  if (is_packet && !may_come_as_signal(signal->packet)) {
    ++stats_.dropped_malformed;
    return;
  }
  Contact* contact = is_packet ? contact_for(user, true, now) : find(user);
  if (contact == nullptr) {
    ++stats_.dropped_full;
    return;
  }
  // Whoever has not been let in changes nothing here, and gets nothing.
  if (!signal->slots.empty()) {
    contact->claims = signal->slots;
    if (has_session(user)) learn_slots(*contact, now);
  }
  if (signal->kind == SignalKind::kPacket) {
    std::vector<std::uint8_t> packet(signal->packet.begin(), signal->packet.end());
    endpoint_.receive(SignalRemote{value(contact->id)}, packet, now);
    return tell_carriers(*contact, now);  // perhaps a session was made by it
  }
  if (!has_session(user)) return;
  if (signal->kind == SignalKind::kAskGrant) {
    // What it was told a moment ago may have been lost: it is told once more, a little later.
    const Instant due = contact->told + kAskInterval / 2;
    if (!contact->missed && now < due) {
      next_tell_ = std::min(next_tell_, contact->tell_at = due);
      return;
    }
    // Perhaps a slot is gone and we have not noticed; then all get new grants when there is
    // another.
    for (const auto& site : relays_.sites()) {
      if (site->leg) site->leg->suspect(now);
    }
    return owe(*contact, false);
  }
  // It has come back, and what it was told meanwhile did not reach it.
  if (contact->missed) owe(*contact, false);
}

void Router::on_undelivered(const Identity& user, bool again) {
  Contact* contact = find(user);
  if (contact == nullptr) return;
  contact->missed = true;
  if (again) owe(*contact, contact->slots.empty());
}

// A quarter is left for what others ask under the same name.
void Router::set_pace(std::uint32_t requests_per_second, Instant now) {
  const double usual = limits_.requests_per_second;
  const double most = limits_.requests_per_second_max;
  const double pace = std::min(requests_per_second == 0 ? usual : 0.75 * requests_per_second, most);
  pace_ = TokenBucket(pace, std::clamp(pace, 1.0, usual), now);
}

void Router::on_online(Instant now) {
  for (const auto& site : relays_.sites()) {
    if (site->leg) site->leg->suspect(now);
  }
  for (auto& [id, contact] : contacts_) {
    if (!has_session(contact.user)) continue;
    // What it told us meanwhile may have been lost, too, and the rendezvous does not know.
    contact.asked.reset();
    owe(contact, false);
    ask_grant(contact, now);
  }
}

void Router::tell_all() {
  for (auto& [id, contact] : contacts_) {
    if (has_session(contact.user)) owe(contact, false);
  }
}

void Router::tell_due(Instant now) {
  next_tell_ = kNever;
  for (auto& [id, contact] : contacts_) {
    if (contact.tell_at <= now) {
      contact.tell_at = kNever;
      owe(contact, false);
    }
    next_tell_ = std::min(next_tell_, contact.tell_at);
  }
}

std::optional<RouterRequest> Router::poll_request(Instant now) {
  // Lookups wait at the endpoint, handshake packets nowhere: half of the places are theirs.
  while (requests_.size() < limits_.requests_max / 2) {
    const auto user = endpoint_.poll_route_wanted();
    if (!user) break;
    requests_.emplace_back(LookupRequest{*user});
  }
  if ((requests_.empty() && notices_.empty()) || !pace_.take(1, now)) return std::nullopt;
  if (!requests_.empty()) {
    RouterRequest request = std::move(requests_.front());
    requests_.pop_front();
    return request;
  }
  return next_notice(now);
}

// Written when it leaves, so that its grants are the latest.
std::optional<RouterRequest> Router::next_notice(Instant now) {
  while (!notices_.empty()) {
    Contact* contact = find(notices_.front());
    notices_.pop_front();
    if (contact == nullptr) continue;
    const bool ask = std::exchange(contact->notice, Notice::kNone) == Notice::kAsk;
    SignalView view{ask ? SignalKind::kAskGrant : SignalKind::kGrant, our_slots(*contact, now), {}};
    // Where no leg is open all are told when one is.
    if ((view.slots.empty() && !ask) || !has_session(contact->user)) continue;
    if (!view.slots.empty()) {
      contact->told = now;
      contact->missed = false;
    }
    ++stats_.signals_out;
    return SignalRequest{contact->user, write_signal(view)};
  }
  return std::nullopt;
}

// A handshake packet; `with_slots`: the peer may answer over a relay.
void Router::signal(Contact& contact, Bytes packet, bool with_slots, Instant now) {
  if (requests_.size() >= limits_.requests_max) {
    ++stats_.dropped_full;
    return;
  }
  SignalView view{SignalKind::kPacket, {}, packet};
  if (with_slots) view.slots = our_slots(contact, now);
  if (!view.slots.empty()) {
    contact.told = now;
    contact.missed = false;
  }
  ++stats_.signals_out;
  requests_.emplace_back(SignalRequest{contact.user, write_signal(view)});
}

// The peer is to be told our slots, and asked for its own; one notice holds both.
void Router::owe(Contact& contact, bool ask) {
  if (contact.notice == Notice::kNone) notices_.push_back(contact.id);
  if (contact.notice != Notice::kAsk) contact.notice = ask ? Notice::kAsk : Notice::kSlots;
}

// --- grants --------------------------------------------------------------------------------------

// Home first; what is about to stop last.
std::vector<PeerSlot> Router::our_slots(const Contact& contact, Instant now) const {
  std::vector<const Relays::Site*> open;
  for (const auto& site : relays_.sites()) {
    if (site->open()) open.push_back(site.get());
  }
  const auto rank = [&](const Relays::Site* site) {
    if (site->leg->draining()) return 3;
    return site == relays_.home() ? 0 : site == relays_.backup() ? 1 : 2;
  };
  std::stable_sort(open.begin(), open.end(),
                   [&](const auto* a, const auto* b) { return rank(a) < rank(b); });
  if (open.size() > kSignalSlotsMax) open.resize(kSignalSlotsMax);
  std::vector<PeerSlot> slots;
  for (const Relays::Site* site : open) {
    PeerSlot& slot = slots.emplace_back();
    slot.grant = site->leg->make_grant(contact.hash, clock_.seconds_at(now) + kGrantLifeSeconds);
    const auto rtt = relays_.rtt(*site);
    if (rtt)
      slot.rtt = static_cast<std::uint16_t>(
          std::min<std::int64_t>(*rtt / kSignalRttUnit, PeerSlot::kUnknown - 1));
  }
  return slots;
}

void Router::learn_slots(Contact& contact, Instant now) {
  std::vector<PeerSlot> ours;
  for (const PeerSlot& slot : contact.claims) {
    if (ours.size() == kSignalSlotsMax) break;
    // A slot belongs to one peer: the first that names it, until the relay says that its grant is
    // none.
    const auto [at, added] =
        by_slot_.try_emplace(slot_key(slot.grant.relay_id, slot.grant.slot), contact.id);
    const bool twice = std::any_of(ours.begin(), ours.end(), [&](const PeerSlot& one) {
      return is(one, slot.grant.relay_id, slot.grant.slot);
    });
    if ((added || at->second == contact.id) && !twice) ours.push_back(slot);
  }
  const std::vector<PeerSlot> before = std::exchange(contact.slots, std::move(ours));
  for (const PeerSlot& old : before) {
    const bool kept = std::any_of(
        contact.slots.begin(), contact.slots.end(),
        [&](const PeerSlot& one) { return is(one, old.grant.relay_id, old.grant.slot); });
    if (!kept) forget_slot(contact, old);
  }
  make_ready(contact, now);
  tell_carriers(contact, now);
}

// The slot is free again for whoever else has named it.
void Router::learn_from_others(SiteId site, relay::SlotId slot, Instant now) {
  for (auto& [id, contact] : contacts_) {
    const bool claims = std::any_of(contact.claims.begin(), contact.claims.end(),
                                    [&](const PeerSlot& claim) { return is(claim, site, slot); });
    if (claims && has_session(contact.user)) learn_slots(contact, now);
  }
}

void Router::forget_slot(const Contact& contact, const PeerSlot& slot) {
  const auto at = by_slot_.find(slot_key(slot.grant.relay_id, slot.grant.slot));
  if (at == by_slot_.end() || at->second != contact.id) return;
  by_slot_.erase(at);
  Relays::Site* site = relays_.find(slot.grant.relay_id);
  if (site != nullptr && site->leg) site->leg->unbind(slot.grant.slot);
}

void Router::on_slot_gone(SiteId site, relay::SlotId slot, Instant now) {
  const auto at = by_slot_.find(slot_key(site, slot));
  if (at == by_slot_.end()) return;
  Contact& contact = contacts_.at(at->second);
  by_slot_.erase(at);
  const auto gone = [&](const PeerSlot& one) { return is(one, site, slot); };
  std::erase_if(contact.slots, gone);
  std::erase_if(contact.claims, gone);
  tell_carriers(contact, now);
  ask_grant(contact, now);
  learn_from_others(site, slot, now);
}

// --- relays --------------------------------------------------------------------------------------

RelayCarrier Router::carrier_of(const PeerSlot& slot) const {
  RelayCarrier carrier{.remote = {slot.grant.relay_id, slot.grant.slot.value}};
  const Relays::Site* site = relays_.find(slot.grant.relay_id);
  const Duration theirs = slot.rtt == PeerSlot::kUnknown ? kUnknownRtt : slot.rtt * kSignalRttUnit;
  carrier.rtt = theirs + (site == nullptr ? kUnknownRtt : relays_.rtt(*site).value_or(kUnknownRtt));
  if (site == nullptr || !site->leg || !site->leg->bound(slot.grant.slot)) return carrier;
  carrier.state = site->leg->draining()  ? CarrierState::kDraining
                  : site->leg->healthy() ? CarrierState::kUp
                                         : CarrierState::kDoubted;
  return carrier;
}

std::vector<PeerSlot> Router::best_slots(const Contact& contact) const {
  std::vector<PeerSlot> known;
  for (const PeerSlot& slot : contact.slots) {
    if (relays_.find(slot.grant.relay_id) != nullptr) known.push_back(slot);
  }
  const auto rank = [&](const PeerSlot& slot) {
    return std::pair(carrier_of(slot).rtt, slot.grant.relay_id);
  };
  std::stable_sort(known.begin(), known.end(),
                   [&](const PeerSlot& a, const PeerSlot& b) { return rank(a) < rank(b); });
  if (known.size() > kReady) known.resize(kReady);
  return known;
}

void Router::make_ready(Contact& contact, Instant now) {
  for (const PeerSlot& slot : best_slots(contact)) {
    if (!relays_.want(slot.grant.relay_id, now)) continue;
    relays_.find(slot.grant.relay_id)->leg->bind(slot.grant, now);
  }
}

void Router::tell_carriers(const Contact& contact, Instant now) {
  std::vector<RelayCarrier> carriers;
  for (const PeerSlot& slot : contact.slots) carriers.push_back(carrier_of(slot));
  endpoint_.set_carriers(SignalRemote{value(contact.id)}, carriers, now);
}

void Router::hurry(const Contact& contact, Instant now) {
  for (const PeerSlot& slot : contact.slots) {
    Relays::Site* site = relays_.find(slot.grant.relay_id);
    if (site != nullptr && site->leg) site->leg->hurry(now);
  }
}

void Router::on_cut_off(Contact& contact, Instant now) {
  contact.used = contact.sent = now;
  if (contact.slots.empty()) return ask_grant(contact, now);
  make_ready(contact, now);
  hurry(contact, now);
}

void Router::ask_grant(Contact& contact, Instant now) {
  if (contact.asked && now - *contact.asked < kAskInterval) return;
  contact.asked = now;
  owe(contact, true);
}

// --- packets out ---------------------------------------------------------------------------------

// Nothing: the leg cannot send there at the moment. The session hears of that, and sends what is in
// it again.
std::optional<Transmit> Router::wrap_batch(const RelayRemote& to, const RemoteTransmit& batch,
                                           MutableBytes buffer, Instant now) {
  Relays::Site* site = relays_.find(to.site);
  relay::Leg* leg = site == nullptr ? nullptr : site->leg.get();
  const auto handle = leg == nullptr ? std::nullopt : leg->handle_of(relay::SlotId{to.slot});
  if (!handle) return std::nullopt;
  if (const auto at = by_slot_.find(slot_key(to.site, relay::SlotId{to.slot}));
      at != by_slot_.end()) {
    Contact& contact = contacts_.at(at->second);
    contact.used = contact.sent = now;
  }
  scratch_.assign(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(batch.size));
  std::size_t written = 0;
  for (std::size_t at = 0; at < batch.size; at += batch.segment_size) {
    const Bytes packet = Bytes(scratch_).subspan(at, std::min(batch.segment_size, batch.size - at));
    written += leg->wrap(*handle, packet, buffer.subspan(written), now);
    ++stats_.packets_out;
  }
  return Transmit{leg->relay(), written, batch.segment_size + relay::kHeaderSize};
}

// What the endpoint sends to a user, as it goes onto the wire. Nothing: it became a signal.
std::optional<Transmit> Router::carry_batch(const RemoteTransmit& batch, MutableBytes buffer,
                                            Instant now) {
  if (const RelayRemote* to = batch.to.relay()) return wrap_batch(*to, batch, buffer, now);
  const Bytes packet = buffer.first(batch.size);
  Contact* contact = find(ContactId{batch.to.signal()->user});
  if (contact == nullptr || packet_kind(packet[0]) != PacketKind::kHandshake ||
      is_reset_packet(packet)) {
    return std::nullopt;
  }
  contact->used = contact->sent = now;
  const bool consent = shows_consent(packet);
  signal(*contact, packet, consent, now);
  // What the peer said of itself while it asked counts from now on; what we know of a former life
  // of it does not.
  if (consent && !contact->claims.empty()) learn_slots(*contact, now);
  return std::nullopt;
}

std::optional<Transmit> Router::poll_transmit(MutableBytes buffer, Instant now) {
  if (const auto own = relays_.poll_transmit(buffer, now)) {
    take_leg_events(now);
    return own;
  }
  // Room for the header of each packet of a batch.
  const std::size_t inner_max = buffer.size() - buffer.size() / 32;
  while (const auto batch = endpoint_.poll_transmit(buffer.first(inner_max), now)) {
    if (batch->to.udp() != nullptr) return batch->by_udp();
    if (const auto carried = carry_batch(*batch, buffer, now)) return carried;
    take_leg_events(now);
  }
  while (const auto user = endpoint_.poll_cut_off()) {
    if (Contact* contact = find(ContactId{user->user})) on_cut_off(*contact, now);
  }
  // What that has asked for.
  return relays_.poll_transmit(buffer, now);
}

// --- packets in, time ----------------------------------------------------------------------------

bool Router::receive(const IpAddress& from, MutableBytes datagram, Instant now) {
  if (!relays_.owns(from, datagram)) return false;
  const auto received = relays_.receive(from, datagram, now);
  take_leg_events(now);
  if (!received) return true;
  const auto at = by_slot_.find(slot_key(received->site, received->from));
  if (at == by_slot_.end()) {
    ++stats_.dropped_unknown_slot;
    return true;
  }
  // Handshake packets come as signals only: see may_come_as_signal().
  if (received->payload.empty() || (packet_kind(received->payload[0]) != PacketKind::kData &&
                                    !is_reset_packet(received->payload))) {
    ++stats_.dropped_malformed;
    return true;
  }
  ++stats_.packets_in;
  endpoint_.receive(RelayRemote{received->site, received->from.value}, received->payload, now);
  return true;
}

void Router::advance(Instant now) {
  relays_.advance(now);
  take_leg_events(now);
  if (now >= next_tell_) tell_due(now);
  if (now >= next_sweep_) sweep(now);
}

Instant Router::next_deadline() const {
  const bool asks = !requests_.empty() || !notices_.empty();
  return std::min({relays_.next_deadline(), next_tell_, asks ? pace_.when(1) : kNever,
                   contacts_.empty() ? kNever : next_sweep_});
}

}  // namespace whimbrel
