#include "handshake/handshake.h"

#include <gtest/gtest.h>

#include "crypto/packet_keys.h"
#include "handshake/test_peer.h"

namespace whimbrel {
namespace {

class HandshakeTest : public testing::TestWithParam<NoisePattern> {
 protected:
  bool known_key() const { return GetParam() == NoisePattern::kIk; }

  TestPeer alice_{1};
  TestPeer bob_{2};
};

// One end seals, the other opens.
bool carries(const HandshakeResult& from, const HandshakeResult& to) {
  AeadKey seal(from.suite, from.send_key);
  AeadKey open(to.suite, to.receive_key);
  std::array<std::uint8_t, 4 + kAeadTagSize> packet{};
  seal.seal(1, 7, {}, packet.data(), 4);
  return open.open(1, 7, {}, packet);
}

TEST_P(HandshakeTest, BothSidesAgree) {
  alice_.config.identity = "str:alice";
  bob_.config.parameters.session_bytes_max = 12345;
  TestHandshake handshake(GetParam(), alice_, bob_);
  ASSERT_EQ(handshake.run(), HandshakeError::kNone);
  ASSERT_TRUE(handshake.initiator.done() && handshake.responder.done());
  const HandshakeResult at_alice = handshake.initiator.result();
  const HandshakeResult at_bob = handshake.responder.result();

  EXPECT_EQ(at_alice.peer.static_key, bob_.key());
  EXPECT_EQ(at_bob.peer.static_key, alice_.key());
  EXPECT_EQ(at_alice.peer.identity, "");
  EXPECT_EQ(at_bob.peer.identity, "str:alice");
  EXPECT_EQ(at_alice.peer.parameters, bob_.config.parameters);
  EXPECT_EQ(at_alice.peer.receiver_index, TestHandshake::kResponderIndex);
  EXPECT_EQ(at_bob.peer.receiver_index, TestHandshake::kInitiatorIndex);
  EXPECT_EQ(at_alice.peer.stamp, static_cast<std::uint64_t>(kTestNow + 1));
  EXPECT_EQ(at_bob.peer.stamp, static_cast<std::uint64_t>(kTestNow + (known_key() ? 0 : 2)));
  EXPECT_EQ(at_alice.peer.certificate_status, CertificateStatus::kAbsent);
  EXPECT_EQ(at_alice.suite, AeadSuite::kAesGcm);
  EXPECT_EQ(at_alice.version, kProtocolVersion);
  EXPECT_EQ(at_alice.handshake_hash, at_bob.handshake_hash);
  EXPECT_TRUE(carries(at_alice, at_bob));
  EXPECT_TRUE(carries(at_bob, at_alice));
  EXPECT_FALSE(carries(at_alice, at_alice)) << "each direction has its own key";
}

TEST_P(HandshakeTest, TwoHandshakesShareNothing) {
  TestHandshake one(GetParam(), alice_, bob_);
  TestHandshake two(GetParam(), alice_, bob_);
  ASSERT_EQ(one.run(), HandshakeError::kNone);
  ASSERT_EQ(two.run(), HandshakeError::kNone);
  EXPECT_NE(one.initiator.result().send_key.bytes, two.initiator.result().send_key.bytes);
  EXPECT_NE(one.initiator.result().handshake_hash, two.initiator.result().handshake_hash);
}

TEST_P(HandshakeTest, SameSeedSamePackets) {
  TestPeer alice_again(1), bob_again(2);
  TestHandshake one(GetParam(), alice_, bob_);
  TestHandshake two(GetParam(), alice_again, bob_again);
  ASSERT_EQ(one.run(), HandshakeError::kNone);
  ASSERT_EQ(two.run(), HandshakeError::kNone);
  EXPECT_EQ(one.init, two.init);
  EXPECT_EQ(one.response, two.response);
  EXPECT_EQ(one.finish, two.finish);
}

TEST_P(HandshakeTest, ChaChaPolyWhenTheInitiatorPrefersIt) {
  alice_.config.suites = {AeadSuite::kChaChaPoly, AeadSuite::kAesGcm};
  TestHandshake handshake(GetParam(), alice_, bob_);
  ASSERT_EQ(handshake.run(), HandshakeError::kNone);
  EXPECT_EQ(handshake.responder.result().suite, AeadSuite::kChaChaPoly);
  EXPECT_TRUE(carries(handshake.initiator.result(), handshake.responder.result()));
}

// Both payloads as large as they can be: no answer is larger than its question.
TEST_P(HandshakeTest, LargestPayloadsFit) {
  SecureRandom random(test_seed(9));
  const SigningKey authority = SigningKey::generate(random);
  const std::string name = "long:" + std::string(kIdentityTextSizeMax - 5, 'x');
  for (TestPeer* peer : {&alice_, &bob_}) {
    peer->trust.add_authority(authority.verify_key());
    peer->certify(name, authority);
    TransportParameters& parameters = peer->config.parameters;
    parameters.session_bytes_max = parameters.session_messages_max = kVarintMax;
    parameters.channel_bytes_max = parameters.datagram_size_max = kVarintMax;
    parameters.idle_timeout_ms = parameters.channel_messages_max = kVarintMax;
    while (peer->config.suites.add(
        static_cast<std::uint8_t>(100 + peer->config.suites.view().size()))) {
    }
  }
  TestHandshake handshake(GetParam(), alice_, bob_);
  ASSERT_EQ(handshake.run(), HandshakeError::kNone);
  EXPECT_EQ(handshake.responder.peer().identity, name);
  EXPECT_EQ(handshake.responder.peer().certificate_status, CertificateStatus::kValid);
  EXPECT_EQ(handshake.initiator.peer().certificate_status, CertificateStatus::kValid);
  EXPECT_LE(handshake.response.size(), handshake.init.size());
  EXPECT_LE(handshake.response.size(), known_key() ? kInitIkSizeMin : kInitXxSize);
  EXPECT_LE(handshake.finish.size(), kHandshakePacketSizeMax);
}

TEST_P(HandshakeTest, InitHasItsSizeWhateverIsInIt) {
  TestHandshake handshake(GetParam(), alice_, bob_);
  handshake.write_init();
  EXPECT_EQ(handshake.init.size(), known_key() ? kInitIkSizeMin : kInitXxSize);
}

TEST_P(HandshakeTest, InitiatorStartsOver) {
  TestHandshake handshake(GetParam(), alice_, bob_);
  handshake.write_init();
  ASSERT_EQ(handshake.read_init(), HandshakeError::kNone);
  handshake.write_response();
  const Packet old_init = handshake.init;
  handshake.write_init();
  EXPECT_NE(handshake.init, old_init);
  EXPECT_EQ(handshake.read_response(), HandshakeError::kDecryptFailed) << "answer to the first";
  handshake.responder = Responder(bob_.config);
  ASSERT_EQ(handshake.read_init(), HandshakeError::kNone);
  handshake.write_response();
  EXPECT_EQ(handshake.read_response(), HandshakeError::kNone);
}

TEST_P(HandshakeTest, DuplicatesAreUnexpected) {
  TestHandshake handshake(GetParam(), alice_, bob_);
  ASSERT_EQ(handshake.run(), HandshakeError::kNone);
  EXPECT_EQ(handshake.read_response(), HandshakeError::kUnexpected);
  EXPECT_TRUE(handshake.initiator.done());
  if (known_key()) return;
  EXPECT_EQ(handshake.read_finish(), HandshakeError::kUnexpected);
  EXPECT_TRUE(handshake.responder.done());
}

TEST_P(HandshakeTest, AppsDoNotMix) {
  bob_.config.app_id = kTestAppId + 1;
  TestHandshake handshake(GetParam(), alice_, bob_);
  EXPECT_EQ(handshake.run(), HandshakeError::kDecryptFailed);
}

TEST_P(HandshakeTest, TalkingToOneselfIsNoticed) {
  TestHandshake handshake(GetParam(), alice_, alice_);
  EXPECT_EQ(handshake.run(), HandshakeError::kOwnKey);
}

TEST_P(HandshakeTest, CertificatesAreJudged) {
  SecureRandom random(test_seed(9));
  const SigningKey authority = SigningKey::generate(random);
  bob_.trust.add_authority(authority.verify_key());
  alice_.certify("str:alice", authority);
  TestHandshake trusted(GetParam(), alice_, bob_);
  ASSERT_EQ(trusted.run(), HandshakeError::kNone);
  EXPECT_EQ(trusted.responder.peer().certificate_status, CertificateStatus::kValid);
  EXPECT_EQ(trusted.initiator.peer().certificate_status, CertificateStatus::kAbsent);

  alice_.config.identity = "str:mallory";
  TestHandshake wrong_name(GetParam(), alice_, bob_);
  ASSERT_EQ(wrong_name.run(), HandshakeError::kNone);
  EXPECT_EQ(wrong_name.responder.peer().certificate_status, CertificateStatus::kWrongIdentity);

  alice_.config.identity = "str:alice";
  alice_.config.static_key = generate_x25519(alice_.random);
  TestHandshake wrong_key(GetParam(), alice_, bob_);
  ASSERT_EQ(wrong_key.run(), HandshakeError::kNone);
  EXPECT_EQ(wrong_key.responder.peer().certificate_status, CertificateStatus::kWrongKey);

  bob_.config.trust = nullptr;
  TestHandshake no_trust(GetParam(), alice_, bob_);
  ASSERT_EQ(no_trust.run(), HandshakeError::kNone);
  EXPECT_EQ(no_trust.responder.peer().certificate_status, CertificateStatus::kUnknownAuthority);
}

INSTANTIATE_TEST_SUITE_P(Patterns, HandshakeTest,
                         testing::Values(NoisePattern::kIk, NoisePattern::kXx));

// IK: who asks is known before anything is answered, and the request may wait.
TEST(HandshakeIk, RequestWaitsForAccept) {
  TestPeer alice(1), bob(2);
  alice.config.identity = "str:alice";
  TestHandshake handshake(NoisePattern::kIk, alice, bob);
  handshake.write_init();
  ASSERT_EQ(handshake.read_init(), HandshakeError::kNone);
  EXPECT_TRUE(handshake.responder.peer_known());
  EXPECT_FALSE(handshake.responder.done());
  EXPECT_EQ(handshake.responder.peer().identity, "str:alice");
  EXPECT_LT(sizeof(Responder) + kIdentityTextSizeMax + 1, 1024u);

  std::vector<Responder> pending;
  pending.push_back(std::move(handshake.responder));
  handshake.init.clear();  // nothing points into the packet any more
  handshake.responder = std::move(pending.back());
  handshake.write_response();
  EXPECT_EQ(handshake.read_response(), HandshakeError::kNone);
}

TEST(HandshakeIk, OnlyTheAddresseeCanRead) {
  TestPeer alice(1), bob(2), carol(3);
  Initiator initiator(alice.config, bob.key());
  const Packet init = written(
      [&](MutableBytes out) { return initiator.write_init(1, kTestNow, alice.random, out); });
  EXPECT_EQ(carol.screen(init).error, HandshakeError::kWrongMac1);
  // Even with a mac1 made for carol.
  Packet patched = init;
  const Mac1 mac1 = compute_mac1(Mac1Key(carol.key()), patched);
  std::copy(mac1.begin(), mac1.end(), patched.begin() + kInitMac1Offset);
  const auto screened = carol.screen(patched);
  ASSERT_EQ(screened.verdict, InitScreener::Verdict::kPass);
  Responder responder(carol.config);
  EXPECT_EQ(responder.read_init(screened.init, kTestNow), HandshakeError::kDecryptFailed);
}

TEST(HandshakeIk, LowOrderResponderKeyIsRefused) {
  TestPeer alice(1);
  Initiator initiator(alice.config, PublicKey());
  Packet out(kHandshakePacketSizeMax);
  EXPECT_EQ(initiator.write_init(1, kTestNow, alice.random, out), 0u);
}

TEST(HandshakeXx, LowOrderEphemeralIsRefused) {
  TestPeer alice(1), bob(2);
  TestHandshake handshake(NoisePattern::kXx, alice, bob);
  handshake.write_init();
  std::fill_n(handshake.init.begin() + kInitXxHeaderSize, kKeySize, std::uint8_t{0});
  ASSERT_EQ(handshake.read_init(), HandshakeError::kNone);
  handshake.write_response();
  EXPECT_TRUE(handshake.response.empty());
  EXPECT_FALSE(handshake.responder.done());
}

TEST(HandshakeXx, PeerIsUnknownUntilTheLastMessage) {
  TestPeer alice(1), bob(2);
  TestHandshake handshake(NoisePattern::kXx, alice, bob);
  handshake.write_init();
  ASSERT_EQ(handshake.read_init(), HandshakeError::kNone);
  EXPECT_FALSE(handshake.responder.peer_known());
  handshake.write_response();
  ASSERT_EQ(handshake.read_response(), HandshakeError::kNone);
  EXPECT_TRUE(handshake.initiator.peer_known());
  EXPECT_FALSE(handshake.initiator.done());
  handshake.write_finish();
  EXPECT_TRUE(handshake.initiator.done());
  EXPECT_FALSE(handshake.responder.done());
  EXPECT_EQ(handshake.read_finish(), HandshakeError::kNone);
  EXPECT_TRUE(handshake.responder.peer_known());
}

TEST(Yields, SmallerKeyYields) {
  PublicKey small, large;
  large.bytes[0] = 1;
  small.bytes[31] = 255;
  EXPECT_TRUE(yields(small, large));
  EXPECT_FALSE(yields(large, small));
  EXPECT_FALSE(yields(small, small));
}

}  // namespace
}  // namespace whimbrel
