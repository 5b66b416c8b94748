// Sessions on which nobody says anything.
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

// What is lost and never sent again must not leave the session waiting for an answer that nobody
// owes.
TEST(Quiet, ALostUnreliableMessageAndThenSilenceEndNothing) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  int packets = 0;
  duo.simulation().set_filter([&](const PacketView& packet) {
    const bool first = packet.sender == duo.a.id() && packets++ == 0;
    return Fate{.copies = first ? 0u : 1u};
  });
  duo.a.say(duo.b, 64, kSendUnreliable | kSendNoNagle);
  duo.world.run_for(milliseconds(1));
  duo.a.say(duo.b, 64, kSendUnreliable | kSendNoNagle);
  duo.world.run_for(seconds(30));
  EXPECT_EQ(duo.b.messages_received(), 2u) << "with the first of connect()";
  EXPECT_TRUE(duo.a.failures().empty()) << duo.a.failures()[0].info.end_debug;
  EXPECT_TRUE(duo.a.connected(duo.b));
  EXPECT_EQ(duo.world.finish(), "");
}

// But when the peer has gone as well, that is noticed in time.
TEST(Quiet, APeerThatIsGoneIsNoticedWhenWhatWasInFlightIsLost) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.a.say(duo.b, 64, kSendUnreliable | kSendNoNagle);
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  duo.world.run_for(seconds(12));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndRemoteTimeout);
}

// Who hears a stream end asks once whether it was meant to.
TEST(Quiet, AStreamThatEndsCostsOneQuestion) {
  for (const int flags : {kSendReliable, kSendUnreliable}) {
    Duo duo;
    ASSERT_TRUE(duo.connect());
    for (int i = 0; i < 100; ++i) {
      duo.a.say(duo.b, 1000, flags);
      duo.world.run_for(milliseconds(10));
    }
    duo.world.run_for(milliseconds(500));
    const std::uint64_t a = duo.simulation().packets_from(duo.a.id());
    const std::uint64_t b = duo.simulation().packets_from(duo.b.id());
    duo.world.run_for(seconds(4));
    EXPECT_LE(duo.simulation().packets_from(duo.a.id()) - a, 1u) << "the answer";
    EXPECT_LE(duo.simulation().packets_from(duo.b.id()) - b, 2u)
        << "the question, and the answer to what came with that";
  }
}

// What quiet sessions have to do is done together: many of them wake their thread hardly more often
// than few.
TEST(Quiet, ManySessionsWakeTheirThreadTogether) {
  constexpr int kClients = 200;
  World world(1);
  Host& server = world.add("str:server");
  for (int i = 0; i < kClients; ++i) {
    Host& client = world.add("str:client" + std::to_string(i));
    client.knows(server, true);
    // They came one after another, as they do.
    client.say(server);
    world.run_for(milliseconds(37));
  }
  ASSERT_TRUE(world.run_until_complete(seconds(2)));
  world.run_for(seconds(20));
  const std::uint64_t packets = world.simulation().packets_from(server.id());
  std::size_t wakes = 0;
  for (const Instant end = world.now() + seconds(60); world.now() < end;) {
    const Instant due = server.next_deadline();
    ASSERT_GT(due, world.now());
    if (due < world.now() + milliseconds(1)) ++wakes;
    world.run_for(milliseconds(1));
  }
  EXPECT_LE(wakes, 60u * 17) << "by timers";
  const double rate =
      static_cast<double>(world.simulation().packets_from(server.id()) - packets) / 60;
  EXPECT_LE(rate, 0.3 * kClients);
  EXPECT_EQ(world.finish(), "");
}

// RFC 9002 5.3: acknowledgements ride on the peer's data, up to a tick later; the round trip is the
// line's all the same.
TEST(Ping, IsTheLinesWhenAcknowledgementsRideOnATick) {
  for (const Duration delay : {microseconds(10), milliseconds(5)}) {
    // The handshake takes longer than a packet does afterwards.
    Duo duo(Keys::kKnown, line(delay + microseconds(200)));
    ASSERT_TRUE(duo.connect());
    duo.world.set_lines(line(delay));
    for (int tick = 0; tick < 600; ++tick) {
      duo.a.say(duo.b, 100, kSendUnreliable);
      duo.world.run_for(milliseconds(13));
      duo.b.say(duo.a, 100, kSendUnreliable);
      duo.world.run_for(microseconds(3667));
      if (tick < 60) continue;
      const auto round_trip = static_cast<int>(to_milliseconds(4 * delay));
      EXPECT_LE(duo.a.status(duo.b).ping, round_trip + 1);
      EXPECT_LE(duo.b.status(duo.a).ping, round_trip + 1);
    }
  }
}

// A quiet session measures once in a keep-alive: the first measurement after a pause counts for all
// that is long past.
TEST(Ping, FollowsTheLineOnAQuietSession) {
  Duo duo(Keys::kKnown, line(milliseconds(30)));
  ASSERT_TRUE(duo.connect());
  duo.world.run_for(seconds(5));
  EXPECT_EQ(duo.a.status(duo.b).ping, 120);
  duo.world.set_lines(line(milliseconds(1)));
  duo.world.run_for(seconds(20));
  EXPECT_LE(duo.a.status(duo.b).ping, 5);
  EXPECT_LE(duo.b.status(duo.a).ping, 5);
}

}  // namespace
}  // namespace whimbrel::sim
