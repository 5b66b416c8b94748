#include "relay/server.h"

#include <algorithm>
#include <cstring>

#include "relay/grant.h"

namespace whimbrel::relay {

namespace {

constexpr Duration kSweepInterval = milliseconds(100);
// In so many steps the whole table is looked through; while the relay drains, in so many.
constexpr std::size_t kSweepSteps = 50;
constexpr std::size_t kDrainSteps = 5;
// Sequences have 32 bits: a leg that has used up most of them is opened anew.
constexpr std::uint32_t kSequenceMax = 0xf0000000;
// A challenge is not answered by silence for longer than this.
constexpr Duration kChallengeLife = seconds(2);

std::uint64_t half_of(Bytes bytes) { return ByteReader(bytes).u64(); }

std::uint32_t load_u32(const std::uint8_t* from) {
  return std::uint32_t{from[0]} << 24 | std::uint32_t{from[1]} << 16 | std::uint32_t{from[2]} << 8 |
         from[3];
}

// As two words: a comparison by a loop or a call is felt for every packet.
bool same_address(const IpAddress& a, const IpAddress& b) {
  std::array<std::uint64_t, 2> x, y;
  std::memcpy(x.data(), a.bytes.data(), sizeof x);
  std::memcpy(y.data(), b.bytes.data(), sizeof y);
  return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0 && a.port == b.port;
}

}  // namespace

Server::Server(const ServerConfig& config, SiteKeys& keys, Random& random, Instant now,
               UnixMillis unix_now)
    : config_(config),
      keys_(keys),
      random_(random),
      start_(now),
      unix_start_(unix_now),
      open_limits_(
          {config.limits.opens_per_second_max, config.limits.opens_per_prefix_per_second_max,
           config.limits.opens_without_cookie_per_second},
          random, now) {
  ASSERT(config.limits.slots_max <= std::size_t{1} << SlotId::kIndexBits);
  slots_.reserve(config.limits.slots_max);
}

std::int64_t Server::unix_seconds(Instant now) const {
  return (unix_start_ + to_milliseconds(now - start_)) / 1000;
}

// --- the hot path --------------------------------------------------------------------------------------------------

std::optional<IpAddress> Server::receive(const IpAddress& from, MutableBytes datagram,
                                         Instant now) {
  switch (static_cast<Kind>(datagram[0])) {
    case Kind::kSend:
      return on_send(from, datagram, now);
    case Kind::kAsk:
      on_ask(from, datagram, now);
      return std::nullopt;
    case Kind::kOpen:
      on_open(from, datagram, now);
      return std::nullopt;
    default:
      ++counters_.dropped_malformed;
      return std::nullopt;
  }
}

Slot* Server::slot_of(SlotId id) {
  if (id.index() >= slots_.size()) return nullptr;
  Slot& slot = slots_[id.index()];
  return slot.state != Slot::State::kFree && slot.generation == id.generation() ? &slot : nullptr;
}

SlotId Server::id_of(const Slot& slot) const {
  return SlotId::of(static_cast<std::uint32_t>(&slot - slots_.data()), slot.generation);
}

Slot* Server::admit(const IpAddress& from, Bytes datagram, LegHeader& header, Instant now) {
  const auto read = read_leg_header(datagram);
  if (!read) {
    ++counters_.dropped_malformed;
    return nullptr;
  }
  header = *read;
  Slot* slot = slot_of(header.slot);
  if (slot == nullptr) {
    ++counters_.dropped_unknown_slot;
    return nullptr;
  }
  if (!check_leg_tag(slot->up, datagram)) {
    ++counters_.dropped_bad_tag;
    return nullptr;
  }
  if (!slot->window.acceptable(header.sequence)) {
    ++counters_.dropped_replayed;
    return nullptr;
  }
  slot->window.commit(header.sequence);
  if (slot->state != Slot::State::kOpen) slot->state = Slot::State::kOpen;
  if (!same_address(from, slot->address)) notice_address(*slot, from, now);
  return slot;
}

std::optional<IpAddress> Server::on_send(const IpAddress& from, MutableBytes datagram,
                                         Instant now) {
  LegHeader header;
  Slot* slot = admit(from, datagram, header, now);
  if (slot == nullptr) return std::nullopt;
  if (!slot->rates.take(datagram.size(), now)) {
    ++counters_.dropped_rate;
    return std::nullopt;
  }
  const Binding* binding = slot->binding(header.handle);
  if (binding == nullptr) {
    ++counters_.dropped_unbound;
    return std::nullopt;
  }
  Slot* to = slot_of(binding->slot);
  if (to == nullptr || to->grant_epoch != binding->epoch) {
    ++counters_.dropped_gone;
    std::array<std::uint8_t, 4> body;
    ByteWriter(body).u32(binding->slot.value);
    slot->unbind(header.handle);
    tell(*slot, slot->address, Tell::kGone, body);
    return std::nullopt;
  }
  // Its address has not shown yet that it wants anything.
  if (to->state != Slot::State::kOpen) return ++counters_.dropped_gone, std::nullopt;
  write_leg_header(datagram.data(), {Kind::kDeliver, 0, 0, id_of(*slot), ++to->down_sequence});
  write_leg_tag(to->down, datagram);
  ++counters_.forwarded;
  counters_.forwarded_bytes += datagram.size();
  return to->address;
}

void Server::prefetch_source(Bytes datagram) const {
  if (datagram.size() < kHeaderSize) return;
  const std::uint32_t place = SlotId{load_u32(datagram.data() + 4)}.index();
  if (place >= slots_.size()) return;
  const Slot& slot = slots_[place];
  __builtin_prefetch(&slot, 1);
  __builtin_prefetch(&slot.window, 1);
  __builtin_prefetch(&slot.bindings, 0);
}

void Server::prefetch_destination(Bytes datagram) const {
  if (datagram.size() < kHeaderSize || datagram[0] != static_cast<std::uint8_t>(Kind::kSend))
    return;
  const std::uint32_t place = SlotId{load_u32(datagram.data() + 4)}.index();
  const std::size_t handle = static_cast<std::size_t>(datagram[2]) << 8 | datagram[3];
  if (place >= slots_.size() || handle >= Slot::kInlineBindings) return;
  const std::uint32_t to = slots_[place].bindings[handle].slot.index();
  if (to < slots_.size()) __builtin_prefetch(&slots_[to], 1);
}

// --- opening -------------------------------------------------------------------------------------------------------

// What anybody can make us do, cheapest first.
bool Server::admit_open(const IpAddress& from, const OpenView& open, Instant now) {
  if (!open_limits_.take(from, now)) {
    ++counters_.dropped_open_rate;
    return false;
  }
  const bool cookie_needed = config_.always_cookie || !open_limits_.take_without_cookie(now);
  if (!cookie_needed || open_limits_.check_cookie(from, open.nonce, open.cookie, now)) return true;
  ++counters_.cookies;
  std::array<std::uint8_t, kCookieReplySize> answer;
  write_cookie_reply(answer, {open.nonce, open_limits_.make_cookie(from, open.nonce, now)});
  reply(from, answer);
  return false;
}

void Server::on_open(const IpAddress& from, Bytes datagram, Instant now) {
  const auto open = read_open(datagram);
  if (!open) {
    ++counters_.dropped_malformed;
    return;
  }
  if (!admit_open(from, *open, now)) return;
  const auto token = keys_.open(open->token, now);
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
    // A copy of what opened it, from elsewhere, gets nothing.
    if (slot.nonce == open->nonce && slot.address == from) {
      send_opened(slot, from, token->secret, now);
    }
    return;
  }
  if (token->not_after < unix_seconds(now)) {
    ++counters_.refused_expired;
    return refuse(from, *open, token->secret, Refusal::kExpired);
  }
  if (drain_at_ != kNever) {
    ++counters_.refused_draining;
    return refuse(from, *open, token->secret, Refusal::kDraining);
  }
  make_slot(from, *open, *token, now);
}

std::optional<std::uint32_t> Server::free_place() {
  if (slots_.size() < config_.limits.slots_max) {
    // Not what an earlier life of the relay gave out: clients know each other by their slots.
    slots_.emplace_back().generation =
        static_cast<std::uint16_t>(random_.below(SlotId::kGenerationMax + 1));
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  if (free_.empty()) return std::nullopt;
  const std::uint32_t place = free_.front();
  free_.pop_front();
  return place;
}

void Server::make_slot(const IpAddress& from, const OpenView& open, const Token& token,
                       Instant now) {
  const std::uint64_t identity = half_of(token.identity);
  if (const auto held = by_identity_.find(identity);
      held != by_identity_.end() && held->second >= config_.limits.slots_per_identity_max) {
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
  const ServerLimits& limits = config_.limits;
  slot.rates = SlotRates(
      token.bytes_per_second == 0 ? limits.bytes_per_second : token.bytes_per_second,
      token.packets_per_second == 0 ? limits.packets_per_second : token.packets_per_second, now);
  slot.expires = now + seconds(token.not_after - unix_seconds(now)) + limits.renewal_time;
  by_nonce_[half_of(slot.nonce)] = *place;
  ++by_identity_[identity];
  ++open_slots_;
  ++counters_.opened;
  if (next_sweep_ == kNever) next_sweep_ = now + kSweepInterval;
  send_opened(slot, from, token.secret, now);
}

void Server::release(Slot& slot) {
  by_nonce_.erase(half_of(slot.nonce));
  const auto held = by_identity_.find(half_of(slot.identity));
  if (--held->second == 0) by_identity_.erase(held);
  const auto place = static_cast<std::uint32_t>(&slot - slots_.data());
  const auto generation =
      static_cast<std::uint16_t>((slot.generation + 1u) & SlotId::kGenerationMax);
  slot = Slot();
  slot.generation = generation;
  free_.push_back(place);
  --open_slots_;
  ++counters_.closed;
}

void Server::send_opened(const Slot& slot, const IpAddress& to, const Secret& secret, Instant now) {
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

void Server::refuse(const IpAddress& to, const OpenView& open, const Secret& secret,
                    Refusal reason) {
  std::array<std::uint8_t, kRefusedSize> buffer;
  const MutableBytes datagram = write_refused(buffer, {reason, open.nonce});
  write_mac(secret, Kind::kRefused, datagram);
  reply(to, datagram);
}

// --- what clients ask ----------------------------------------------------------------------------------------------

void Server::on_ask(const IpAddress& from, Bytes datagram, Instant now) {
  LegHeader header;
  if (datagram.size() > kHeaderSize + kBodySizeMax) {
    ++counters_.dropped_malformed;
    return;
  }
  Slot* slot = admit(from, datagram, header, now);
  if (slot == nullptr) return;
  // What is asked for costs more than what is forwarded, and counts as much.
  if (!slot->rates.take(datagram.size(), now)) {
    ++counters_.dropped_rate;
    return;
  }
  const Bytes body = datagram.subspan(kHeaderSize);
  switch (static_cast<Ask>(header.detail)) {
    case Ask::kBind:
      return on_bind(*slot, body, now);
    case Ask::kPing:
      return on_ping(*slot, from, body);
    case Ask::kClose: {
      const std::array<std::uint8_t, 1> reason{static_cast<std::uint8_t>(CloseReason::kAsked)};
      tell(*slot, slot->address, Tell::kClosed, reason);
      return release(*slot);
    }
    case Ask::kRenew:
      return on_renew(*slot, body, now);
    case Ask::kPathAnswer:
      return on_path_answer(*slot, from, body);
    case Ask::kUnbind:
      if (body.size() == 2) slot->unbind(ByteReader(body).u16());
      return;
    case Ask::kNewEpoch:
      if (body.size() == 1) slot->grant_epoch = body[0];
      return;
  }
  ++counters_.dropped_malformed;
}

void Server::on_bind(Slot& slot, Bytes body, Instant now) {
  const auto grant = read_grant(body);
  if (!grant) {
    ++counters_.dropped_malformed;
    return;
  }
  Slot* owner = grant->relay_id == config_.relay_id ? slot_of(grant->slot) : nullptr;
  BindResult result = BindResult::kBound;
  std::uint16_t handle = 0;
  if (owner == nullptr) {
    result = BindResult::kNoSlot;
  } else if (!check_grant(*grant, owner->grant_key) || grant->epoch != owner->grant_epoch ||
             grant->peer != slot.identity || owner->app_id != slot.app_id) {
    result = BindResult::kBadGrant;
  } else if (grant->not_after < unix_seconds(now)) {
    result = BindResult::kExpired;
  } else if (handle = slot.handle_for(grant->slot); handle >= Slot::kBindingsMax) {
    result = BindResult::kFull;
  }
  if (result == BindResult::kBound) {
    slot.binding_at(handle) = {grant->slot, grant->epoch, true};
    ++counters_.bound;
  } else {
    ++counters_.bind_refused;
  }
  std::array<std::uint8_t, 7> answer;
  ByteWriter out(answer);
  out.u32(grant->slot.value);
  out.u16(handle);
  out.u8(static_cast<std::uint8_t>(result));
  tell(slot, slot.address, Tell::kBound, answer);
}

// Answered where it came from: it has the tag of the slot's owner, and the answer is as large as the ping.
void Server::on_ping(const Slot& slot, const IpAddress& from, Bytes body) {
  if (body.size() != 8 + 18) {
    ++counters_.dropped_malformed;
    return;
  }
  std::array<std::uint8_t, 8 + 18> answer;
  ByteWriter out(answer);
  out.bytes(body.first(8));
  write_address(out, from);
  tell(slots_[id_of(slot).index()], from, Tell::kPong, answer);
}

void Server::on_renew(Slot& slot, Bytes body, Instant now) {
  const auto token = keys_.open(body, now);
  if (!token || token->identity != slot.identity || token->app_id != slot.app_id ||
      token->not_after < unix_seconds(now)) {
    ++counters_.dropped_bad_token;
    return;
  }
  slot.expires = std::max(slot.expires, now + seconds(token->not_after - unix_seconds(now)) +
                                            config_.limits.renewal_time);
  std::array<std::uint8_t, 4> answer;
  ByteWriter(answer).u32(static_cast<std::uint32_t>(to_milliseconds(slot.expires - now) / 1000));
  tell(slot, slot.address, Tell::kRenewed, answer);
}

// RFC 9000 8.2: a new address is believed when it answers what was sent there. One at a time, and nothing else goes there.
void Server::notice_address(Slot& slot, const IpAddress& from, Instant now) {
  if (!slot.new_address.empty() && now - slot.challenged < kChallengeLife) return;
  slot.new_address = from;
  slot.challenge = random_.u64();
  slot.challenged = now;
  std::array<std::uint8_t, 8> body;
  ByteWriter(body).u64(slot.challenge);
  tell(slot, from, Tell::kPathChallenge, body);
}

void Server::on_path_answer(Slot& slot, const IpAddress& from, Bytes body) {
  if (body.size() != 8 || slot.new_address.empty() || from != slot.new_address) return;
  if (ByteReader(body).u64() != slot.challenge) return;
  slot.address = from;
  slot.new_address = IpAddress();
}

// --- what clients are told -----------------------------------------------------------------------------------------

void Server::tell(Slot& slot, const IpAddress& to, Tell kind, Bytes body) {
  std::array<std::uint8_t, kReplySizeMax> buffer;
  const std::size_t size = kHeaderSize + body.size();
  ASSERT(size <= buffer.size());
  write_leg_header(buffer.data(), {Kind::kTell, static_cast<std::uint8_t>(kind), 0, id_of(slot),
                                   ++slot.down_sequence});
  std::copy(body.begin(), body.end(), buffer.begin() + kHeaderSize);
  write_leg_tag(slot.down, MutableBytes(buffer).first(size));
  reply(to, Bytes(buffer).first(size));
}

void Server::reply(const IpAddress& to, Bytes datagram) {
  if (replies_.size() >= config_.limits.replies_max) {
    ++counters_.dropped_replies;
    return;
  }
  Queued& queued = replies_.emplace_back();
  queued.to = to;
  queued.size = static_cast<std::uint8_t>(datagram.size());
  std::copy(datagram.begin(), datagram.end(), queued.bytes.begin());
}

std::optional<Server::Reply> Server::poll_transmit(MutableBytes buffer) {
  if (replies_.empty()) return std::nullopt;
  const Queued& queued = replies_.front();
  std::copy_n(queued.bytes.begin(), queued.size, buffer.begin());
  const Reply reply{queued.to, queued.size};
  replies_.pop_front();
  return reply;
}

// --- time ----------------------------------------------------------------------------------------------------------

Instant Server::next_deadline() const { return next_sweep_; }

void Server::advance(Instant now) {
  if (now < next_sweep_) return;
  const std::size_t steps = drain_at_ == kNever ? kSweepSteps : kDrainSteps;
  const std::size_t count = std::min(slots_.size(), slots_.size() / steps + 1);
  for (std::size_t i = 0; i < count; ++i) {
    sweep_at_ = sweep_at_ + 1 < slots_.size() ? sweep_at_ + 1 : 0;
    if (slots_[sweep_at_].state != Slot::State::kFree) look_after(slots_[sweep_at_], now);
  }
  next_sweep_ = open_slots_ == 0 ? kNever : now + kSweepInterval;
}

void Server::look_after(Slot& slot, Instant now) {
  if (drain_at_ != kNever && !slot.drain_told) tell_drain(slot, now);
  const bool opening = slot.state == Slot::State::kOpening;
  const ServerLimits& limits = config_.limits;
  if (now - slot.rates.taken_at() >= (opening ? limits.opening_time : limits.idle_time)) {
    ++counters_.expired;
    return release(slot);
  }
  if (now < slot.expires && slot.down_sequence < kSequenceMax) return;
  ++counters_.expired;
  const std::array<std::uint8_t, 1> reason{static_cast<std::uint8_t>(CloseReason::kExpired)};
  tell(slot, slot.address, Tell::kClosed, reason);
  release(slot);
}

void Server::drain(Duration time, Instant now) {
  drain_at_ = now + time;
  // Most are told with the table's next round; those that send much learn it no later.
  if (next_sweep_ != kNever) next_sweep_ = now;
}

std::uint16_t Server::drain_seconds(Instant now) const {
  if (drain_at_ == kNever) return 0;
  const std::int64_t left = (to_milliseconds(drain_at_ - now) + 999) / 1000;
  return static_cast<std::uint16_t>(std::clamp<std::int64_t>(left, 1, 65535));
}

void Server::tell_drain(Slot& slot, Instant now) {
  slot.drain_told = true;
  std::array<std::uint8_t, 2> body;
  ByteWriter(body).u16(drain_seconds(now));
  tell(slot, slot.address, Tell::kDrain, body);
}

}  // namespace whimbrel::relay
