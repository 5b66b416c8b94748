#include "endpoint/dial.h"

#include <algorithm>

namespace whimbrel {

namespace {
// The first repetition comes after 300 ms, later ones up to 1 s apart, so that a few fit into the initial timeout and a
// waiting request is kept fresh at the peer.
constexpr Duration kRetryFirst = milliseconds(300);
constexpr Duration kRetryMax = seconds(1);
// A forged cookie reply may make us repeat message 1 this often.
constexpr unsigned kCookiesObeyedMax = 3;
// So many repetitions of message 1, and none got a better answer than the fault that was noted.
constexpr unsigned kFaultyRepetitionsMin = 3;
}  // namespace

Dial::Dial(const HandshakeConfig& config, const DialTarget& target, ReceiverIndex index,
           UnixMillis stamp, Random& random, Instant now)
    : target_(target), index_(index), random_(random) {
  Offer offer{target.key ? Initiator(config, *target.key) : Initiator(config), {}};
  offer.packet.resize(kHandshakePacketSizeMax);
  offer.packet.resize(offer.initiator.write_init(index_, stamp, random_, offer.packet));
  offers_.push_back(std::move(offer));
  restart_timer(now);
}

void Dial::restart_timer(Instant now) {
  sent_ = 0;
  next_send_ = now;
}

std::optional<PublicKey> Dial::peer_key() const {
  if (target_.key) return target_.key;
  if (initiator().peer_known()) return initiator().peer().static_key;
  return std::nullopt;
}

HandshakeError Dial::on_response(Bytes datagram, UnixMillis unix_now) {
  if (stage_ != Stage::kInitSent) return HandshakeError::kUnexpected;
  HandshakeError error = HandshakeError::kUnexpected;
  for (std::size_t i = 0; i < offers_.size(); ++i) {
    // Read by a copy: what shows somebody whom we don't want must not keep the true answer out.
    Initiator reader = offers_[i].initiator;
    const HandshakeError one = reader.read_response(datagram, unix_now);
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

HandshakeError Dial::on_cookie_reply(Bytes datagram, Instant now) {
  if (stage_ != Stage::kInitSent || cookies_obeyed_ >= kCookiesObeyedMax) {
    return HandshakeError::kUnexpected;
  }
  Offer& offer = offers_[last_];
  const HandshakeError error = offer.initiator.read_cookie_reply(datagram, offer.packet);
  if (error != HandshakeError::kNone) return error;
  ++cookies_obeyed_;
  offer.sent = 0;
  last_ = offers_.size() - 1 - last_;  // there are two at most: this one is next
  restart_timer(now);
  return error;
}

HandshakeError Dial::on_version_reply(Bytes datagram, UnixMillis stamp, Instant now) {
  if (stage_ != Stage::kInitSent) return HandshakeError::kUnexpected;
  Offer offer{offers_.front().initiator, {}};
  const HandshakeError error = offer.initiator.read_version_reply(datagram);
  if (error != HandshakeError::kNone) return error;
  // Obeyed once only, or two of them in turn could keep us busy for ever.
  if (offers_.size() > 1) return HandshakeError::kUnexpected;
  offer.packet.resize(kHandshakePacketSizeMax);
  offer.packet.resize(offer.initiator.write_init(index_, stamp, random_, offer.packet));
  offers_.push_back(std::move(offer));
  restart_timer(now);
  return error;
}

void Dial::finish(UnixMillis stamp, Instant now) {
  Offer offer{std::move(*answered_), {}};
  offer.packet.resize(kHandshakePacketSizeMax);
  offer.packet.resize(offer.initiator.write_finish(stamp, random_, offer.packet));
  offers_.clear();
  offers_.push_back(std::move(offer));
  last_ = 0;
  answered_.reset();
  fault_.reset();
  stage_ = Stage::kFinishSent;
  restart_timer(now);
}

void Dial::note_fault(int reason, std::string text) {
  fault_ = Fault{reason, std::move(text)};
  if (fault_seen_at_ == sends_) return;
  fault_seen_at_ = sends_;
  ++faulty_sends_;
}

bool Dial::fault_is_certain() const {
  return fault_ && !target_.key && faulty_sends_ > kFaultyRepetitionsMin;
}

std::optional<Bytes> Dial::poll_packet(Instant now) {
  if (now < next_send_ || broken()) return std::nullopt;
  last_ = (last_ + 1) % offers_.size();
  Offer& offer = offers_[last_];
  if (offer.sent++ == 0) offer.first_sent = now;
  Duration wait = kRetryFirst;
  for (unsigned i = 0; i < std::min(sent_, 8u); ++i) wait = wait * 3 / 2;
  next_send_ = now + std::min(wait, kRetryMax);
  ++sent_;
  ++sends_;
  return Bytes(offer.packet);
}

Duration Dial::round_trip(Instant now) const {
  const Offer& offer = offers_[answered_offer_];
  return offer.sent == 1 ? now - offer.first_sent : Duration::zero();
}

}  // namespace whimbrel
