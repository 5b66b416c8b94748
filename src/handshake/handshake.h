// The two sides of a handshake as state machines over packets: bytes in, bytes out. Timers,
// retransmission (of the bytes written, which the caller keeps), accept policy, tables of half-open
// handshakes and replayed stamps are the caller's.
//
//   known key (IK)         Initiator                          Responder
//     write_init         ----- InitIK ---->  InitScreener::check, read_init   [peer() is known]
//     read_response      <---- RespIK -----  write_response                   [done]
//     [done]
//   unknown key (XX)
//     write_init         ----- InitXX ---->  InitScreener::check, read_init
//     read_response      <---- RespXX -----  write_response
//     write_finish       ---- FinishXX --->  read_finish                      [peer() known, done]
//     [done]
//
// In IK the peer has proved its key by its first message, but that message may be a replay until
// the first data packet opens: compare peer().stamp with the last one of that key. In XX the
// initiator is done when FinishXX is written, and a first data packet tells it that it arrived.
//
// Reading never changes anything unless it returns kNone: a forged packet cannot break a handshake
// that is under way. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "crypto/keys.h"
#include "handshake/certificate.h"
#include "handshake/noise.h"
#include "handshake/packets.h"
#include "handshake/payload.h"

namespace whimbrel {

enum class HandshakeError : std::uint8_t {
  kNone,
  kMalformed,           // not the packet it should be, or a field out of range
  kUnexpected,          // a packet for another handshake, or one that is not due now
  kUnsupportedVersion,  // an Init of a version that we don't speak
  kUnsupportedSuite,    // an Init with a suite that we don't offer
  kWrongMac1,           // InitIK from someone who doesn't know our key
  kNoCookie,            // under load, and the cookie is missing or wrong
  kDecryptFailed,       // tampered with, not meant for our key, or the peer's key is of low order
  kBadPayload,
  kDowngrade,  // version or suite are not the best that both sides have
  kOwnKey,     // the peer shows our own static key: we talk to ourselves
};
const char* to_string(HandshakeError error);

// What an endpoint says of itself in each handshake, and what it takes. Must outlive the handshakes
// that refer to it, and stay as it is.
struct HandshakeConfig {
  KeyPair static_key;
  std::uint32_t app_id = 0;
  std::string identity;                   // at most kIdentityTextSizeMax bytes; empty: no name
  std::vector<std::uint8_t> certificate;  // encoded, at most kCertificateSizeMax bytes, or empty
  TrustStore* trust = nullptr;            // may be null: then no authority is known
  VersionRange versions{kProtocolVersion, kProtocolVersion};
  SuiteList suites{AeadSuite::kAesGcm, AeadSuite::kChaChaPoly};  // not empty
  TransportParameters parameters;
  std::optional<ResetKey> reset_key;  // none: the peer cannot learn that we have started again
};

// What the peer said of itself.
struct PeerInfo {
  PublicKey static_key;  // proved
  std::string identity;  // claimed; proved only if certificate_status is kValid. May be empty, may
                         // be any bytes: parse before use
  CertificateStatus certificate_status = CertificateStatus::kAbsent;
  std::uint64_t stamp = 0;  // Unix ms as the peer says
  TransportParameters parameters;
  std::uint32_t receiver_index = 0;       // where the peer wants to be reached
  std::optional<ResetToken> reset_token;  // for receiver_index
};

struct HandshakeResult {
  PeerInfo peer;
  std::uint8_t version = 0;
  AeadSuite suite = AeadSuite::kAesGcm;
  Secret send_key;  // for PacketKeys
  Secret receive_key;
  Digest handshake_hash{};  // the same on both sides and for nobody else: a channel binding
};

// Crossed opens: of two that dial each other, the one with the smaller static key yields: it drops
// its own Init and answers the other's. Never true for both.
bool yields(const PublicKey& own, const PublicKey& peer);

class Initiator {
 public:
  // IK. `config` must outlive the initiator.
  Initiator(const HandshakeConfig& config, const PublicKey& responder);
  // XX.
  explicit Initiator(const HandshakeConfig& config);

  // Message 1 with a fresh ephemeral key. `sender_index` is where the answer shall go; `stamp` is
  // in Unix ms and larger than in any earlier Init with this static key. `out` needs
  // kHandshakePacketSizeMax bytes. Returns the size; 0 if the responder's key is of low order.
  // Calling it again starts over: answers to earlier messages are then refused.
  std::size_t write_init(std::uint32_t sender_index, UnixMillis stamp, Random& random,
                         MutableBytes out);

  // CookieReply: puts the cookie into the caller's copy of message 1, which is to be sent again.
  // kNone when done. Anyone who saw message 1 can forge this; limit how often it is obeyed.
  HandshakeError read_cookie_reply(Bytes datagram, MutableBytes init) const;
  // VersionReply: kNone when there is a version and suite that both sides have and that was not
  // tried yet; then write_init() again. kUnsupportedVersion or kUnsupportedSuite when there is
  // none. Forgeable too; a downgrade that results is found out by the responder.
  HandshakeError read_version_reply(Bytes datagram);

  // Message 2. `now` (Unix ms) is for the peer's certificate.
  HandshakeError read_response(Bytes datagram, UnixMillis now);
  // XX, after read_response: message 3. Returns the size.
  std::size_t write_finish(UnixMillis stamp, Random& random, MutableBytes out);

  // True after read_response.
  bool peer_known() const { return peer_known_; }
  const PeerInfo& peer() const { return peer_; }
  // IK: after read_response; XX: after write_finish.
  bool done() const { return noise_ && noise_->done(); }
  // done() only.
  HandshakeResult result() const;

 private:
  std::size_t write_init_ik(UnixMillis stamp, Random& random, MutableBytes out);
  std::size_t write_init_xx(Random& random, MutableBytes out);

  NoisePattern pattern_;
  const HandshakeConfig* config_;
  PublicKey responder_;  // IK only
  std::uint8_t version_;
  AeadSuite suite_;
  bool switched_ = false;  // a VersionReply was obeyed
  bool peer_known_ = false;
  std::uint32_t sender_index_ = 0;
  std::optional<NoiseHandshake> noise_;
  PeerInfo peer_;
};

// One that was asked. Under 1 KiB with all it holds, so that requests can wait for the
// application's accept.
class Responder {
 public:
  // `config` must outlive the responder.
  explicit Responder(const HandshakeConfig& config) : config_(&config) {}

  // Message 1, passed by InitScreener; until it returns kNone nothing else may be called. `now`
  // (Unix ms) is for the peer's certificate.
  HandshakeError read_init(const InitView& init, UnixMillis now);
  // Message 2; once. `out` needs kHandshakePacketSizeMax bytes. Returns the size, never more than
  // that of message 1; 0 if the peer's key is of low order (give up then).
  std::size_t write_response(std::uint32_t sender_index, UnixMillis stamp, Random& random,
                             MutableBytes out);
  // XX: message 3.
  HandshakeError read_finish(Bytes datagram, UnixMillis now);

  // IK: after read_init; XX: after read_finish.
  bool peer_known() const { return peer_known_; }
  const PeerInfo& peer() const { return peer_; }
  // IK: after write_response; XX: after read_finish.
  bool done() const { return noise_ && noise_->done(); }
  // done() only.
  HandshakeResult result() const;

 private:
  const HandshakeConfig* config_;
  std::uint8_t version_ = 0;
  AeadSuite suite_ = AeadSuite::kAesGcm;
  bool answered_ = false;
  bool peer_known_ = false;
  std::uint32_t sender_index_ = 0;
  std::optional<NoiseHandshake> noise_;
  PeerInfo peer_;
};

}  // namespace whimbrel
