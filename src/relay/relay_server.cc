#include "relay/relay_server.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace whimbrel::relay {

namespace {

// The table is swept in this many steps, and in fewer while the relay drains.
constexpr std::size_t kSweepSteps = 50;
constexpr std::size_t kDrainSteps = 5;
// Sequences have 32 bits: a leg that has used most of them is closed, and opens again.
constexpr std::uint32_t kSequenceMax = 0xf0000000;
// While a challenge to one new address is younger than this, no other new address is challenged.
constexpr Duration kChallengeLife = seconds(2);

std::uint32_t load_u32(const std::uint8_t* from) {
  return std::uint32_t{from[0]} << 24 | std::uint32_t{from[1]} << 16 | std::uint32_t{from[2]} << 8 |
         from[3];
}

// Compared as two words: a loop or a call would cost time for every packet.
bool same_address(const IpAddress& a, const IpAddress& b) {
  std::array<std::uint64_t, 2> x, y;
  std::memcpy(x.data(), a.bytes.data(), sizeof x);
  std::memcpy(y.data(), b.bytes.data(), sizeof y);
  return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0 && a.port == b.port;
}

}  // namespace

std::uint32_t shard_of(Bytes datagram, std::uint32_t shards) {
  if (datagram.size() < 8) return 0;
  const auto kind = static_cast<Kind>(datagram[0]);
  const bool goes_by_word = kind == Kind::kOpen || kind == Kind::kSend || kind == Kind::kAsk;
  return goes_by_word ? shard_of(SlotId{load_u32(datagram.data() + 4)}, shards) : 0;
}

RelayLimits RelayLimits::share_of(std::uint32_t shard, std::uint32_t shards) const {
  const auto part = [shards](std::uint32_t all) { return all / shards + (all % shards != 0); };
  RelayLimits share = *this;
  share.slots_max = slots_max / shards + (shard < slots_max % shards);
  share.opens_per_second_max = part(opens_per_second_max);
  share.opens_per_prefix_per_second_max = part(opens_per_prefix_per_second_max);
  share.opens_without_cookie_per_second = part(opens_without_cookie_per_second);
  share.cookies_per_second = part(cookies_per_second);
  return share;
}

RelayCounters& RelayCounters::operator+=(const RelayCounters& other) {
  using Words = std::array<std::uint64_t, sizeof(RelayCounters) / sizeof(std::uint64_t)>;
  auto sum = std::bit_cast<Words>(*this);
  const auto more = std::bit_cast<Words>(other);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
  return *this = std::bit_cast<RelayCounters>(sum);
}

namespace {

OpenLimits::Rates rates_of(const RelayLimits& limits) {
  return {limits.opens_per_second_max, limits.opens_per_prefix_per_second_max,
          limits.opens_without_cookie_per_second, limits.cookies_per_second};
}

}  // namespace

RelayServer::RelayServer(const RelayConfig& config, SiteKeys& keys, Random& random, Instant now,
                         const WallClock& clock, HandoverOutlet* outlet)
    : config_(config),
      keys_(keys),
      random_(random),
      outlet_(outlet),
      place_factor_(((std::uint64_t{1} << 32) + config.shards - 1) / config.shards),
      clock_(clock),
      open_limits_(rates_of(config.limits), random, now) {
  ASSERT(config.shards >= 1 && config.shards <= kShardsMax && config.shard < config.shards);
  ASSERT(config.shards == 1 || outlet != nullptr);
  make_room();
}

void RelayServer::make_room() {
  const std::size_t indexes = std::size_t{1} << SlotId::kIndexBits;
  ASSERT(config_.limits.slots_max <=
         (indexes - config_.shard + config_.shards - 1) / config_.shards);
  slots_.reserve(config_.limits.slots_max);
}

void RelayServer::set_limits(const RelayLimits& limits, Instant now) {
  config_.limits = limits;
  open_limits_.set_rates(rates_of(limits), now);
  make_room();
}

// --- the hot path -------------------------------------------------------------------------------

std::optional<IpAddress> RelayServer::receive(const IpAddress& from, MutableBytes datagram,
                                              Instant now) {
  if (config_.shards > 1) {
    const std::uint32_t shard = shard_of(datagram, config_.shards);
    if (shard != config_.shard) {
      ++counters_.misdirected;
      hand_over({.kind = Handover::Kind::kDatagram, .from = from}, datagram, shard);
      return std::nullopt;
    }
  }
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

Slot* RelayServer::slot_of(SlotId id) {
  const std::size_t place = place_of(id);
  if (place >= slots_.size()) return nullptr;
  Slot& slot = slots_[place];
  return slot.state != Slot::State::kFree && slot.generation == id.generation() ? &slot : nullptr;
}

SlotId RelayServer::id_of(const Slot& slot) const {
  const auto place = static_cast<std::uint32_t>(&slot - slots_.data());
  return SlotId::of(place * config_.shards + config_.shard, slot.generation);
}

Slot* RelayServer::admit(const IpAddress& from, Bytes datagram, LegHeader& header, Instant now) {
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
  if (!same_address(from, slot->address)) notice_address(*slot, from, datagram.size(), now);
  return slot;
}

std::optional<IpAddress> RelayServer::on_send(const IpAddress& from, MutableBytes datagram,
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
  const SlotId destination = binding->slot;
  if (!is_mine(destination)) {
    hand_over({.kind = Handover::Kind::kForward,
               .epoch = binding->epoch,
               .handle = header.handle,
               .source = header.slot,
               .destination = destination},
              datagram, shard_of(destination, config_.shards));
    return std::nullopt;
  }
  Slot* to = slot_of(destination);
  if (to == nullptr || to->grant_epoch != binding->epoch) {
    ++counters_.dropped_gone;
    peer_gone(*slot, header.handle);
    return std::nullopt;
  }
  return deliver(header.slot, *to, datagram);
}

std::optional<IpAddress> RelayServer::deliver(SlotId from, Slot& to, MutableBytes datagram) {
  // Its client has not confirmed its address yet.
  if (to.state != Slot::State::kOpen) return ++counters_.dropped_gone, std::nullopt;
  write_leg_header(datagram.data(), {Kind::kDeliver, 0, 0, from, ++to.down_sequence});
  write_leg_tag(to.down, datagram);
  ++counters_.forwarded;
  counters_.forwarded_bytes += datagram.size();
  return to.address;
}

// The slot that `handle` led to has ended, or its grants were revoked.
void RelayServer::peer_gone(Slot& slot, std::uint16_t handle) {
  std::array<std::uint8_t, 4> body;
  ByteWriter(body).u32(slot.binding(handle)->slot.value);
  slot.unbind(handle);
  tell(slot, slot.address, Tell::kGone, body);
}

void RelayServer::prefetch_source(Bytes datagram) const {
  if (datagram.size() < kHeaderSize) return;
  const std::size_t place = place_of(SlotId{load_u32(datagram.data() + 4)});
  if (place >= slots_.size()) return;
  const Slot& slot = slots_[place];
  __builtin_prefetch(&slot, 1);
  __builtin_prefetch(&slot.window, 1);
  __builtin_prefetch(&slot.bindings, 0);
}

void RelayServer::prefetch_destination(Bytes datagram) const {
  if (datagram.size() < kHeaderSize || datagram[0] != static_cast<std::uint8_t>(Kind::kSend))
    return;
  const std::size_t place = place_of(SlotId{load_u32(datagram.data() + 4)});
  const std::size_t handle = static_cast<std::size_t>(datagram[2]) << 8 | datagram[3];
  if (place >= slots_.size() || handle >= Slot::kInlineBindings) return;
  const SlotId to = slots_[place].bindings[handle].slot;
  if (is_mine(to) && place_of(to) < slots_.size()) __builtin_prefetch(&slots_[place_of(to)], 1);
}

void RelayServer::prefetch(const Handover& handover) const {
  const std::size_t place = place_of(handover.destination);
  if (place < slots_.size()) __builtin_prefetch(&slots_[place], 1);
}

// --- other shards -------------------------------------------------------------------------------

bool RelayServer::hand_over(const Handover& handover, Bytes bytes, std::uint32_t shard) {
  const bool done = outlet_->hand_over(shard, handover, bytes);
  ++(done ? counters_.handed_over : counters_.dropped_handover);
  return done;
}

std::optional<IpAddress> RelayServer::take(const Handover& handover, MutableBytes bytes,
                                           Instant now) {
  switch (handover.kind) {
    case Handover::Kind::kForward:
      return take_forward(handover, bytes);
    case Handover::Kind::kDatagram:
      return receive(handover.from, bytes, now);
    case Handover::Kind::kBind:
      take_bind(handover, bytes, now);
      return std::nullopt;
    case Handover::Kind::kGone: {
      Slot* slot = slot_of(handover.source);
      const Binding* binding = slot != nullptr ? slot->binding(handover.handle) : nullptr;
      // Several packets may have been on their way, and the handle may lead elsewhere by now: told
      // once.
      if (binding != nullptr && binding->slot == handover.destination &&
          binding->epoch == handover.epoch) {
        peer_gone(*slot, handover.handle);
      }
      return std::nullopt;
    }
    case Handover::Kind::kBound: {
      Slot* slot = slot_of(handover.source);
      if (slot != nullptr) {
        finish_bind(*slot, handover.destination, handover.epoch, handover.result);
      }
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<IpAddress> RelayServer::take_forward(const Handover& forward, MutableBytes datagram) {
  Slot* to = slot_of(forward.destination);
  if (to != nullptr && to->grant_epoch == forward.epoch) {
    return deliver(forward.source, *to, datagram);
  }
  ++counters_.dropped_gone;
  Handover gone = forward;
  gone.kind = Handover::Kind::kGone;
  hand_over(gone, {}, shard_of(forward.source, config_.shards));
  return std::nullopt;
}

void RelayServer::take_bind(const Handover& bind, Bytes bytes, Instant now) {
  const auto grant = read_grant(bytes);
  if (!grant) return;
  Handover answer = bind;
  answer.kind = Handover::Kind::kBound;
  answer.epoch = grant->epoch;
  answer.result = check_bind(*grant, bind.identity, bind.app_id, now);
  hand_over(answer, {}, shard_of(bind.source, config_.shards));
}

// --- what clients ask ---------------------------------------------------------------------------

void RelayServer::on_ask(const IpAddress& from, Bytes datagram, Instant now) {
  LegHeader header;
  if (datagram.size() > kHeaderSize + kBodySizeMax) {
    ++counters_.dropped_malformed;
    return;
  }
  Slot* slot = admit(from, datagram, header, now);
  if (slot == nullptr) return;
  // Answering costs more than forwarding, but counts the same.
  if (!slot->rates.take(datagram.size(), now)) {
    ++counters_.dropped_rate;
    return;
  }
  const auto kind = static_cast<Ask>(header.detail);
  const bool answered = answer(*slot, from, kind, datagram.subspan(kHeaderSize), now);
  ++(answered              ? counters_.asked
     : kind == Ask::kRenew ? counters_.dropped_bad_token
                           : counters_.dropped_malformed);
}

bool RelayServer::answer(Slot& slot, const IpAddress& from, Ask kind, Bytes body, Instant now) {
  switch (kind) {
    case Ask::kBind:
      return on_bind(slot, body, now);
    case Ask::kPing:
      return on_ping(slot, from, body);
    case Ask::kClose: {
      const std::array<std::uint8_t, 1> reason{static_cast<std::uint8_t>(CloseReason::kAsked)};
      tell(slot, slot.address, Tell::kClosed, reason);
      release(slot);
      return true;
    }
    case Ask::kRenew:
      return on_renew(slot, body, now);
    case Ask::kPathAnswer:
      return on_path_answer(slot, from, body);
    case Ask::kUnbind:
      if (body.size() != 2) return false;
      slot.unbind(ByteReader(body).u16());
      return true;
    case Ask::kNewEpoch:
      if (body.size() != 1) return false;
      slot.grant_epoch = body[0];
      return true;
  }
  return false;
}

bool RelayServer::on_bind(Slot& slot, Bytes body, Instant now) {
  const auto grant = read_grant(body);
  if (!grant) return false;
  if (grant->relay_id == config_.relay_id && !is_mine(grant->slot)) {
    hand_over({.kind = Handover::Kind::kBind,
               .source = id_of(slot),
               .destination = grant->slot,
               .app_id = slot.app_id,
               .identity = slot.identity},
              body, shard_of(grant->slot, config_.shards));
    return true;
  }
  finish_bind(slot, grant->slot, grant->epoch, check_bind(*grant, slot.identity, slot.app_id, now));
  return true;
}

// Runs in the shard that has the slot of the grant.
BindResult RelayServer::check_bind(const Grant& grant, const IdentityHash& identity,
                                   std::uint32_t app_id, Instant now) {
  const Slot* owner = grant.relay_id == config_.relay_id ? slot_of(grant.slot) : nullptr;
  if (owner == nullptr) return BindResult::kNoSlot;
  if (!check_grant(grant, owner->grant_key) || grant.epoch != owner->grant_epoch ||
      grant.peer != identity || owner->app_id != app_id) {
    return BindResult::kBadGrant;
  }
  return grant.not_after < clock_.seconds_at(now) ? BindResult::kExpired : BindResult::kBound;
}

void RelayServer::finish_bind(Slot& slot, SlotId to, std::uint8_t epoch, BindResult result) {
  std::uint16_t handle = 0;
  if (result == BindResult::kBound) {
    handle = slot.handle_for(to);
    if (handle >= Slot::kBindingsMax) result = BindResult::kFull;
  }
  if (result == BindResult::kBound) {
    slot.binding_at(handle) = {to, epoch, true};
    ++counters_.bound;
  } else {
    ++counters_.bind_refused;
  }
  std::array<std::uint8_t, 7> answer;
  ByteWriter out(answer);
  out.u32(to.value);
  out.u16(handle);
  out.u8(static_cast<std::uint8_t>(result));
  tell(slot, slot.address, Tell::kBound, answer);
}

// A new address gets only the challenge.
bool RelayServer::on_ping(Slot& slot, const IpAddress& from, Bytes body) {
  if (body.size() != 8 + 18) return false;
  if (!same_address(from, slot.address)) return true;
  std::array<std::uint8_t, 8 + 18> answer;
  ByteWriter out(answer);
  out.bytes(body.first(8));
  write_address(out, from);
  tell(slot, from, Tell::kPong, answer);
  return true;
}

bool RelayServer::on_renew(Slot& slot, Bytes body, Instant now) {
  const auto token = keys_.open(body, clock_.seconds_at(now));
  if (!token || token->identity != slot.identity || token->app_id != slot.app_id ||
      token->not_after < clock_.seconds_at(now)) {
    return false;
  }
  slot.expires = std::max(slot.expires, now + seconds(token->not_after - clock_.seconds_at(now)) +
                                            config_.limits.renewal_time);
  std::array<std::uint8_t, 4> answer;
  ByteWriter(answer).u32(static_cast<std::uint32_t>(to_milliseconds(slot.expires - now) / 1000));
  tell(slot, slot.address, Tell::kRenewed, answer);
  return true;
}

// RFC 9000 8.2: a new address is believed when it answers what was sent there. One address at a
// time. Nothing else goes there, and no more bytes than came from there: the sender may be somebody
// else with a copy of the packet.
void RelayServer::notice_address(Slot& slot, const IpAddress& from, std::size_t size, Instant now) {
  std::array<std::uint8_t, 8> body;
  if (size < kHeaderSize + body.size()) return;
  const bool waits = !slot.new_address.empty() && now - slot.challenged < kChallengeLife;
  if (waits && slot.new_address != from) return;
  if (!waits) {
    slot.new_address = from;
    slot.challenge = random_.u64();
    slot.challenged = now;
  }
  ByteWriter(body).u64(slot.challenge);
  tell(slot, from, Tell::kPathChallenge, body);
}

// A late or repeated answer changes nothing.
bool RelayServer::on_path_answer(Slot& slot, const IpAddress& from, Bytes body) {
  if (body.size() != 8) return false;
  if (slot.new_address.empty() || from != slot.new_address) return true;
  if (ByteReader(body).u64() != slot.challenge) return true;
  slot.address = from;
  slot.new_address = IpAddress();
  return true;
}

// --- what clients are told ----------------------------------------------------------------------

void RelayServer::tell(Slot& slot, const IpAddress& to, Tell kind, Bytes body) {
  std::array<std::uint8_t, kReplySizeMax> buffer;
  const std::size_t size = kHeaderSize + body.size();
  ASSERT(size <= buffer.size());
  write_leg_header(buffer.data(), {Kind::kTell, static_cast<std::uint8_t>(kind), 0, id_of(slot),
                                   ++slot.down_sequence});
  std::copy(body.begin(), body.end(), buffer.begin() + kHeaderSize);
  write_leg_tag(slot.down, MutableBytes(buffer).first(size));
  reply(to, Bytes(buffer).first(size));
}

void RelayServer::reply(const IpAddress& to, Bytes datagram) {
  if (replies_.size() >= config_.limits.replies_max) {
    ++counters_.dropped_replies;
    return;
  }
  Queued& queued = replies_.emplace_back();
  queued.to = to;
  queued.size = static_cast<std::uint8_t>(datagram.size());
  std::copy(datagram.begin(), datagram.end(), queued.bytes.begin());
}

std::optional<RelayServer::Reply> RelayServer::poll_transmit(MutableBytes buffer) {
  if (replies_.empty()) return std::nullopt;
  const Queued& queued = replies_.front();
  std::copy_n(queued.bytes.begin(), queued.size, buffer.begin());
  const Reply reply{queued.to, queued.size};
  replies_.pop_front();
  return reply;
}

// --- time ---------------------------------------------------------------------------------------

Instant RelayServer::next_deadline() const { return next_sweep_; }

void RelayServer::advance(Instant now) {
  if (now < next_sweep_) return;
  const std::size_t steps = drain_at_ == kNever ? kSweepSteps : kDrainSteps;
  const std::size_t count = std::min(slots_.size(), slots_.size() / steps + 1);
  for (std::size_t i = 0; i < count; ++i) {
    sweep_at_ = sweep_at_ + 1 < slots_.size() ? sweep_at_ + 1 : 0;
    if (slots_[sweep_at_].state != Slot::State::kFree) look_after(slots_[sweep_at_], now);
  }
  next_sweep_ = open_slots_ == 0 ? kNever : now + kSweepInterval;
}

void RelayServer::look_after(Slot& slot, Instant now) {
  if (drain_at_ != kNever && !slot.drain_told) tell_drain(slot, now);
  const bool opening = slot.state == Slot::State::kOpening;
  const RelayLimits& limits = config_.limits;
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

void RelayServer::drain(Duration time, Instant now) {
  drain_at_ = now + time;
  // Clients are told as the table is swept, which begins at once.
  if (next_sweep_ != kNever) next_sweep_ = now;
}

std::uint16_t RelayServer::drain_seconds(Instant now) const {
  if (drain_at_ == kNever) return 0;
  const std::int64_t left = (to_milliseconds(drain_at_ - now) + 999) / 1000;
  return static_cast<std::uint16_t>(std::clamp<std::int64_t>(left, 1, 65535));
}

void RelayServer::tell_drain(Slot& slot, Instant now) {
  slot.drain_told = true;
  std::array<std::uint8_t, 2> body;
  ByteWriter(body).u16(drain_seconds(now));
  tell(slot, slot.address, Tell::kDrain, body);
}

}  // namespace whimbrel::relay
