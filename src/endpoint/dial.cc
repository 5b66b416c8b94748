#include "endpoint/dial.h"

#include <algorithm>

namespace whimbrel {

namespace {
// The first repetition comes after 300 ms, later ones up to 1 s apart, so that a few fit into the
// initial timeout and a waiting request is kept fresh at the peer.
constexpr Duration kRetryFirst = milliseconds(300);
constexpr Duration kRetryMax = seconds(1);
// RFC 8305 sections 5 and 8: "Connection Attempt Delay".
constexpr Duration kAttemptDelay = milliseconds(250);
// A forged cookie reply may make us repeat message 1 this often.
constexpr unsigned kCookiesObeyedMax = 3;
// So many repetitions of message 1, and none got a better answer than the fault that was noted.
constexpr unsigned kFaultyRepetitionsMin = 3;
}  // namespace

Dial::Dial(const HandshakeConfig& config, const DialTarget& target, ReceiverIndex index,
           UnixMillis stamp, Random& random, Instant now)
    : key_(target.key), index_(index), random_(random), untried_(target.remotes) {
  ASSERT(!untried_.empty());
  if (untried_.size() > kDialAddressesMax) untried_.resize(kDialAddressesMax);
  std::reverse(untried_.begin(), untried_.end());
  offers_.push_back(key_ ? Initiator(config, *key_) : Initiator(config));
  messages_.push_back(message_1(offers_.back(), stamp));
  begin_next(now);
}

std::vector<std::uint8_t> Dial::message_1(Initiator& initiator, UnixMillis stamp) {
  std::vector<std::uint8_t> packet(kHandshakePacketSizeMax);
  packet.resize(initiator.write_init(index_, stamp, random_, packet));
  packet.shrink_to_fit();
  return packet;
}

// --- the addresses -------------------------------------------------------------------------------

void Dial::begin_next(Instant now) {
  Attempt& attempt = attempts_.emplace_back();
  current_ = attempts_.size() - 1;
  several_ = current_ > 0;
  attempt.to = untried_.back();
  untried_.pop_back();
  for (const auto& message : messages_) attempt.copies.push_back({message});
  attempt.last = attempt.copies.size() - 1;
  restart_timer(attempt, now);
  // RFC 8305 section 5: the attempts before it go on, and the first handshake that is complete
  // counts.
  next_attempt_ = untried_.empty() ? kNever : now + kAttemptDelay;
}

void Dial::begin_due(Instant now) {
  while (now >= next_attempt_) begin_next(now);
}

void Dial::restart_timer(Attempt& attempt, Instant now) {
  attempt.sent = 0;
  attempt.next_send = now;
}

// An answer from elsewhere (a NAT, or a host with several addresses) is to what was sent last, in
// that family if possible.
Dial::Attempt& Dial::attempt_of(const Remote& from) {
  std::size_t found = attempts_.size() - 1;
  bool same_family = attempts_[found].to.same_family(from);
  for (std::size_t i = attempts_.size(); i-- > 0;) {
    if (attempts_[i].to == from) {
      found = i;
      break;
    }
    if (same_family || !attempts_[i].to.same_family(from)) continue;
    same_family = true;
    found = i;
  }
  current_ = found;
  elsewhere_ = attempts_[found].to != from;
  return attempts_[found];
}

bool Dial::calls(const Remote& address) const {
  return std::find(untried_.begin(), untried_.end(), address) != untried_.end() ||
         std::any_of(attempts_.begin(), attempts_.end(),
                     [&](const Attempt& attempt) { return attempt.to == address; });
}

std::string Dial::tried() const {
  std::string text;
  for (const Attempt& attempt : attempts_) text += (text.empty() ? "" : " or ") + attempt.to.text();
  return text;
}

void Dial::on_unreachable(const Remote& address) {
  for (Attempt& attempt : attempts_) {
    if (attempt.to != address || attempt.unreachable) continue;
    attempt.unreachable = true;
    if (next_attempt_ != kNever) next_attempt_ = kNow;
  }
}

// --- answers -------------------------------------------------------------------------------------

std::optional<PublicKey> Dial::peer_key() const {
  if (key_) return key_;
  if (initiator().peer_known()) return initiator().peer().static_key;
  return std::nullopt;
}

HandshakeError Dial::on_response(const Remote& from, Bytes datagram, UnixMillis unix_now) {
  if (stage_ != Stage::kInitSent) return HandshakeError::kUnexpected;
  HandshakeError error = HandshakeError::kUnexpected;
  for (std::size_t i = 0; i < offers_.size(); ++i) {
    // Read by a copy: what shows somebody whom we don't want must not keep the true answer out.
    Initiator reader = offers_[i];
    const HandshakeError one = reader.read_response(datagram, unix_now);
    if (one == HandshakeError::kNone || one == HandshakeError::kOwnKey) attempt_of(from);
    if (one == HandshakeError::kNone) {
      answered_ = std::move(reader);
      answered_offer_ = i;
      return one;
    }
    if (one != HandshakeError::kUnexpected) error = one;
  }
  answers_unreadable_ = answers_unreadable_ || error == HandshakeError::kDecryptFailed;
  return error;
}

HandshakeError Dial::on_cookie_reply(const Remote& from, Bytes datagram, Instant now) {
  if (stage_ != Stage::kInitSent) return HandshakeError::kUnexpected;
  Attempt& attempt = attempt_of(from);
  if (attempt.cookies_obeyed >= kCookiesObeyedMax) return HandshakeError::kUnexpected;
  Copy& copy = attempt.copies[attempt.last];
  const HandshakeError error = offers_[attempt.last].read_cookie_reply(datagram, copy.packet);
  if (error != HandshakeError::kNone) return error;
  ++attempt.cookies_obeyed;
  copy.sent = 0;
  attempt.last = offers_.size() - 1 - attempt.last;  // there are two at most: this one is next
  restart_timer(attempt, now);
  return error;
}

HandshakeError Dial::on_version_reply(const Remote& from, Bytes datagram, UnixMillis stamp,
                                      Instant now) {
  if (stage_ != Stage::kInitSent) return HandshakeError::kUnexpected;
  Initiator other = offers_.front();
  Attempt& attempt = attempt_of(from);
  const HandshakeError error = other.read_version_reply(datagram);
  if (error != HandshakeError::kNone) return error;
  // Obeyed once only, or two of them in turn could keep us busy for ever.
  if (offers_.size() > 1) return HandshakeError::kUnexpected;
  messages_.push_back(message_1(other, stamp));
  offers_.push_back(std::move(other));
  for (Attempt& each : attempts_) each.copies.push_back({messages_.back()});
  restart_timer(attempt, now);
  return error;
}

void Dial::finish(UnixMillis stamp, Instant now) {
  offers_ = {std::move(*answered_)};
  Copy message_3;
  message_3.packet.resize(kHandshakePacketSizeMax);
  message_3.packet.resize(offers_.front().write_finish(stamp, random_, message_3.packet));
  std::vector<Attempt> go_on;
  const auto go_on_at = [&](const Remote& to) {
    Attempt& attempt = go_on.emplace_back();
    attempt.to = to;
    attempt.copies.push_back(message_3);
    restart_timer(attempt, now);
  };
  go_on_at(to());
  // An answer from elsewhere does not tell which of the calls has come there.
  for (std::size_t i = 0; elsewhere_ && i < attempts_.size(); ++i) {
    if (i != current_ && attempts_[i].to.same_family(to())) go_on_at(attempts_[i].to);
  }
  attempts_ = std::move(go_on);
  current_ = 0;
  messages_.clear();
  untried_.clear();
  next_attempt_ = kNever;
  answered_.reset();
  stage_ = Stage::kFinishSent;
}

// --- answers that are none -----------------------------------------------------------------------

void Dial::note_fault(int reason, std::string text, Instant now) {
  Attempt& attempt = attempts_[current_];
  // What this address has to say is said.
  if (!attempt.fault && next_attempt_ != kNever) next_attempt_ = now;
  attempt.fault = Fault{reason, std::move(text)};
  if (attempt.fault_seen_at == attempt.sends) return;
  attempt.fault_seen_at = attempt.sends;
  ++attempt.faulty_sends;
}

std::optional<Dial::Fault> Dial::fault() const {
  std::optional<Fault> all;
  std::string silent;
  for (const Attempt& attempt : attempts_) {
    if (!attempt.fault) {
      silent += (silent.empty() ? "" : " or ") + attempt.to.text();
    } else if (!all) {
      all = attempt.fault;
    } else if (all->text.find(attempt.fault->text) == std::string::npos) {
      all->text += "; " + attempt.fault->text;
    }
  }
  if (all && !silent.empty()) all->text += "; no answer from " + silent;
  return all;
}

bool Dial::fault_is_certain() const {
  bool any = false;
  for (const Attempt& attempt : attempts_) {
    const bool certain = attempt.fault && attempt.faulty_sends > kFaultyRepetitionsMin;
    if (!certain && !attempt.unreachable) return false;
    any = any || certain;
  }
  return any && !key_ && untried_.empty();
}

// --- packets -------------------------------------------------------------------------------------

std::optional<Dial::Packet> Dial::poll_packet(Instant now) {
  if (broken()) return std::nullopt;
  begin_due(now);
  for (Attempt& attempt : attempts_) {
    if (now < attempt.next_send) continue;
    attempt.last = (attempt.last + 1) % attempt.copies.size();
    Copy& copy = attempt.copies[attempt.last];
    if (copy.sent++ == 0) copy.first_sent = now;
    Duration wait = kRetryFirst;
    for (unsigned i = 0; i < std::min(attempt.sent, 8u); ++i) wait = wait * 3 / 2;
    attempt.next_send = now + std::min(wait, kRetryMax);
    ++attempt.sent;
    ++attempt.sends;
    return Packet{attempt.to, copy.packet};
  }
  return std::nullopt;
}

Instant Dial::next_send() const {
  Instant next = next_attempt_;
  for (const Attempt& attempt : attempts_) next = std::min(next, attempt.next_send);
  return next;
}

Duration Dial::round_trip(Instant now) const {
  const Copy& copy = attempts_[current_].copies[answered_offer_];
  return copy.sent == 1 ? now - copy.first_sent : Duration::zero();
}

}  // namespace whimbrel
