// How a server knows who is there, and what that costs.
#include <gtest/gtest.h>

#include <string>

#include "rendezvous/test_rendezvous.h"

namespace whimbrel::rendezvous {
namespace {

class SilentClients : public TestRendezvous {};

TEST_F(SilentClients, WhoFallsSilentIsOffline) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  bob.client.watch(name("str:alice"), true, now);
  run_for(seconds(60));
  EXPECT_EQ(server->user_count(), 2u) << "whoever pings stays";
  alice.connected = false;  // killed
  run_for(seconds(24));
  EXPECT_TRUE(bob.all<PresenceEvent>().back().online);
  run_for(seconds(7));
  EXPECT_FALSE(bob.all<PresenceEvent>().back().online);
  EXPECT_EQ(server->user_count(), 1u);
  EXPECT_EQ(server->counters().silent, 1u);
}

// Pings are all that an idle user costs; the time until somebody is noticed to be gone grows with
// them.
TEST_F(SilentClients, ManyUsersPingLessOften) {
  limits.pings_per_second = 0.1;  // two users: every 20 s
  restart();
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  run_for(seconds(11));
  for (int i = 0; i < 5; ++i) {
    const Instant ping = alice.client.next_deadline();
    EXPECT_NEAR(to_seconds(ping - now), 19, 0.1);
    run_for(seconds(20));
  }
  EXPECT_TRUE(alice.online() && bob.online());
  bob.connected = false;
  run_for(seconds(45));
  EXPECT_EQ(server->user_count(), 2u);
  run_for(seconds(16));
  EXPECT_EQ(server->user_count(), 1u) << "two and a half of 20 s";
}

// The next life of the server has most to do at its begin.
TEST_F(SilentClients, TheIntervalBetweenPingsOutlivesTheSession) {
  limits.pings_per_second = 0.05;
  restart();
  User& alice = logged_in("str:alice");
  run_for(seconds(12));
  restart();
  connect(alice);
  const Instant ping = alice.client.next_deadline();
  EXPECT_EQ(ping, now + seconds(20));
  run_for(seconds(19));
  EXPECT_TRUE(alice.online());
  EXPECT_EQ(server->user_count(), 1u);
}

// An idle client finds out by its next ping that the server has started again, and the last of very
// many come a minute later.
TEST_F(SilentClients, WhoPingsSeldomIsNotGoneAfterARestart) {
  limits.pings_per_second = 0.01;
  restart();
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  User& carol = logged_in("str:carol");
  for (const char* who : {"str:bob", "str:carol"}) alice.client.watch(name(who), true, now);
  run_for(seconds(12));
  restart();
  connect(alice);
  run_for(kPingIntervalMax + seconds(3));
  connect(bob);
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 2u) << "what was told before";
  run_for(seconds(40));
  connect(carol);
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 2u);
  disconnect(carol);
  restart();
  connect(alice);
  run_for(seconds(80));
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 4u) << "both are gone";
}

TEST_F(SilentClients, AnIntervalBetweenPingsHasBounds) {
  for (const double rate : {1e-9, 1e9}) {
    limits.pings_per_second = rate;
    restart();
    User& alice = logged_in("str:alice" + std::to_string(users.size()));
    run_for(seconds(10));
    const Duration wait = alice.client.next_deadline() - now;
    EXPECT_GE(wait, seconds(9)) << rate;
    EXPECT_LE(wait, seconds(25)) << rate;
    disconnect(alice);
  }
}

}  // namespace
}  // namespace whimbrel::rendezvous
