// Scenarios: a peer's address changes, or somebody pretends that it did.
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

IpAddress other_port(const IpAddress& address) {
  IpAddress moved = address;
  ++moved.port;
  return moved;
}

TEST(Roaming, SenderMovesToAnotherPort) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.a.move(other_port(duo.a.address()));
  duo.a.say(duo.b);
  EXPECT_TRUE(duo.world.run_until_complete(milliseconds(100)));
  EXPECT_EQ(duo.b.say(duo.a), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_EQ(duo.b.info(duo.a).remote_address, duo.a.address().text());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Roaming, SenderMovesToAnotherNetworkInTheMiddleOfATransfer) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().after(milliseconds(100), [&] { duo.a.move(duo.world.fresh_address()); });
  EXPECT_TRUE(duo.pump(duo.a, duo.b, 200, 20'000, kSendReliable, 0, seconds(10)));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.b.say(duo.a), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Roaming, ReceiverMovesInTheMiddleOfATransfer) {
  // The receiver says nothing by itself after the move but what its timers make it say.
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().after(milliseconds(100), [&] { duo.b.move(duo.world.fresh_address()); });
  duo.simulation().after(milliseconds(150), [&] { duo.b.say(duo.a); });
  EXPECT_TRUE(duo.pump(duo.a, duo.b, 200, 20'000, kSendReliable, 0, seconds(10)));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_TRUE(duo.b.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Roaming, QuietPeerThatMovedIsFoundByItsKeepAlive) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.b.move(duo.world.fresh_address());
  duo.world.run_for(seconds(17));
  EXPECT_EQ(duo.a.say(duo.b), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(milliseconds(200)));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

// A spectator says nothing by itself, and is sent to where it was until it does.
TEST(Roaming, WhoOnlyListensIsFoundSoon) {
  for (const bool opener : {false, true}) {
    for (int phase = 0; phase < 10; ++phase) {
      Duo duo;
      ASSERT_TRUE(duo.connect());
      Host& listener = opener ? duo.a : duo.b;
      Host& speaker = opener ? duo.b : duo.a;
      const auto speak_for = [&](Duration time) {
        const Instant end = duo.world.now() + time;
        while (duo.world.now() < end) {
          speaker.say(listener, 64, kSendUnreliable);
          duo.world.run_for(milliseconds(16));
        }
      };
      speak_for(seconds(2) + milliseconds(phase * 7));
      listener.move(duo.world.fresh_address());
      speak_for(milliseconds(1500));
      const std::uint64_t before = listener.messages_received();
      speak_for(milliseconds(160));
      EXPECT_GE(listener.messages_received(), before + 8) << phase;
      EXPECT_TRUE(speaker.failures().empty() && listener.failures().empty());
      EXPECT_EQ(duo.world.finish(), "");
    }
  }
}

TEST(Roaming, MovesManyTimes) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  for (int i = 0; i < 20; ++i) {
    duo.a.move(duo.world.fresh_address());
    duo.a.say(duo.b, 3000);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(1))) << "move " << i;
    duo.world.run_for(milliseconds(i * 20));
  }
  EXPECT_EQ(duo.b.say(duo.a), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_EQ(duo.world.finish(), "");
}

// A NAT that gives another port each second and forgets the old one: what was under way on the old
// address is sent again on the new one, and the transfer goes on.
TEST(Roaming, ATransferOutlivesANewAddressEachSecond) {
  for (const bool receiver : {false, true}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      SCOPED_TRACE(seed);
      Duo duo(Keys::kKnown, {.rate = 500'000, .delay = milliseconds(20)}, {}, {}, seed);
      ASSERT_TRUE(duo.connect());
      Host& roamer = receiver ? duo.b : duo.a;
      std::function<void()> roam = [&] {
        roamer.move(other_port(roamer.address()));
        if (receiver) roamer.say(duo.a);
        duo.simulation().after(seconds(1), roam);
      };
      duo.simulation().after(milliseconds(seed * 150), roam);
      // 10.5 s without the moves.
      EXPECT_TRUE(duo.pump(duo.a, duo.b, 256, 20'000, kSendReliable, 0, seconds(15)));
      EXPECT_TRUE(duo.a.failures().empty() && duo.b.failures().empty());
      EXPECT_EQ(duo.world.finish(), "");
    }
  }
}

TEST(Roaming, BothMoveOneAfterTheOther) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.a.move(duo.world.fresh_address());
  duo.a.say(duo.b);
  ASSERT_TRUE(duo.world.run_until_complete(seconds(1)));
  duo.world.run_for(milliseconds(200));
  duo.b.move(duo.world.fresh_address());
  duo.b.say(duo.a);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1)));
  duo.a.say(duo.b);
  // Said before the new address was validated, so it is lost. The challenge has measured the new
  // way: the probe that brings it again need not wait for the second that an unknown way takes.
  EXPECT_TRUE(duo.world.run_until_complete(milliseconds(200)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Roaming, BothMoveAtOnceEndsInAFailureWithAReason) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.a.move(duo.world.fresh_address());
  duo.b.move(duo.world.fresh_address());
  duo.a.say(duo.b);
  duo.b.say(duo.a);
  duo.world.run_for(seconds(30));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  ASSERT_EQ(duo.b.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndRemoteTimeout);
  EXPECT_EQ(duo.world.finish(), "");
}

// `until`: the last moment at which the caller moves.
void move_during_handshake(Keys keys, int from_ms, int until_ms) {
  for (int at = from_ms; at <= until_ms; at += 5) {
    Duo duo(keys);
    duo.a.say(duo.b);
    duo.world.run_for(milliseconds(at));
    duo.a.move(duo.world.fresh_address());
    EXPECT_TRUE(duo.world.run_until_complete(seconds(9))) << at << " ms";
    EXPECT_EQ(duo.world.finish(), "") << at << " ms";
  }
}

TEST(Roaming, MovesDuringTheHandshakeWithAKnownKey) { move_during_handshake(Keys::kKnown, 0, 60); }

TEST(Roaming, MovesDuringTheHandshakeWithAnUnknownKey) {
  move_during_handshake(Keys::kUnknown, 0, 15);
  move_during_handshake(Keys::kUnknown, 45, 60);
}

TEST(Roaming, MovesBetweenFinishAndItsConfirmation) {
  // FinishXX left from the old address, and the confirmation goes there. The caller may not say a
  // word of its own before it comes; the PING behind the repeated FinishXX moves the session.
  move_during_handshake(Keys::kUnknown, 20, 40);
}

TEST(Roaming, NatThatRestartsIsCrossedAgain) {
  World world(1);
  Nat& nat = world.simulation().add_nat({.outside = IpAddress::v4(1, 2, 3, 4, 0)});
  Host& a = world.add("str:alice", {}, &nat);
  Host& b = world.add("str:bob");
  a.knows(b, true);
  world.set_lines(line());
  a.say(b);
  ASSERT_TRUE(world.run_until_complete(seconds(1)));
  world.run_for(seconds(1));
  nat.forget();
  a.say(b);
  EXPECT_TRUE(world.run_until_complete(seconds(1)));
  EXPECT_EQ(b.say(a), Result::kOk);
  EXPECT_TRUE(world.run_until_complete(seconds(1)));
  EXPECT_EQ(world.finish(), "");
}

// --- pretended moves -----------------------------------------------------------------------------

const IpAddress kNobodyThere = IpAddress::v4(66, 6, 6, 6, 666);

// Copies packets of `from`, makes the copies come first, and from an address where nobody is.
void hijack(Duo& duo, const Host& from, const Host& to) {
  duo.simulation().set_filter([&](const PacketView& packet) {
    if (packet.sender != from.id()) return Fate{};
    duo.simulation().inject(kNobodyThere, to.address(), packet.bytes);
    return Fate{1, milliseconds(1)};
  });
}

TEST(Spoofing, CopiedPacketsFromElsewhereMoveNothing) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  hijack(duo, duo.a, duo.b);
  const std::uint64_t lost_before = duo.simulation().packets_unroutable();
  for (int i = 0; i < 50; ++i) {
    duo.a.say(duo.b);
    duo.b.say(duo.a, 2000);
    duo.world.run_for(milliseconds(50));
  }
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_EQ(duo.b.info(duo.a).remote_address, duo.a.address().text());
  // Challenges went there, and nothing else; the amplification checker watches how many bytes.
  EXPECT_LE(duo.simulation().packets_unroutable() - lost_before, 60u);
  EXPECT_TRUE(duo.b.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Spoofing, CopiedPacketsDoNotStopARealMove) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  hijack(duo, duo.a, duo.b);
  duo.a.say(duo.b);
  duo.world.run_for(milliseconds(50));
  duo.a.move(duo.world.fresh_address());
  for (int i = 0; i < 20; ++i) {
    duo.a.say(duo.b);
    duo.world.run_for(milliseconds(100));
  }
  duo.simulation().set_filter({});
  duo.a.say(duo.b);
  duo.b.say(duo.a);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(5)));
  EXPECT_TRUE(duo.b.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Spoofing, HandshakesFromEverywhereAreNotAmplified) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    Duo duo(keys);
    // Every handshake packet of the caller also comes from an address where nobody is.
    hijack(duo, duo.a, duo.b);
    duo.a.say(duo.b);
    duo.world.run_for(seconds(12));
    EXPECT_EQ(duo.world.violations(), "");
  }
}

}  // namespace
}  // namespace whimbrel::sim
