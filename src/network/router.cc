#include "network/router.h"

#include <algorithm>

#include "handshake/packets.h"

namespace whimbrel {

namespace {

constexpr Duration kSweepInterval = seconds(10);
// A remote without a session is forgotten after this.
constexpr Duration kRemoteLife = seconds(60);
constexpr std::int64_t kGrantLifeSeconds = 600;
// A peer that has lost our slot, or we its, is asked no more often.
constexpr Duration kAskInterval = milliseconds(500);
constexpr std::size_t kLegEventsMax = 64;

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
               UnixMillis unix_now, const RouterLimits& limits)
    : users_(users),
      app_id_(app_id),
      limits_(limits),
      start_(now),
      unix_start_(unix_now),
      leg_(random),
      next_sweep_(now + kSweepInterval) {}

std::int64_t Router::unix_seconds(Instant now) const {
  return (unix_start_ + to_milliseconds(now - start_)) / 1000;
}

// --- remotes -------------------------------------------------------------------------------------------------------

Router::Remote* Router::find(const Identity& user) {
  const auto at = by_user_.find(user);
  return at == by_user_.end() ? nullptr : find(at->second);
}

Router::Remote* Router::find(RemoteId id) {
  const auto at = remotes_.find(id);
  return at == remotes_.end() ? nullptr : &at->second;
}

Router::Remote* Router::remote_for(const Identity& user, Instant now) {
  Remote* known = find(user);
  if (known == nullptr) {
    if (remotes_.size() >= limits_.remotes_max) return nullptr;
    const RemoteId id{next_id_++};
    known = &remotes_[id];
    known->id = id;
    known->user = user;
    known->hash = relay::identity_hash(app_id_, user.text());
    by_user_[user] = id;
  }
  known->used = now;
  return known;
}

bool Router::has_session(const Identity& user, Instant now) const {
  switch (users_.connection_info(user, now, nullptr, nullptr)) {
    case ConnectionState::kConnected:
    case ConnectionState::kConnecting:
    case ConnectionState::kFindingRoute:
      return true;
    default:
      return false;
  }
}

void Router::sweep(Instant now) {
  next_sweep_ = now + kSweepInterval;
  for (auto at = remotes_.begin(); at != remotes_.end();) {
    Remote& remote = at->second;
    if (has_session(remote.user, now)) remote.used = now;
    if (now - remote.used < kRemoteLife) {
      ++at;
      continue;
    }
    if (remote.grant) {
      leg_.unbind(remote.grant->slot);
      by_slot_.erase(remote.grant->slot);
    }
    by_user_.erase(remote.user);
    at = remotes_.erase(at);
  }
}

// --- the rendezvous ------------------------------------------------------------------------------------------------

void Router::on_found(const Identity& user, const PublicKey& key, Instant now) {
  Remote* remote = remote_for(user, now);
  if (remote == nullptr) {
    return users_.refuse_route(user, kEndMiscInternalError, "too many users at once", now);
  }
  users_.provide_route(user, via_address(remote->id), key, now);
}

void Router::on_not_found(const Identity& user, int reason, const std::string& text, Instant now) {
  users_.refuse_route(user, reason, text, now);
}

void Router::on_ticket(const relay::Ticket& ticket, Instant now) { leg_.open(ticket, now); }

void Router::on_signal(const Identity& user, Bytes body, Instant now) {
  ++stats_.signals_in;
  const auto signal = read_signal(body);
  if (!signal) {
    ++stats_.dropped_malformed;
    return;
  }
  // Only a packet may come from somebody who is new here.
  Remote* remote = signal->kind == SignalKind::kPacket ? remote_for(user, now) : find(user);
  if (remote == nullptr) {
    ++stats_.dropped_full;
    return;
  }
  if (signal->grant) learn_grant(*remote, *signal->grant);
  if (signal->kind == SignalKind::kPacket) {
    if (!may_come_as_signal(signal->packet)) {
      ++stats_.dropped_malformed;
      return;
    }
    std::vector<std::uint8_t> packet(signal->packet.begin(), signal->packet.end());
    return users_.receive(via_address(remote->id), packet, now);
  }
  if (!has_session(user, now)) return;
  if (signal->kind == SignalKind::kAskGrant) {
    // Perhaps the slot is gone and we have not noticed; then all get new grants when there is another.
    leg_.suspect(now);
    this->signal(*remote, SignalKind::kGrant, {}, true, now);
  } else {
    flush_waiting(*remote, now);
  }
}

void Router::on_online(Instant now) {
  leg_.suspect(now);
  for (auto& [id, remote] : remotes_) {
    if (!has_session(remote.user, now)) continue;
    remote.asked_once = false;
    signal(remote, SignalKind::kGrant, {}, true, now);
    if (!remote.grant) ask_grant(remote, now);
  }
}

std::optional<RouterRequest> Router::poll_request() {
  while (auto user = users_.poll_route_wanted()) {
    if (requests_.size() < limits_.requests_max) requests_.emplace_back(LookupRequest{*user});
  }
  if (requests_.empty()) return std::nullopt;
  RouterRequest request = std::move(requests_.front());
  requests_.pop_front();
  return request;
}

void Router::signal(Remote& remote, SignalKind kind, Bytes packet, bool with_grant, Instant now) {
  if (requests_.size() >= limits_.requests_max) {
    ++stats_.dropped_full;
    return;
  }
  SignalView view{kind, std::nullopt, packet};
  if (with_grant && leg_.state() == relay::Leg::State::kOpen) {
    view.grant = leg_.make_grant(remote.hash, unix_seconds(now) + kGrantLifeSeconds);
  }
  if (kind == SignalKind::kGrant && !view.grant) return;  // when the leg is open all are told
  ++stats_.signals_out;
  requests_.emplace_back(SignalRequest{remote.user, write_signal(view)});
}

// --- grants --------------------------------------------------------------------------------------------------------

void Router::learn_grant(Remote& remote, const relay::Grant& grant) {
  if (remote.grant && remote.grant->slot != grant.slot) {
    leg_.unbind(remote.grant->slot);
    by_slot_.erase(remote.grant->slot);
  }
  // A slot belongs to one peer. Whoever claims another's gains nothing: the relay looks at the mac.
  const auto [at, added] = by_slot_.try_emplace(grant.slot, remote.id);
  if (!added && at->second != remote.id) return;
  remote.grant = grant;
}

void Router::forget_grant(Remote& remote, Instant now) {
  if (remote.grant) by_slot_.erase(remote.grant->slot);
  remote.grant.reset();
  ask_grant(remote, now);
}

void Router::ask_grant(Remote& remote, Instant now) {
  if (remote.asked_once && now - remote.asked < kAskInterval) return;
  remote.asked_once = true;
  remote.asked = now;
  signal(remote, SignalKind::kAskGrant, {}, true, now);
}

// Our slot is a new one: whoever talks to us must know.
void Router::renew_grants(Instant now) {
  for (auto& [id, remote] : remotes_) {
    if (!has_session(remote.user, now)) continue;
    signal(remote, SignalKind::kGrant, {}, true, now);
    flush_waiting(remote, now);
  }
}

void Router::take_leg_events(Instant now) {
  while (const auto event = leg_.poll_event()) {
    if (leg_events_.size() < kLegEventsMax) leg_events_.push_back(*event);
    if (std::holds_alternative<relay::LegOpened>(*event)) renew_grants(now);
    if (const auto* bound = std::get_if<relay::LegBound>(&*event)) on_bound(*bound, now);
    if (const auto* gone = std::get_if<relay::LegPeerGone>(&*event)) on_peer_gone(gone->slot, now);
  }
}

std::optional<relay::LegEvent> Router::poll_leg_event() {
  if (leg_events_.empty()) return std::nullopt;
  const relay::LegEvent event = leg_events_.front();
  leg_events_.pop_front();
  return event;
}

void Router::on_bound(const relay::LegBound& bound, Instant now) {
  const auto at = by_slot_.find(bound.slot);
  if (at == by_slot_.end()) return;
  Remote& remote = remotes_.at(at->second);
  if (bound.result == relay::BindResult::kBound) return flush_waiting(remote, now);
  forget_grant(remote, now);
}

void Router::on_peer_gone(relay::SlotId slot, Instant now) {
  const auto at = by_slot_.find(slot);
  if (at != by_slot_.end()) forget_grant(remotes_.at(at->second), now);
}

// --- packets out ---------------------------------------------------------------------------------------------------

void Router::queue_out(std::vector<std::uint8_t> packet) {
  if (out_.size() >= limits_.out_max) {
    out_.pop_front();
    ++stats_.dropped_full;
  }
  out_.push_back(std::move(packet));
}

// What waited for the relay leaves, as soon as it may.
void Router::flush_waiting(Remote& remote, Instant now) {
  while (!remote.waiting.empty()) {
    const std::vector<std::uint8_t>& packet = remote.waiting.front();
    std::vector<std::uint8_t> wrapped(relay::kHeaderSize + packet.size());
    const std::size_t size = remote.grant ? leg_.wrap(remote.grant->slot, packet, wrapped, now) : 0;
    if (size == 0) break;
    queue_out(std::move(wrapped));
    remote.waiting.pop_front();
  }
  if (!remote.waiting.empty() && remote.grant) leg_.bind(*remote.grant, now);
}

// A packet for which there is no way at the moment.
void Router::send_packet(Remote& remote, Bytes packet, Instant now) {
  if (remote.waiting.size() >= limits_.waiting_max) {
    remote.waiting.pop_front();
    ++stats_.dropped_full;
  }
  remote.waiting.emplace_back(packet.begin(), packet.end());
  if (remote.grant) {
    leg_.bind(*remote.grant, now);
  } else {
    ask_grant(remote, now);
  }
}

// Bytes written; 0 when there is no way.
std::size_t Router::wrap_batch(Remote& remote, Bytes batch, std::size_t segment_size,
                               MutableBytes out, Instant now) {
  if (!remote.grant || !leg_.bound(remote.grant->slot)) return 0;
  std::size_t written = 0;
  for (std::size_t at = 0; at < batch.size(); at += segment_size) {
    const Bytes packet = batch.subspan(at, std::min(segment_size, batch.size() - at));
    written += leg_.wrap(remote.grant->slot, packet, out.subspan(written), now);
    ++stats_.packets_out;
  }
  return written;
}

void Router::send_batch(RemoteId to, Bytes batch, std::size_t segment_size, Instant now) {
  Remote* remote = find(to);
  if (remote == nullptr) return;
  remote->used = now;
  if (packet_kind(batch[0]) == PacketKind::kHandshake) {
    return signal(*remote, SignalKind::kPacket, batch, shows_consent(batch), now);
  }
  for (std::size_t at = 0; at < batch.size(); at += segment_size) {
    send_packet(*remote, batch.subspan(at, std::min(segment_size, batch.size() - at)), now);
  }
}

std::optional<Transmit> Router::poll_transmit(MutableBytes buffer, Instant now) {
  take_leg_events(now);
  if (const std::size_t size = leg_.poll_transmit(buffer, now)) {
    return Transmit{leg_.relay(), size, size};
  }
  if (!out_.empty()) {
    const std::vector<std::uint8_t> packet = std::move(out_.front());
    out_.pop_front();
    std::copy(packet.begin(), packet.end(), buffer.begin());
    ++stats_.packets_out;
    return Transmit{leg_.relay(), packet.size(), packet.size()};
  }
  // Room for the header of each packet of a batch.
  const std::size_t inner_max = buffer.size() - buffer.size() / 32;
  while (auto batch = users_.poll_transmit(buffer.first(inner_max), now)) {
    const auto to = remote_of(batch->to);
    if (!to) return batch;
    const Bytes bytes = buffer.first(batch->size);
    Remote* remote = find(*to);
    if (remote != nullptr && packet_kind(bytes[0]) != PacketKind::kHandshake) {
      scratch_.assign(bytes.begin(), bytes.end());
      remote->used = now;
      if (const std::size_t size =
              wrap_batch(*remote, scratch_, batch->segment_size, buffer, now)) {
        return Transmit{leg_.relay(), size, batch->segment_size + relay::kHeaderSize};
      }
    }
    send_batch(*to, bytes, batch->segment_size, now);
    take_leg_events(now);
  }
  return std::nullopt;
}

// --- packets in, time ----------------------------------------------------------------------------------------------

bool Router::receive(const IpAddress& from, MutableBytes datagram, Instant now) {
  if (datagram.empty() || !relay::is_relay_packet(datagram[0])) return false;
  if (from != leg_.relay()) return false;
  const auto received = leg_.receive(datagram, now);
  take_leg_events(now);
  if (!received) return true;
  const auto at = by_slot_.find(received->from);
  if (at == by_slot_.end()) {
    ++stats_.dropped_unknown_slot;
    return true;
  }
  // Handshake packets come as signals only: see may_come_as_signal().
  if (received->payload.empty() || packet_kind(received->payload[0]) != PacketKind::kData) {
    ++stats_.dropped_malformed;
    return true;
  }
  ++stats_.packets_in;
  users_.receive(via_address(at->second), received->payload, now);
  return true;
}

void Router::advance(Instant now) {
  leg_.advance(now);
  take_leg_events(now);
  if (now >= next_sweep_) sweep(now);
}

Instant Router::next_deadline() const {
  if (!out_.empty()) return Instant::min();
  return std::min(leg_.next_deadline(), remotes_.empty() ? kNever : next_sweep_);
}

}  // namespace whimbrel
