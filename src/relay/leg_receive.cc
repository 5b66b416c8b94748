// Leg, what comes from the relay: its answers to an Open, and the packets of the leg.
#include <algorithm>

#include "relay/leg.h"

namespace whimbrel::relay {

namespace {

// Forged cookies must not make us send more Opens than our own repetitions are.
constexpr unsigned kOpensByCookie = 2;
// After a refusal it asks again, for the relay may have room then.
constexpr Duration kRefusedPause = seconds(4);
// So long after an Open its answer may come to a leg that is open.
constexpr Duration kAnswerTime = seconds(2);
constexpr std::size_t kFormerMax = 16;
// Beyond this a Pong tells nothing of the round trip; who sends such ones is not in order.
constexpr Duration kPongMax = seconds(60);

}  // namespace

// --- answers to an Open --------------------------------------------------------------------------

// With another one than its slot's the relay would give an open leg a second slot.
const Nonce& Leg::nonce() const {
  const LegOpen* up = as<LegOpen>();
  return up != nullptr ? up->slot.nonce : as<LegOpening>()->nonce;
}

SentOpens* Leg::awaited(const Nonce& nonce, Instant now) {
  if (is<LegClosed>() || nonce != this->nonce()) return nullptr;
  LegOpen* up = as<LegOpen>();
  if (up == nullptr) return &as<LegOpening>()->opens;
  const bool soon = up->opens.count > 0 && now - history_.open_sent() < kAnswerTime;
  return soon ? &up->opens : nullptr;
}

void Leg::on_cookie(Bytes datagram, Instant now) {
  const auto reply = read_cookie_reply(datagram);
  SentOpens* opens = reply ? awaited(reply->nonce, now) : nullptr;
  if (opens == nullptr || reply->cookie == opens->cookie) return;
  opens->cookie = reply->cookie;
  if (LegOpen* up = as<LegOpen>()) {
    up->silence.on_cookie();
  } else if (opens->count <= kOpensByCookie) {
    as<LegOpening>()->open_at = now;
  }
}

void Leg::on_opened(Bytes datagram, Instant now) {
  const auto opened = read_opened(datagram);
  if (!opened || awaited(opened->nonce, now) == nullptr ||
      !check_mac(ticket_.secret, Kind::kOpened, datagram)) {
    return;
  }
  LegOpening* opening = as<LegOpening>();
  KeptSlot* kept = opening == nullptr ? nullptr : opening->kept();
  if (kept == nullptr || opened->slot != kept->slot.id ||
      opened->relay_nonce != kept->slot.relay_nonce) {
    return begin_slot(*opened, now);
  }
  kept->slot.observed = opened->observed;
  resume(now);
  ping(*as<LegOpen>(), now);
}

void Leg::begin_slot(const Opened& opened, Instant now) {
  const LegSlot* before = known_slot();
  const bool forgotten = before != nullptr && before->nonce == opened.nonce;
  std::vector<Nonce> former = forgotten ? before->former : std::vector<Nonce>();
  // What the relay has said to this nonce, in this life or a former one, may be played back. Its
  // answer to the Ping shows that it knows us still.
  if (std::find(former.begin(), former.end(), opened.relay_nonce) != former.end()) return;
  if (former.size() == kFormerMax) former.erase(former.begin());
  former.push_back(opened.relay_nonce);
  // RFC 6298 3: of what left once alone.
  if (rtt() == Duration::zero() && awaited(opened.nonce, now)->count == 1)
    history_.measured(now - history_.open_sent());
  const std::optional<Ticket> newer = take_newer_ticket();
  out_.clear();  // nothing of the old slot counts
  history_.begin_slot();
  LegSlot slot;
  slot.id = opened.slot;
  slot.relay_id = opened.relay_id;
  slot.observed = opened.observed;
  slot.nonce = opened.nonce;
  slot.relay_nonce = opened.relay_nonce;
  slot.former = std::move(former);
  slot.keys = leg_keys(ticket_.secret, opened.nonce, opened.relay_nonce);
  state_ = LegOpen{std::move(slot), LegSilence(now), opened.drain_s != 0};
  post(LegOpened{opened.slot, opened.observed, forgotten});
  if (opened.drain_s != 0) post(LegDraining{seconds(opened.drain_s)});
  // As in RFC 9000 8.1, the relay forwards nothing to us before we show that its answer came.
  ping(*as<LegOpen>(), now);
  if (newer) open(*newer, now);
}

void Leg::on_refused(Bytes datagram, Instant now) {
  const auto refused = read_refused(datagram);
  if (!refused || awaited(refused->nonce, now) == nullptr ||
      !check_mac(ticket_.secret, Kind::kRefused, datagram)) {
    return;
  }
  const bool expired = refused->reason == Refusal::kExpired;
  post(LegLost{expired ? LegLost::Why::kNoToken : LegLost::Why::kRefused, refused->reason});
  const std::optional<Ticket> newer = take_newer_ticket();
  // A relay that knew our slot would not refuse it.
  if (is<LegOpen>()) begin_opening({}, std::nullopt, now);
  LegOpening& opening = *as<LegOpening>();
  opening.outlook = LegOpening::Refused{};
  opening.nonce = fresh_nonce();
  opening.opens.cookie = {};
  opening.open_at = expired ? kNever : now + kRefusedPause;
  if (newer) open(*newer, now);
}

// --- packets of the leg that come ----------------------------------------------------------------

std::optional<Leg::Received> Leg::receive(MutableBytes datagram, Instant now) {
  if (datagram.empty()) return std::nullopt;
  switch (static_cast<Kind>(datagram[0])) {
    case Kind::kCookie:
      on_cookie(datagram, now);
      return std::nullopt;
    case Kind::kOpened:
      on_opened(datagram, now);
      return std::nullopt;
    case Kind::kRefused:
      on_refused(datagram, now);
      return std::nullopt;
    default:
      break;
  }
  const auto header = read_leg_header(datagram);
  if (!header || !accept(*header, datagram)) return std::nullopt;
  heard(now);
  if (header->kind == Kind::kDeliver) {
    history_.delivered_payload(now);
    return Received{header->slot, datagram.subspan(kHeaderSize)};
  }
  if (header->kind == Kind::kTell && header->slot == slot() &&
      datagram.size() <= kHeaderSize + kBodySizeMax) {
    on_tell(*header, datagram.subspan(kHeaderSize), now);
  }
  return std::nullopt;
}

bool Leg::accept(const LegHeader& header, Bytes datagram) {
  LegSlot* slot = known_slot();
  if (slot == nullptr || !check_leg_tag(slot->keys.down, datagram) ||
      !slot->window.acceptable(header.sequence)) {
    return false;
  }
  slot->window.commit(header.sequence);
  return true;
}

void Leg::heard(Instant now) {
  if (is<LegOpening>()) resume(now);
  LegOpen& up = *as<LegOpen>();
  if (up.silence.opens() > 0) history_.needless_open(now);
  if (up.silence.doubted()) post(LegHeard{});
  up.silence = LegSilence(now);
  if (up.newer_ticket) open(*take_newer_ticket(), now);
}

void Leg::on_tell(const LegHeader& header, Bytes body, Instant now) {
  ByteReader in(body);
  LegOpen& up = *as<LegOpen>();
  switch (static_cast<Tell>(header.detail)) {
    case Tell::kBound:
      return on_bound(up.slot, in);
    case Tell::kPong:
      return on_pong(up.slot, in, now);
    case Tell::kClosed:
      return lose({LegLost::Why::kClosed, {}}, now);
    case Tell::kPathChallenge:
      if (body.size() == 8) ask(up.slot, Ask::kPathAnswer, body);
      return;
    case Tell::kDrain: {
      const auto left = seconds(in.u16());
      if (!in.ok()) return;
      up.draining = true;
      return post(LegDraining{left});
    }
    case Tell::kGone: {
      const SlotId slot{in.u32()};
      if (!in.ok() || !up.slot.bindings.contains(slot)) return;
      up.slot.bindings.remove(slot);
      return post(LegPeerGone{slot});
    }
    case Tell::kRenewed:
      return;
  }
}

void Leg::on_bound(LegSlot& slot, ByteReader& in) {
  const SlotId peer{in.u32()};
  const std::uint16_t handle = in.u16();
  const auto result = static_cast<BindResult>(in.u8());
  if (in.ok() && slot.bindings.answered(peer, result, handle)) post(LegBound{peer, result});
}

void Leg::on_pong(LegSlot& slot, ByteReader& in, Instant now) {
  const Instant sent{Duration(static_cast<std::int64_t>(in.u64()))};
  const IpAddress observed = read_address(in);
  if (!in.ok() || sent > now || sent < now - kPongMax) return;
  slot.observed = observed;
  history_.measured(now - sent);
}

}  // namespace whimbrel::relay
