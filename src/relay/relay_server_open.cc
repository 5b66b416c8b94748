// RelayServer: how slots are opened and released.
#include <algorithm>
#include <utility>

#include "relay/relay_server.h"

namespace whimbrel::relay {

namespace {

std::uint64_t half_of(Bytes bytes) { return ByteReader(bytes).u64(); }

}  // namespace

// The cheapest checks come first. Clients that show a cookie have a limit of their own: a flood
// from made-up addresses must not keep them out.
bool RelayServer::admit_open(const IpAddress& from, const OpenView& open, Instant now) {
  const bool shows_cookie =
      open.cookie != RelayCookie{} && open_limits_.check_cookie(from, open.nonce, open.cookie, now);
  if (shows_cookie) {
    if (open_limits_.take_with_cookie(from, now)) return true;
    ++counters_.dropped_open_rate;
    return false;
  }
  if (!config_.always_cookie && open_limits_.take_without_cookie(now)) return true;
  if (!open_limits_.take_cookie_reply(now)) {
    ++counters_.dropped_open_rate;
    return false;
  }
  ++counters_.cookies;
  std::array<std::uint8_t, kCookieReplySize> answer;
  write_cookie_reply(answer, {open.nonce, open_limits_.make_cookie(from, open.nonce, now)});
  reply(from, answer);
  return false;
}

void RelayServer::on_open(const IpAddress& from, Bytes datagram, Instant now) {
  const auto open = read_open(datagram);
  if (!open) {
    ++counters_.dropped_malformed;
    return;
  }
  if (!admit_open(from, *open, now)) return;
  const auto token = keys_.open(open->token, clock_.seconds_at(now));
  if (!token) {
    ++counters_.dropped_bad_token;
    return;
  }
  if (!check_mac(token->secret, Kind::kOpen, datagram)) {
    ++counters_.dropped_bad_mac;
    return;
  }
  const auto known = by_nonce_.find(half_of(open->nonce));
  if (known != by_nonce_.end()) {
    Slot& slot = slots_[known->second];
    // A copy of the Open that comes from elsewhere gets no answer.
    if (slot.nonce != open->nonce || slot.address != from) {
      ++counters_.dropped_replayed;
      return;
    }
    ++counters_.reopened;
    return send_opened(slot, from, token->secret, now);
  }
  if (token->not_after < clock_.seconds_at(now)) {
    ++counters_.refused_expired;
    return refuse(from, *open, token->secret, Refusal::kExpired);
  }
  if (drain_at_ != kNever) {
    ++counters_.refused_draining;
    return refuse(from, *open, token->secret, Refusal::kDraining);
  }
  make_slot(from, *open, *token, now);
}

std::optional<std::uint32_t> RelayServer::free_place() {
  if (open_slots_ >= config_.limits.slots_max) return std::nullopt;
  if (slots_.size() < config_.limits.slots_max) {
    // Not the numbers that the relay gave out before a restart: peers still know each other by
    // those.
    slots_.emplace_back().generation =
        static_cast<std::uint16_t>(random_.below(SlotId::kGenerationMax + 1));
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  if (free_.empty()) return std::nullopt;
  const std::uint32_t place = free_.front();
  free_.pop_front();
  return place;
}

// A client that lost its network opens again and leaves its old slot behind, and copies of old
// Opens make slots that nobody can use. So a new slot replaces one that was not confirmed, or that
// has been silent for a while.
bool RelayServer::room_for(std::uint64_t identity, Instant now) {
  const auto held = by_identity_.find(identity);
  if (held == by_identity_.end()) return true;
  std::size_t count = 0;
  Slot* unused = nullptr;
  const auto worse = [](const Slot& a, const Slot& b) {
    const bool opening = a.state == Slot::State::kOpening;
    if (opening != (b.state == Slot::State::kOpening)) return opening;
    return a.rates.taken_at() < b.rates.taken_at();
  };
  for (std::uint32_t at = held->second; at != Slot::kNoPlace; at = slots_[at].next_of_identity) {
    ++count;
    if (unused == nullptr || worse(slots_[at], *unused)) unused = &slots_[at];
  }
  if (count < config_.limits.slots_per_identity_max) return true;
  const bool gives_way = unused->state == Slot::State::kOpening ||
                         now - unused->rates.taken_at() >= config_.limits.unused_time;
  if (gives_way) release(*unused);
  return gives_way;
}

void RelayServer::make_slot(const IpAddress& from, const OpenView& open, const Token& token,
                            Instant now) {
  const std::uint64_t identity = half_of(token.identity);
  if (!room_for(identity, now)) {
    ++counters_.refused_identity;
    return refuse(from, open, token.secret, Refusal::kIdentityLimit);
  }
  const auto place = free_place();
  if (!place) {
    ++counters_.refused_full;
    return refuse(from, open, token.secret, Refusal::kFull);
  }
  Slot& slot = slots_[*place];
  const std::uint16_t generation = slot.generation;
  slot = Slot();
  slot.generation = generation;
  slot.state = Slot::State::kOpening;
  slot.address = from;
  slot.nonce = open.nonce;
  random_.fill(slot.relay_nonce);
  const LegKeys keys = leg_keys(token.secret, slot.nonce, slot.relay_nonce);
  slot.up = keys.up;
  slot.down = keys.down;
  slot.grant_key = keys.grant;
  slot.identity = token.identity;
  slot.app_id = token.app_id;
  const RelayLimits& limits = config_.limits;
  slot.rates = SlotRates(
      token.bytes_per_second == 0 ? limits.bytes_per_second : token.bytes_per_second,
      token.packets_per_second == 0 ? limits.packets_per_second : token.packets_per_second, now);
  slot.expires = now + seconds(token.not_after - clock_.seconds_at(now)) + limits.renewal_time;
  by_nonce_[half_of(slot.nonce)] = *place;
  const auto [held, first] = by_identity_.try_emplace(identity, *place);
  if (!first) slot.next_of_identity = std::exchange(held->second, *place);
  ++open_slots_;
  ++counters_.opened;
  if (events_.wants(Recorded::kAll)) events_.add({SlotEvent::Kind::kOpened, from, id_of(slot), {}});
  if (next_sweep_ == kNever) next_sweep_ = now + kSweepInterval;
  send_opened(slot, from, token.secret, now);
}

void RelayServer::release(Slot& slot) {
  if (events_.wants(Recorded::kAll))
    events_.add({SlotEvent::Kind::kClosed, slot.address, id_of(slot), {}});
  by_nonce_.erase(half_of(slot.nonce));
  const auto place = static_cast<std::uint32_t>(&slot - slots_.data());
  const auto held = by_identity_.find(half_of(slot.identity));
  std::uint32_t* link = &held->second;
  while (*link != place) link = &slots_[*link].next_of_identity;
  *link = slot.next_of_identity;
  if (held->second == Slot::kNoPlace) by_identity_.erase(held);
  const auto generation =
      static_cast<std::uint16_t>((slot.generation + 1u) & SlotId::kGenerationMax);
  slot = Slot();
  slot.generation = generation;
  free_.push_back(place);
  --open_slots_;
  ++counters_.closed;
}

void RelayServer::send_opened(const Slot& slot, const IpAddress& to, const Secret& secret,
                              Instant now) {
  std::array<std::uint8_t, kOpenedSize> buffer;
  Opened opened;
  opened.nonce = slot.nonce;
  opened.relay_nonce = slot.relay_nonce;
  opened.slot = id_of(slot);
  opened.relay_id = config_.relay_id;
  opened.observed = to;
  opened.lifetime_s = static_cast<std::uint32_t>(to_milliseconds(slot.expires - now) / 1000);
  opened.drain_s = drain_seconds(now);
  const MutableBytes datagram = write_opened(buffer, opened);
  write_mac(secret, Kind::kOpened, datagram);
  reply(to, datagram);
}

void RelayServer::refuse(const IpAddress& to, const OpenView& open, const Secret& secret,
                         Refusal reason) {
  if (events_.wants(Recorded::kAll)) events_.add({SlotEvent::Kind::kRefused, to, {}, reason});
  std::array<std::uint8_t, kRefusedSize> buffer;
  const MutableBytes datagram = write_refused(buffer, {reason, open.nonce});
  write_mac(secret, Kind::kRefused, datagram);
  reply(to, datagram);
}

}  // namespace whimbrel::relay
