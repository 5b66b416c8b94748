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
}  // namespace

Dial::Dial(const HandshakeConfig& config, const DialTarget& target, ReceiverIndex index,
           UnixMillis stamp, Random& random, Instant now)
    : target_(target),
      index_(index),
      random_(random),
      initiator_(target.key ? Initiator(config, *target.key) : Initiator(config)) {
  packet_.resize(kHandshakePacketSizeMax);
  packet_.resize(initiator_.write_init(index_, stamp, random_, packet_));
  restart_timer(now);
}

void Dial::restart_timer(Instant now) {
  sent_ = 0;
  next_send_ = now;
}

std::optional<PublicKey> Dial::peer_key() const {
  if (target_.key) return target_.key;
  if (initiator_.peer_known()) return initiator_.peer().static_key;
  return std::nullopt;
}

HandshakeError Dial::on_response(Bytes datagram, UnixMillis unix_now) {
  if (stage_ != Stage::kInitSent) return HandshakeError::kUnexpected;
  return initiator_.read_response(datagram, unix_now);
}

HandshakeError Dial::on_cookie_reply(Bytes datagram, Instant now) {
  if (stage_ != Stage::kInitSent || cookies_obeyed_ >= kCookiesObeyedMax) {
    return HandshakeError::kUnexpected;
  }
  const HandshakeError error = initiator_.read_cookie_reply(datagram, packet_);
  if (error != HandshakeError::kNone) return error;
  ++cookies_obeyed_;
  restart_timer(now);
  return error;
}

HandshakeError Dial::on_version_reply(Bytes datagram, UnixMillis stamp, Instant now) {
  if (stage_ != Stage::kInitSent) return HandshakeError::kUnexpected;
  const HandshakeError error = initiator_.read_version_reply(datagram);
  if (error != HandshakeError::kNone) return error;
  packet_.resize(kHandshakePacketSizeMax);
  packet_.resize(initiator_.write_init(index_, stamp, random_, packet_));
  restart_timer(now);
  return error;
}

void Dial::finish(UnixMillis stamp, Instant now) {
  packet_.resize(kHandshakePacketSizeMax);
  packet_.resize(initiator_.write_finish(stamp, random_, packet_));
  stage_ = Stage::kFinishSent;
  restart_timer(now);
}

std::optional<Bytes> Dial::poll_packet(Instant now) {
  if (now < next_send_ || packet_.empty()) return std::nullopt;
  if (sent_ == 0) first_sent_ = now;
  Duration wait = kRetryFirst;
  for (unsigned i = 0; i < std::min(sent_, 8u); ++i) wait = wait * 3 / 2;
  next_send_ = now + std::min(wait, kRetryMax);
  ++sent_;
  return Bytes(packet_);
}

Duration Dial::round_trip(Instant now) const {
  return sent_ == 1 ? now - first_sent_ : Duration::zero();
}

}  // namespace whimbrel
