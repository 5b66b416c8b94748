// What an endpoint allows: limits of its own, and what a peer must grant.
#include <gtest/gtest.h>

#include <string>

#include "endpoint/endpoint_pair.h"
#include "handshake/handshake.h"
#include "handshake/init_screener.h"

namespace whimbrel {
namespace {

TEST_F(EndpointPair, LimitsCanBeChanged) {
  know_each_other(true);
  send(a, b.name(), "hello");
  run_for(seconds(1));
  Host dave("str:dave", 4, 4);
  dave.endpoint->set_route(b.name(), b.address, b.endpoint->public_key());
  send(dave, b.name(), "hello");
  std::vector<std::uint8_t> buffer(65536);
  const auto init = dave.endpoint->poll_transmit(buffer, now);
  b.endpoint->receive(dave.address, MutableBytes(buffer).first(init->size), now);
  ASSERT_EQ(b.endpoint->pending_request_count(), 2u);
  b.endpoint->set_limits(100, 1);
  EXPECT_EQ(b.endpoint->pending_request_count(), 1u);
  EXPECT_FALSE(b.endpoint->accept(a.name(), now)) << "the oldest went";
  EXPECT_TRUE(b.endpoint->accept(dave.name(), now));
  a.endpoint->set_limits(1, 256);
  EXPECT_EQ(send(a, *Identity::parse("str:carol"), "x"), Result::kLimitExceeded);
  a.endpoint->set_limits(2, 256);
  EXPECT_EQ(send(a, *Identity::parse("str:carol"), "x"), Result::kOk);
}

TEST_F(EndpointPair, CertificatesCanBecomeRequired) {
  EndpointConfig config;
  config.identity = b.name();
  config.keys = generate_x25519(b.random);
  config.trust.add_authority(VerifyKey{});
  b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kUnixStart);
  know_each_other(true);
  EXPECT_TRUE(b.endpoint->has_authorities());
  b.endpoint->set_require_certificate(true);
  send(a, b.name(), "hello");
  run_for(seconds(1));
  EXPECT_TRUE(b.requests.empty());
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.failures[0].end_reason, kEndRemoteBadCert);
  b.endpoint->set_require_certificate(false);
  send(a, b.name(), "hello", kSendReliable | kSendAutoRestartBrokenSession);
  run_for(seconds(1));
  EXPECT_EQ(b.requests.size(), 1u);
}

// --- a peer that grants too little -------------------------------------------------------------------------------

// Somebody who speaks the protocol, and lets nobody send a message of the largest size.
struct Miser {
  explicit Miser(std::uint64_t session_bytes, std::uint64_t messages, std::uint64_t channel_bytes) {
    config.static_key = generate_x25519(random);
    config.identity = "str:alice";
    config.parameters.session_bytes_max = session_bytes;
    config.parameters.session_messages_max = messages;
    config.parameters.channel_bytes_max = channel_bytes;
  }
  FastRandom random{99};
  HandshakeConfig config;
};

constexpr std::uint64_t kPlenty = 1 << 20;
constexpr std::uint64_t kNeeded = kMessageStreamSizeMax;

class Misers : public EndpointPair,
               public testing::WithParamInterface<std::array<std::uint64_t, 3>> {
 protected:
  Miser miser{GetParam()[0], GetParam()[1], GetParam()[2]};
};
INSTANTIATE_TEST_SUITE_P(Grants, Misers,
                         testing::Values(std::array{kNeeded - 1, kPlenty, kPlenty},
                                         std::array{kPlenty, std::uint64_t{0}, kPlenty},
                                         std::array{kPlenty, kPlenty, kNeeded - 1}));

TEST_P(Misers, WhoCallsFailsWhenAccepted) {
  Initiator initiator(miser.config, b.endpoint->public_key());
  std::vector<std::uint8_t> packet(kHandshakePacketSizeMax);
  packet.resize(initiator.write_init(77, kUnixStart, miser.random, packet));
  b.endpoint->receive(a.address, packet, now);
  drain(b);
  ASSERT_EQ(b.requests.size(), 1u);
  ASSERT_EQ(send(b, b.requests[0], "x"), Result::kOk);
  run_for(seconds(1));
  ASSERT_EQ(b.failures.size(), 1u);
  EXPECT_EQ(b.failures[0].state, ConnectionState::kProblemDetectedLocally);
  EXPECT_EQ(b.failures[0].end_reason, kEndMiscGeneric);
  EXPECT_NE(b.failures[0].end_debug.find("largest message"), std::string::npos);
}

TEST_P(Misers, WhoIsCalledFailsWithItsAnswer) {
  b.endpoint->set_route(a.name(), a.address, miser.config.static_key.public_key);
  ASSERT_EQ(send(b, a.name(), std::string(500'000, 'x')), Result::kOk);
  std::vector<std::uint8_t> buffer(65536);
  const auto init = b.endpoint->poll_transmit(buffer, now);
  ASSERT_TRUE(init.has_value());
  InitScreener screener(miser.config, miser.random);
  const auto screened =
      screener.check(Bytes(buffer).first(init->size), as_bytes("source"), false, now);
  Responder responder(miser.config);
  ASSERT_EQ(responder.read_init(screened.init, kUnixStart), HandshakeError::kNone);
  std::vector<std::uint8_t> answer(kHandshakePacketSizeMax);
  answer.resize(responder.write_response(78, kUnixStart, miser.random, answer));
  b.endpoint->receive(a.address, answer, now);
  run_for(milliseconds(100));
  ASSERT_EQ(b.failures.size(), 1u);
  EXPECT_EQ(b.failures[0].end_reason, kEndMiscGeneric);
  EXPECT_EQ(b.endpoint->gate(a.name()), nullptr);
  run_for(seconds(10));
  EXPECT_EQ(b.endpoint->session_count(), 0u);
}

TEST_F(EndpointPair, JustEnoughIsEnough) {
  Miser miser(kNeeded, 1, kNeeded);
  Initiator initiator(miser.config, b.endpoint->public_key());
  std::vector<std::uint8_t> packet(kHandshakePacketSizeMax);
  packet.resize(initiator.write_init(77, kUnixStart, miser.random, packet));
  b.endpoint->receive(a.address, packet, now);
  drain(b);
  ASSERT_TRUE(b.endpoint->accept(a.name(), now));
  run_for(seconds(1));
  EXPECT_TRUE(b.failures.empty());
}

// A flood of what costs nothing to send: each is answered, and no answer may stand before what sessions have to say.
TEST_F(EndpointPair, AnswersToStrangersDoNotSilenceSessions) {
  know_each_other(true);
  b.accept_all = true;
  send(a, b.name(), "hello");
  run_for(seconds(1));
  send(b, a.name(), "still here");
  std::vector<std::uint8_t> of_another_version{0xe2, 9, 1, 0, 0, 0, 0, 1};
  for (int i = 0; i < 1000; ++i)
    b.endpoint->receive(IpAddress::v4(9, 9, 9, 9, 9), of_another_version, now);
  std::array<std::uint8_t, 65536> buffer;
  std::vector<IpAddress> to;
  while (const auto out = b.endpoint->poll_transmit(buffer, now)) to.push_back(out->to);
  EXPECT_LE(to.size(), 66u);
  EXPECT_LE(std::find(to.begin(), to.end(), a.address) - to.begin(), 1);
}

}  // namespace
}  // namespace whimbrel
