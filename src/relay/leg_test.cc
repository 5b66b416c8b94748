#include "relay/leg.h"

#include "relay/test_relay.h"

namespace whimbrel::relay {
namespace {

using RelayLeg = TestRelay;

TEST_F(RelayLeg, StaysOpenWhileIdle) {
  Client& alice = opened("str:alice");
  const SlotId slot = alice.leg.slot();
  run_for(seconds(300));
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_EQ(alice.count<LegLost>(), 0u);
  EXPECT_EQ(server->slot_count(), 1u);
}

TEST_F(RelayLeg, IdleCostsFewPackets) {
  Client& alice = opened("str:alice");
  delivered = 0;
  run_for(seconds(150));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_LE(delivered, 11u);
}

TEST_F(RelayLeg, OpensAgainAfterTheRelayWasRestarted) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  run_for(seconds(1));
  restart();
  send(alice, bob, "into the void");
  const Instant from = now;
  while (alice.count<LegLost>() == 0 && now - from < seconds(5)) run_for(milliseconds(10));
  EXPECT_LE(to_milliseconds(now - from), 600) << "while it sends, silence is noticed soon";
  run_for(milliseconds(100));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_EQ(alice.count<LegOpened>(), 2u);
  EXPECT_FALSE(alice.leg.bound(bob.leg.slot())) << "grants are of the old slots";
}

TEST_F(RelayLeg, KeepsTryingWhileTheRelayIsAway) {
  Client& alice = opened("str:alice");
  relay_dead = true;
  run_for(seconds(60));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpening);
  EXPECT_GE(alice.count<LegLost>(), 1u);
  relay_dead = false;
  restart();
  run_for(seconds(6));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
}

TEST_F(RelayLeg, ATokenCanBeRenewed) {
  Client& alice = opened("str:alice");
  const SlotId slot = alice.leg.slot();
  for (int i = 0; i < 10; ++i) {
    run_for(seconds(500));
    alice.leg.open(ticket_for(token_for(alice.identity)), now);
  }
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_EQ(alice.count<LegLost>(), 0u);
}

TEST_F(RelayLeg, WithoutANewTokenItEndsHalfAnHourAfterTheOld) {
  Client& alice = opened("str:alice");
  run_for(seconds(600 + 1790));
  EXPECT_EQ(alice.count<LegLost>(), 0u);
  run_for(seconds(30));
  EXPECT_GE(alice.count<LegLost>(), 1u);
  EXPECT_EQ(server->slot_count(), 0u);
}

TEST_F(RelayLeg, SomebodyElsesTokenRenewsNothing) {
  Client& alice = opened("str:alice");
  alice.leg.open(ticket_for(token_for(identity_hash(7, "str:bob"))), now);
  run();
  EXPECT_EQ(server->counters().dropped_bad_token, 1u);
}

TEST_F(RelayLeg, IsToldThatTheRelayDrains) {
  Client& alice = opened("str:alice");
  server->drain(seconds(30), now);
  run_for(seconds(2));
  ASSERT_EQ(alice.count<LegDraining>(), 1u);
  EXPECT_GE(std::get<LegDraining>(alice.events.back()).left, seconds(28));
  Client& late = add("str:late");
  late.leg.open(ticket_for(token_for(late.identity)), now);
  run();
  EXPECT_EQ(std::get<LegLost>(late.events.at(0)).refusal, Refusal::kDraining);
}

TEST_F(RelayLeg, ForgedAnswersAreIgnored) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(bob, alice));
  for (int first = 0x80; first < 0x90; ++first) {
    for (const std::size_t size : {1, 19, 20, 21, 36, 60, 98, 512}) {
      std::vector<std::uint8_t> junk(size);
      random.fill(junk);
      junk[0] = static_cast<std::uint8_t>(first);
      EXPECT_FALSE(alice.leg.receive(junk, now).has_value());
    }
  }
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_TRUE(send(bob, alice, "still here"));
  EXPECT_EQ(alice.got.size(), 1u);
}

TEST_F(RelayLeg, MeasuresTheRoundTrip) {
  Client& alice = opened("str:alice");
  run_for(seconds(20));
  EXPECT_GT(alice.leg.rtt(), Duration::zero());
}

}  // namespace
}  // namespace whimbrel::relay
