#include "relay/leg.h"

#include "relay/test_relay.h"

namespace whimbrel::relay {
namespace {

class RelayLeg : public TestRelay {
 protected:
  // The relay is out of reach for so long, and the leg is lost; then it can be reached again.
  void lose(Client& client, Duration time) {
    relay_dead = true;
    client.leg.suspect(now);
    run_for(time);
    ASSERT_EQ(client.leg.state(), Leg::State::kOpening);
    relay_dead = false;
  }
};

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
  while (alice.count<LegOpened>() == 1 && now - from < seconds(5)) run_for(milliseconds(10));
  EXPECT_LE(to_milliseconds(now - from), 600) << "while it sends, silence is noticed soon";
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_EQ(alice.count<LegOpened>(), 2u);
  EXPECT_FALSE(alice.leg.bound(bob.leg.slot())) << "grants are of the old slots";
}

TEST_F(RelayLeg, ARelayThatWasOutOfReachStillHasTheSlot) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  ASSERT_TRUE(connect(bob, alice));
  const SlotId slot = alice.leg.slot();
  relay_dead = true;
  send(alice, bob, "into the void");
  run_for(seconds(9));
  ASSERT_GE(alice.count<LegLost>(), 1u);
  ASSERT_EQ(alice.leg.state(), Leg::State::kOpening);
  EXPECT_FALSE(send(alice, bob, "no way"));
  relay_dead = false;
  run_for(milliseconds(100));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_EQ(alice.count<LegResumed>(), 1u);
  EXPECT_EQ(alice.count<LegOpened>(), 1u);
  EXPECT_EQ(server->counters().opened, 2u) << "no other slot was taken";
  EXPECT_TRUE(send(alice, bob, "back")) << "what was bound still is";
  EXPECT_TRUE(send(bob, alice, "so I see"));
  EXPECT_EQ(bob.got.back().second, "back");
  EXPECT_EQ(alice.got.back().second, "so I see");
}

// The relay says it again when it is asked with the same nonce, and a packet of the leg says as
// much.
TEST_F(RelayLeg, AnOpenedOfTheSameSlotResumes) {
  Client& alice = opened("str:alice");
  const SlotId slot = alice.leg.slot();
  lose(alice, seconds(2));
  drop_asks = true;
  run_for(seconds(2));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_GE(server->counters().reopened, 1u);
}

// The keys of a slot are those of the token that it was made for.
TEST_F(RelayLeg, AnotherTokenWhileItOpensIsAnotherSlot) {
  Client& alice = opened("str:alice");
  relay_dead = true;
  alice.leg.suspect(now);
  run_for(seconds(4));
  relay_dead = false;
  restart();
  drop_replies = true;
  run_for(seconds(4));
  drop_replies = false;
  ASSERT_EQ(alice.leg.state(), Leg::State::kOpening);
  alice.leg.open(ticket_for(token_for(alice.identity)), now);
  run_for(seconds(3));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_TRUE(connect(alice, opened("str:bob")));
}

// Whoever logs in again after an outage brings a newer token at the moment when the relay can be
// reached.
TEST_F(RelayLeg, TheOldSlotIsPreferredToOneOfANewerToken) {
  Client& alice = opened("str:alice");
  const SlotId slot = alice.leg.slot();
  lose(alice, seconds(4));
  alice.leg.open(ticket_for(token_for(alice.identity)), now);
  run_for(milliseconds(100));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_EQ(alice.count<LegResumed>(), 1u);
  EXPECT_EQ(server->counters().opened, 1u);
}

// From another address an Open with the old nonce gets nothing, and the ping beside it is
// challenged.
TEST_F(RelayLeg, ASlotIsKeptOverAChangeOfAddress) {
  Client& alice = opened("str:alice");
  const SlotId slot = alice.leg.slot();
  relay_dead = true;
  alice.leg.suspect(now);
  run_for(seconds(5));
  relay_dead = false;
  alice.address = IpAddress::v4(10, 7, 7, 7, 7000);
  run_for(seconds(5));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_EQ(alice.leg.slot(), slot);
}

TEST_F(RelayLeg, WhatTheRelayHasForgottenIsNotAskedForForEver) {
  Client& alice = opened("str:alice");
  const SlotId slot = alice.leg.slot();
  relay_dead = true;
  alice.leg.suspect(now);
  run_for(seconds(59));
  EXPECT_EQ(alice.leg.slot(), slot);
  run_for(seconds(11));
  EXPECT_EQ(alice.leg.slot(), SlotId{});
  EXPECT_GT(alice.leg.next_deadline(), now);
  relay_dead = false;
  server->advance(now);
  run_for(seconds(10));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_NE(alice.leg.slot(), slot);
  EXPECT_EQ(alice.count<LegResumed>(), 0u);
}

// A hundred thousand of them shall not come at once for ever.
TEST_F(RelayLeg, WhoHasNothingToSayAsksEverMoreRarely) {
  Client& alice = opened("str:alice");
  relay_dead = true;
  alice.leg.suspect(now);
  run_for(seconds(20));
  to_relay_count = 0;
  run_for(seconds(30));
  EXPECT_LE(to_relay_count, 20u);
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

// Who sees the Open knows its nonce, but not the secret of the token.
class ForgedAnswers : public RelayLeg {
 protected:
  ForgedAnswers() : alice(add("str:alice")) {
    alice.leg.open(ticket_for(token_for(alice.identity)), now);
    nonce = sent_open();
  }
  // The nonce of the Open that leaves now. Nothing leaves: zeros.
  Nonce sent_open() {
    std::array<std::uint8_t, kOpenSizeMax> buffer;
    const std::size_t size = alice.leg.poll_transmit(buffer, now);
    const auto open = read_open(Bytes(buffer).first(size));
    return open ? open->nonce : Nonce{};
  }
  void receive(Bytes datagram) {
    std::vector<std::uint8_t> copy(datagram.begin(), datagram.end());
    EXPECT_FALSE(alice.leg.receive(copy, now).has_value());
  }
  // Everything is as it was, and the next Open is that of before.
  void expect_still_opening() {
    EXPECT_EQ(alice.leg.state(), Leg::State::kOpening);
    EXPECT_FALSE(alice.leg.poll_event().has_value());
    EXPECT_EQ(sent_open(), Nonce{}) << "it is not time yet";
    now += milliseconds(250);
    EXPECT_EQ(sent_open(), nonce);
  }

  Client& alice;
  Nonce nonce{};
  Secret wrong;
};

TEST_F(ForgedAnswers, ARefusedWithAWrongMacChangesNothing) {
  std::array<std::uint8_t, kRefusedSize> buffer;
  for (const Refusal reason : {Refusal::kFull, Refusal::kDraining, Refusal::kExpired}) {
    const MutableBytes refused = write_refused(buffer, {reason, nonce});
    write_mac(wrong, Kind::kRefused, refused);
    receive(refused);
  }
  expect_still_opening();
}

TEST_F(ForgedAnswers, AnOpenedWithAWrongMacChangesNothing) {
  std::array<std::uint8_t, kOpenedSize> buffer;
  Opened opened{nonce, nonce, SlotId::of(1, 1), 1, alice.address, 600, 0};
  const MutableBytes datagram = write_opened(buffer, opened);
  write_mac(wrong, Kind::kOpened, datagram);
  receive(datagram);
  expect_still_opening();
}

// Nothing shows whether a Cookie is of the relay.
TEST_F(ForgedAnswers, CookiesCauseTwoMoreOpensAtMost) {
  std::array<std::uint8_t, kCookieReplySize> buffer;
  unsigned opens = 0;
  for (std::uint8_t i = 1; i <= 100; ++i) {
    RelayCookie cookie{};
    cookie.fill(i);
    write_cookie_reply(buffer, {nonce, cookie});
    receive(buffer);
    while (sent_open() == nonce) ++opens;
  }
  EXPECT_LE(opens, 2u);
  EXPECT_GE(opens, 1u) << "it may be the relay's";
}

TEST_F(RelayLeg, APayloadCountsOnce) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  std::array<std::uint8_t, 1500> buffer;
  const std::size_t size = alice.leg.wrap(bob.leg.slot(), as_bytes("once"), buffer, now);
  std::vector<std::uint8_t> datagram(buffer.begin(), buffer.begin() + static_cast<long>(size));
  ASSERT_EQ(server->receive(alice.address, datagram, now), bob.address);
  to_client(bob.address, datagram);
  to_client(bob.address, datagram);
  EXPECT_EQ(bob.got.size(), 1u);
}

TEST_F(RelayLeg, ATokenThatIsTooOldIsShownOnce) {
  Client& alice = add("str:alice");
  alice.leg.open(ticket_for(token_for(alice.identity, -1)), now);
  run();
  ASSERT_EQ(alice.count<LegLost>(), 1u);
  const std::size_t sent = to_relay_count;
  run_for(seconds(60));
  EXPECT_EQ(to_relay_count, sent);
  alice.leg.open(ticket_for(token_for(alice.identity)), now);
  run();
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
}

TEST_F(RelayLeg, ABindThatWasLostIsRepeated) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  drop_asks = true;
  alice.leg.bind(bob.leg.make_grant(alice.identity, unix_now() + 600), now);
  run();
  drop_asks = false;
  run();
  ASSERT_FALSE(alice.leg.bound(bob.leg.slot()));
  run_for(seconds(1));
  EXPECT_TRUE(alice.leg.bound(bob.leg.slot()));
}

// Its next repetition would come 90 ms later.
TEST_F(RelayLeg, ABindThatWasLostWithTheRelayIsRepeatedAtOnce) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  relay_dead = true;
  alice.leg.bind(bob.leg.make_grant(alice.identity, unix_now() + 600), now);
  alice.leg.hurry(now);
  alice.leg.suspect(now);
  run_for(milliseconds(410));
  ASSERT_EQ(alice.leg.state(), Leg::State::kOpening);
  relay_dead = false;
  run_for(milliseconds(100));
  ASSERT_EQ(alice.count<LegResumed>(), 1u);
  EXPECT_TRUE(alice.leg.bound(bob.leg.slot()));
}

TEST_F(RelayLeg, MeasuresTheRoundTrip) {
  Client& alice = opened("str:alice");
  run_for(seconds(20));
  EXPECT_GT(alice.leg.rtt(), Duration::zero());
}

}  // namespace
}  // namespace whimbrel::relay
