#include "handshake/handshake.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "handshake/mac1.h"

namespace whimbrel {

namespace {

using PacketBuffer = std::array<std::uint8_t, kHandshakePacketSizeMax>;

// What the header of message 1 settles. The prologue, the first thing that both sides hash, binds
// the handshake to it.
struct Terms {
  std::uint8_t version;
  AeadSuite suite;
  std::uint32_t init_sender_index;
};

std::array<std::uint8_t, 20> make_prologue(const HandshakeConfig& config, const Terms& terms) {
  std::array<std::uint8_t, 20> prologue;
  ByteWriter writer(prologue);
  writer.bytes(as_bytes("whimbrel/1"));
  writer.u8(terms.version);
  writer.u8(static_cast<std::uint8_t>(terms.suite));
  writer.u32(config.app_id);
  writer.u32(terms.init_sender_index);
  return prologue;
}

NoiseHandshake start_noise(const HandshakeConfig& config, NoisePattern pattern, const Terms& terms,
                           bool initiator, const PublicKey& responder) {
  return NoiseHandshake(pattern, terms.suite, initiator, make_prologue(config, terms),
                        config.static_key, responder);
}

// Our own payload, padded to `size_min` bytes.
std::size_t write_own_payload(const HandshakeConfig& config, std::uint32_t sender_index,
                              UnixMillis stamp, std::size_t size_min, MutableBytes out) {
  HandshakePayload payload{.stamp = static_cast<std::uint64_t>(stamp),
                           .versions = config.versions,
                           .suites = config.suites,
                           .identity = config.identity,
                           .certificate = config.certificate,
                           .parameters = config.parameters,
                           .sender_index = sender_index,
                           .reset_token = {}};
  if (config.reset_key) payload.reset_token = config.reset_key->token(sender_index);
  return encode_payload(payload, size_min, out);
}

// A message of the peer's that has a payload, and what its header says.
struct PeerMessage {
  Bytes noise;
  std::uint8_t version;
  AeadSuite suite;
  std::uint32_t sender_index;
  bool from_initiator;
};

// RFC 8446 4.1.3 has the same aim: whoever pushed us to a worse version or suite is found out,
// because the lists are under the handshake's protection.
bool best_choice(const HandshakeConfig& config, const HandshakePayload& payload,
                 const PeerMessage& message) {
  const auto suite = message.from_initiator ? payload.suites.first_common(config.suites)
                                            : config.suites.first_common(payload.suites);
  return config.versions.highest_common(payload.versions) == message.version &&
         suite == message.suite;
}

CertificateStatus judge_certificate(const HandshakeConfig& config, const HandshakePayload& payload,
                                    const PublicKey& peer_static, UnixMillis now) {
  if (payload.certificate.empty()) return CertificateStatus::kAbsent;
  if (config.trust == nullptr) return CertificateStatus::kUnknownAuthority;
  const CertificateClaim claim{
      .app_id = config.app_id, .identity = payload.identity, .static_key = peer_static};
  return config.trust->verify(payload.certificate, claim, now);
}

// Reads `message` and judges what it says. `noise` moves on only if all is well.
HandshakeError read_peer(const HandshakeConfig& config, const PeerMessage& message, UnixMillis now,
                         NoiseHandshake& noise, PeerInfo& peer) {
  NoiseHandshake next = noise;
  PacketBuffer buffer;
  std::size_t size = 0;
  if (!next.read_message(message.noise, buffer.data(), size)) return HandshakeError::kDecryptFailed;
  if (next.peer_static() == config.static_key.public_key) return HandshakeError::kOwnKey;
  const auto payload = decode_payload({buffer.data(), size});
  if (!payload || payload->sender_index != message.sender_index) return HandshakeError::kBadPayload;
  if (!best_choice(config, *payload, message)) return HandshakeError::kDowngrade;
  peer.static_key = next.peer_static();
  peer.identity = payload->identity;
  peer.certificate_status = judge_certificate(config, *payload, peer.static_key, now);
  peer.stamp = payload->stamp;
  peer.parameters = payload->parameters;
  peer.reset_token = payload->reset_token;
  peer.receiver_index = message.sender_index;
  noise = next;
  return HandshakeError::kNone;
}

HandshakeResult make_result(const NoiseHandshake& noise, const PeerInfo& peer, std::uint8_t version,
                            AeadSuite suite, bool initiator) {
  ASSERT(noise.done());
  const NoiseSymmetricState::Keys keys = noise.split();
  HandshakeResult result;
  result.peer = peer;
  result.version = version;
  result.suite = suite;
  result.send_key = initiator ? keys.initiator_to_responder : keys.responder_to_initiator;
  result.receive_key = initiator ? keys.responder_to_initiator : keys.initiator_to_responder;
  result.handshake_hash = noise.handshake_hash();
  return result;
}

AeadSuite first_suite(const HandshakeConfig& config) {
  const auto suite = config.suites.first_common(config.suites);
  ASSERT(suite.has_value());
  return *suite;
}

SuiteList suites_from_bits(std::uint8_t bits) {
  SuiteList suites;
  for (std::uint8_t suite = 1; suite <= 8; ++suite)
    if ((bits >> (suite - 1) & 1) != 0) suites.add(suite);
  return suites;
}

}  // namespace

const char* to_string(HandshakeError error) {
  switch (error) {
    case HandshakeError::kNone:
      return "no error";
    case HandshakeError::kMalformed:
      return "malformed handshake packet";
    case HandshakeError::kUnexpected:
      return "unexpected handshake packet";
    case HandshakeError::kUnsupportedVersion:
      return "unsupported protocol version";
    case HandshakeError::kUnsupportedSuite:
      return "unsupported cipher suite";
    case HandshakeError::kWrongMac1:
      return "sender does not know our key";
    case HandshakeError::kNoCookie:
      return "no valid cookie";
    case HandshakeError::kDecryptFailed:
      return "handshake packet does not decrypt";
    case HandshakeError::kBadPayload:
      return "bad handshake payload";
    case HandshakeError::kDowngrade:
      return "version or suite was downgraded";
    case HandshakeError::kOwnKey:
      return "peer shows our own key";
  }
  return "unknown handshake error";
}

bool yields(const PublicKey& own, const PublicKey& peer) { return own < peer; }

Initiator::Initiator(const HandshakeConfig& config, const PublicKey& responder)
    : pattern_(NoisePattern::kIk),
      config_(&config),
      responder_(responder),
      version_(config.versions.highest),
      suite_(first_suite(config)) {}

Initiator::Initiator(const HandshakeConfig& config)
    : pattern_(NoisePattern::kXx),
      config_(&config),
      version_(config.versions.highest),
      suite_(first_suite(config)) {}

std::size_t Initiator::write_init(std::uint32_t sender_index, UnixMillis stamp, Random& random,
                                  MutableBytes out) {
  ASSERT(out.size() >= kHandshakePacketSizeMax);
  sender_index_ = sender_index;
  peer_known_ = false;
  peer_ = PeerInfo();
  noise_.emplace(
      start_noise(*config_, pattern_, {version_, suite_, sender_index}, true, responder_));
  return pattern_ == NoisePattern::kIk ? write_init_ik(stamp, random, out)
                                       : write_init_xx(random, out);
}

std::size_t Initiator::write_init_ik(UnixMillis stamp, Random& random, MutableBytes out) {
  constexpr std::size_t kOverhead = kInitIkHeaderSize + kKeySize + kSealedKeySize + kAeadTagSize;
  std::size_t size =
      write_init_header(HandshakeKind::kInitIk, version_, suite_, sender_index_, out);
  PacketBuffer payload;
  const std::size_t payload_size =
      write_own_payload(*config_, sender_index_, stamp, kInitIkSizeMin - kOverhead, payload);
  const std::size_t noise_size =
      noise_->write_message(random, {payload.data(), payload_size}, out.subspan(size));
  if (noise_size == 0) return 0;
  size += noise_size;
  const Mac1 mac1 = compute_mac1(Mac1Key(responder_), out.first(size));
  std::copy(mac1.begin(), mac1.end(), out.begin() + kInitMac1Offset);
  return size;
}

std::size_t Initiator::write_init_xx(Random& random, MutableBytes out) {
  const std::size_t header_size =
      write_init_header(HandshakeKind::kInitXx, version_, suite_, sender_index_, out);
  ByteWriter writer(out.first(kInitXxSize));
  writer.skip(header_size);
  writer.skip(noise_->write_message(random, {}, out.subspan(header_size)));
  writer.zeros(writer.remaining());
  return writer.size();
}

HandshakeError Initiator::read_cookie_reply(Bytes datagram, MutableBytes init) const {
  const auto reply = whimbrel::read_cookie_reply(datagram);
  if (!reply) return HandshakeError::kMalformed;
  if (!noise_ || peer_known_ || reply->receiver_index != sender_index_)
    return HandshakeError::kUnexpected;
  ASSERT(init.size() >= kInitMac1Offset);
  std::copy(reply->cookie.begin(), reply->cookie.end(), init.begin() + kInitCookieOffset);
  return HandshakeError::kNone;
}

HandshakeError Initiator::read_version_reply(Bytes datagram) {
  const auto reply = whimbrel::read_version_reply(datagram);
  if (!reply) return HandshakeError::kMalformed;
  // Obeyed once only, or two of them in turn could keep us busy for ever.
  if (!noise_ || peer_known_ || switched_ || reply->receiver_index != sender_index_)
    return HandshakeError::kUnexpected;
  const auto version = config_->versions.highest_common(reply->versions);
  if (!version) return HandshakeError::kUnsupportedVersion;
  const auto suite = config_->suites.first_common(suites_from_bits(reply->suites));
  if (!suite) return HandshakeError::kUnsupportedSuite;
  if (*version == version_ && *suite == suite_) return HandshakeError::kUnexpected;
  version_ = *version;
  suite_ = *suite;
  switched_ = true;
  noise_.reset();
  return HandshakeError::kNone;
}

HandshakeError Initiator::read_response(Bytes datagram, UnixMillis now) {
  const auto view = whimbrel::read_response(datagram);
  if (!view) return HandshakeError::kMalformed;
  const HandshakeKind due =
      pattern_ == NoisePattern::kIk ? HandshakeKind::kRespIk : HandshakeKind::kRespXx;
  if (!noise_ || peer_known_ || view->kind != due || view->receiver_index != sender_index_ ||
      view->version != version_ || view->suite != suite_)
    return HandshakeError::kUnexpected;
  const HandshakeError error = read_peer(
      *config_, {view->noise, version_, suite_, view->sender_index, false}, now, *noise_, peer_);
  peer_known_ = error == HandshakeError::kNone;
  return error;
}

std::size_t Initiator::write_finish(UnixMillis stamp, Random& random, MutableBytes out) {
  ASSERT(pattern_ == NoisePattern::kXx && peer_known_ && !done());
  const std::size_t header_size = write_response_header(HandshakeKind::kFinishXx, version_, suite_,
                                                        sender_index_, peer_.receiver_index, out);
  PacketBuffer payload;
  const std::size_t payload_size = write_own_payload(*config_, sender_index_, stamp, 0, payload);
  const std::size_t noise_size =
      noise_->write_message(random, {payload.data(), payload_size}, out.subspan(header_size));
  return noise_size == 0 ? 0 : header_size + noise_size;
}

HandshakeResult Initiator::result() const {
  ASSERT(done());
  return make_result(*noise_, peer_, version_, suite_, true);
}

HandshakeError Responder::read_init(const InitView& init, UnixMillis now) {
  ASSERT(!noise_);
  const bool known_key = init.kind == HandshakeKind::kInitIk;
  NoiseHandshake noise = start_noise(*config_, known_key ? NoisePattern::kIk : NoisePattern::kXx,
                                     {init.version, init.suite, init.sender_index}, false, {});
  if (known_key) {
    const HandshakeError error =
        read_peer(*config_, {init.noise, init.version, init.suite, init.sender_index, true}, now,
                  noise, peer_);
    if (error != HandshakeError::kNone) return error;
    peer_known_ = true;
  } else {
    std::array<std::uint8_t, kKeySize> no_payload;
    std::size_t size = 0;
    if (!noise.read_message(init.noise, no_payload.data(), size))
      return HandshakeError::kDecryptFailed;
    peer_.receiver_index = init.sender_index;
  }
  version_ = init.version;
  suite_ = init.suite;
  noise_ = noise;
  return HandshakeError::kNone;
}

std::size_t Responder::write_response(std::uint32_t sender_index, UnixMillis stamp, Random& random,
                                      MutableBytes out) {
  ASSERT(noise_ && !answered_ && out.size() >= kHandshakePacketSizeMax);
  answered_ = true;
  sender_index_ = sender_index;
  const HandshakeKind kind = peer_known_ ? HandshakeKind::kRespIk : HandshakeKind::kRespXx;
  const std::size_t header_size =
      write_response_header(kind, version_, suite_, sender_index, peer_.receiver_index, out);
  PacketBuffer payload;
  const std::size_t payload_size = write_own_payload(*config_, sender_index, stamp, 0, payload);
  const std::size_t noise_size =
      noise_->write_message(random, {payload.data(), payload_size}, out.subspan(header_size));
  return noise_size == 0 ? 0 : header_size + noise_size;
}

HandshakeError Responder::read_finish(Bytes datagram, UnixMillis now) {
  const auto view = whimbrel::read_response(datagram);
  if (!view) return HandshakeError::kMalformed;
  if (!answered_ || peer_known_ || view->kind != HandshakeKind::kFinishXx ||
      view->receiver_index != sender_index_ || view->sender_index != peer_.receiver_index ||
      view->version != version_ || view->suite != suite_)
    return HandshakeError::kUnexpected;
  const HandshakeError error = read_peer(
      *config_, {view->noise, version_, suite_, view->sender_index, true}, now, *noise_, peer_);
  peer_known_ = error == HandshakeError::kNone;
  return error;
}

HandshakeResult Responder::result() const {
  ASSERT(done());
  return make_result(*noise_, peer_, version_, suite_, false);
}

}  // namespace whimbrel
