#include "relay/leg.h"

#include <algorithm>
#include <utility>

namespace whimbrel::relay {

namespace {

constexpr Duration kOpenRetryFirst = milliseconds(250);
constexpr Duration kOpenRetryMax = seconds(4);
// If something waits for the leg, it opens at this pace for as long as a session would wait. It
// asks for a slot that the relay may still have at the faster one, which costs the relay next to
// nothing.
constexpr Duration kOpenRetryWanted = milliseconds(300);
constexpr Duration kResumeRetryWanted = milliseconds(80);
constexpr Duration kWantedTime = seconds(10);
// How long a relay keeps the slot of a silent client (RelayLimits::idle_time).
constexpr Duration kKeptTime = seconds(60);
// The old slot is better than a new one: its answer should come first.
constexpr Duration kPingFirst = milliseconds(5);
// After this many Opens without an answer the relay counts as silent; opening goes on.
constexpr unsigned kOpensUntilLost = 5;
constexpr Duration kBindRetryFirst = milliseconds(200);
constexpr Duration kBindRetryMax = seconds(2);
constexpr Duration kKeepAlive = seconds(15);  // in practice NAT mappings last at least 30 s
// While we send and hear nothing, we ask this often. Any packet is an answer.
constexpr Duration kQuietMin = milliseconds(50);
// The peer answers the keep-alive of an idle session soon; a healthy relay need not be asked each
// time.
constexpr Duration kQuietIdle = milliseconds(350);
constexpr unsigned kUnheardIdle = 2;
// A relay that delivered lately and has gone quiet is asked a little later: there may be nothing to
// deliver, or it was restarted and no longer knows us.
constexpr Duration kQuietAfterPayload = seconds(1);
constexpr Duration kLately = seconds(10);
constexpr Duration kAskInterval = milliseconds(50);
// A leg whose traffic stops suddenly, in both directions, sends its first Open after this or one
// and a half round trips of silence, without a wait for the answer to its Ping. If the relay knew
// us, that was a quiet peer or a slow network, and for so long the next Open waits until a Ping has
// had time for its answer.
constexpr Duration kReopenMin = milliseconds(50);
constexpr Duration kReopenPause = seconds(10);
constexpr Duration kReopenTime = seconds(2);  // so long after an Open its answer may come
// A leg with traffic is doubted after kDoubtMin, or two round trips and kDoubtSlack; it is dead
// after kSilenceBusy, or four round trips. Both count from the first payload without an answer. An
// idle leg has more time.
constexpr Duration kDoubtMin = milliseconds(150);
constexpr Duration kDoubtSlack = milliseconds(50);
constexpr Duration kSilenceBusy = milliseconds(400);
constexpr Duration kSilenceIdle = seconds(3);
constexpr std::uint32_t kSequenceMax = 0xf0000000;
constexpr std::size_t kOutMax = 64;
constexpr std::size_t kFormerMax = 16;
constexpr std::size_t kEventsMax = 1024;
constexpr std::size_t kBoundMax = 1024;

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

// --- opening ------------------------------------------------------------------------------------

void Leg::open(const Ticket& ticket, Instant now) {
  ASSERT(ticket.token.size() <= kBodySizeMax);
  const bool moves = ticket.relay != ticket_.relay;
  // An Open with the older token is under way: its answer has a MAC of that token.
  if (state_ == State::kOpen && !moves && reopens_ > 0) {
    newer_ticket_ = ticket;
    return;
  }
  newer_ticket_.reset();
  ticket_ = ticket;
  if (state_ == State::kOpen && !moves) return ask(Ask::kRenew, ticket_.token);
  // At another address there is another slot, with handles of its own.
  if (state_ == State::kOpen) return lose({LegLost::Why::kClosed, {}}, now);
  if (moves) forget_slot();
  // The slot's keys depend on the token of the Open: another token needs another nonce.
  random_.fill(nonce_);
  start_opening(now);
  if (!kept_) return;
  next_open_ = now + kPingFirst;
  renewal_owed_ = true;
}

void Leg::take_newer_ticket(Instant now) {
  if (newer_ticket_) open(*std::exchange(newer_ticket_, std::nullopt), now);
}

void Leg::start_opening(Instant now) {
  state_ = State::kOpening;
  cookie_ = {};
  opens_sent_ = reopens_ = 0;
  reopen_owed_ = false;
  open_wait_ = kOpenRetryFirst;
  opening_since_ = now;
  refused_ = false;
  next_open_ = now;
  next_ping_ = kept_ ? now : kNever;
  asked_since_ = kNever;
  unheard_since_ = kNever;
  suspected_ = doubted_ = draining_ = false;
  out_.clear();
}

void Leg::close() {
  if (state_ == State::kOpen) {
    ask(Ask::kClose, {});
  } else {
    out_.clear();
  }
  state_ = State::kClosed;
  next_open_ = next_ping_ = asked_since_ = unheard_since_ = kNever;
  reopen_owed_ = doubted_ = draining_ = false;
  newer_ticket_.reset();
  forget_slot();
}

void Leg::lose(LegLost lost, Instant now) {
  post(lost);
  if (lost.why == LegLost::Why::kSilence) {
    // An Open with the same nonce is answered with the same slot, if the relay still has it.
    kept_ = true;
    kept_until_ = now + kKeptTime;
  } else {
    forget_slot();
    random_.fill(nonce_);
  }
  start_opening(now);
  take_newer_ticket(now);
}

void Leg::forget_slot() {
  kept_ = renewal_owed_ = false;
  kept_until_ = next_ping_ = kNever;
  bound_.clear();
}

void Leg::resume(Instant now) {
  state_ = State::kOpen;
  // With another one the relay would give us a second slot.
  nonce_ = slot_nonce_;
  kept_ = false;
  kept_until_ = next_open_ = next_ping_ = kNever;
  heard(now);
  for (auto& [slot, bound] : bound_) {
    if (!bound.handle) bound.ask_at = now;
  }
  if (std::exchange(renewal_owed_, false)) ask(Ask::kRenew, ticket_.token);
  post(LegResumed{});
}

void Leg::hurry(Instant now) {
  payload_sent_ = now;
  if (state_ != State::kOpening || refused_ || next_open_ == kNever) return;
  next_open_ = std::max(now, std::min(next_open_, open_sent_ + kOpenRetryWanted));
}

bool Leg::wanted(Instant now) const {
  const std::optional<Instant> used = std::max(payload_sent_, payload_seen_);
  return !refused_ && used && now - *used < kWantedTime;
}

bool Leg::asks_to_open(Instant now) const {
  if (state_ == State::kOpen) return opens_sent_ > 0 && now - open_sent_ < kReopenTime;
  return state_ == State::kOpening;
}

void Leg::on_cookie(Bytes datagram, Instant now) {
  const auto reply = read_cookie_reply(datagram);
  if (!reply || !asks_to_open(now) || reply->nonce != nonce_ || reply->cookie == cookie_) return;
  cookie_ = reply->cookie;
  // Forged cookies must not make us send more than our own retries do.
  if (state_ == State::kOpen) {
    reopen_owed_ = reopens_ == 1 || reopens_ == 2;
  } else if (opens_sent_ <= 2) {
    next_open_ = now;
  }
}

void Leg::on_opened(Bytes datagram, Instant now) {
  const auto opened = read_opened(datagram);
  if (!opened || !asks_to_open(now) || opened->nonce != nonce_ ||
      !check_mac(ticket_.secret, Kind::kOpened, datagram)) {
    return;
  }
  if (kept_ && opened->slot == slot_ && opened->relay_nonce == relay_nonce_) {
    observed_ = opened->observed;
    resume(now);
    return ping(now);
  }
  // What the relay has said to this nonce, in this life or a former one, may be played back. Its
  // answer to the Ping shows that it knows us still.
  if (nonce_ != slot_nonce_) former_.clear();
  if (std::find(former_.begin(), former_.end(), opened->relay_nonce) != former_.end()) return;
  const bool forgotten = nonce_ == slot_nonce_ && (state_ == State::kOpen || kept_);
  if (former_.size() == kFormerMax) former_.erase(former_.begin());
  former_.push_back(opened->relay_nonce);
  // RFC 6298 3: of what left once alone.
  if (rtt_ == Duration::zero() && opens_sent_ == 1) rtt_ = std::max(now - open_sent_, Duration(1));
  forget_slot();
  start_opening(now);  // nothing of the old slot counts
  state_ = State::kOpen;
  slot_nonce_ = nonce_;
  needless_.reset();
  keys_ = leg_keys(ticket_.secret, nonce_, opened->relay_nonce);
  relay_nonce_ = opened->relay_nonce;
  slot_ = opened->slot;
  relay_id_ = opened->relay_id;
  observed_ = opened->observed;
  sequence_ = 0;
  window_ = {};
  epoch_ = 0;
  payload_at_.reset();
  payload_seen_.reset();
  next_open_ = next_ping_ = kNever;
  heard_ = now;
  post(LegOpened{slot_, observed_, forgotten});
  draining_ = opened->drain_s != 0;
  if (draining_) post(LegDraining{seconds(opened->drain_s)});
  // As in RFC 9000 8.1, the relay forwards nothing to us before we show that its answer came.
  ping(now);
  take_newer_ticket(now);
}

void Leg::on_refused(Bytes datagram, Instant now) {
  const auto refused = read_refused(datagram);
  if (!refused || !asks_to_open(now) || refused->nonce != nonce_ ||
      !check_mac(ticket_.secret, Kind::kRefused, datagram)) {
    return;
  }
  post(LegLost{
      refused->reason == Refusal::kExpired ? LegLost::Why::kNoToken : LegLost::Why::kRefused,
      refused->reason});
  // A relay that knew our slot would not refuse it.
  if (state_ == State::kOpen) start_opening(now);
  forget_slot();
  random_.fill(nonce_);
  cookie_ = {};
  refused_ = true;
  next_open_ = refused->reason == Refusal::kExpired ? kNever : now + kOpenRetryMax;
  take_newer_ticket(now);
}

// --- what comes ---------------------------------------------------------------------------------

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
  if (state_ == State::kOpening) resume(now);
  heard(now);
  if (header->kind == Kind::kDeliver) {
    const bool anew = !payload_seen_ || now - *payload_seen_ >= kLately;
    lively_back_ = delivered_.add(now);
    if (lively_back_ || anew) payload_at_ = now;
    payload_seen_ = now;
    return Received{header->slot, datagram.subspan(kHeaderSize)};
  }
  if (header->kind == Kind::kTell && header->slot == slot_ &&
      datagram.size() <= kHeaderSize + kBodySizeMax) {
    on_tell(*header, datagram.subspan(kHeaderSize), now);
  }
  return std::nullopt;
}

bool Leg::accept(const LegHeader& header, Bytes datagram) {
  const bool have_slot = state_ == State::kOpen || (state_ == State::kOpening && kept_);
  if (!have_slot || !check_leg_tag(keys_.down, datagram) || !window_.acceptable(header.sequence)) {
    return false;
  }
  window_.commit(header.sequence);
  return true;
}

void Leg::heard(Instant now) {
  heard_ = now;
  unheard_since_ = asked_since_ = kNever;
  suspected_ = false;
  if (reopens_ > 0) needless_ = now;
  reopens_ = 0;
  reopen_owed_ = false;
  if (doubted_) post(LegHeard{});
  doubted_ = false;
  take_newer_ticket(now);
}

void Leg::on_tell(const LegHeader& header, Bytes body, Instant now) {
  ByteReader in(body);
  switch (static_cast<Tell>(header.detail)) {
    case Tell::kBound:
      return on_bound(in);
    case Tell::kPong:
      return on_pong(in, now);
    case Tell::kClosed:
      return lose({LegLost::Why::kClosed, {}}, now);
    case Tell::kPathChallenge:
      if (body.size() == 8) ask(Ask::kPathAnswer, body);
      return;
    case Tell::kDrain:
      draining_ = true;
      post(LegDraining{seconds(in.u16())});
      return;
    case Tell::kGone: {
      const SlotId slot{in.u32()};
      if (in.ok() && bound_.erase(slot) > 0) post(LegPeerGone{slot});
      return;
    }
    case Tell::kRenewed:
      return;
  }
}

void Leg::on_bound(ByteReader& in) {
  const SlotId slot{in.u32()};
  const std::uint16_t handle = in.u16();
  const auto result = static_cast<BindResult>(in.u8());
  const auto at = bound_.find(slot);
  if (!in.ok() || at == bound_.end() || at->second.handle) return;
  if (result == BindResult::kBound) {
    at->second.handle = handle;
    at->second.ask_at = kNever;
  } else {
    bound_.erase(at);
  }
  post(LegBound{slot, result});
}

void Leg::on_pong(ByteReader& in, Instant now) {
  const Instant sent{Duration(static_cast<std::int64_t>(in.u64()))};
  const IpAddress observed = read_address(in);
  if (!in.ok()) return;
  observed_ = observed;
  const Duration sample = std::max(now - sent, Duration(1));
  // RFC 6298 2.3.
  rtt_ = rtt_ == Duration::zero() ? sample : (rtt_ * 7 + sample) / 8;
}

// --- what leaves --------------------------------------------------------------------------------

void Leg::ask(Ask kind, Bytes body) {
  if (out_.size() >= kOutMax) return;
  std::vector<std::uint8_t>& datagram = out_.emplace_back(kHeaderSize + body.size());
  write_leg_header(datagram.data(),
                   {Kind::kAsk, static_cast<std::uint8_t>(kind), 0, slot_, ++sequence_});
  std::copy(body.begin(), body.end(), datagram.begin() + kHeaderSize);
  write_leg_tag(keys_.up, datagram);
}

void Leg::ping(Instant now) {
  std::array<std::uint8_t, 8 + 18> body{};
  ByteWriter(body).u64(static_cast<std::uint64_t>(now.time_since_epoch().count()));
  ask(Ask::kPing, body);
  if (asked_since_ == kNever) asked_since_ = now;
  next_ping_ = now + std::max(kAskInterval, doubted_ ? Duration::zero() : rtt_ * 5 / 4);
}

void Leg::sent(Instant now) {
  if (unheard_since_ == kNever) {
    unheard_since_ = now;
    unheard_ = 0;
  }
  ++unheard_;
  lively_ = sent_.add(now);
  payload_sent_ = now;
}

std::size_t Leg::wrap(SlotId slot, Bytes payload, MutableBytes out, Instant now) {
  const auto handle = handle_of(slot);
  return handle ? wrap(*handle, payload, out, now) : 0;
}

std::size_t Leg::wrap(std::uint16_t handle, Bytes payload, MutableBytes out, Instant now) {
  ASSERT(state_ == State::kOpen);
  const std::size_t size = kHeaderSize + payload.size();
  ASSERT(out.size() >= size);
  write_leg_header(out.data(), {Kind::kSend, 0, handle, slot_, ++sequence_});
  std::memcpy(out.data() + kHeaderSize, payload.data(), payload.size());
  write_leg_tag(keys_.up, out.first(size));
  sent(now);
  return size;
}

std::size_t Leg::poll_transmit(MutableBytes buffer, Instant now) {
  if (!out_.empty()) {
    const std::size_t size = out_.front().size();
    std::copy(out_.front().begin(), out_.front().end(), buffer.begin());
    out_.pop_front();
    return size;
  }
  if (state_ == State::kOpen && reopen_owed_) {
    reopen_owed_ = false;
    ++reopens_;
    return write_open_packet(buffer, now);
  }
  if (state_ != State::kOpening || now < next_open_) return 0;
  const std::size_t size = write_open_packet(buffer, now);
  next_open_ = now + (wanted(now) ? std::min(open_wait_, kOpenRetryWanted) : open_wait_);
  open_wait_ = std::min(open_wait_ * 3 / 2, kOpenRetryMax);
  if (opens_sent_ == kOpensUntilLost) post(LegLost{LegLost::Why::kSilence, {}});
  return size;
}

std::size_t Leg::write_open_packet(MutableBytes buffer, Instant now) {
  const MutableBytes datagram = write_open(buffer, nonce_, cookie_, ticket_.token);
  write_mac(ticket_.secret, Kind::kOpen, datagram);
  open_sent_ = now;
  ++opens_sent_;
  return datagram.size();
}

// --- grants -------------------------------------------------------------------------------------

Grant Leg::make_grant(const IdentityHash& peer, std::int64_t not_after_unix) const {
  ASSERT(state_ == State::kOpen);
  Grant grant;
  grant.relay_id = relay_id_;
  grant.slot = slot_;
  grant.peer = peer;
  grant.not_after = static_cast<std::uint32_t>(not_after_unix);
  grant.epoch = epoch_;
  sign_grant(grant, keys_.grant);
  return grant;
}

void Leg::revoke_grants() {
  ASSERT(state_ == State::kOpen);
  const std::array<std::uint8_t, 1> body{++epoch_};
  ask(Ask::kNewEpoch, body);
}

void Leg::bind(const Grant& grant, Instant now) {
  if (state_ != State::kOpen) return;
  const auto known = bound_.find(grant.slot);
  if (known != bound_.end() && known->second.handle && known->second.grant.epoch == grant.epoch) {
    return;
  }
  // It is asked for again when it is time.
  if (known != bound_.end() && !known->second.handle && known->second.grant == grant) return;
  if (known == bound_.end() && bound_.size() >= kBoundMax) {
    return post(LegBound{grant.slot, BindResult::kFull});
  }
  bound_[grant.slot] = {grant, std::nullopt, now, kBindRetryFirst};
  ++binds_open_;
}

void Leg::unbind(SlotId slot) {
  const auto at = bound_.find(slot);
  if (at == bound_.end()) return;
  if (at->second.handle && state_ == State::kOpen) {
    std::array<std::uint8_t, 2> body;
    ByteWriter(body).u16(*at->second.handle);
    ask(Ask::kUnbind, body);
  }
  bound_.erase(at);
}

std::optional<std::uint16_t> Leg::handle_of(SlotId slot) const {
  if (state_ != State::kOpen) return std::nullopt;
  const auto at = bound_.find(slot);
  return at == bound_.end() ? std::nullopt : at->second.handle;
}

// --- time ---------------------------------------------------------------------------------------

Duration Leg::quiet_max(Instant now) const {
  return payload_at_ && now - *payload_at_ < kLately ? kQuietAfterPayload : kKeepAlive;
}

Duration Leg::silence_max(Instant now) const {
  const bool idle = !suspected_ && unheard_since_ == kNever && quiet_max(now) == kKeepAlive;
  return std::max(idle ? kSilenceIdle : kSilenceBusy, 4 * rtt_);
}

void Leg::suspect(Instant now, bool restarted) {
  if (state_ != State::kOpen) return;
  if (restarted && reopens_ == 0) reopen_owed_ = true;
  if (suspected_) return;
  suspected_ = true;
  ping(now);
}

Instant Leg::next_deadline() const {
  if (!out_.empty() || reopen_owed_) return kNow;
  if (state_ == State::kOpening) return std::min({next_open_, next_ping_, kept_until_});
  if (state_ == State::kClosed) return kNever;
  Instant next = std::min({dead_at(), doubt_at(), ask_at(), reopen_at()});
  if (binds_open_ == 0) return next;
  for (const auto& [slot, bound] : bound_) next = std::min(next, bound.ask_at);
  return next;
}

// A ping for the slot that we had: from another address than before the relay challenges it, where
// an Open gets nothing.
void Leg::advance_opening(Instant now) {
  if (now >= kept_until_) {
    forget_slot();
    random_.fill(nonce_);
    cookie_ = {};
  }
  if (!kept_ || now < next_ping_) return;
  ping(now);
  next_ping_ = now + (wanted(now) ? kResumeRetryWanted : open_wait_);
}

void Leg::advance(Instant now) {
  if (state_ == State::kOpening) return advance_opening(now);
  if (state_ != State::kOpen) return;
  if (binds_open_ > 0) ask_for_binds(now);
  check_silence(now);
  if (state_ == State::kOpen && sequence_ > kSequenceMax) lose({LegLost::Why::kClosed, {}}, now);
}

void Leg::ask_for_binds(Instant now) {
  binds_open_ = 0;
  for (auto& [slot, bound] : bound_) {
    if (!bound.handle) ++binds_open_;
    if (now < bound.ask_at) continue;
    std::array<std::uint8_t, kGrantSize> body;
    ByteWriter out(body);
    write_grant(out, bound.grant);
    ask(Ask::kBind, body);
    bound.ask_at = now + bound.wait;
    bound.wait = std::min(bound.wait * 2, kBindRetryMax);
  }
}

bool Leg::in_traffic() const { return lively_ || unheard_ > kUnheardIdle; }

// Who begins to talk waits for the peer, and its relay is well.
bool Leg::stopped_suddenly() const {
  return lively_ && lively_back_ && payload_seen_ && unheard_since_ != kNever &&
         unheard_since_ - *payload_seen_ < kQuietMin;
}

// The clock of a leg that carries something starts with what it carried, but a question has its
// time for an answer, too.
Instant Leg::dead_at() const {
  if (asked_since_ == kNever) return kNever;
  return std::max(std::min(asked_since_, unheard_since_) + silence_max(heard_),
                  asked_since_ + 2 * rtt_ + kDoubtSlack);
}

Instant Leg::doubt_at() const {
  if (doubted_ || unheard_since_ == kNever || !(in_traffic() || asked_since_ != kNever))
    return kNever;
  return unheard_since_ + std::max(kDoubtMin, 2 * rtt_ + kDoubtSlack);
}

Instant Leg::ask_at() const {
  if (asked_since_ != kNever) return next_ping_;
  if (unheard_since_ == kNever) return heard_ + quiet_max(heard_);
  return unheard_since_ + (in_traffic() ? kQuietMin : kQuietIdle);
}

// An Open with the nonce of our slot costs a relay that knows it an answer and changes nothing.
Instant Leg::reopen_at() const {
  if (asked_since_ == kNever) return kNever;
  const Duration patience = std::max(kReopenMin, rtt_ * 3 / 2);
  if (reopens_ > 0) return open_sent_ + patience * (1 << std::min(reopens_, 6u));
  const bool at_once = stopped_suddenly() && (!needless_ || heard_ - *needless_ >= kReopenPause);
  const Instant since = at_once ? std::min(asked_since_, unheard_since_) : asked_since_;
  return std::max(asked_since_, since + patience);
}

void Leg::check_silence(Instant now) {
  if (now >= dead_at()) return lose({LegLost::Why::kSilence, {}}, now);
  if (now >= doubt_at()) {
    doubted_ = true;
    post(LegSuspected{});
  }
  if (now >= ask_at()) ping(now);
  if (now >= reopen_at()) reopen_owed_ = true;
}

}  // namespace whimbrel::relay
