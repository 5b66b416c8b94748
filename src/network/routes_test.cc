#include "network/routes.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "relay/relay_server.h"

namespace whimbrel {
namespace {

// Three relays, and two users with a leg to each of them. Nothing takes any time but that the peer says how far it is from a relay.
class RoutesTest : public ::testing::Test {
 protected:
  struct Node {
    IpAddress address;
    std::unique_ptr<relay::RelayServer> server;
    bool dead = false;
  };
  struct User {
    User(const std::string& name, std::uint8_t number, Random& random)
        : hash(relay::identity_hash(7, name)),
          address(IpAddress::v4(10, 0, 0, number, 4000)),
          relays(random) {}
    relay::IdentityHash hash;
    IpAddress address;
    Relays relays;
  };

  RoutesTest() : keys(master()), us("str:us", 1, random), peer("str:peer", 2, random) {
    for (const std::string name : {"a", "b", "c"}) {
      relay::RelayConfig config;
      config.relay_id = relay::site_id(name);
      Node& node = nodes[name];
      node.address = IpAddress::v4(203, 0, 113, static_cast<std::uint8_t>(nodes.size()), 4040);
      node.server = std::make_unique<relay::RelayServer>(config, keys, random, now, clock);
    }
    give_tickets(us);
    give_tickets(peer);
    step(milliseconds(100));
    for (const auto& [name, node] : nodes) {
      leg(name).bind(grant(name), now);
    }
    step(milliseconds(100));
    for (const auto& [name, node] : nodes) {
      EXPECT_TRUE(leg(name).healthy() && leg(name).bound(grant(name).slot)) << name;
    }
  }

  static Secret master() {
    Secret secret;
    secret.bytes.fill(5);  // a test key
    return secret;
  }
  void give_tickets(User& user) {
    std::vector<SiteTicket> tickets;
    for (const auto& [name, node] : nodes) {
      relay::Token token;
      token.identity = user.hash;
      token.app_id = 7;
      token.not_after = clock.seconds_at(now) + 600;
      random.fill(token.secret.bytes);
      const relay::SealedToken sealed = keys.seal(token, random, clock.seconds_at(now));
      tickets.push_back({name, {node.address, {sealed.begin(), sealed.end()}, token.secret}});
    }
    user.relays.on_tickets(tickets, now);
  }

  void deliver(const IpAddress& to, Bytes datagram, const Node& node) {
    std::vector<std::uint8_t> copy(datagram.begin(), datagram.end());
    for (User* user : {&us, &peer}) {
      if (user->address == to) user->relays.receive(node.address, copy, now);
    }
  }
  void take_replies(Node& node) {
    std::array<std::uint8_t, relay::kOpenSizeMax> buffer;
    while (const auto reply = node.server->poll_transmit(buffer)) {
      if (!node.dead) deliver(reply->to, Bytes(buffer).first(reply->size), node);
    }
  }
  void to_relay(const User& from, const IpAddress& to, MutableBytes datagram) {
    for (auto& [name, node] : nodes) {
      if (node.address != to || node.dead || !relay::is_relay_packet(datagram[0])) continue;
      if (const auto next = node.server->receive(from.address, datagram, now))
        deliver(*next, datagram, node);
      take_replies(node);
    }
  }
  void step(Duration time) {
    std::array<std::uint8_t, 2048> buffer;
    for (const Instant end = now + time; now < end; now += milliseconds(10)) {
      for (User* user : {&us, &peer}) {
        for (const auto& [name, node] : nodes) user->relays.want(relay::site_id(name), now);
        user->relays.advance(now);
        while (const auto out = user->relays.poll_transmit(buffer, now)) {
          to_relay(*user, out->to, MutableBytes(buffer).first(out->size));
        }
        while (user->relays.poll_event()) {
        }
      }
      for (auto& [name, node] : nodes) {
        node.server->advance(now);
        take_replies(node);
      }
    }
  }

  relay::Leg& leg(const std::string& name) { return *us.relays.find(relay::site_id(name))->leg; }
  relay::Grant grant(const std::string& name) {
    const Relays::Site* site = peer.relays.find(relay::site_id(name));
    return site->leg->make_grant(us.hash, clock.seconds_at(now) + 600);
  }
  // The peer's slot at a relay that is so far from it.
  PeerSlot slot(const std::string& name, int rtt_ms) {
    return {grant(name), static_cast<std::uint16_t>(rtt_ms * 10)};
  }
  void forget(const std::string& name) {
    EXPECT_TRUE(routes.forget(relay::site_id(name), grant(name).slot)) << name;
  }
  void hear(const std::string& name) {
    routes.on_heard(relay::site_id(name), grant(name).slot, us.relays, now);
  }
  void choose() { routes.choose(us.relays, now); }
  // What we send over this relay is not answered: for so long that it may be dead, or until the leg is lost.
  void doubt(const std::string& name) {
    nodes[name].dead = true;
    std::array<std::uint8_t, 200> packet;
    const std::array<std::uint8_t, 100> payload{};
    for (int i = 0; i < 20; ++i) leg(name).wrap(grant(name).slot, payload, packet, now);
    for (int i = 0; i < 1000 && leg(name).healthy(); ++i) step(milliseconds(10));
    ASSERT_EQ(leg(name).state(), relay::Leg::State::kOpen);
  }
  void lose(const std::string& name) {
    doubt(name);
    for (int i = 0; i < 1000 && leg(name).state() == relay::Leg::State::kOpen; ++i)
      step(milliseconds(10));
    ASSERT_EQ(leg(name).state(), relay::Leg::State::kOpening);
  }
  void bring_back(const std::string& name) {
    nodes[name].dead = false;
    for (int i = 0; i < 1000 && !leg(name).healthy(); ++i) step(milliseconds(10));
    ASSERT_TRUE(leg(name).healthy());
  }
  std::string name_of(const Routes::Route* route) {
    if (route == nullptr) return "";
    const Relays::Site* site = us.relays.find(route->site());
    return site == nullptr ? "?" : site->name;
  }
  std::string active() { return name_of(routes.active()); }
  std::string also() { return name_of(routes.also()); }

  Instant now{};
  const WallClock clock{now, 1'800'000'000'000};
  FastRandom random{3};
  relay::SiteKeys keys;
  std::map<std::string, Node> nodes;
  User us;
  User peer;
  Routes routes;
};

TEST_F(RoutesTest, TheShortestIsActive) {
  EXPECT_EQ(routes.active(), nullptr);
  EXPECT_TRUE(routes.learn({slot("a", 30), slot("b", 10), slot("c", 20)}, now).empty());
  choose();
  EXPECT_EQ(active(), "b");
  EXPECT_EQ(also(), "");
  const auto ready = routes.ready(us.relays);
  ASSERT_EQ(ready.size(), 2u);
  EXPECT_EQ(name_of(&ready[0]), "b");
  EXPECT_EQ(name_of(&ready[1]), "c");
}

TEST_F(RoutesTest, TheActiveOneStaysWhenAnEarlierOneIsForgotten) {
  routes.learn({slot("a", 30), slot("b", 10), slot("c", 20)}, now);
  choose();
  forget("a");
  EXPECT_EQ(active(), "b");
  EXPECT_FALSE(routes.forget(relay::site_id("a"), grant("a").slot)) << "once";
}

TEST_F(RoutesTest, TheActiveOneStaysWhenALaterOneIsForgotten) {
  routes.learn({slot("a", 30), slot("b", 10), slot("c", 20)}, now);
  choose();
  forget("c");
  EXPECT_EQ(active(), "b");
}

TEST_F(RoutesTest, WhereTheActiveOneIsForgottenNoneIsUntilTheNextChoice) {
  routes.learn({slot("a", 30), slot("b", 10), slot("c", 20)}, now);
  choose();
  forget("b");
  EXPECT_EQ(active(), "");
  choose();
  EXPECT_EQ(active(), "c");
}

TEST_F(RoutesTest, BothThatAreSentOverStayWhenAnEarlierOneIsForgotten) {
  routes.learn({slot("a", 30), slot("b", 10), slot("c", 20)}, now);
  choose();
  doubt("b");
  choose();
  ASSERT_EQ(active(), "b");
  ASSERT_EQ(also(), "c");
  forget("a");
  EXPECT_EQ(active(), "b");
  EXPECT_EQ(also(), "c");
  forget("b");
  EXPECT_EQ(active(), "");
  EXPECT_EQ(also(), "c");
  forget("c");
  EXPECT_EQ(also(), "");
}

TEST_F(RoutesTest, BothThatAreSentOverStayWhereTheyAreLearnedInAnotherOrder) {
  routes.learn({slot("a", 30), slot("b", 10), slot("c", 20)}, now);
  choose();
  doubt("b");
  choose();
  const PeerSlot gone = routes.all()[0].slot;
  const auto left = routes.learn({slot("c", 20), slot("b", 10)}, now);
  EXPECT_EQ(left, std::vector{gone});
  EXPECT_EQ(active(), "b");
  EXPECT_EQ(also(), "c");
  EXPECT_EQ(routes.learn({slot("a", 30), slot("c", 20)}, now).size(), 1u);
  EXPECT_EQ(active(), "");
  EXPECT_EQ(also(), "c");
}

TEST_F(RoutesTest, ANewerGrantOfTheSameSlotTakesThePlaceOfTheOlder) {
  routes.learn({slot("a", 30), slot("b", 10)}, now);
  choose();
  now += seconds(60);
  const PeerSlot newer = slot("b", 10);
  EXPECT_TRUE(routes.learn({slot("a", 30), newer}, now).empty());
  ASSERT_EQ(active(), "b");
  EXPECT_EQ(routes.active()->slot, newer);
}

TEST_F(RoutesTest, NoMoreThanTheLimitAreLearned) {
  std::vector<PeerSlot> many(Routes::kMax + 3, slot("a", 30));
  for (std::size_t i = 0; i < many.size(); ++i)
    many[i].grant.slot = relay::SlotId::of(static_cast<std::uint32_t>(i), 1);
  routes.learn(many, now);
  EXPECT_EQ(routes.all().size(), Routes::kMax);
}

TEST_F(RoutesTest, WhatIsInDoubtIsSentOverTwoUntilItIsHeard) {
  routes.learn({slot("a", 30), slot("b", 10), slot("c", 20)}, now);
  choose();
  doubt("b");
  choose();
  EXPECT_EQ(active(), "b");
  EXPECT_EQ(also(), "c");
  bring_back("b");
  choose();
  EXPECT_EQ(active(), "b");
  EXPECT_EQ(also(), "");
}

TEST_F(RoutesTest, WhereTheSecondIsInDoubtTooItIsNotSentOver) {
  routes.learn({slot("a", 30), slot("b", 10)}, now);
  choose();
  doubt("a");
  choose();
  EXPECT_EQ(active(), "b");
  doubt("b");
  choose();
  EXPECT_EQ(active(), "b");
  EXPECT_EQ(also(), "");
}

TEST_F(RoutesTest, TheNextIsTakenWhereTheLegIsLost) {
  routes.learn({slot("a", 30), slot("b", 10), slot("c", 20)}, now);
  choose();
  lose("b");
  choose();
  EXPECT_EQ(active(), "c");
  EXPECT_EQ(also(), "");
  lose("c");
  choose();
  EXPECT_EQ(active(), "a");
  lose("a");
  choose();
  EXPECT_EQ(active(), "");
  EXPECT_EQ(routes.next_deadline(), kNever);
  bring_back("a");
  choose();
  EXPECT_EQ(active(), "a");
}

TEST_F(RoutesTest, TheSecondIsDroppedWhereItLeadsNowhere) {
  routes.learn({slot("b", 10), slot("c", 20)}, now);
  choose();
  doubt("b");
  choose();
  ASSERT_EQ(also(), "c");
  leg("c").unbind(grant("c").slot);
  choose();
  EXPECT_EQ(active(), "b");
  EXPECT_EQ(also(), "");
}

TEST_F(RoutesTest, ARelayThatDrainsIsLeftAtOnce) {
  routes.learn({slot("a", 30), slot("b", 10), slot("c", 20)}, now);
  choose();
  nodes["b"].server->drain(seconds(30), now);
  for (int i = 0; i < 500 && !leg("b").draining(); ++i) step(milliseconds(10));
  ASSERT_TRUE(leg("b").draining());
  choose();
  EXPECT_EQ(active(), "c");
  EXPECT_EQ(also(), "");
}

TEST_F(RoutesTest, ABetterOneIsTakenWhenItHasStayedBetter) {
  routes.learn({slot("a", 30)}, now);
  choose();
  routes.learn({slot("a", 30), slot("b", 10)}, now);
  choose();
  EXPECT_EQ(active(), "a");
  ASSERT_EQ(routes.next_deadline(), now + seconds(5));
  step(seconds(4));
  choose();
  EXPECT_EQ(active(), "a");
  step(seconds(1));
  choose();
  EXPECT_EQ(active(), "b");
  EXPECT_EQ(routes.next_deadline(), kNever);
}

TEST_F(RoutesTest, WhoFollowsMovesWhereThePeerIsHeardAndNotByItself) {
  routes.set_follows(true);
  routes.learn({slot("a", 30)}, now);
  choose();
  routes.learn({slot("a", 30), slot("b", 10)}, now);
  choose();
  EXPECT_EQ(routes.next_deadline(), kNever);
  hear("b");
  EXPECT_EQ(active(), "a") << "the peer was heard here just now";
  step(milliseconds(50));
  hear("b");
  EXPECT_EQ(active(), "b");
}

TEST_F(RoutesTest, WhoLeadsSendsOverBothBeforeItFollows) {
  routes.learn({slot("a", 10), slot("b", 30)}, now);
  choose();
  hear("a");
  step(milliseconds(100));
  hear("b");
  EXPECT_EQ(active(), "a");
  EXPECT_EQ(also(), "b");
  choose();
  EXPECT_EQ(also(), "b") << "nothing is wrong with the leg, but with the peer's";
  hear("a");
  EXPECT_EQ(also(), "");
  step(milliseconds(150));
  hear("b");
  EXPECT_EQ(active(), "b");
  EXPECT_EQ(also(), "");
}

}  // namespace
}  // namespace whimbrel
