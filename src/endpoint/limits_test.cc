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
  b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kTestClock);
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

// Whoever sets the same ones again and again does not run into it.
TEST_F(EndpointPair, RoutesAreLimitedByUser) {
  EndpointConfig config;
  config.identity = b.name();
  config.keys = generate_x25519(b.random);
  config.limits.routes_max = 2;
  Endpoint endpoint(std::move(config), b.random, now, kTestClock);
  const Identity carol = *Identity::parse("str:carol"), dave = *Identity::parse("str:dave");
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(endpoint.set_route(a.name(), a.address, std::nullopt));
    EXPECT_TRUE(endpoint.set_route(carol, a.address, std::nullopt));
  }
  EXPECT_FALSE(endpoint.set_route(dave, a.address, std::nullopt));
  EXPECT_TRUE(endpoint.set_route(carol, b.address, std::nullopt));
}

TEST_F(EndpointPair, QuestionsAfterForgottenSessionsAreLimited) {
  EndpointConfig config;
  config.identity = b.name();
  config.keys = generate_x25519(b.random);
  config.limits.resets_per_second = 40;
  const ResetKey key(config.keys.secret);
  b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kTestClock);
  for (std::uint32_t i = 0; i < 30; ++i) {
    auto ask = write_reset_ask({.sender_index = i, .receiver_index = 7, .nonce = i}, key.token(7));
    b.endpoint->receive(a.address, ask, now);
  }
  packets = 0;
  drain(b);
  EXPECT_EQ(packets, 10) << "as many at once as in a quarter of a second";
  EXPECT_EQ(b.endpoint->counters()[Count::kDroppedHandshakeLoad], 20u);
}

// --- a peer that grants too little ---------------------------------------------------------------

// Somebody who speaks the protocol, and lets nobody send a message of the largest size.
struct Miser {
  explicit Miser(std::uint64_t session_bytes, std::uint64_t session_messages,
                 std::uint64_t channel_bytes, std::uint64_t channel_messages) {
    config.static_key = generate_x25519(random);
    config.identity = "str:alice";
    config.parameters.session_bytes_max = session_bytes;
    config.parameters.session_messages_max = session_messages;
    config.parameters.channel_bytes_max = channel_bytes;
    config.parameters.channel_messages_max = channel_messages;
  }
  FastRandom random{99};
  HandshakeConfig config;
};

constexpr std::uint64_t kPlenty = 1 << 20;
constexpr std::uint64_t kNeeded = kMessageStreamSizeMax;

class Misers : public EndpointPair,
               public testing::WithParamInterface<std::array<std::uint64_t, 4>> {
 protected:
  Miser miser{GetParam()[0], GetParam()[1], GetParam()[2], GetParam()[3]};
};
INSTANTIATE_TEST_SUITE_P(Grants, Misers,
                         testing::Values(std::array{kNeeded - 1, kPlenty, kPlenty, kPlenty},
                                         std::array{kPlenty, std::uint64_t{0}, kPlenty, kPlenty},
                                         std::array{kPlenty, kPlenty, kNeeded - 1, kPlenty},
                                         std::array{kPlenty, kPlenty, kPlenty, std::uint64_t{0}}));

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
  Miser miser(kNeeded, 1, kNeeded, 1);
  Initiator initiator(miser.config, b.endpoint->public_key());
  std::vector<std::uint8_t> packet(kHandshakePacketSizeMax);
  packet.resize(initiator.write_init(77, kUnixStart, miser.random, packet));
  b.endpoint->receive(a.address, packet, now);
  drain(b);
  ASSERT_TRUE(b.endpoint->accept(a.name(), now));
  run_for(seconds(1));
  EXPECT_TRUE(b.failures.empty());
}

// --- handshakes that others meddle with ----------------------------------------------------------

class Meddlers : public EndpointPair {
 protected:
  std::vector<std::uint8_t> packet_of(Host& host) {
    std::vector<std::uint8_t> packet(65536);
    const auto out = host.endpoint->poll_transmit(packet, now);
    packet.resize(out ? out->size : 0);
    return packet;
  }
  void give(Host& host, const IpAddress& from, std::vector<std::uint8_t> packet) {
    host.endpoint->receive(from, packet, now);
  }
  // The third packet of a handshake without keys; the first two have come.
  std::vector<std::uint8_t> finish_of(Host& caller) {
    caller.endpoint->set_route(b.name(), b.address, std::nullopt);
    send(caller, b.name(), "hello");
    give(b, caller.address, packet_of(caller));
    give(caller, b.address, packet_of(b));
    std::vector<std::uint8_t> finish = packet_of(caller);
    EXPECT_EQ(handshake_kind(finish), HandshakeKind::kFinishXx);
    return finish;
  }
  void give_forged(std::vector<std::uint8_t> finish, int times) {
    finish.back() ^= 1;
    for (int i = 0; i < times; ++i) give(b, a.address, finish);
  }
};

// Each costs a Diffie-Hellman, and its sender nothing.
TEST_F(Meddlers, AFewFinishesThatDoNotFitChangeNothing) {
  const auto finish = finish_of(a);
  give_forged(finish, 15);
  EXPECT_EQ(b.endpoint->counters()[Count::kDroppedBadHandshake], 15u);
  give(b, a.address, finish);
  EXPECT_EQ(b.endpoint->pending_request_count(), 1u);
}

TEST_F(Meddlers, ManyEndTheHandshake) {
  const auto finish = finish_of(a);
  give_forged(finish, 20);
  EXPECT_EQ(b.endpoint->counters()[Count::kDroppedBadHandshake], 16u);
  // What comes then costs no more than a look-up.
  give(b, a.address, finish);
  EXPECT_EQ(b.endpoint->counters()[Count::kDroppedUnknownIndex], 5u);
  EXPECT_EQ(b.endpoint->pending_request_count(), 0u);
}

// Where answers are limited the further ones count as such: else who finishes his handshakes
// wrongly gets sixteen for each.
TEST_F(Meddlers, ManyInAllAreNotLookedAtByAServer) {
  EndpointConfig config;
  config.identity = b.name();
  config.keys = generate_x25519(b.random);
  config.limits.first_packets.answers_of_network = 3;
  config.limits.first_packets.answers = 4;
  b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kTestClock);
  std::vector<std::vector<std::uint8_t>> all;
  for (std::uint8_t i = 0; i < 10; ++i) {
    Host caller("str:caller", a.address.bytes[15], 10u + i);
    all.push_back(finish_of(caller));
  }
  for (const auto& finish : all) give_forged(finish, 15);
  EXPECT_EQ(b.endpoint->counters()[Count::kDroppedBadHandshake], 10u + 3 + 4);
  now += seconds(1);
  give(b, a.address, all.back());
  EXPECT_EQ(b.endpoint->pending_request_count(), 1u);
}

TEST_F(Meddlers, AHandshakeThatWasEndedKeepsNoOtherBeyondTheLimit) {
  EndpointConfig config;
  config.identity = b.name();
  config.keys = generate_x25519(b.random);
  config.limits.half_open_max = 2;
  b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kTestClock);
  give_forged(finish_of(a), 16);
  Host c("str:carol", 3, 3);
  Host d("str:dave", 4, 4);
  Host e("str:erin", 5, 5);
  const auto of_c = finish_of(c);
  const auto of_d = finish_of(d);
  EXPECT_EQ(b.endpoint->counters()[Count::kDroppedHandshakeLoad], 0u);
  const auto of_e = finish_of(e);
  EXPECT_EQ(b.endpoint->counters()[Count::kDroppedHandshakeLoad], 1u);
  give(b, c.address, of_c);
  EXPECT_EQ(b.endpoint->pending_request_count(), 0u) << "the oldest went";
  give(b, d.address, of_d);
  give(b, e.address, of_e);
  EXPECT_EQ(b.endpoint->pending_request_count(), 2u);
}

// The caller says in its first message that it is somewhere else, then learns the keys by saying it
// again from where it is: a packet under the keys shows nothing of that other place.
TEST_F(Meddlers, TheKeysShowNoAddressWhereTheAnswerWentToTwo) {
  const IpAddress victim = IpAddress::v4(10, 9, 9, 9, 1000);
  know_each_other(true);
  send(a, b.name(), "hello");
  const std::vector<std::uint8_t> init = packet_of(a);
  std::size_t bytes_from_victim = init.size();
  b.accept_all = true;
  give(b, victim, init);
  drain(b);
  ASSERT_EQ(b.requests.size(), 1u);
  give(b, a.address, init);
  drain(b);
  for (const Packet& packet : line)
    if (packet.to == a.address) give(a, b.address, packet.bytes);
  for (auto data = packet_of(a); !data.empty(); data = packet_of(a)) {
    bytes_from_victim += data.size();
    give(b, victim, data);
  }
  ASSERT_EQ(state(b, a.name()), ConnectionState::kConnected);
  for (int i = 0; i < 10; ++i) send(b, a.name(), std::string(10'000, 'x'));
  drain(b);
  std::size_t bytes_to_victim = 0;
  for (const Packet& packet : line)
    if (packet.to == victim) bytes_to_victim += packet.bytes.size();
  EXPECT_GT(bytes_to_victim, bytes_from_victim);
  EXPECT_LE(bytes_to_victim, 3 * bytes_from_victim);
}

// --- records of sessions that have failed --------------------------------------------------------

class FailedSessions : public testing::Test {
 protected:
  FailedSessions() {
    EndpointConfig config;
    config.keys = generate_x25519(random);
    config.limits.failed_records_max = 3;
    endpoint = std::make_unique<Endpoint>(std::move(config), random, now, kTestClock);
  }
  static Identity user(int number) { return *Identity::parse("str:u" + std::to_string(number)); }
  // No address is known for it.
  void fail(int number) {
    now += seconds(5);  // a dial that has failed is not repeated at once
    const int flags = kSendReliable | kSendAutoRestartBrokenSession;
    EXPECT_EQ(endpoint->send(user(number), SharedBytes::copy(as_bytes("x")), flags, 0, now),
              Result::kOk);
  }
  // The users whose failure can be read.
  std::vector<int> readable() {
    std::vector<int> users;
    for (int i = 0; i < 100; ++i) {
      const auto state = endpoint->connection_info(user(i), now, nullptr, nullptr);
      if (state == ConnectionState::kProblemDetectedLocally) users.push_back(i);
    }
    return users;
  }

  FastRandom random{7};
  Instant now{};
  std::unique_ptr<Endpoint> endpoint;
};

TEST_F(FailedSessions, TheOldestRecordGoesAtTheLimit) {
  for (int i = 0; i < 20; ++i) fail(i);
  EXPECT_EQ(readable(), (std::vector{17, 18, 19}));
}

TEST_F(FailedSessions, OneThatWasAcknowledgedMakesRoomAndNoMore) {
  for (int i = 0; i < 3; ++i) fail(i);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(endpoint->close_session(user(i), now, nullptr));
  for (int i = 10; i < 20; ++i) fail(i);
  EXPECT_EQ(readable(), (std::vector{17, 18, 19}));
}

TEST_F(FailedSessions, OneThatFailsAgainTakesNobodyElsesPlace) {
  for (int i = 0; i < 3; ++i) fail(i);
  for (int i = 0; i < 10; ++i) fail(0);
  EXPECT_EQ(readable(), (std::vector{0, 1, 2}));
  // It is the newest now.
  fail(3);
  fail(4);
  EXPECT_EQ(readable(), (std::vector{0, 3, 4}));
}

// A flood of what costs nothing to send: each is answered, and no answer may stand before what
// sessions have to say.
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
  while (const auto out = b.endpoint->poll_transmit(buffer, now)) to.push_back(*out->to.udp());
  EXPECT_LE(to.size(), 66u);
  EXPECT_LE(std::find(to.begin(), to.end(), a.address) - to.begin(), 1);
}

}  // namespace
}  // namespace whimbrel
