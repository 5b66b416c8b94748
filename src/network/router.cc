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
// A packet waits for a relay so long, at first and after an outage. What is older would come as a burst that nobody paces, and its
// acknowledgement would make the way look as long as it waited; a session sends again what it needs.
constexpr Duration kWaitFirst = milliseconds(500);
constexpr Duration kWaitAgain = milliseconds(50);
// A peer that has lost our slot, or we its, is asked no more often.
constexpr Duration kAskInterval = milliseconds(500);

// InitXX and what follows it show a stranger that somebody is here; over the rendezvous the key is known, so nobody needs it.
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

// --- contacts -------------------------------------------------------------------------------------------------------

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
    for (const Routes::Route& route : contact.routes.all()) forget_slot(contact, route.slot);
    by_user_.erase(contact.user);
    at = contacts_.erase(at);
  }
}

// --- the rendezvous ------------------------------------------------------------------------------------------------

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
  for (auto& [id, contact] : contacts_) choose(contact, now);
}

UserRoute Router::route_of(const Identity& user) const {
  UserRoute found;
  const auto at = by_user_.find(user);
  if (at == by_user_.end()) return found;
  const Routes& routes = contacts_.at(at->second).routes;
  const auto name = [&](SiteId id) {
    const Relays::Site* site = relays_.find(id);
    return site == nullptr ? std::string() : site->name;
  };
  if (routes.active() != nullptr) found.relay = name(routes.active()->site());
  if (!routes.empty()) found.home = name(routes.all().front().site());
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
    return endpoint_.receive(SignalRemote{value(contact->id)}, packet, now);
  }
  if (!has_session(user)) return;
  if (signal->kind == SignalKind::kAskGrant) {
    // What it was told a moment ago may have been lost: it is told once more, a little later.
    const Instant due = contact->told + kAskInterval / 2;
    if (!contact->missed && now < due) {
      next_tell_ = std::min(next_tell_, contact->tell_at = due);
      return;
    }
    // Perhaps a slot is gone and we have not noticed; then all get new grants when there is another.
    for (const auto& site : relays_.sites()) {
      if (site->leg) site->leg->suspect(now);
    }
    return owe(*contact, false);
  }
  flush_waiting(*contact, now);
  // It has come back, and what it was told meanwhile did not reach it.
  if (contact->missed) owe(*contact, false);
}

void Router::on_undelivered(const Identity& user, bool again) {
  Contact* contact = find(user);
  if (contact == nullptr) return;
  contact->missed = true;
  if (again) owe(*contact, contact->routes.empty());
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
    contact.asked_once = false;
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
  while (auto user = endpoint_.poll_route_wanted()) {
    if (requests_.size() < limits_.requests_max) requests_.emplace_back(LookupRequest{*user});
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
    const bool ask = std::exchange(contact->owes_ask, false);
    contact->owed = false;
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
  contact.owes_ask = contact.owes_ask || ask;
  if (contact.owed) return;
  contact.owed = true;
  notices_.push_back(contact.id);
}

// --- grants --------------------------------------------------------------------------------------------------------

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
    // A slot belongs to one peer: the first that names it, until the relay says that its grant is none.
    const auto [at, added] =
        by_slot_.try_emplace(slot_key(slot.grant.relay_id, slot.grant.slot), contact.id);
    const bool twice = std::any_of(ours.begin(), ours.end(), [&](const PeerSlot& one) {
      return one.grant.relay_id == slot.grant.relay_id && one.grant.slot == slot.grant.slot;
    });
    if ((added || at->second == contact.id) && !twice) ours.push_back(slot);
  }
  const relay::IdentityHash own = relay::identity_hash(app_id_, endpoint_.identity().text());
  contact.routes.set_follows(own > contact.hash);
  for (const PeerSlot& gone : contact.routes.learn(ours, now)) {
    forget_slot(contact, gone);
    contact.reached = false;
  }
  make_ready(contact, now);
  choose(contact, now);
}

// The slot is free again for whoever else has named it.
void Router::learn_from_others(SiteId site, relay::SlotId slot, Instant now) {
  for (auto& [id, contact] : contacts_) {
    const bool claims =
        std::any_of(contact.claims.begin(), contact.claims.end(), [&](const PeerSlot& claim) {
          return claim.grant.relay_id == site && claim.grant.slot == slot;
        });
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

void Router::forget_route(SiteId site, relay::SlotId slot, Instant now) {
  const auto at = by_slot_.find(slot_key(site, slot));
  if (at == by_slot_.end()) return;
  Contact& contact = contacts_.at(at->second);
  by_slot_.erase(at);
  contact.routes.forget(site, slot);
  std::erase_if(contact.claims, [&](const PeerSlot& claim) {
    return claim.grant.relay_id == site && claim.grant.slot == slot;
  });
  choose(contact, now);
  ask_grant(contact, now);
  learn_from_others(site, slot, now);
}

void Router::make_ready(Contact& contact, Instant now) {
  for (const Routes::Route& route : contact.routes.ready(relays_)) {
    if (!relays_.want(route.site(), now)) continue;
    relay::Leg& leg = *relays_.find(route.site())->leg;
    leg.bind(route.slot.grant, now);
  }
}

void Router::ask_grant(Contact& contact, Instant now) {
  if (contact.asked_once && now - contact.asked < kAskInterval) return;
  contact.asked_once = true;
  contact.asked = now;
  owe(contact, true);
}

// --- packets out ---------------------------------------------------------------------------------------------------

void Router::queue_out(const IpAddress& to, std::vector<std::uint8_t> packet) {
  if (out_.size() >= limits_.out_max) {
    out_.pop_front();
    ++stats_.dropped_full;
  }
  out_.push_back({to, std::move(packet)});
}

// Copies of packets, each on its own.
void Router::queue_batch(const Routes::Route& route, Bytes batch, std::size_t segment_size,
                         Instant now) {
  Relays::Site* site = relays_.find(route.site());
  if (site == nullptr || !site->leg) return;
  relay::Leg& leg = *site->leg;
  const auto handle = leg.handle_of(route.slot.grant.slot);
  if (!handle) return;
  for (std::size_t at = 0; at < batch.size(); at += segment_size) {
    const Bytes packet = batch.subspan(at, std::min(segment_size, batch.size() - at));
    std::vector<std::uint8_t> wrapped(relay::kHeaderSize + packet.size());
    leg.wrap(*handle, packet, wrapped, now);
    queue_out(leg.relay(), std::move(wrapped));
  }
}

// What waited for a relay leaves, as soon as it may.
void Router::flush_waiting(Contact& contact, Instant now) {
  const Routes::Route* route = contact.routes.active();
  if (route == nullptr) return;
  const Duration age_max = contact.reached ? kWaitAgain : kWaitFirst;
  for (const auto& [since, packet] : contact.waiting) {
    if (now - since <= age_max) {
      queue_batch(*route, packet, packet.size(), now);
    } else {
      ++stats_.dropped_late;
    }
  }
  contact.waiting.clear();
}

// A packet for which there is no way at the moment.
void Router::send_later(Contact& contact, Bytes packet, Instant now) {
  if (contact.waiting.size() >= limits_.waiting_max) {
    contact.waiting.pop_front();
    ++stats_.dropped_full;
  }
  contact.waiting.push_back({now, {packet.begin(), packet.end()}});
  if (contact.routes.empty()) {
    ask_grant(contact, now);
  } else {
    make_ready(contact, now);
    hurry(contact, now);
  }
}

void Router::hurry(const Contact& contact, Instant now) {
  for (const Routes::Route& route : contact.routes.all()) {
    Relays::Site* site = relays_.find(route.site());
    if (site != nullptr && site->leg) site->leg->hurry(now);
  }
}

std::size_t Router::wrap_batch(relay::Leg& leg, std::uint16_t handle, Bytes batch,
                               std::size_t segment_size, MutableBytes out, Instant now) {
  std::size_t written = 0;
  for (std::size_t at = 0; at < batch.size(); at += segment_size) {
    const Bytes packet = batch.subspan(at, std::min(segment_size, batch.size() - at));
    written += leg.wrap(handle, packet, out.subspan(written), now);
    ++stats_.packets_out;
  }
  return written;
}

// What the endpoint sends to a user, as it goes onto the wire. Nothing: it became a signal, or it waits.
std::optional<Transmit> Router::route_batch(const RemoteTransmit& batch, MutableBytes buffer,
                                            Instant now) {
  const SignalRemote* to = batch.to.signal();
  Contact* contact = to == nullptr ? nullptr : find(ContactId{to->user});
  if (contact == nullptr) return std::nullopt;
  contact->used = contact->sent = now;
  const Bytes bytes = buffer.first(batch.size);
  if (packet_kind(bytes[0]) == PacketKind::kHandshake && !is_reset_packet(bytes)) {
    const bool consent = shows_consent(bytes);
    signal(*contact, bytes, consent, now);
    // What the peer said of itself while it asked counts from now on; what we know of a former life of it does not.
    if (consent && !contact->claims.empty()) learn_slots(*contact, now);
    return std::nullopt;
  }
  const Routes::Route* route = contact->routes.active();
  Relays::Site* site = route == nullptr ? nullptr : relays_.find(route->site());
  relay::Leg* leg = site == nullptr ? nullptr : site->leg.get();
  const auto handle = leg == nullptr ? std::nullopt : leg->handle_of(route->slot.grant.slot);
  if (!handle) {
    for (std::size_t at = 0; at < bytes.size(); at += batch.segment_size) {
      send_later(*contact, bytes.subspan(at, std::min(batch.segment_size, bytes.size() - at)), now);
    }
    return std::nullopt;
  }
  scratch_.assign(bytes.begin(), bytes.end());
  if (const Routes::Route* also = contact->routes.also())
    queue_batch(*also, scratch_, batch.segment_size, now);
  contact->reached = true;
  const std::size_t size = wrap_batch(*leg, *handle, scratch_, batch.segment_size, buffer, now);
  return Transmit{leg->relay(), size, batch.segment_size + relay::kHeaderSize};
}

std::optional<Transmit> Router::poll_transmit(MutableBytes buffer, Instant now) {
  if (const auto own = relays_.poll_transmit(buffer, now)) {
    take_leg_events(now);
    return own;
  }
  // Room for the header of each packet of a batch.
  const std::size_t inner_max = buffer.size() - buffer.size() / 32;
  while (out_.empty()) {
    const auto batch = endpoint_.poll_transmit(buffer.first(inner_max), now);
    if (!batch) return std::nullopt;
    if (batch->to.udp() != nullptr) return batch->by_udp();
    if (const auto routed = route_batch(*batch, buffer, now)) return routed;
    take_leg_events(now);
  }
  const Out out = std::move(out_.front());
  out_.pop_front();
  std::copy(out.packet.begin(), out.packet.end(), buffer.begin());
  ++stats_.packets_out;
  return Transmit{out.to, out.packet.size(), out.packet.size()};
}

// --- packets in, time ----------------------------------------------------------------------------------------------

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
  contacts_.at(at->second).routes.on_heard(received->site, received->from, relays_, now);
  endpoint_.receive(SignalRemote{value(at->second)}, received->payload, now);
  return true;
}

void Router::advance(Instant now) {
  relays_.advance(now);
  take_leg_events(now);
  if (now >= next_move_) {
    next_move_ = kNever;
    for (auto& [id, contact] : contacts_) choose(contact, now);
  }
  if (now >= next_tell_) tell_due(now);
  if (now >= next_sweep_) sweep(now);
}

Instant Router::next_deadline() const {
  if (!out_.empty()) return kNow;
  const bool asks = !requests_.empty() || !notices_.empty();
  return std::min({relays_.next_deadline(), next_move_, next_tell_, asks ? pace_.when(1) : kNever,
                   contacts_.empty() ? kNever : next_sweep_});
}

}  // namespace whimbrel
