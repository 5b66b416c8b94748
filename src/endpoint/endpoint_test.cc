#include "endpoint/endpoint.h"

#include <gtest/gtest.h>

#include <string>

#include "endpoint/endpoint_pair.h"
#include "endpoint/peer.h"

namespace whimbrel {
namespace {

INSTANTIATE_TEST_SUITE_P(KnownAndUnknownKey, Handshake, testing::Bool());

TEST_P(Handshake, RequestAcceptAndMessagesBothWays) {
  know_each_other(GetParam());
  ASSERT_EQ(send(a, b.name(), "hello"), Result::kOk);
  run_for(seconds(1));
  ASSERT_EQ(b.requests.size(), 1u);
  EXPECT_EQ(b.requests[0], a.name());
  EXPECT_TRUE(b.got.empty()) << "delivered before accept";
  ASSERT_TRUE(b.endpoint->accept(a.name(), now));
  run_for(seconds(1));
  EXPECT_EQ(b.got, std::vector<std::string>{"hello"});
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected);
  EXPECT_EQ(state(b, a.name()), ConnectionState::kConnected);
  ASSERT_EQ(send(b, a.name(), "hi", kSendUnreliable, -7), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(a.got, std::vector<std::string>{"hi"});
}

TEST_P(Handshake, CrossedOpensMakeOneSessionWithoutRequest) {
  know_each_other(GetParam());
  send(a, b.name(), "from a");
  send(b, a.name(), "from b");
  run_for(milliseconds(200));
  EXPECT_TRUE(a.requests.empty());
  EXPECT_TRUE(b.requests.empty());
  EXPECT_EQ(b.got, std::vector<std::string>{"from a"});
  EXPECT_EQ(a.got, std::vector<std::string>{"from b"});
  EXPECT_EQ(a.endpoint->session_count(), 1u);
  EXPECT_EQ(b.endpoint->session_count(), 1u);
}

// As where the answer goes through a server, and what follows it over a relay.
TEST_F(EndpointPair, WhatOvertakesTheAnswerIsKept) {
  know_each_other(true);
  send(a, b.name(), "hello");
  while (b.requests.empty()) run_for(milliseconds(1));
  ASSERT_TRUE(b.endpoint->accept(a.name(), now));
  for (int i = 0; i < 6; ++i) {
    send(b, a.name(), "no." + std::to_string(i), kSendUnreliable | kSendNoNagle);
    drain(b);
  }
  ASSERT_GE(line.size(), 7u);
  // The answer to message 1 comes last.
  line.push_back(std::move(line.front()));
  line.pop_front();
  line.back().due = line[line.size() - 2].due;
  run_for(milliseconds(15));
  EXPECT_EQ(a.got.size(), kEarlyPacketsMax) << "further ones are lost, as packets may be";
  ASSERT_FALSE(a.got.empty());
  EXPECT_EQ(a.got[0].substr(0, 4), "no.0");
  EXPECT_EQ(a.endpoint->counters()[Count::kDroppedUnknownIndex], 6 - kEarlyPacketsMax);
  run_for(seconds(1));
  EXPECT_EQ(b.got, std::vector<std::string>{"hello"});
}

TEST_P(Handshake, IgnoredRequestFailsAfterTenSeconds) {
  know_each_other(GetParam());
  send(a, b.name(), "anybody?");
  run_for(milliseconds(9900));
  EXPECT_TRUE(a.failures.empty());
  EXPECT_EQ(b.requests.size(), 2u) << "posted again after 5 s";
  run_for(milliseconds(500));
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.failures[0].end_reason, kEndMiscTimeout);
  EXPECT_EQ(send(a, b.name(), "again"), Result::kNoConnection);
  EXPECT_EQ(send(a, b.name(), "again", kSendReliable | kSendAutoRestartBrokenSession), Result::kOk);
  run_for(seconds(6));
  EXPECT_TRUE(b.failures.empty());
  EXPECT_TRUE(b.got.empty());
}

TEST_P(Handshake, RefusedRequestFailsAtOnce) {
  know_each_other(GetParam());
  send(a, b.name(), "let me in");
  run_for(seconds(1));
  ASSERT_TRUE(b.endpoint->close_session(a.name(), now));
  run_for(milliseconds(100));
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.failures[0].state, ConnectionState::kClosedByPeer);
  EXPECT_EQ(a.failures[0].end_reason, kEndSessionClosed);
  run_for(seconds(10));
  EXPECT_EQ(b.endpoint->session_count(), 0u);
}

TEST_P(Handshake, LargeMessageUnderLoss) {
  know_each_other(GetParam());
  b.accept_all = true;
  FastRandom dice(7);
  drop = [&](Host&) { return dice.chance(0.05); };
  std::string large(524288, 'x');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>('a' + i % 23);
  ASSERT_EQ(send(a, b.name(), large), Result::kOk);
  EXPECT_EQ(send(a, b.name(), "one too many"), Result::kLimitExceeded);
  run_for(seconds(20));
  ASSERT_EQ(b.got.size(), 1u);
  EXPECT_EQ(b.got[0], large);
  EXPECT_EQ(send(a, b.name(), "room again"), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(b.got.size(), 2u);
}

TEST_P(Handshake, CloseDeliversWhatWasTakenAndTellsThePeer) {
  know_each_other(GetParam());
  b.accept_all = true;
  send(a, b.name(), "first");
  run_for(seconds(1));
  for (int i = 0; i < 100; ++i) send(a, b.name(), std::string(1000, 'x'));
  EXPECT_TRUE(a.endpoint->close_session(b.name(), now));
  EXPECT_EQ(state(a, b.name()), ConnectionState::kNone);
  run_for(seconds(2));
  EXPECT_EQ(b.got.size(), 101u);
  EXPECT_EQ(state(b, a.name()), ConnectionState::kClosedByPeer);
  EXPECT_TRUE(b.failures.empty()) << "a clean close is no failure";
  EXPECT_EQ(send(b, a.name(), "still there?"), Result::kNoConnection);
  // Sending again after a close: a new request.
  EXPECT_EQ(send(a, b.name(), "me again"), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(b.requests.size(), 2u);
  EXPECT_EQ(b.got.back(), "me again");
}

// The acknowledgement of what arrived is lost on its way, and the session is closed before it is
// sent again.
TEST_P(Handshake, WhatArrivedIsNotTakenForLostWhenThePeerCloses) {
  know_each_other(GetParam());
  b.accept_all = true;
  send(a, b.name(), "hello");
  run_for(seconds(1));
  send(a, b.name(), "the last move");
  drop = [&](Host& from) { return &from == &b; };
  run_for(milliseconds(70));
  drop = nullptr;
  ASSERT_EQ(b.got.size(), 2u);
  EXPECT_TRUE(b.endpoint->close_session(a.name(), now));
  run_for(milliseconds(30));
  EXPECT_EQ(state(a, b.name()), ConnectionState::kClosedByPeer);
  EXPECT_TRUE(a.failures.empty());
}

// One answer each at the most: their CLOSE is known as such although an ACK stands before it.
TEST_P(Handshake, BothCloseAtOnceAndFallSilent) {
  know_each_other(GetParam());
  b.accept_all = true;
  send(a, b.name(), "first");
  run_for(seconds(1));
  send(a, b.name(), "x", kSendUnreliable);
  send(b, a.name(), "x", kSendUnreliable);
  run_for(latency);
  const int before = packets;
  a.endpoint->close_session(b.name(), now);
  b.endpoint->close_session(a.name(), now);
  run_for(seconds(2));
  EXPECT_EQ(packets - before, 2);
}

TEST_P(Handshake, ASlowProcessorChoosesTheOtherCipher) {
  EndpointConfig config;
  config.identity = a.name();
  config.keys = generate_x25519(a.random);
  config.suite = AeadSuite::kChaChaPoly;
  a.endpoint = std::make_unique<Endpoint>(std::move(config), a.random, now, kTestClock);
  know_each_other(GetParam());
  b.accept_all = true;
  send(a, b.name(), "hello");
  drain(a);
  ASSERT_FALSE(line.empty());
  EXPECT_EQ(line.front().bytes[2], static_cast<std::uint8_t>(AeadSuite::kChaChaPoly));
  run_for(seconds(1));
  EXPECT_EQ(b.got.size(), 1u);
}

TEST_P(Handshake, VanishedPeerFailsTheSession) {
  know_each_other(GetParam());
  b.accept_all = true;
  send(a, b.name(), "first");
  run_for(seconds(1));
  drop = [](Host&) { return true; };
  send(a, b.name(), "lost");
  run_for(milliseconds(9900));
  EXPECT_TRUE(a.failures.empty());
  run_for(milliseconds(300));
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.failures[0].end_reason, kEndRemoteTimeout);
  EXPECT_EQ(a.failures[0].state, ConnectionState::kProblemDetectedLocally);
}

TEST_F(EndpointPair, ByAddressWithoutAnyName) {
  Host nameless("", 1, 9);
  a.endpoint = std::move(nameless.endpoint);
  b.accept_all = true;
  const Identity bob_at = Identity::ip_address(b.address.bytes, b.address.port);
  ASSERT_EQ(send(a, bob_at, "to an address"), Result::kOk);
  run_for(seconds(1));
  ASSERT_EQ(b.requests.size(), 1u);
  EXPECT_EQ(b.requests[0].text(), "ip:10.0.0.1:1000");
  EXPECT_EQ(b.got, std::vector<std::string>{"to an address"});
  EXPECT_EQ(state(a, bob_at), ConnectionState::kConnected);
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected) << "the name it showed is an alias";
  EXPECT_EQ(send(a, b.name(), "by name"), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(b.got.size(), 2u);
  EXPECT_EQ(a.endpoint->session_count(), 1u);
}

TEST_F(EndpointPair, ToOneself) {
  ASSERT_EQ(send(a, a.name(), "note to self", kSendReliable, 3), Result::kOk);
  run_for(milliseconds(1));
  EXPECT_EQ(a.got, std::vector<std::string>{"note to self"});
  EXPECT_TRUE(a.requests.empty());
  ConnectionInfo info;
  EXPECT_EQ(a.endpoint->connection_info(a.name(), now, &info, nullptr),
            ConnectionState::kConnected);
  EXPECT_NE(info.flags & kInfoLoopbackBuffers, 0);
  EXPECT_EQ(packets, 0);
}

TEST_F(EndpointPair, EmptyMessagesToOneselfAreLimitedToo) {
  std::size_t taken = 0;
  while (taken < (1u << 20) && send(a, a.name(), "") == Result::kOk) ++taken;
  EXPECT_EQ(taken, SessionOptions().send_bytes_max);
  run_for(milliseconds(1));
  EXPECT_EQ(a.got.size(), taken);
  EXPECT_EQ(send(a, a.name(), ""), Result::kOk);
}

TEST_F(EndpointPair, WrongArgumentsMakeNothing) {
  EXPECT_EQ(send(a, Identity(), "x"), Result::kInvalidParam);
  EXPECT_EQ(send(a, b.name(), std::string(524289, 'x')), Result::kInvalidParam);
  EXPECT_EQ(send(a, b.name(), "x", 2), Result::kInvalidParam);
  EXPECT_EQ(a.endpoint->session_count(), 0u);
  EXPECT_FALSE(a.endpoint->accept(b.name(), now));
  EXPECT_FALSE(a.endpoint->close_session(b.name(), now));
  EXPECT_FALSE(a.endpoint->close_channel(b.name(), 0, now));
}

TEST_F(EndpointPair, NoRouteFailsWithAReason) {
  EXPECT_EQ(send(a, *Identity::parse("str:nobody"), "x"), Result::kOk);
  run_for(milliseconds(1));
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.failures[0].end_reason, kEndMiscRendezvous);
}

TEST_F(EndpointPair, IdleSessionEndsSilentlyOnBothSides) {
  know_each_other(true);
  b.accept_all = true;
  send(a, b.name(), "only one");
  run_for(seconds(2));
  packets = 0;
  run_for(seconds(170));
  EXPECT_LE(packets, 2 * 170 * 3 / 10) << "at most 0.3 packets/s each way";
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected);
  run_for(seconds(20));
  EXPECT_EQ(state(a, b.name()), ConnectionState::kNone);
  EXPECT_EQ(state(b, a.name()), ConnectionState::kNone);
  EXPECT_TRUE(a.failures.empty());
  EXPECT_TRUE(b.failures.empty());
}

TEST_F(EndpointPair, PeerThatStartsAgainIsAStrangerAgain) {
  know_each_other(false);
  b.accept_all = true;
  send(a, b.name(), "first life");
  run_for(seconds(1));
  // The same name and key, and nothing remembered.
  Host again("str:alice", 1, 1);
  again.random.u64();  // else its ephemeral keys would be those of its first life
  again.endpoint->set_route(b.name(), b.address, std::nullopt);
  a.endpoint = std::move(again.endpoint);
  send(a, b.name(), "second life");
  run_for(seconds(1));
  EXPECT_EQ(b.requests.size(), 2u);
  EXPECT_EQ(b.got.back(), "second life");
}

TEST_F(EndpointPair, PeerThatStartsAgainWithAFreshKeyGetsInOnceTheOldOneIsDead) {
  know_each_other(false);
  b.accept_all = true;
  send(a, b.name(), "first life");
  run_for(seconds(1));
  Host again("str:alice", 1, 77);
  again.endpoint->set_route(b.name(), b.address, std::nullopt);
  a.endpoint = std::move(again.endpoint);
  send(a, b.name(), "second life");
  run_for(seconds(12));
  send(a, b.name(), "second life", kSendReliable | kSendAutoRestartBrokenSession);
  run_for(seconds(5));
  ASSERT_FALSE(b.got.empty());
  EXPECT_EQ(b.got.back(), "second life");
}

// --- the limit on channels -----------------------------------------------------------------------

constexpr ChannelId kChannelsMax = 256;

TEST_P(Handshake, ChannelsAreLimitedAlreadyWhileTheSessionIsBeingMade) {
  know_each_other(GetParam());
  b.accept_all = true;
  for (ChannelId channel = 0; channel < kChannelsMax; ++channel) {
    ASSERT_EQ(send(a, b.name(), "x", kSendReliable, channel), Result::kOk);
  }
  EXPECT_EQ(send(a, b.name(), "x", kSendReliable, kChannelsMax), Result::kLimitExceeded);
  EXPECT_EQ(send(a, b.name(), "x", kSendReliable, 7), Result::kOk);
  run_for(seconds(2));
  EXPECT_EQ(b.got.size(), kChannelsMax + 1u);
  // An idle one gives its place.
  EXPECT_EQ(send(a, b.name(), "x", kSendReliable, kChannelsMax), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(b.got.size(), kChannelsMax + 2u);
  EXPECT_TRUE(a.failures.empty());
}

// A channel for each match of a long evening, on a line that loses; the receiver closes each.
TEST_P(Handshake, ChannelsMayComeAndGoWithoutEnd) {
  know_each_other(GetParam());
  b.accept_all = true;
  FastRandom dice(11);
  drop = [&](Host&) { return dice.chance(0.05); };
  send(a, b.name(), "lobby", kSendReliable, -1);  // stays open, though idle
  for (ChannelId match = 0; match < 600; ++match) {
    ASSERT_EQ(send(a, b.name(), "begins", kSendReliable, match), Result::kOk);
    ASSERT_EQ(send(a, b.name(), "ends", kSendReliable, match), Result::kOk);
    run_for(seconds(2));
    ASSERT_EQ(b.got.size(), 2u * static_cast<std::size_t>(match) + 3) << match;
    EXPECT_TRUE(b.endpoint->close_channel(a.name(), match, now));
    EXPECT_FALSE(b.endpoint->close_channel(a.name(), match, now));
  }
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected);
  EXPECT_TRUE(a.failures.empty());
  EXPECT_TRUE(b.failures.empty());
}

class AllChannelsInUse : public EndpointPair {
 protected:
  // A message on each, and nothing arrives for now.
  void use_all_channels() {
    know_each_other(true);
    b.accept_all = true;
    send(a, b.name(), "x");
    run_for(seconds(1));
    drop = [](Host&) { return true; };
    for (ChannelId channel = 0; channel < kChannelsMax; ++channel) {
      send(a, b.name(), "x", kSendReliable, channel);
    }
    run_for(milliseconds(100));
    b.got.clear();
  }
};

TEST_F(AllChannelsInUse, AMessageThatWasTakenAndFindsNoRoomIsReported) {
  use_all_channels();
  // As a node does: its application was told Ok before the core was asked.
  const auto gate = a.endpoint->gate(b.name());
  gate->held_bytes += 3;
  EXPECT_EQ(a.endpoint->send(b.name(), SharedBytes::copy(as_bytes("abc")), kSendReliable, 1000, now,
                             gate.get()),
            Result::kLimitExceeded);
  gate->held_bytes += 3;
  a.endpoint->send(b.name(), SharedBytes::copy(as_bytes("abc")), kSendUnreliable, 1000, now,
                   gate.get());
  drop = nullptr;
  run_for(seconds(1));
  ASSERT_EQ(a.failures.size(), 1u) << "once: unreliable ones may be lost";
  EXPECT_EQ(a.failures[0].identity, b.name());
  EXPECT_EQ(a.failures[0].end_reason, kEndMiscInternalError);
  EXPECT_EQ(gate->held_bytes, 0u);
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected);
}

TEST_F(AllChannelsInUse, MessagesOfASecondNameThatFindNoRoomAreReported) {
  use_all_channels();
  const Identity other = *Identity::parse("str:robert");
  a.endpoint->set_route(other, b.address, b.endpoint->public_key());
  EXPECT_EQ(send(a, other, "fits", kSendReliable, 3), Result::kOk);
  EXPECT_EQ(send(a, *Identity::parse("str:robert"), "fits", kSendReliable, 4), Result::kOk);
  const Identity third = *Identity::parse("str:rob");
  a.endpoint->set_route(third, b.address, b.endpoint->public_key());
  EXPECT_EQ(send(a, third, "doesn't", kSendReliable, 5000), Result::kOk);
  drop = nullptr;
  run_for(seconds(2));
  EXPECT_EQ(b.got.size(), kChannelsMax + 2u);
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.endpoint->gate(b.name())->held_bytes, 0u);
}

// Who sends nothing else there would be ignored for ever.
TEST_F(EndpointPair, ANewChannelGetsItsPlaceAlsoForMessagesThatDoNotWait) {
  know_each_other(true);
  b.accept_all = true;
  for (ChannelId channel = 1000; channel < 1000 + kChannelsMax; ++channel) {
    ASSERT_EQ(send(a, b.name(), "x", kSendReliable, channel), Result::kOk);
  }
  run_for(seconds(1));
  b.got.clear();
  EXPECT_EQ(send(a, b.name(), "tick 1", kSendUnreliable | kSendNoDelay, 5000), Result::kIgnored);
  run_for(milliseconds(100));
  EXPECT_EQ(send(a, b.name(), "tick 2", kSendUnreliable | kSendNoDelay, 5000), Result::kOk);
  run_for(milliseconds(100));
  EXPECT_EQ(b.got, std::vector<std::string>{"tick 2"});
}

// The outbox takes messages on channels 0 to 63 without asking the core once one was taken there in
// this session.
TEST_F(EndpointPair, WhatTheOutboxTookOnALowChannelFindsItsPlace) {
  know_each_other(true);
  b.accept_all = true;
  for (ChannelId channel = 0; channel < 256; ++channel) {
    ASSERT_EQ(send(a, b.name(), "x", kSendReliable, channel), Result::kOk);
  }
  run_for(seconds(1));
  for (ChannelId channel = 1000; channel < 1192; ++channel) {
    ASSERT_EQ(send(a, b.name(), "x", kSendReliable, channel), Result::kOk);
  }
  run_for(seconds(1));
  // All are busy for a round trip.
  for (ChannelId channel = 1000; channel < 1192; ++channel) {
    ASSERT_EQ(send(a, b.name(), "x", kSendReliable, channel), Result::kOk);
  }
  b.got.clear();
  const auto gate = a.endpoint->gate(b.name());
  ASSERT_TRUE(gate->open);
  gate->held_bytes += 3;  // as Outbox::push() does; it has answered kOk
  EXPECT_EQ(a.endpoint->send(b.name(), SharedBytes::copy(as_bytes("abc")), kSendReliable, 5, now,
                             gate.get()),
            Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(b.got.size(), 193u);
  EXPECT_TRUE(a.failures.empty()) << a.failures[0].end_debug;
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected);
}

// Who was put out by a newer login stays out; what its outbox still held must not dial, or two
// copies of a program put each other out without end. With poll() that is the usual order: the pass
// reads CLOSE first, then takes the outbox.
TEST_F(EndpointPair, WhatTheOutboxHeldDoesNotDialForWhoWasPutOut) {
  know_each_other(true);
  b.accept_all = true;
  send(a, b.name(), "x");
  run_for(seconds(1));
  const auto gate = a.endpoint->gate(b.name());
  ASSERT_TRUE(b.endpoint->close_session(a.name(), now, nullptr, kEndRemoteElsewhere, "elsewhere"));
  run_for(seconds(1));
  ASSERT_EQ(state(a, b.name()), ConnectionState::kClosedByPeer);
  const int flags = kSendReliable | kSendAutoRestartBrokenSession;
  EXPECT_EQ(send(a, b.name(), "abc", flags), Result::kNoConnection);
  gate->held_bytes += 3;
  EXPECT_EQ(
      a.endpoint->send(b.name(), SharedBytes::copy(as_bytes("abc")), flags, 0, now, gate.get()),
      Result::kNoConnection);
  run_for(seconds(1));
  EXPECT_EQ(state(a, b.name()), ConnectionState::kClosedByPeer) << "dialled again";
}

TEST_F(EndpointPair, ATakenMessageForWhichNoSessionCanBeMadeIsReported) {
  EndpointConfig config;
  config.identity = a.name();
  config.keys = generate_x25519(a.random);
  config.limits.sessions_max = 1;
  a.endpoint = std::make_unique<Endpoint>(std::move(config), a.random, now, kTestClock);
  know_each_other(true);
  send(a, b.name(), "x");
  SendGate ended;  // what it was charged to
  ended.held_bytes = 3;
  EXPECT_EQ(a.endpoint->send(*Identity::parse("str:carol"), SharedBytes::copy(as_bytes("abc")),
                             kSendReliable, 0, now, &ended),
            Result::kLimitExceeded);
  EXPECT_EQ(ended.held_bytes, 0u);
  run_for(milliseconds(10));
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.failures[0].identity.text(), "str:carol");
}

// --- a stranger who waits, and is called ---------------------------------------------------------

TEST_P(Handshake, DiallingAnUnnamedStrangerWhoWaitsAcceptsIt) {
  Host nameless("", 1, 9);
  a.endpoint = std::move(nameless.endpoint);
  know_each_other(true);
  a.endpoint->set_route(b.name(), b.address,
                        GetParam() ? std::optional(b.endpoint->public_key()) : std::nullopt);
  ASSERT_EQ(send(a, b.name(), "from nobody"), Result::kOk);
  run_for(seconds(1));
  ASSERT_EQ(b.requests.size(), 1u);
  // Known to b by its key, under a name of b's own.
  const Identity alice = *Identity::parse("str:alice");
  b.endpoint->set_route(alice, a.address, a.endpoint->public_key());
  ASSERT_EQ(send(b, alice, "I know you"), Result::kOk);
  run_for(milliseconds(500));
  EXPECT_EQ(a.got, std::vector<std::string>{"I know you"});
  EXPECT_EQ(b.got, std::vector<std::string>{"from nobody"});
  EXPECT_EQ(b.endpoint->pending_request_count(), 0u);
  EXPECT_EQ(b.endpoint->session_count(), 1u);
  EXPECT_EQ(state(b, alice), ConnectionState::kConnected);
  EXPECT_EQ(state(b, b.requests[0]), ConnectionState::kConnected) << "either name finds it";
}

TEST_P(Handshake, DiallingAnAddressWhereAStrangerWaitsAcceptsIt) {
  know_each_other(GetParam());
  ASSERT_EQ(send(a, b.name(), "hello"), Result::kOk);
  run_for(seconds(1));
  ASSERT_EQ(b.requests.size(), 1u);
  ASSERT_EQ(send(b, Identity::ip_address(a.address.bytes, a.address.port), "you there"),
            Result::kOk);
  run_for(milliseconds(500));
  EXPECT_EQ(a.got, std::vector<std::string>{"you there"});
  EXPECT_EQ(b.got, std::vector<std::string>{"hello"});
  EXPECT_EQ(b.endpoint->session_count(), 1u);
}

TEST_F(EndpointPair, AStrangerAtTheAddressIsNotTakenForSomebodyElse) {
  // alice waits at b; b calls carol where alice is, and has no key to tell them apart.
  know_each_other(false);
  send(a, b.name(), "I am alice");
  run_for(seconds(1));
  const Identity carol = *Identity::parse("str:carol");
  b.endpoint->set_route(carol, a.address, std::nullopt);
  send(b, carol, "for carol's eyes");
  run_for(seconds(12));
  EXPECT_TRUE(a.got.empty());
  EXPECT_TRUE(b.got.empty());
  ASSERT_EQ(b.failures.size(), 1u);
  EXPECT_EQ(b.failures[0].identity, carol);
}

// --- limits that change while it runs ------------------------------------------------------------

}  // namespace
}  // namespace whimbrel
