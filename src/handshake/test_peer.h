// Two endpoints that shake hands in tests.
#pragma once

#include <memory>
#include <vector>

#include "base/assert.h"
#include "crypto/secure_random.h"
#include "handshake/handshake.h"
#include "handshake/init_screener.h"

namespace whimbrel {

inline constexpr UnixMillis kTestNow = 1'700'000'000'000;
inline constexpr std::uint32_t kTestAppId = 480;

inline Secret test_seed(std::uint8_t n) {
  Secret seed;
  seed.bytes.fill(n);
  return seed;
}

// An endpoint with a key that follows from `n`, and no identity.
struct TestPeer {
  explicit TestPeer(std::uint8_t n) : random(test_seed(n)) {
    config.static_key = generate_x25519(random);
    config.app_id = kTestAppId;
    config.trust = &trust;
    screener = std::make_unique<InitScreener>(config, random);
  }
  TestPeer(const TestPeer&) = delete;
  TestPeer& operator=(const TestPeer&) = delete;

  const PublicKey& key() const { return config.static_key.public_key; }
  // A name, and an authority's certificate for it.
  void certify(std::string_view identity, const SigningKey& authority) {
    config.identity = identity;
    Certificate certificate;
    certificate.app_id = config.app_id;
    certificate.not_before = kTestNow / 1000 - 3600;
    certificate.not_after = kTestNow / 1000 + 3600;
    certificate.static_key = key();
    certificate.identity = identity;
    config.certificate = sign_certificate(certificate, authority);
  }
  InitScreener::Result screen(Bytes init) {
    return screener->check(init, as_bytes("source"), false, Instant());
  }

  SecureRandom random;
  TrustStore trust;
  HandshakeConfig config;
  std::unique_ptr<InitScreener> screener;
};

using Packet = std::vector<std::uint8_t>;

// Lets a writer of packets write into a vector.
template <typename Write>
Packet written(Write write) {
  Packet packet(kHandshakePacketSizeMax);
  packet.resize(write(MutableBytes(packet)));
  return packet;
}

// One handshake, step by step; each step keeps its packet.
class TestHandshake {
 public:
  static constexpr std::uint32_t kInitiatorIndex = 0x11223344;
  static constexpr std::uint32_t kResponderIndex = 0x55667788;

  TestHandshake(NoisePattern pattern, TestPeer& alice, TestPeer& bob)
      : alice_(alice),
        bob_(bob),
        initiator(pattern == NoisePattern::kIk ? Initiator(alice.config, bob.key())
                                               : Initiator(alice.config)),
        responder(bob.config) {}

  void write_init() {
    init = written([&](MutableBytes out) {
      return initiator.write_init(kInitiatorIndex, kTestNow, alice_.random, out);
    });
  }
  HandshakeError read_init() {
    const InitScreener::Result screened = bob_.screen(init);
    if (screened.verdict != InitScreener::Verdict::kPass) return screened.error;
    return responder.read_init(screened.init, kTestNow);
  }
  void write_response() {
    response = written([&](MutableBytes out) {
      return responder.write_response(kResponderIndex, kTestNow + 1, bob_.random, out);
    });
  }
  HandshakeError read_response() { return initiator.read_response(response, kTestNow); }
  void write_finish() {
    finish = written(
        [&](MutableBytes out) { return initiator.write_finish(kTestNow + 2, alice_.random, out); });
  }
  HandshakeError read_finish() { return responder.read_finish(finish, kTestNow); }

  // All of it; the first error.
  HandshakeError run() {
    write_init();
    if (const HandshakeError error = read_init(); error != HandshakeError::kNone) return error;
    write_response();
    if (const HandshakeError error = read_response(); error != HandshakeError::kNone) return error;
    if (initiator.done()) return HandshakeError::kNone;
    write_finish();
    return read_finish();
  }

 private:
  TestPeer& alice_;
  TestPeer& bob_;

 public:
  Initiator initiator;
  Responder responder;
  Packet init, response, finish;
};

}  // namespace whimbrel
