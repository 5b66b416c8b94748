// Attacks on a relay and its legs. Each test says what is promised; it fails where the promise is
// broken.
#include "relay/test_relay.h"

namespace whimbrel::relay {
namespace {

using RelayAbuse = TestRelay;

// The ticket of a site that has moved to another address (its slots and its peers' are as they
// were).
TEST_F(RelayAbuse, ALegThatMovesToAnotherAddressBindsAnew) {
  Client& alice = opened("alice");
  Client& bob = opened("bob");
  ASSERT_TRUE(connect(alice, bob));
  const Grant grant = bob.leg.make_grant(alice.identity, unix_now() + 600);
  Ticket moved = ticket_for(token_for(alice.identity));
  moved.relay = IpAddress::v4(10, 9, 9, 10, 4040);  // the same program, or its successor
  alice.leg.open(moved, now);
  run();
  ASSERT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_EQ(alice.count<LegLost>(), 1u) << "nobody was told that the slot is another one";
  alice.leg.bind(grant, now);
  run_for(seconds(5));
  EXPECT_TRUE(alice.leg.bound(bob.leg.slot()));
  send(alice, bob, "hello");
  run_for(seconds(1));
  EXPECT_EQ(bob.got.size(), 1u) << "unbound " << server->counters().dropped_unbound;
}

// An off-path flood of junk with made-up sources, against somebody who wants a slot.
class RelayFlood : public RelayAbuse {
 protected:
  Duration time_to_open(unsigned junk_per_ms) {
    Client& alice = add("alice");
    Instant begin = now;  // the flood has been there for 2 s when she comes
    const Instant flood = now;
    FastRandom dice(9);
    std::vector<std::uint8_t> junk(512);
    dice.fill(junk);
    junk[0] = static_cast<std::uint8_t>(Kind::kOpen);
    junk[1] = 1;
    junk[2] = junk[3] = 0;
    junk[36] = 0;
    junk[37] = kTokenSize;
    while (now - begin < seconds(120) && alice.leg.state() != Leg::State::kOpen) {
      if (now - flood == seconds(2)) {
        alice.leg.open(ticket_for(token_for(alice.identity)), now);
        begin = now;
      }
      const unsigned place = static_cast<unsigned>(dice.below(junk_per_ms + 1));
      for (unsigned i = 0; i <= junk_per_ms; ++i) {
        if (i == place) {
          alice.leg.advance(now);
          drain(alice);
        }
        if (i == junk_per_ms) break;
        const auto a = dice.u32();
        const IpAddress from =
            IpAddress::v4(static_cast<std::uint8_t>(a >> 24), static_cast<std::uint8_t>(a >> 16),
                          static_cast<std::uint8_t>(a >> 8), static_cast<std::uint8_t>(a), 999);
        std::vector<std::uint8_t> copy = junk;
        server->receive(from, copy, now);
      }
      take_replies();
      server->advance(now);
      now += milliseconds(1);
    }
    return now - begin;
  }
};
TEST_F(RelayFlood, Of20000ASecond) { EXPECT_LE(time_to_open(20), seconds(2)); }
TEST_F(RelayFlood, Of100000ASecond) { EXPECT_LE(time_to_open(100), seconds(2)); }

// A line that is gone for half a second every few seconds, while something is sent.
TEST_F(RelayAbuse, AFlappingLineStillHasARelay) {
  Client& alice = opened("alice");
  Client& bob = opened("bob");
  ASSERT_TRUE(connect(alice, bob));
  const Instant begin = now;
  Duration longest{}, current{};
  while (now - begin < seconds(120)) {
    const auto phase = (now - begin) % seconds(5);
    relay_dead = phase < milliseconds(600);
    if (alice.leg.state() == Leg::State::kOpen) {
      if (!alice.leg.bound(bob.leg.slot()))
        alice.leg.bind(bob.leg.make_grant(alice.identity, unix_now() + 600), now);
      send(alice, bob, "x");
      current = {};
    } else {
      current += milliseconds(20);
      longest = std::max(longest, current);
    }
    run_for(milliseconds(20));
  }
  EXPECT_LE(longest, seconds(3));
}

// Eight copies of what the client's neighbour recorded, played back after the client has closed.
TEST_F(RelayAbuse, RecordedOpensDoNotTakeTheSlotsOfAnIdentity) {
  // Records alice's Opens of ten minutes (she starts her program nine times, say).
  std::vector<std::vector<std::uint8_t>> recorded;
  for (int i = 0; i < 9; ++i) {
    Leg leg(random);
    const Token token = token_for(identity_hash(7, "alice"));
    leg.open(ticket_for(token), now);
    std::array<std::uint8_t, kOpenSizeMax> buffer;
    const std::size_t size = leg.poll_transmit(buffer, now);
    recorded.push_back({buffer.begin(), buffer.begin() + static_cast<long>(size)});
  }
  now += seconds(300);
  for (auto datagram : recorded) server->receive(IpAddress::v4(6, 6, 6, 6, 6), datagram, now);
  take_replies();
  Client& alice = add("alice");
  alice.leg.open(ticket_for(token_for(alice.identity)), now);
  run();
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
}

}  // namespace
}  // namespace whimbrel::relay
