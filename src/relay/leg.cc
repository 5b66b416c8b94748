#include "relay/leg.h"

#include <algorithm>

namespace whimbrel::relay {

namespace {

constexpr Duration kOpenRetryFirst = milliseconds(250);
constexpr Duration kOpenRetryMax = seconds(4);
// If something waits for the leg, it opens at this pace.
constexpr Duration kOpenRetryWanted = milliseconds(300);
// How long a relay keeps the slot of a silent client (RelayLimits::idle_time).
constexpr Duration kKeptTime = seconds(60);
// The old slot is better than a new one: its answer should come first.
constexpr Duration kPingFirst = milliseconds(5);
// After this many Opens without an answer the relay counts as silent; opening goes on.
constexpr unsigned kOpensUntilLost = 5;
constexpr std::size_t kOutMax = 64;
constexpr std::size_t kEventsMax = 1024;

}  // namespace

void Leg::post(LegEvent event) {
  if (events_.size() < kEventsMax) events_.push_back(event);
}

std::optional<LegEvent> Leg::poll_event() {
  if (events_.empty()) return std::nullopt;
  const LegEvent event = events_.front();
  events_.pop_front();
  return event;
}

// --- states --------------------------------------------------------------------------------------

const LegSlot* Leg::known_slot() const {
  if (const LegOpen* up = as<LegOpen>()) return &up->slot;
  const LegOpening* opening = as<LegOpening>();
  const KeptSlot* kept = opening == nullptr ? nullptr : opening->kept();
  return kept == nullptr ? nullptr : &kept->slot;
}

const IpAddress& Leg::observed() const {
  static constexpr IpAddress kNone{};
  return known_slot() == nullptr ? kNone : known_slot()->observed;
}

Nonce Leg::fresh_nonce() {
  Nonce nonce;
  random_.fill(nonce);
  return nonce;
}

void Leg::open(const Ticket& ticket, Instant now) {
  ASSERT(ticket.token.size() <= kBodySizeMax);
  const bool moves = ticket.relay != ticket_.relay;
  if (LegOpen* up = as<LegOpen>()) {
    if (!moves) return renew(*up, ticket);
    // At another address there is another slot, with handles of its own.
    up->newer_ticket.reset();
    ticket_ = ticket;
    return lose({LegLost::Why::kClosed, {}}, now);
  }
  ticket_ = ticket;
  LegOpening* opening = as<LegOpening>();
  std::optional<KeptSlot> kept;
  if (opening != nullptr && opening->kept() != nullptr && !moves) {
    kept = std::move(*opening->kept());
    kept->ask_at = now;
    kept->renewal_owed = true;
  }
  const Instant open_at = kept ? now + kPingFirst : now;
  // The slot's keys depend on the token of the Open: another token needs another nonce.
  begin_opening(fresh_nonce(), std::move(kept), open_at);
}

void Leg::renew(LegOpen& up, const Ticket& ticket) {
  // An Open with the older token is under way: its answer has a MAC of that token.
  if (up.silence.opens() > 0) {
    up.newer_ticket = ticket;
    return;
  }
  ticket_ = ticket;
  ask(up.slot, Ask::kRenew, ticket_.token);
}

std::optional<Ticket> Leg::take_newer_ticket() {
  LegOpen* up = as<LegOpen>();
  return up == nullptr ? std::nullopt : std::exchange(up->newer_ticket, std::nullopt);
}

void Leg::begin_opening(const Nonce& nonce, std::optional<KeptSlot> kept, Instant open_at) {
  out_.clear();
  LegOpening opening{nonce, open_at, kOpenRetryFirst, {}};
  if (kept) opening.outlook = std::move(*kept);
  state_ = std::move(opening);
}

void Leg::close() {
  if (LegOpen* up = as<LegOpen>()) {
    ask(up->slot, Ask::kClose, {});
  } else {
    out_.clear();
  }
  state_ = LegClosed{};
}

void Leg::lose(const LegLost& lost, Instant now) {
  post(lost);
  const std::optional<Ticket> newer = take_newer_ticket();
  if (lost.why == LegLost::Why::kSilence) {
    LegSlot& slot = as<LegOpen>()->slot;
    // An Open with the same nonce is answered with the same slot, if the relay still has it.
    const Nonce nonce = slot.nonce;
    begin_opening(nonce, KeptSlot{std::move(slot), now + kKeptTime, now}, now);
  } else {
    begin_opening(fresh_nonce(), std::nullopt, now);
  }
  if (newer) open(*newer, now);
}

// The Opens that were sent may still be answered.
void Leg::resume(Instant now) {
  LegOpening& opening = *as<LegOpening>();
  KeptSlot kept = std::move(*opening.kept());
  state_ = LegOpen{std::move(kept.slot), LegSilence(now), false, opening.opens};
  LegSlot& slot = as<LegOpen>()->slot;
  slot.bindings.ask_again(now);
  if (kept.renewal_owed) ask(slot, Ask::kRenew, ticket_.token);
  post(LegResumed{});
}

void Leg::hurry(Instant now) {
  history_.wanted(now);
  LegOpening* opening = as<LegOpening>();
  if (opening == nullptr || opening->refused()) return;
  const Instant soon = std::min(opening->open_at, history_.open_sent() + kOpenRetryWanted);
  opening->open_at = std::max(now, soon);
}

bool Leg::hurries(const LegOpening& opening, Instant now) const {
  return !opening.refused() && history_.wanted_lately(now);
}

// --- what leaves ---------------------------------------------------------------------------------

void Leg::ask(LegSlot& slot, Ask kind, Bytes body) {
  if (out_.size() >= kOutMax) return;
  std::vector<std::uint8_t>& datagram = out_.emplace_back(kHeaderSize + body.size());
  write_leg_header(datagram.data(),
                   {Kind::kAsk, static_cast<std::uint8_t>(kind), 0, slot.id, ++slot.sequence});
  std::copy(body.begin(), body.end(), datagram.begin() + kHeaderSize);
  write_leg_tag(slot.keys.up, datagram);
}

void Leg::write_ping(LegSlot& slot, Instant now) {
  std::array<std::uint8_t, 8 + 18> body{};
  ByteWriter(body).u64(static_cast<std::uint64_t>(now.time_since_epoch().count()));
  ask(slot, Ask::kPing, body);
}

void Leg::ping(LegOpen& up, Instant now) {
  write_ping(up.slot, now);
  up.silence.asked(now, rtt());
}

void Leg::suspect(Instant now, bool restarted) {
  LegOpen* up = as<LegOpen>();
  if (up == nullptr) return;
  if (!up->silence.suspected()) {
    ping(*up, now);
    up->silence.suspect();
  }
  if (restarted && up->silence.opens() == 0) up->silence.owe_open();
}

std::size_t Leg::wrap(SlotId slot, Bytes payload, MutableBytes out, Instant now) {
  const auto handle = handle_of(slot);
  return handle ? wrap(*handle, payload, out, now) : 0;
}

std::size_t Leg::wrap(std::uint16_t handle, Bytes payload, MutableBytes out, Instant now) {
  LegOpen* up = as<LegOpen>();
  ASSERT(up != nullptr);
  const std::size_t size = kHeaderSize + payload.size();
  ASSERT(out.size() >= size);
  write_leg_header(out.data(), {Kind::kSend, 0, handle, up->slot.id, ++up->slot.sequence});
  std::memcpy(out.data() + kHeaderSize, payload.data(), payload.size());
  write_leg_tag(up->slot.keys.up, out.first(size));
  history_.sent_payload(now);
  up->silence.sent_payload(now);
  return size;
}

std::size_t Leg::poll_transmit(MutableBytes buffer, Instant now) {
  if (!out_.empty()) {
    const std::size_t size = out_.front().size();
    std::copy(out_.front().begin(), out_.front().end(), buffer.begin());
    out_.pop_front();
    return size;
  }
  if (LegOpen* up = as<LegOpen>())
    return up->silence.take_open() ? write_open_packet(up->opens, buffer, now) : 0;
  LegOpening* opening = as<LegOpening>();
  return opening != nullptr && now >= opening->open_at ? open_again(*opening, buffer, now) : 0;
}

std::size_t Leg::open_again(LegOpening& opening, MutableBytes buffer, Instant now) {
  const std::size_t size = write_open_packet(opening.opens, buffer, now);
  const Duration wait =
      hurries(opening, now) ? std::min(opening.wait, kOpenRetryWanted) : opening.wait;
  opening.open_at = now + wait;
  opening.wait = std::min(opening.wait * 3 / 2, kOpenRetryMax);
  if (opening.opens.count == kOpensUntilLost) post(LegLost{LegLost::Why::kSilence, {}});
  return size;
}

std::size_t Leg::write_open_packet(SentOpens& opens, MutableBytes buffer, Instant now) {
  const MutableBytes datagram = write_open(buffer, nonce(), opens.cookie, ticket_.token);
  write_mac(ticket_.secret, Kind::kOpen, datagram);
  history_.sent_open(now);
  ++opens.count;
  return datagram.size();
}

// --- grants --------------------------------------------------------------------------------------

Grant Leg::make_grant(const IdentityHash& peer, std::int64_t not_after_unix) const {
  const LegOpen* up = as<LegOpen>();
  ASSERT(up != nullptr);
  Grant grant;
  grant.relay_id = up->slot.relay_id;
  grant.slot = up->slot.id;
  grant.peer = peer;
  grant.not_after = static_cast<std::uint32_t>(not_after_unix);
  grant.epoch = up->slot.epoch;
  sign_grant(grant, up->slot.keys.grant);
  return grant;
}

void Leg::revoke_grants() {
  LegOpen* up = as<LegOpen>();
  ASSERT(up != nullptr);
  const std::array<std::uint8_t, 1> body{++up->slot.epoch};
  ask(up->slot, Ask::kNewEpoch, body);
}

void Leg::bind(const Grant& grant, Instant now) {
  LegOpen* up = as<LegOpen>();
  if (up != nullptr && !up->slot.bindings.add(grant, now))
    post(LegBound{grant.slot, BindResult::kFull});
}

void Leg::unbind(SlotId slot) {
  LegSlot* ours = known_slot();
  if (ours == nullptr) return;
  const auto handle = handle_of(slot);
  if (handle) {
    std::array<std::uint8_t, 2> body;
    ByteWriter(body).u16(*handle);
    ask(*ours, Ask::kUnbind, body);
  }
  ours->bindings.remove(slot);
}

std::optional<std::uint16_t> Leg::handle_of(SlotId slot) const {
  const LegOpen* up = as<LegOpen>();
  return up == nullptr ? std::nullopt : up->slot.bindings.handle_of(slot);
}

}  // namespace whimbrel::relay
