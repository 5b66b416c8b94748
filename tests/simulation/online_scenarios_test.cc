// Peers that know each other's names, the server between them, and what callers and outages may do.
#include <gtest/gtest.h>
#include <whimbrel/send_flags.h>

#include <vector>

#include "sim/world.h"

namespace whimbrel::sim {
namespace {

HostConfig user() {
  HostConfig config;
  config.app_id = 7;
  return config;
}

// What came to one node, as somebody sees it who cannot read it.
class Arrivals final : public PacketObserver {
 public:
  explicit Arrivals(NodeId node) : node_(node) {}
  void on_delivered(const PacketView& packet) override {
    if (packet.receiver == node_) seen.push_back({packet.now, packet.bytes.size()});
  }
  std::vector<std::pair<Instant, std::size_t>> seen;

 private:
  NodeId node_;
};

struct Trio {
  Trio() : server(world.add_site()), alice(add("str:alice")), bob(add("str:bob")) {}
  Host& add(const char* name) {
    Host& host = world.add_online(name, server, user());
    world.simulation().set_line(host.id(), {.delay = milliseconds(10)});
    return host;
  }
  void get_online() {
    ASSERT_TRUE(world.run_until([&] { return alice.online() && bob.online(); }, seconds(10)));
    world.run_for(seconds(5));
  }

  World world{1};
  SiteNode& server;
  Host& alice;
  Host& bob;
};

// One name and key in two places: the later login stays, and the earlier program does not come back
// by itself.
TEST(Online, TheSameKeyInTwoPlacesIsSettledOnce) {
  Trio trio;
  trio.get_online();
  HostConfig same = user();
  same.keys = trio.alice.config().keys;
  Host& later = trio.world.add_online("str:alice", trio.server, std::move(same));
  ASSERT_TRUE(trio.world.run_until([&] { return later.online(); }, seconds(10)));
  for (int i = 0; i < 120; ++i) {
    trio.world.run_for(milliseconds(500));
    ASSERT_TRUE(later.online()) << i;
    ASSERT_FALSE(trio.alice.online()) << i;
  }
  EXPECT_EQ(trio.alice.network_status().state, NetworkStatus::State::kRefused);
  EXPECT_EQ(trio.alice.network_status().text, "logged in elsewhere as str:alice");
}

// A server that was killed and is back: its clients know at their next packet, and are logged in
// again.
TEST(Online, AnIdleClientLearnsAtItsNextPacketThatTheServerHasRestarted) {
  Trio trio;
  trio.get_online();
  trio.server.kill();
  trio.server.start();
  const auto logged_in_again = [&] {
    return trio.alice.network_status().state == NetworkStatus::State::kConnecting;
  };
  // At the ping that comes each 10 s at the latest, and not when that has not been answered for 2
  // s.
  ASSERT_TRUE(trio.world.run_until(logged_in_again, milliseconds(10'500)));
  ASSERT_TRUE(trio.world.run_until([&] { return trio.alice.online(); }, seconds(1)));
}

// Bob's program has the call and says nothing, or is not even there to get it: to alice both look
// alike. That he is logged in she has from the rendezvous, in both cases.
TEST(Online, ACallerLearnsNothingOfWhoDoesNotAnswer) {
  std::vector<std::pair<Instant, std::size_t>> seen[2];
  for (const bool asleep : {false, true}) {
    Trio trio;
    trio.get_online();
    trio.bob.on_request = OnRequest::kIgnore;
    Arrivals arrivals(trio.alice.id());
    trio.world.simulation().observe(arrivals);
    if (asleep) trio.world.simulation().sleep(trio.bob.id(), false);
    trio.alice.say(trio.bob);
    trio.world.run_for(seconds(5));
    EXPECT_EQ(trio.bob.requests().size(), asleep ? 0u : 1u);
    EXPECT_EQ(trio.alice.state(trio.bob), ConnectionState::kConnecting);
    seen[asleep] = arrivals.seen;
  }
  EXPECT_GT(seen[0].size(), 2u);
  EXPECT_EQ(seen[0], seen[1]);
}

TEST(Online, AMessageReachesWhoAcceptsLater) {
  Trio trio;
  trio.get_online();
  trio.bob.on_request = OnRequest::kIgnore;
  trio.alice.say(trio.bob);
  trio.world.run_for(seconds(4));
  EXPECT_EQ(trio.bob.messages_received(), 0u);
  EXPECT_TRUE(trio.bob.accept(trio.alice));
  trio.world.run_for(seconds(2));
  EXPECT_EQ(trio.bob.messages_received(), 1u);
  EXPECT_EQ(trio.world.finish(), "");
}

// Names and keys of the server live on; everybody else keeps theirs, too.
TEST(Online, AServersSecondLifeKnowsTheNamesOfTheFirst) {
  Trio trio;
  trio.get_online();
  trio.server.kill();
  trio.world.run_for(seconds(3));
  trio.server.start();
  Host& eve = trio.world.add_online("str:alice", trio.server, user());
  trio.world.run_for(seconds(20));
  EXPECT_EQ(eve.network_status().state, NetworkStatus::State::kRefused);
  EXPECT_TRUE(trio.alice.online() && trio.bob.online());
}

TEST(Online, WhoIsCutOffFromTheServerComesBackAndOthersTalkMeanwhile) {
  Trio trio;
  Host& carol = trio.add("str:carol");
  trio.get_online();
  trio.alice.say(carol);
  trio.world.simulation().set_blocked(trio.bob.id(), trio.server.id(), true);
  trio.world.run_for(seconds(20));
  EXPECT_FALSE(trio.bob.online());
  trio.alice.say(carol);
  trio.world.run_for(seconds(1));
  EXPECT_EQ(carol.messages_received(), 2u);
  trio.world.simulation().set_blocked(trio.bob.id(), trio.server.id(), false);
  trio.world.run_for(seconds(30));
  trio.bob.say(carol);
  trio.alice.say(trio.bob);
  trio.world.run_for(seconds(3));
  EXPECT_EQ(carol.messages_received(), 3u);
  EXPECT_EQ(trio.bob.messages_received(), 1u);
  EXPECT_EQ(trio.world.finish(), "");
}

// A client that dies and comes back under its name and key is reached again.
TEST(Online, ANewLifeUnderTheSameName) {
  Trio trio;
  trio.get_online();
  trio.alice.say(trio.bob);
  trio.world.run_for(seconds(1));
  trio.bob.restart(true);
  trio.world.run_for(seconds(5));
  EXPECT_TRUE(trio.bob.online());
  trio.alice.say(trio.bob, 64, kSendReliable | kSendAutoRestartBrokenSession);
  trio.world.run_for(seconds(15));
  trio.alice.say(trio.bob, 64, kSendReliable | kSendAutoRestartBrokenSession);
  trio.world.run_for(seconds(5));
  EXPECT_GE(trio.bob.messages_received(), 2u);
  EXPECT_EQ(trio.world.finish(), "");
}

// Whoever calls after the peer has noticed its end: the slots of the former life are nobody's,
// though the relay knows them still.
TEST(Online, ANewLifeAfterTheFormerOneWasMissed) {
  Trio trio;
  trio.get_online();
  trio.alice.say(trio.bob);
  trio.world.run_for(seconds(1));
  trio.bob.restart(true);
  trio.world.run_for(seconds(30));
  EXPECT_TRUE(trio.bob.online());
  EXPECT_EQ(trio.alice.failures().size(), 1u);
  trio.bob.say(trio.alice);
  trio.world.run_for(seconds(3));
  EXPECT_EQ(trio.alice.messages_received(), 1u);
  trio.alice.say(trio.bob);
  trio.world.run_for(seconds(3));
  EXPECT_EQ(trio.bob.messages_received(), 2u);
}

TEST(Online, WhatWasSaidBeforeTheCloseArrivesThoughNoWayWasKnown) {
  Trio trio;
  trio.get_online();
  trio.alice.say(trio.bob);
  trio.alice.close_session(trio.bob);
  trio.world.run_for(seconds(5));
  EXPECT_EQ(trio.bob.messages_received(), 1u);
  trio.alice.say(trio.bob);
  EXPECT_TRUE(trio.world.run_until_complete(seconds(2)));
}

// A laptop is opened again. Its clock (CLOCK_MONOTONIC) may have stood still, so by that nothing is
// due for a while: neither the ping that shows that the server has put it out, nor the timeout of a
// session that the other side has given up.
class Nap : public testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(Nap, IsForgottenSoon) {
  const auto [length, clock_stops] = GetParam();
  // After a minute the other side does not know any more whose slot of the relay the question comes
  // from.
  const bool is_known = length < 60;
  for (int speaker = 0; speaker < (is_known ? 2 : 1); ++speaker) {
    const bool sleeper_speaks = speaker == 1;
    Trio trio;
    trio.get_online();
    trio.alice.say(trio.bob);
    trio.world.run_for(seconds(5));
    trio.world.simulation().sleep(trio.bob.id(), clock_stops);
    trio.alice.say(trio.bob);
    trio.world.run_for(seconds(length));
    ASSERT_EQ(trio.alice.failures().size(), 1u);
    trio.world.simulation().wake_up(trio.bob.id());
    Host& from = sleeper_speaks ? trio.bob : trio.alice;
    Host& to = sleeper_speaks ? trio.alice : trio.bob;
    const std::uint64_t before = to.messages_received();
    const auto reached = [&] {
      from.say(to, 64, kSendReliable | kSendAutoRestartBrokenSession);
      return to.messages_received() > before;
    };
    bool done = false;
    for (int i = 0; i < 40 && !done; ++i) {
      trio.world.run_for(milliseconds(50));
      done = reached();
    }
    EXPECT_TRUE(done) << (sleeper_speaks ? "who slept speaks" : "who was awake speaks");
  }
}

INSTANTIATE_TEST_SUITE_P(Seconds, Nap,
                         testing::Combine(testing::Values(15, 30, 80, 600), testing::Bool()));

// Every session survives an outage of the server that is over well before timeout_connected,
// whoever speaks and whoever listens.
class ServerOutage : public testing::TestWithParam<int> {};

TEST_P(ServerOutage, EndsNoSession) {
  Trio trio;
  trio.get_online();
  trio.alice.say(trio.bob);
  trio.world.run_for(seconds(1));
  trio.server.kill();
  const Instant back = trio.world.now() + milliseconds(GetParam());
  trio.world.simulation().at(back, [&] { trio.server.start(); });
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(trio.alice.say(trio.bob), Result::kOk);
    trio.world.run_for(milliseconds(50));
  }
  EXPECT_TRUE(trio.world.run_until_complete(seconds(10)));
  EXPECT_TRUE(trio.alice.failures().empty()) << trio.alice.failures()[0].info.end_debug;
  EXPECT_TRUE(trio.bob.failures().empty()) << trio.bob.failures()[0].info.end_debug;
  EXPECT_EQ(trio.world.finish(), "");
}

INSTANTIATE_TEST_SUITE_P(Milliseconds, ServerOutage,
                         testing::Values(0, 100, 500, 1000, 3000, 8000));

using Presences = std::vector<std::string>;

TEST(Presence, WhoGoesAndComesIsTold) {
  Trio trio;
  EXPECT_EQ(trio.alice.watch(trio.bob.identity()), Result::kOk) << "before the login";
  trio.get_online();
  EXPECT_EQ(trio.alice.watch(Identity::generic_string("nobody")), Result::kOk);
  trio.world.run_for(seconds(1));
  const Presences& told = trio.alice.presences();
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.back(), "str:nobody-");
  EXPECT_EQ(told[told.size() - 2], "str:bob+");
  const std::size_t before = told.size();
  trio.world.simulation().set_blocked(trio.bob.id(), trio.server.id(), true);
  trio.world.run_for(seconds(30));
  ASSERT_EQ(told.size(), before + 1) << "he is silent for 25 s";
  EXPECT_EQ(told.back(), "str:bob-");
  trio.world.simulation().set_blocked(trio.bob.id(), trio.server.id(), false);
  trio.world.run_for(seconds(20));
  ASSERT_EQ(told.size(), before + 2);
  EXPECT_EQ(told.back(), "str:bob+");
  trio.alice.watch(trio.bob.identity(), false);
  trio.world.run_for(seconds(1));
  trio.world.simulation().set_blocked(trio.bob.id(), trio.server.id(), true);
  trio.world.run_for(seconds(30));
  EXPECT_EQ(told.size(), before + 2);
}

// However often: who logs in a little later than alice was not gone.
TEST(Presence, ARestartOfTheServerTellsNothingOfWhoComesBack) {
  Trio trio;
  trio.alice.watch(trio.bob.identity());
  trio.get_online();
  const Presences before = trio.alice.presences();
  ASSERT_EQ(before.back(), "str:bob+");
  for (int i = 0; i < 8; ++i) {
    trio.server.kill();
    trio.world.run_for(milliseconds(100 + 900 * i));
    trio.server.start();
    trio.world.run_for(seconds(35));
    EXPECT_TRUE(trio.alice.online() && trio.bob.online()) << i;
    EXPECT_EQ(trio.alice.presences(), before) << i;
  }
  // Who went while the server was away, is gone.
  trio.server.kill();
  trio.world.simulation().set_blocked(trio.bob.id(), trio.server.id(), true);
  trio.world.run_for(seconds(5));
  EXPECT_EQ(trio.alice.presences(), before) << "the last answer stands";
  trio.server.start();
  trio.world.run_for(
      seconds(30));  // alice learns of the restart at her next ping, 10 s at most; then the grace
  EXPECT_TRUE(trio.alice.online());
  EXPECT_EQ(trio.alice.presences().size(), before.size() + 1);
  EXPECT_EQ(trio.alice.presences().back(), "str:bob-");
}

}  // namespace
}  // namespace whimbrel::sim
