// Scenarios: making a session, being asked for one, and being ignored, refused or flooded
// meanwhile.
#include "handshake/handshake.h"
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

// --- what the network does to the first packets --------------------------------------------------

TEST_P(BothHandshakes, TakesNoMoreRoundTripsThanItMust) {
  Duo duo(GetParam());
  duo.a.say(duo.b);
  ASSERT_TRUE(duo.world.run_until_complete(seconds(1)));
  // A way each for: IK init, response, data; XX init, response, finish with HANDSHAKE_DONE back,
  // data.
  EXPECT_LE(duo.since_start(), milliseconds(GetParam() == Keys::kKnown ? 30 : 50));
  EXPECT_EQ(duo.b.requests().size(), 1u);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(BothHandshakes, EachOfTheFirstPacketsMayBeLost) {
  for (std::uint64_t lost = 0; lost < 8; ++lost) {
    Duo duo(GetParam());
    duo.simulation().set_filter([lost](const PacketView& packet) {
      return packet.number == lost ? Fate{0, {}} : Fate{};
    });
    duo.a.say(duo.b);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(1))) << "packet " << lost;
    duo.b.say(duo.a);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(1))) << "packet " << lost;
    EXPECT_EQ(duo.b.requests().size(), 1u);
    EXPECT_EQ(duo.world.finish(), "");
  }
}

TEST_P(BothHandshakes, EveryPacketMayComeThreeTimes) {
  Duo duo(GetParam());
  duo.simulation().set_filter([](const PacketView&) { return Fate{3, {}}; });
  duo.a.say(duo.b);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1)));
  duo.b.say(duo.a);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1)));
  EXPECT_EQ(duo.b.requests().size(), 1u);
  EXPECT_TRUE(duo.a.requests().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(BothHandshakes, HalfOfAllPacketsMayBeLost) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Duo duo(GetParam(), {.delay = milliseconds(5), .loss = 0.3}, {}, {}, seed);
    duo.a.say(duo.b);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(20))) << "seed " << seed;
    EXPECT_EQ(duo.world.finish(), "") << "seed " << seed;
  }
}

TEST_P(BothHandshakes, WhatWaitsForTheSessionArrivesInOrderWhateverItsFlags) {
  Duo duo(GetParam());
  duo.b.checked = false;
  std::string received;
  duo.b.on_message = [&](const InboxMessage& message) { received += message.text(); };
  const char* texts[] = {"a", "b", "c", "d", "e", "f"};
  for (int i = 0; i < 6; ++i) {
    duo.a.send(duo.b.identity(), texts[i], i % 2 == 0 ? kSendUnreliable : kSendReliable);
  }
  // The first data packets are lost.
  duo.simulation().set_filter([lost = 0](const PacketView& packet) mutable {
    const bool data = packet_kind(packet.bytes[0]) == PacketKind::kData;
    return data && packet.sender == 0 && lost++ < 2 ? Fate{0, {}} : Fate{};
  });
  duo.world.run_for(seconds(2));
  EXPECT_EQ(received, "abcdef");
}

TEST_P(BothHandshakes, CrossedOpensMakeOneSessionAndNoRequest) {
  Duo duo(GetParam());
  duo.a.say(duo.b);
  duo.b.say(duo.a);
  ASSERT_TRUE(duo.world.run_until_complete(seconds(1)));
  EXPECT_LE(duo.since_start(), milliseconds(GetParam() == Keys::kKnown ? 30 : 50));
  EXPECT_TRUE(duo.a.requests().empty());
  EXPECT_TRUE(duo.b.requests().empty());
  duo.world.run_for(seconds(2));
  EXPECT_EQ(duo.a.endpoint().session_count(), 1u);
  EXPECT_EQ(duo.b.endpoint().session_count(), 1u);
  EXPECT_TRUE(duo.a.connected(duo.b));
  EXPECT_TRUE(duo.b.connected(duo.a));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(CrossedOpens, OneKnowsTheKeyAndTheOtherDoesNot) {
  for (const bool a_knows : {true, false}) {
    Duo duo(Keys::kUnknown);
    duo.a.knows(duo.b, a_knows);
    duo.b.knows(duo.a, !a_knows);
    duo.a.say(duo.b);
    duo.b.say(duo.a);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
    duo.world.run_for(seconds(2));
    EXPECT_TRUE(duo.a.requests().empty());
    EXPECT_TRUE(duo.b.requests().empty());
    EXPECT_EQ(duo.a.endpoint().session_count(), 1u);
    EXPECT_EQ(duo.b.endpoint().session_count(), 1u);
    EXPECT_EQ(duo.world.finish(), "");
  }
}

TEST(CrossedOpens, ByAddressInsteadOfName) {
  Duo duo(Keys::kUnknown);
  duo.a.calls(duo.b, World::ip_identity(duo.b.address()));
  duo.b.calls(duo.a, World::ip_identity(duo.a.address()));
  duo.a.say(duo.b);
  duo.b.say(duo.a);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  duo.world.run_for(seconds(2));
  EXPECT_TRUE(duo.a.requests().empty());
  EXPECT_TRUE(duo.b.requests().empty());
  EXPECT_EQ(duo.a.endpoint().session_count(), 1u);
  EXPECT_EQ(duo.b.endpoint().session_count(), 1u);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(CrossedOpens, WithinOneRoundTripOfEachOther) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    for (int delay = 0; delay <= 60; delay += 2) {
      Duo duo(keys);
      duo.a.say(duo.b);
      duo.world.run_for(milliseconds(delay));
      duo.b.say(duo.a);
      EXPECT_TRUE(duo.world.run_until_complete(seconds(2))) << delay << " ms";
      duo.world.run_for(seconds(2));
      EXPECT_EQ(duo.a.endpoint().session_count(), 1u) << delay << " ms";
      EXPECT_EQ(duo.b.endpoint().session_count(), 1u) << delay << " ms";
      EXPECT_EQ(duo.world.finish(), "") << delay << " ms";
    }
  }
}

// --- the application's answer --------------------------------------------------------------------

TEST_P(BothHandshakes, IgnoredSenderFailsAfterTenSecondsAndTheReceiverGetsNothing) {
  Duo duo(GetParam());
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.say(duo.b);
  duo.world.run_for(milliseconds(9900));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kConnecting);
  duo.world.run_for(milliseconds(200));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndMiscTimeout);
  EXPECT_EQ(duo.a.failures()[0].info.state, ConnectionState::kProblemDetectedLocally);
  EXPECT_FALSE(duo.a.failures()[0].info.end_debug.empty());
  duo.world.run_for(seconds(20));
  EXPECT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.b.messages_received(), 0u);
  EXPECT_FALSE(duo.b.accept(duo.a)) << "the stranger has given up";
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(BothHandshakes, NothingIsRevealedBeforeAccept) {
  Duo duo(GetParam());
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.say(duo.b);
  duo.world.run_for(seconds(9));
  // With a known key the asked side says nothing at all; without it, only the handshake's own
  // answers.
  std::uint64_t data_packets = 0;
  const std::uint64_t packets = duo.simulation().packets_from(duo.b.id());
  duo.simulation().set_filter([&](const PacketView& packet) {
    data_packets += packet.sender == duo.b.id();
    return Fate{};
  });
  duo.world.run_for(milliseconds(900));
  EXPECT_EQ(data_packets, 0u);
  if (GetParam() == Keys::kKnown) {
    EXPECT_EQ(packets, 0u);
  } else {
    EXPECT_LE(packets, 2u);
  }
}

TEST_P(BothHandshakes, RequestIsPostedAgainEveryFiveSeconds) {
  SessionOptions patient;
  patient.timeout_initial = seconds(23);
  Duo duo(GetParam(), line(), patient);
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.say(duo.b);
  duo.world.run_for(seconds(30));
  // At 0, 5, 10, 15 and 20 s.
  ASSERT_EQ(duo.b.requests().size(), 5u);
  for (std::size_t i = 1; i < 5; ++i) {
    const Duration gap = duo.b.requests()[i].at - duo.b.requests()[i - 1].at;
    EXPECT_GE(gap, seconds(5));
    EXPECT_LE(gap, milliseconds(6100));
  }
  EXPECT_EQ(duo.b.requests()[0].from, duo.a.identity());
}

TEST_P(BothHandshakes, RefusedSenderLearnsItAtOnce) {
  Duo duo(GetParam());
  duo.b.on_request = OnRequest::kRefuse;
  duo.a.say(duo.b);
  duo.world.run_for(milliseconds(60));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.state, ConnectionState::kClosedByPeer);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndSessionClosed);
  EXPECT_EQ(duo.b.messages_received(), 0u);
  EXPECT_TRUE(duo.b.failures().empty());
  duo.world.run_for(seconds(30));
  EXPECT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.b.requests().size(), 1u);
  EXPECT_EQ(duo.b.endpoint().session_count(), 0u);
}

TEST_P(BothHandshakes, RefusalUnderLossIsLearnedInTheEnd) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Duo duo(GetParam(), {.delay = milliseconds(5), .loss = 0.15}, {}, {}, seed);
    duo.b.on_request = OnRequest::kRefuse;
    duo.a.say(duo.b);
    duo.world.run_for(seconds(25));
    ASSERT_EQ(duo.a.failures().size(), 1u) << "seed " << seed;
    EXPECT_EQ(duo.b.messages_received(), 0u);
    EXPECT_EQ(duo.world.finish(), "");
  }
}

TEST_P(BothHandshakes, LateAcceptDeliversEverything) {
  Duo duo(GetParam());
  duo.b.on_request = OnRequest::kIgnore;
  for (int i = 0; i < 20; ++i) duo.a.say(duo.b, 1000);
  duo.world.run_for(seconds(8));
  EXPECT_TRUE(duo.b.accept(duo.a));
  EXPECT_TRUE(duo.world.run_until_complete(milliseconds(1500)));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(BothHandshakes, SendIsAnImplicitAccept) {
  Duo duo(GetParam());
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.say(duo.b);
  duo.world.run_for(seconds(2));
  ASSERT_EQ(duo.b.requests().size(), 1u);
  EXPECT_EQ(duo.b.say(duo.a), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(milliseconds(1500)));
  EXPECT_TRUE(duo.a.requests().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

INSTANTIATE_TEST_SUITE_P(Handshake, BothHandshakes, testing::Values(Keys::kKnown, Keys::kUnknown),
                         keys_name);

// --- nobody there, or somebody else --------------------------------------------------------------

TEST(Dialling, NobodyThereFailsAfterTenSeconds) {
  Duo duo;
  duo.simulation().downlink(duo.b.id()).config().up = false;
  duo.a.say(duo.b);
  duo.world.run_for(seconds(11));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndMiscTimeout);
  EXPECT_LE(duo.simulation().packets_from(duo.a.id()), 20u);
}

TEST(Dialling, WrongKeyIsNeverAnswered) {
  Duo duo;
  World other(99);
  FastRandom random(5);
  duo.a.endpoint().set_route(duo.b.identity(), duo.b.address(), generate_x25519(random).public_key);
  duo.a.say(duo.b);
  duo.world.run_for(seconds(11));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.simulation().packets_from(duo.b.id()), 0u);
  EXPECT_TRUE(duo.b.requests().empty());
}

TEST(Dialling, SomebodyElseAtTheAddressIsRefused) {
  Duo duo(Keys::kUnknown);
  Host& c = duo.world.add("str:carol");
  duo.a.endpoint().set_route(duo.b.identity(), c.address(), std::nullopt);
  duo.a.say(duo.b);
  duo.world.run_for(seconds(11));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndRemoteBadCert);
  EXPECT_EQ(c.messages_received(), 0u);
}

TEST(Dialling, AnotherApplicationDoesNotAnswer) {
  World world(1);
  HostConfig other;
  other.app_id = 7;
  Host& a = world.add("str:alice");
  Host& b = world.add("str:bob", std::move(other));
  world.introduce(a, b, true);
  a.say(b);
  world.run_for(seconds(11));
  EXPECT_EQ(a.failures().size(), 1u);
  EXPECT_TRUE(b.requests().empty());
}

// --- load ----------------------------------------------------------------------------------------

IpAddress stranger(std::uint32_t n) {
  return IpAddress::v4(77, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
                       static_cast<std::uint8_t>(n), 1000);
}

// A first message of XX as anybody can make it.
std::vector<std::uint8_t> forged_init(Random& random) {
  HandshakeConfig config;
  config.static_key = generate_x25519(random);
  Initiator initiator(config);
  std::vector<std::uint8_t> packet(kHandshakePacketSizeMax);
  packet.resize(initiator.write_init(random.u32(), kUnixStart, random, packet));
  return packet;
}

TEST(Load, CookiesLetAnHonestCallerThroughAFlood) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    Duo duo(keys);
    duo.b.config().limits.first_packets.per_100ms_max = 20;
    duo.b.restart(true);
    FastRandom random(3);
    // The same message from ten thousand addresses a second; each is answered by at most a cookie.
    const std::vector<std::uint8_t> init = forged_init(random);
    for (std::uint32_t i = 0; i < 20'000; ++i) {
      duo.simulation().after(microseconds(i * 100), [&duo, &init, i] {
        std::vector<std::uint8_t> packet = init;
        packet[4] = static_cast<std::uint8_t>(i);  // sender index
        duo.simulation().inject(stranger(i), duo.b.address(), packet);
      });
    }
    duo.world.run_for(milliseconds(500));
    duo.a.say(duo.b);
    EXPECT_TRUE(duo.world.run_until_complete(milliseconds(1400)));
    EXPECT_GT(duo.b.count(Count::kCookiesSent), 1000u);
    EXPECT_LE(duo.b.endpoint().session_count(), 1u);
    EXPECT_EQ(duo.world.finish(), "");
  }
}

TEST(Load, PendingRequestsAreBoundedAndTheOldestGoes) {
  HostConfig config;
  config.limits.pending_requests_max = 8;
  World world(1);
  Host& b = world.add("str:bob", std::move(config));
  b.on_request = OnRequest::kIgnore;
  std::vector<Host*> callers;
  for (int i = 0; i < 12; ++i) {
    Host& caller = world.add("str:caller" + std::to_string(i));
    caller.knows(b, true);
    callers.push_back(&caller);
  }
  for (Host* caller : callers) {
    caller->say(b);
    world.run_for(milliseconds(20));
    EXPECT_LE(b.endpoint().pending_request_count(), 8u);
  }
  EXPECT_EQ(b.endpoint().pending_request_count(), 8u);
  EXPECT_GE(b.count(Count::kDroppedRequestLimit), 4u);
  EXPECT_EQ(world.violations(), "");
}

// All come at once, and the application answers them a moment later, one after the other.
TEST(Load, WhoIsPushedOutBeforeTheApplicationSaysYesGetsIn) {
  for (const bool with_key : {false, true}) {
    HostConfig config;
    config.limits.pending_requests_max = 8;
    World world(1);
    Host& b = world.add("str:bob", std::move(config));
    b.on_request = OnRequest::kIgnore;
    std::vector<Host*> callers;
    for (int i = 0; i < 40; ++i) {
      callers.push_back(&world.add("str:caller" + std::to_string(i)));
      callers.back()->knows(b, with_key);
      callers.back()->say(b);
    }
    world.run_for(milliseconds(200));
    b.on_request = OnRequest::kAccept;
    for (const Host::Request& request : std::vector(b.requests())) b.accept(request.from);
    EXPECT_TRUE(world.run_until_complete(seconds(3))) << with_key;
    for (const Host* caller : callers) EXPECT_TRUE(caller->failures().empty());
    EXPECT_EQ(world.finish(), "");
  }
}

TEST(Load, WhoIsPushedOutAndClosesIsStillHeard) {
  HostConfig config;
  config.limits.pending_requests_max = 1;
  World world(1);
  Host& b = world.add("str:bob", std::move(config));
  b.on_request = OnRequest::kIgnore;
  Host& first = world.add("str:first");
  Host& second = world.add("str:second");
  for (Host* caller : {&first, &second}) {
    caller->knows(b, false);
    caller->say(b);
    world.run_for(milliseconds(100));
  }
  b.on_request = OnRequest::kAccept;
  b.accept(second);
  first.close_session(b);
  world.run_for(seconds(2));
  EXPECT_EQ(b.messages_received(), 2u);
  EXPECT_EQ(world.finish(), "");
}

// While the application says nothing, those who push each other out must not do so ever faster:
// each is a handshake, and a callback.
TEST(Load, WhoIsPushedOutTriesAgainOnceASecondAtMost) {
  for (const bool with_key : {false, true}) {
    constexpr std::size_t kCallers = 10;
    HostConfig config;
    config.limits.pending_requests_max = 1;
    World world(1);
    Host& b = world.add("str:bob", std::move(config));
    b.on_request = OnRequest::kIgnore;
    for (std::size_t i = 0; i < kCallers; ++i) {
      Host& caller = world.add("str:caller" + std::to_string(i));
      caller.knows(b, with_key);
      caller.say(b);
    }
    world.run_for(seconds(3));
    const std::size_t before = b.requests().size();
    world.run_for(seconds(6));
    EXPECT_LE(b.requests().size() - before, 6 * kCallers + kCallers) << with_key;
    EXPECT_EQ(world.violations(), "");
  }
}

TEST(Load, HalfOpenHandshakesAreBoundedAndForgotten) {
  Duo duo;
  duo.b.config().limits.half_open_max = 16;
  duo.b.restart(true);
  FastRandom random(3);
  for (std::uint32_t i = 0; i < 100; ++i) {
    duo.simulation().inject(stranger(i), duo.b.address(), forged_init(random));
    duo.world.run_for(milliseconds(1));
  }
  duo.world.run_for(milliseconds(10));
  EXPECT_EQ(duo.b.count(Count::kDroppedHandshakeLoad), 84u);
  duo.world.run_for(seconds(20));
  EXPECT_EQ(duo.b.endpoint().next_deadline(), kNever);
  EXPECT_EQ(duo.b.endpoint().session_count(), 0u);
  ASSERT_TRUE(duo.connect());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Load, SessionLimitRefusesTheSend) {
  HostConfig config;
  config.limits.sessions_max = 3;
  World world(1);
  Host& a = world.add("str:alice", std::move(config));
  std::vector<Result> results;
  for (int i = 0; i < 5; ++i) {
    Host& other = world.add("str:other" + std::to_string(i));
    a.knows(other, true);
    results.push_back(a.say(other));
  }
  EXPECT_EQ(results[2], Result::kOk);
  EXPECT_EQ(results[3], Result::kLimitExceeded);
  EXPECT_LE(a.endpoint().session_count(), 3u);
  EXPECT_TRUE(world.run_until_complete(seconds(1)));
}

}  // namespace
}  // namespace whimbrel::sim
