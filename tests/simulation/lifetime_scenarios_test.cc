// Scenarios: how sessions end, idle, sleep and break.
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

// --- closing -------------------------------------------------------------------------------------

TEST(Close, PeerLearnsItAtOnceAndWithoutCallback) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  EXPECT_TRUE(duo.a.close_session(duo.b));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  duo.world.run_for(milliseconds(11));
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kClosedByPeer);
  EXPECT_EQ(duo.b.info(duo.a).end_reason, kEndSessionClosed);
  EXPECT_EQ(duo.b.say(duo.a), Result::kNoConnection);
  duo.world.run_for(seconds(60));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_TRUE(duo.b.failures().empty());
  EXPECT_EQ(duo.a.endpoint().session_count(), 0u);
  EXPECT_EQ(duo.b.endpoint().session_count(), 0u);
  EXPECT_TRUE(duo.b.close_session(duo.a)) << "acknowledges it";
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kNone);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Close, DeliversWhatWasTakenWithinTheLingerTime) {
  Duo duo(Keys::kKnown, {.rate = 1'000'000, .delay = milliseconds(5)});
  ASSERT_TRUE(duo.connect());
  for (int i = 0; i < 20; ++i) ASSERT_EQ(duo.a.say(duo.b, 10'000), Result::kOk);
  EXPECT_TRUE(duo.a.close_session(duo.b));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  duo.world.run_for(seconds(1));
  EXPECT_EQ(duo.world.ledger().delivered(duo.a.life(), duo.b.id(), 0, true), 21u);
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kClosedByPeer);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Close, WhatReachesALingeringSessionIsNotAcknowledged) {
  const LinkConfig narrow{.rate = 500'000, .delay = milliseconds(5)};  // bytes/s
  Duo duo(Keys::kKnown, narrow);
  ASSERT_TRUE(duo.connect());
  for (int i = 0; i < 10; ++i) ASSERT_EQ(duo.a.say(duo.b, 20'000), Result::kOk);
  EXPECT_TRUE(duo.a.close_session(duo.b));
  ASSERT_TRUE(duo.a.endpoint().lingering());
  EXPECT_EQ(duo.b.say(duo.a), Result::kOk);
  duo.world.run_for(milliseconds(200));
  ASSERT_TRUE(duo.a.endpoint().lingering());
  EXPECT_GT(duo.b.status(duo.a).pending_reliable + duo.b.status(duo.a).sent_unacknowledged_reliable,
            0u);
  duo.world.run_for(seconds(3));
  // Nobody could read it, and its sender knows.
  ASSERT_EQ(duo.b.failures().size(), 1u);
  EXPECT_EQ(duo.b.failures()[0].info.state, ConnectionState::kClosedByPeer);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Close, LingersNoLongerThanItMay) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  for (int i = 0; i < 20; ++i) duo.a.say(duo.b, 10'000);
  duo.a.close_session(duo.b);
  EXPECT_TRUE(duo.a.endpoint().lingering());
  duo.world.run_for(milliseconds(1100));
  EXPECT_FALSE(duo.a.endpoint().lingering());
  duo.world.run_for(seconds(5));
  EXPECT_EQ(duo.a.endpoint().session_count(), 0u);
  EXPECT_EQ(duo.a.endpoint().next_deadline(), kNever);
}

TEST(Close, UnderLossThePeerLearnsItSoon) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Duo duo(Keys::kKnown, line(), {}, {}, seed);
    ASSERT_TRUE(duo.connect());
    duo.world.set_lines({.delay = milliseconds(5), .loss = 0.15});
    for (int i = 0; i < 5; ++i) duo.a.say(duo.b, 1000);
    duo.a.close_session(duo.b);
    duo.world.run_for(seconds(30));
    EXPECT_FALSE(duo.b.connected(duo.a)) << "seed " << seed;
    EXPECT_EQ(duo.a.endpoint().session_count(), 0u) << "seed " << seed;
    EXPECT_EQ(duo.world.finish(), "") << "seed " << seed;
  }
}

TEST(Close, LostWordOfItIsSaidAgain) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_filter([lost = false, id = duo.a.id()](const PacketView& packet) mutable {
    if (lost || packet.sender != id) return Fate{};
    lost = true;
    return Fate{0, {}};
  });
  duo.a.close_session(duo.b);
  duo.world.run_for(seconds(3));
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kClosedByPeer);
  EXPECT_TRUE(duo.b.failures().empty()) << "a clean close posts no callback";
}

TEST(Close, BothAtOnce) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.a.say(duo.b);
  duo.b.say(duo.a);
  duo.a.close_session(duo.b);
  duo.b.close_session(duo.a);
  duo.world.run_for(seconds(10));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kNone);
  EXPECT_EQ(duo.a.endpoint().session_count(), 0u);
  EXPECT_EQ(duo.b.endpoint().session_count(), 0u);
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_TRUE(duo.b.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Close, AndOpenAgainAtOnce) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    Duo duo(keys);
    ASSERT_TRUE(duo.connect());
    for (int i = 0; i < 10; ++i) {
      duo.a.say(duo.b, 5000);
      duo.a.close_session(duo.b);
      ASSERT_EQ(duo.a.say(duo.b, 200), Result::kOk);
      ASSERT_TRUE(duo.world.run_until_complete(seconds(4))) << "round " << i;
      duo.world.run_for(milliseconds(700));
      EXPECT_TRUE(duo.a.connected(duo.b)) << "round " << i;
    }
    EXPECT_TRUE(duo.a.failures().empty());
    EXPECT_EQ(duo.world.finish(), "");
  }
}

TEST(Close, WhileConnectingLeavesNothing) {
  Duo duo;
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.say(duo.b);
  duo.world.run_for(seconds(1));
  EXPECT_TRUE(duo.a.close_session(duo.b));
  duo.world.run_for(seconds(20));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.a.endpoint().session_count(), 0u);
  EXPECT_EQ(duo.b.endpoint().pending_request_count(), 0u);
  EXPECT_EQ(duo.a.endpoint().next_deadline(), kNever);
  EXPECT_EQ(duo.b.endpoint().next_deadline(), kNever);
}

TEST(Close, AllSessionsAtTheEndOfAProgram) {
  Duo duo;
  Host& c = duo.world.add("str:carol");
  duo.world.introduce(duo.a, c, true);
  ASSERT_TRUE(duo.connect());
  duo.a.say(c);
  ASSERT_TRUE(duo.world.run_until_complete(seconds(1)));
  duo.a.endpoint().close_all(duo.world.now());
  duo.simulation().touch(duo.a.id());
  duo.world.run_for(milliseconds(100));
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kClosedByPeer);
  EXPECT_EQ(c.state(duo.a), ConnectionState::kClosedByPeer);
}

// --- idle and quiet ------------------------------------------------------------------------------

TEST(Idle, EndsSilentlyOnBothSidesAfterThreeMinutes) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.world.run_for(seconds(179));
  EXPECT_TRUE(duo.a.connected(duo.b));
  EXPECT_TRUE(duo.b.connected(duo.a));
  duo.world.run_for(seconds(3));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kNone);
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_TRUE(duo.b.failures().empty());
  duo.world.run_for(seconds(10));
  EXPECT_EQ(duo.a.endpoint().session_count(), 0u);
  EXPECT_EQ(duo.a.endpoint().next_deadline(), kNever);
  // The next message begins a new session silently.
  EXPECT_EQ(duo.a.say(duo.b), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Idle, MessagesEitherWayCount) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  for (int i = 0; i < 4; ++i) {
    duo.world.run_for(seconds(150));
    ASSERT_EQ(duo.b.say(duo.a), Result::kOk);
    ASSERT_TRUE(duo.world.run_until_complete(seconds(1)));
  }
  EXPECT_EQ(duo.b.requests().size(), 1u) << "it was one session all the time";
  EXPECT_TRUE(duo.a.requests().empty());
}

TEST(Idle, QuietLineStaysQuiet) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.world.run_for(seconds(5));
  const QuietMeter a(duo.simulation(), duo.a.id()), b(duo.simulation(), duo.b.id());
  duo.world.run_for(seconds(160));
  EXPECT_LE(a.packets_per_second(), 0.3);
  EXPECT_LE(b.packets_per_second(), 0.3);
  EXPECT_GE(a.packets_per_second() + b.packets_per_second(), 1.0 / 16) << "keep-alives";
}

TEST(Idle, KeepAlivesHoldANatMappingOpen) {
  World world(1);
  Nat& nat = world.simulation().add_nat(
      {.outside = IpAddress::v4(1, 2, 3, 4, 0), .mapping_timeout = seconds(30)});
  Host& a = world.add("str:alice", {}, &nat);
  Host& b = world.add("str:bob");
  a.knows(b, true);
  a.say(b);
  ASSERT_TRUE(world.run_until_complete(seconds(1)));
  world.run_for(seconds(150));
  EXPECT_EQ(b.say(a), Result::kOk);
  EXPECT_TRUE(world.run_until_complete(seconds(1)));
  EXPECT_EQ(world.finish(), "");
}

// --- vanishing -----------------------------------------------------------------------------------

TEST(Vanish, FailsTenSecondsAfterTheFirstUnansweredPacket) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  EXPECT_EQ(duo.a.say(duo.b), Result::kOk);
  duo.world.run_for(milliseconds(9900));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.a.say(duo.b), Result::kOk);
  duo.world.run_for(milliseconds(200));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndRemoteTimeout);
  EXPECT_EQ(duo.a.failures()[0].info.state, ConnectionState::kProblemDetectedLocally);
  EXPECT_EQ(duo.a.say(duo.b), Result::kNoConnection);
  EXPECT_LE(duo.simulation().packets_from(duo.a.id()), 40u) << "probes back off";
}

// How long after the peer has gone each side is told: in any moment of a quiet line, while it
// sends, or is held back.
TEST(Vanish, IsToldWithinTheTimeoutAndASecondInEveryState) {
  enum class Doing { kNothing, kSending, kHeldBack };
  for (const Doing doing : {Doing::kNothing, Doing::kSending, Doing::kHeldBack}) {
    for (int phase = 0; phase < 24; ++phase) {
      Duo duo;
      ASSERT_TRUE(duo.connect());
      if (doing == Doing::kHeldBack) {
        duo.b.reading = Reading::kByHand;
        for (int i = 0; i < 600; ++i) duo.a.say(duo.b, 4000);
      }
      duo.world.run_for(seconds(20) + milliseconds(500 * phase));
      ASSERT_TRUE(duo.a.connected(duo.b) && duo.b.connected(duo.a));
      duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
      const Instant gone = duo.world.now();
      for (int i = 0; i < 1100; ++i) {
        if (doing == Doing::kSending) duo.a.say(duo.b, 64, kSendUnreliable);
        duo.world.run_for(milliseconds(10));
      }
      ASSERT_EQ(duo.a.failures().size(), 1u) << static_cast<int>(doing) << " " << phase;
      ASSERT_EQ(duo.b.failures().size(), 1u) << static_cast<int>(doing) << " " << phase;
      EXPECT_LE(duo.a.failures()[0].at, gone + seconds(11));
      EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndRemoteTimeout);
    }
  }
}

// Probes grow rare; what comes back late must not be given up between two of them.
TEST(Vanish, NobodyIsGivenUpWhoIsBackInTime) {
  for (int tenths = 5; tenths <= 95; ++tenths) {
    Duo duo(Keys::kKnown, line(milliseconds(20)));
    ASSERT_TRUE(duo.connect());
    duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
    duo.a.say(duo.b);
    duo.world.run_for(milliseconds(100 * tenths));
    duo.simulation().set_blocked(duo.a.id(), duo.b.id(), false);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(4))) << tenths;
    duo.world.run_for(seconds(15));
    EXPECT_TRUE(duo.a.failures().empty()) << tenths << ": " << duo.a.failures()[0].info.end_debug;
    EXPECT_TRUE(duo.b.failures().empty()) << tenths << ": " << duo.b.failures()[0].info.end_debug;
  }
}

// The keep-alive is shorter than the timeout, whatever it was set to.
TEST(Vanish, ServerThatSpeaksToAClientWhoseNatHasForgottenItReachesIt) {
  for (int phase = 0; phase < 10; ++phase) {
    World world(1);
    Nat& nat = world.simulation().add_nat({.outside = IpAddress::v4(1, 2, 3, 4, 0)});
    Host& client = world.add("str:alice", {}, &nat);
    Host& server = world.add("str:bob");
    client.knows(server, true);
    client.say(server);
    ASSERT_TRUE(world.run_until_complete(seconds(1)));
    world.run_for(seconds(20) + milliseconds(500 * phase));
    nat.forget();
    EXPECT_EQ(server.say(client), Result::kOk);
    EXPECT_TRUE(world.run_until_complete(seconds(7))) << phase;
    world.run_for(seconds(15));
    EXPECT_TRUE(client.failures().empty()) << phase;
    EXPECT_TRUE(server.failures().empty()) << phase;
    EXPECT_EQ(world.finish(), "");
  }
}

TEST(Vanish, FailedInfoIsReadableForFiveMinutes) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  duo.a.say(duo.b);
  duo.world.run_for(seconds(11));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  const Instant failed = duo.a.failures()[0].at;
  duo.world.run_for(failed + seconds(299) - duo.world.now());
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kProblemDetectedLocally);
  EXPECT_EQ(duo.a.info(duo.b).end_reason, kEndRemoteTimeout);
  duo.world.run_for(seconds(2));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  EXPECT_EQ(duo.a.say(duo.b), Result::kOk);
}

TEST(Vanish, ShortOutageIsSurvived) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  for (int i = 0; i < 10; ++i) duo.a.say(duo.b, 1000);
  duo.world.run_for(seconds(6));
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), false);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(4)));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Vanish, AutoRestartBeginsAgain) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  duo.a.say(duo.b);
  duo.world.run_for(seconds(40));
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), false);
  EXPECT_EQ(duo.a.say(duo.b), Result::kNoConnection);
  EXPECT_EQ(duo.a.say(duo.b, 64, kSendReliable | kSendAutoRestartBrokenSession), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_TRUE(duo.a.connected(duo.b));
  EXPECT_EQ(duo.world.finish(), "");
}

// --- sleep ---------------------------------------------------------------------------------------

class Sleep : public testing::TestWithParam<bool> {};

TEST_P(Sleep, ShortNapIsSurvived) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().sleep(duo.b.id(), GetParam());
  duo.a.say(duo.b);
  duo.world.run_for(seconds(5));
  duo.simulation().wake_up(duo.b.id());
  EXPECT_TRUE(duo.world.run_until_complete(seconds(5)));
  EXPECT_EQ(duo.b.say(duo.a), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_TRUE(duo.b.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(Sleep, LongSleepEndsInAFailureAndANewSession) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().sleep(duo.b.id(), GetParam());
  duo.a.say(duo.b);
  duo.world.run_for(seconds(100));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  duo.simulation().wake_up(duo.b.id());
  duo.world.run_for(seconds(30));
  const int flags = kSendReliable | kSendAutoRestartBrokenSession;
  EXPECT_EQ(duo.b.say(duo.a, 64, flags), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(15)));
  EXPECT_EQ(duo.a.say(duo.b, 64, flags), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(15)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(Sleep, SleeperThatWakesUpInTheMiddleOfATransferGoesOn) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  for (int i = 0; i < 20; ++i) duo.a.say(duo.b, 20'000);
  duo.world.run_for(milliseconds(15));
  duo.simulation().sleep(duo.a.id(), GetParam());
  duo.world.run_for(seconds(4));
  duo.simulation().wake_up(duo.a.id());
  EXPECT_TRUE(duo.world.run_until_complete(seconds(5)));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

INSTANTIATE_TEST_SUITE_P(Lifetime, Sleep, testing::Bool(),
                         [](const auto& one) { return one.param ? "ClockStops" : "ClockRuns"; });

// --- a key's limits (RFC 9001 6.6) ---------------------------------------------------------------

TEST(KeyLimits, AKeyThatIsUsedUpBeforeItCanBeChangedEndsTheSession) {
  // An update waits for three probe timeouts after the last one; this key is used up sooner.
  Duo duo;
  duo.a.config().limits.key_packets_max = 600;
  duo.a.restart(true);
  ASSERT_TRUE(duo.connect());
  for (int i = 0; i < 4000 && duo.a.failures().empty(); ++i) {
    while (duo.a.say(duo.b, 20'000) == Result::kOk) {
    }
    duo.world.run_for(milliseconds(5));
  }
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.state, ConnectionState::kProblemDetectedLocally);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndMiscInternalError);
  // The peer is told, with what was kept back of the key.
  duo.world.run_for(milliseconds(100));
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kClosedByPeer);
  EXPECT_EQ(duo.b.info(duo.a).end_reason, kEndMiscInternalError);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(KeyLimits, AKeyIsNeverUsedMoreOftenThanItMay) {
  Duo duo;
  duo.a.config().limits.key_packets_max = 600;
  duo.a.restart(true);
  ASSERT_TRUE(duo.connect());
  std::uint64_t in_phase = 0;
  bool phase = false;
  duo.simulation().set_filter([&](const PacketView& packet) {
    const auto header = read_data_header(packet.bytes);
    if (!header || packet.sender != duo.a.id()) return Fate{};
    if (header->key_phase != phase) in_phase = 0;
    phase = header->key_phase;
    EXPECT_LE(++in_phase, 600u);
    return Fate{};
  });
  for (int i = 0; i < 4000 && duo.a.failures().empty(); ++i) {
    while (duo.a.say(duo.b, 20'000) == Result::kOk) {
    }
    duo.world.run_for(milliseconds(5));
  }
  EXPECT_FALSE(duo.a.failures().empty());
}

TEST(KeyLimits, TooManyForgedPacketsEndTheSession) {
  Duo duo;
  duo.b.config().limits.forged_packets_max = 50;
  duo.b.restart(true);
  std::vector<std::uint8_t> copy;
  duo.simulation().set_filter([&](const PacketView& packet) {
    if (packet.sender == duo.a.id() && read_data_header(packet.bytes)) {
      copy.assign(packet.bytes.begin(), packet.bytes.end());
    }
    return Fate{};
  });
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_filter({});
  const auto forge = [&] {
    copy.back() ^= 1;
    ++copy[5];  // another packet number
    duo.simulation().inject(duo.a.address(), duo.b.address(), copy);
    duo.world.run_for(milliseconds(6));
  };
  for (int i = 0; i < 49; ++i) forge();
  EXPECT_TRUE(duo.b.failures().empty());
  EXPECT_EQ(duo.b.count(Count::kDroppedBadSeal), 49u);
  forge();
  duo.world.run_for(milliseconds(100));
  ASSERT_EQ(duo.b.failures().size(), 1u);
  EXPECT_EQ(duo.b.failures()[0].info.end_reason, kEndRemoteBadCrypt);
  // RFC 9001 6.6: closed, not just silent.
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kClosedByPeer);
  EXPECT_EQ(duo.a.info(duo.b).end_reason, kEndRemoteBadCrypt);
  EXPECT_EQ(duo.world.finish(), "");
}

}  // namespace
}  // namespace whimbrel::sim
