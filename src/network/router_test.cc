#include "network/router.h"

#include "handshake/packets.h"
#include "network/test_router.h"

namespace whimbrel {
namespace {

TEST_F(RouterTest, StrangersMeetByNameAlone) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  const Instant begin = now;
  ASSERT_EQ(send(alice, bob, "hello"), Result::kOk);
  run_for(seconds(2));
  ASSERT_EQ(bob.got, std::vector<std::string>{"hello"});
  EXPECT_EQ(bob.requests, std::vector<Identity>{alice.name()});
  // A lookup, a signal there and one back, a bind, and the way over the relay.
  EXPECT_LE(to_milliseconds(bob.got_at[0] - begin), 250);
  ASSERT_EQ(send(bob, alice, "hello yourself"), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(alice.got, std::vector<std::string>{"hello yourself"});
  EXPECT_EQ(alice.direct_packets + bob.direct_packets, 0u);
}

TEST_F(RouterTest, AStrangerLearnsNothingBeforeAccept) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  bob.accepts = false;
  run_for(seconds(1));
  send(alice, bob, "let me in");
  run_for(seconds(3));
  EXPECT_EQ(bob.requests.size(), 1u);
  EXPECT_EQ(bob.router->stats().signals_out, 0u);
  EXPECT_EQ(bob.router->stats().packets_out, 0u);
  EXPECT_TRUE(bob.endpoint->accept(alice.name(), now));
  run_for(seconds(2));
  EXPECT_EQ(bob.got, std::vector<std::string>{"let me in"});
}

TEST_F(RouterTest, WhoIsOfflineIsSaidAtOnce) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  bob.online = false;
  run_for(seconds(1));
  send(alice, bob, "anybody?");
  run_for(milliseconds(100));
  ASSERT_EQ(alice.failures.size(), 1u);
  EXPECT_EQ(alice.failures[0].end_reason, kEndMiscRendezvous);
}

TEST_F(RouterTest, BothAtOnceMakeOneSession) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  send(alice, bob, "from alice");
  send(bob, alice, "from bob");
  run_for(seconds(3));
  EXPECT_EQ(bob.got, std::vector<std::string>{"from alice"});
  EXPECT_EQ(alice.got, std::vector<std::string>{"from bob"});
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
}

TEST_F(RouterTest, LargeMessagesPass) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  std::string large(524'288, 'x');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31);
  ASSERT_EQ(send(alice, bob, large), Result::kOk);
  run_for(seconds(10));
  ASSERT_EQ(bob.got.size(), 1u);
  EXPECT_TRUE(bob.got[0] == large);
}

TEST_F(RouterTest, ARestartedRelayIsSurvived) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  send(alice, bob, "before");
  run_for(seconds(1));
  start_relay();
  for (int i = 0; i < 50; ++i) {
    send(alice, bob, std::to_string(i));
    send(bob, alice, std::to_string(i));
    run_for(milliseconds(50));
  }
  run_for(seconds(3));
  ASSERT_EQ(bob.got.size(), 51u);
  EXPECT_EQ(alice.got.size(), 50u);
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty()) << "the session lives through it";
  Duration gap{};
  for (std::size_t i = 1; i < bob.got_at.size(); ++i) {
    gap = std::max(gap, bob.got_at[i] - bob.got_at[i - 1]);
  }
  RecordProperty("outage_ms", static_cast<int>(to_milliseconds(gap)));
  EXPECT_LE(to_milliseconds(gap), 1500);
}

TEST_F(RouterTest, ARelayThatHasForgottenUsIsToldFromOneThatIsNew) {
  Host& alice = add("str:alice");
  run_for(seconds(1));
  EXPECT_EQ(alice.router->take_reopened({relay_address}), Router::Reached::kOpened);
  EXPECT_EQ(alice.router->take_reopened({relay_address}), Router::Reached::kNothingNew);
  start_relay();
  alice.router->suspect(relay_address, true, now);
  run_for(2 * kLeg);
  EXPECT_EQ(alice.router->take_reopened({relay_address}), Router::Reached::kForgotten);
  // One that was merely out of reach.
  relay_dead = true;
  alice.router->suspect(relay_address, false, now);
  run_for(seconds(1));
  relay_dead = false;
  run_for(seconds(1));
  EXPECT_EQ(alice.router->take_reopened({relay_address}), Router::Reached::kOpened);
  // Somebody else's.
  start_relay();
  alice.router->suspect(relay_address, true, now);
  run_for(seconds(1));
  EXPECT_EQ(alice.router->take_reopened({IpAddress::v4(10, 9, 9, 8, 4040)}),
            Router::Reached::kNothingNew);
}

// Whoever must bind again may find no rendezvous to ask, so what it has must be good for a while at
// any time.
TEST_F(RouterTest, GrantsAreRenewedLongBeforeTheyEnd) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  send(alice, bob, "hello");
  for (int i = 0; i < 150; ++i) {
    run_for(seconds(10));
    send(alice, bob, "tick");
    send(bob, alice, "tock");
    ASSERT_GE(granted_for(alice, bob), 300) << i;
    ASSERT_GE(granted_for(bob, alice), 300) << i;
  }
  EXPECT_LE(signals, 30u) << "and not all the time";
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
}

TEST_F(RouterTest, ARelayThatIsRestartedIsSurvivedAfterTheRendezvousWasAway) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  std::vector<std::string> sent;
  const auto talk_for = [&](int times) {
    for (int i = 0; i < times; ++i) {
      if (i % 240 == 239 && !rendezvous_away) {
        for (auto& host : hosts) give_ticket(*host);
      }
      sent.push_back(std::to_string(i));
      send(alice, bob, sent.back());
      run_for(seconds(1));
      ASSERT_GE(granted_for(alice, bob), 0) << sent.size();
      ASSERT_GE(granted_for(bob, alice), 0) << sent.size();
    }
  };
  talk_for(480);
  rendezvous_away = true;
  talk_for(300);
  rendezvous_away = false;
  for (auto& host : hosts) host->router->on_online(now);
  talk_for(300);
  start_relay();
  talk_for(10);
  EXPECT_EQ(bob.got, sent);
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
}

TEST_F(RouterTest, AnEndedSessionIsMadeAgain) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(send(alice, bob, std::to_string(i)), Result::kOk);
    run_for(seconds(2));
    EXPECT_TRUE(alice.endpoint->close_session(bob.name(), now));
    run_for(seconds(90));
    EXPECT_EQ(alice.router->contact_count(), 0u) << "nothing is kept of it";
  }
  EXPECT_EQ(bob.got.size(), 5u);
}

TEST_F(RouterTest, JunkSignalsAreCounted) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  for (std::size_t size = 0; size < 200; ++size) {
    std::vector<std::uint8_t> junk(size);
    random.fill(junk);
    if (size > 1) junk[0] = 1, junk[1] = static_cast<std::uint8_t>(size % 2);
    bob.router->on_signal(alice.name(), junk, now);
  }
  run_for(seconds(1));
  EXPECT_TRUE(bob.requests.empty());
  EXPECT_EQ(bob.router->stats().signals_out, 0u);
  send(alice, bob, "still well");
  run_for(seconds(1));
  EXPECT_EQ(bob.got.size(), 1u);
}

// A stranger who says that another's slot is his own takes nothing from it.
TEST_F(RouterTest, AClaimOfAnothersSlotIsIgnored) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  Host& eve = add("str:eve");
  run_for(seconds(1));
  send(alice, bob, "one");
  run_for(seconds(1));
  relay::Grant claim;
  claim.relay_id = relay_config.relay_id;
  claim.slot = bob.router->relays().home()->leg->slot();
  const auto body = write_signal({SignalKind::kPacket, {{claim, 0}}, {}});
  alice.router->on_signal(eve.name(), body, now);
  send(alice, bob, "two");
  send(bob, alice, "three");
  run_for(seconds(1));
  EXPECT_EQ(bob.got.size(), 2u);
  EXPECT_EQ(alice.got.size(), 1u);
}

// One whom we do talk to says that another's slot is his: the relay knows better, and its owner
// gets it back.
TEST_F(RouterTest, AFriendsClaimOfAnothersSlotHoldsForARoundTripOnly) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  Host& eve = add("str:eve");
  run_for(seconds(1));
  send(eve, alice, "hello");
  run_for(seconds(1));
  relay::Grant claim;
  claim.relay_id = relay_config.relay_id;
  claim.slot = bob.router->relays().home()->leg->slot();
  for (int i = 0; i < 20; ++i) {
    alice.router->on_signal(eve.name(),
                            write_signal({SignalKind::kGrant, {{claim, 0}, {claim, 0}}, {}}), now);
    if (i == 0) send(bob, alice, "from bob");
    run_for(milliseconds(100));
  }
  send(alice, bob, "to bob");
  run_for(seconds(2));
  EXPECT_EQ(bob.got, std::vector<std::string>{"to bob"});
  EXPECT_EQ(alice.got, (std::vector<std::string>{"hello", "from bob"}));
}

// The rendezvous took Bob for logged in, and he was not; what Alice told him went nowhere. When he
// is back he asks.
TEST_F(RouterTest, ANoticeThatGotLostIsAskedFor) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  send(alice, bob, "hello");
  run_for(seconds(2));
  ASSERT_EQ(bob.got.size(), 1u);
  bob.online = false;
  start_relay();
  run_for(seconds(4));
  ASSERT_EQ(send(alice, bob, "are you there?"), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(bob.got.size(), 1u);
  bob.online = true;
  bob.router->on_online(now);
  run_for(milliseconds(1500));
  EXPECT_EQ(bob.got.size(), 2u);
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
}

TEST_F(RouterTest, WhoAsksForGrantsIsAnsweredNowAndThen) {
  Host& alice = add("str:alice");
  Host& eve = add("str:eve");
  run_for(seconds(1));
  send(eve, alice, "hello");
  run_for(seconds(1));
  const std::uint64_t before = alice.router->stats().signals_out;
  for (int i = 0; i < 1000; ++i) {
    alice.router->on_signal(eve.name(), write_signal({SignalKind::kAskGrant, {}, {}}), now);
    run_for(milliseconds(1));
  }
  EXPECT_LE(alice.router->stats().signals_out - before, 5u);
  EXPECT_GE(alice.router->stats().signals_out - before, 2u);
}

}  // namespace
}  // namespace whimbrel
