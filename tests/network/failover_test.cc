// Several relays: which one is used, and what happens when it goes.
#include <algorithm>

#include "tests/network/test_networks.h"

namespace whimbrel {
namespace {

class FailoverTest : public TestNetworks {
 protected:
  // A rendezvous without a relay, and relays, each so far from every client. `one_way` in order of
  // the sites after the first.
  void build(const std::vector<std::pair<std::string, Duration>>& relays) {
    sites[0]->config.relay = false;
    for (const auto& [name, one_way] : relays) {
      const IpAddress at = add_relay(name).address;
      distance.emplace_back(at, one_way);
    }
    start_site();
    delay = [this](const IpAddress& from, const IpAddress& to) {
      for (const auto& [at, one_way] : distance) {
        if (at == from || at == to) return one_way;
      }
      return latency;
    };
  }
  SiteNode& site(const std::string& name) {
    for (auto& node : sites) {
      if (node->config.site_name == name) return *node;
    }
    ADD_FAILURE() << "no site " << name;
    return *sites[0];
  }
  static std::string home(const Host& host) { return host.status().site; }
  static std::string backup(const Host& host) {
    for (const RelayStatus& relay : host.status().relays) {
      if (relay.backup) return relay.site;
    }
    return "";
  }
  std::string relay_of(Host& host, Host& peer) {
    return host.network->sites_of(peer.network->endpoint().identity()).relay;
  }
  // The longest time without a message while both send every `interval`, in ms.
  std::int64_t outage(Host& a, Host& b, Duration interval, Duration time) {
    const Instant begin = now;
    std::vector<std::string> sent;
    const std::size_t a_before = a.got.size();
    const std::size_t b_before = b.got.size();
    for (int i = 0; now - begin < time; ++i) {
      sent.push_back(std::to_string(i));
      EXPECT_EQ(send(a, b, sent.back()), Result::kOk);
      EXPECT_EQ(send(b, a, sent.back()), Result::kOk);
      run_for(interval);
    }
    run_for(seconds(3));
    Duration gap{};
    for (const auto& [host, before] : {std::pair{&a, a_before}, {&b, b_before}}) {
      EXPECT_EQ(
          std::vector<std::string>(host->got.begin() + static_cast<long>(before), host->got.end()),
          sent);
      for (std::size_t i = before + 1; i < host->got_at.size(); ++i)
        gap = std::max(gap, host->got_at[i] - host->got_at[i - 1]);
    }
    return to_milliseconds(gap);
  }

  std::vector<std::pair<IpAddress, Duration>> distance;
};

TEST_F(FailoverTest, TheNearestIsHomeAndTheNextIsWarm) {
  build({{"far", milliseconds(60)}, {"near", milliseconds(10)}, {"mid", milliseconds(25)}});
  Host& alice = online("str:alice");
  EXPECT_EQ(home(alice), "near");
  EXPECT_EQ(backup(alice), "mid");
  run_for(seconds(1));
  const auto open = alice.status().relays;
  EXPECT_EQ(std::count_if(open.begin(), open.end(), [](const auto& relay) { return relay.open; }),
            2);
}

TEST_F(FailoverTest, BothSendOverTheSameRelay) {
  build({{"ams", milliseconds(12)}, {"fra", milliseconds(10)}});
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  send(alice, bob, "hello");
  run_for(seconds(2));
  send(bob, alice, "hello");
  run_for(seconds(2));
  EXPECT_EQ(relay_of(alice, bob), "fra");
  EXPECT_EQ(relay_of(bob, alice), "fra");
}

TEST_F(FailoverTest, PeersOfDifferentHomesMeet) {
  build({{"west", milliseconds(5)}, {"east", milliseconds(5)}, {"mid", milliseconds(5)}});
  const auto near = delay;
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  // Alice lives in the west and Bob in the east.
  delay = [&, near](const IpAddress& from, const IpAddress& to) {
    const bool alices = from == alice.address || to == alice.address;
    const auto touches = [&](const char* name) {
      return from == site(name).address || to == site(name).address;
    };
    if (touches("west")) return alices ? milliseconds(5) : milliseconds(50);
    if (touches("east")) return alices ? milliseconds(50) : milliseconds(5);
    if (touches("mid")) return milliseconds(40);
    return latency;
  };
  run_for(seconds(3));
  EXPECT_EQ(home(alice), "west");
  EXPECT_EQ(home(bob), "east");
  outage(alice, bob, milliseconds(50), seconds(10));
  EXPECT_EQ(relay_of(alice, bob), relay_of(bob, alice));
  EXPECT_NE(relay_of(alice, bob), "mid");
  const auto route = alice.network->sites_of(*Identity::parse("str:bob"));
  EXPECT_EQ(route.home, "east");
  ConnectionInfo info;
  alice.network->connection_info(*Identity::parse("str:bob"), now, &info, nullptr);
  EXPECT_EQ(info.remote_pop, 0x74736165u) << "e, a, s, t";
  EXPECT_TRUE(info.pop_relay == 0x74736165u || info.pop_relay == 0x74736577u);
  EXPECT_NE(info.flags & kInfoRelayed, 0);
  EXPECT_NE(info.debug_description.find("; site " + route.relay), std::string::npos)
      << info.debug_description;
}

TEST_F(FailoverTest, ARelayThatDiesIsReplaced) {
  for (const std::int64_t one_way : {2, 10, 25}) {
    SCOPED_TRACE(one_way);
    sites.resize(1);
    sites[0]->config.other_sites.clear();
    hosts.clear();
    distance.clear();
    build({{"first", milliseconds(one_way)}, {"second", milliseconds(one_way + 8)}});
    Host& alice = online("str:alice");
    Host& bob = online("str:bob");
    send(alice, bob, "x");
    send(bob, alice, "x");
    run_for(seconds(3));
    ASSERT_EQ(relay_of(alice, bob), "first");
    later(seconds(1), [this] { site("first").dead = true; });
    const std::int64_t ms = outage(alice, bob, milliseconds(10), seconds(4));
    EXPECT_LE(ms, 450);
    RecordProperty("outage_ms_" + std::to_string(one_way), static_cast<int>(ms));
    EXPECT_EQ(relay_of(alice, bob), "second");
    EXPECT_EQ(relay_of(bob, alice), "second");
    EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
  }
}

TEST_F(FailoverTest, TheRendezvousMayDieWithIt) {
  build({{"first", milliseconds(10)}, {"second", milliseconds(18)}});
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  send(alice, bob, "x");
  run_for(seconds(3));
  later(seconds(1), [this] { site("first").dead = sites[0]->dead = true; });
  EXPECT_LE(outage(alice, bob, milliseconds(10), seconds(4)), 450);
}

// Only Bob has lost the relay; Alice must notice by what she hears.
TEST_F(FailoverTest, OneEndThatLosesTheRelayTakesTheOtherWithIt) {
  for (const bool alices : {false, true}) {
    SCOPED_TRACE(alices);
    sites.resize(1);
    sites[0]->config.other_sites.clear();
    hosts.clear();
    distance.clear();
    cut = nullptr;
    build({{"first", milliseconds(10)}, {"second", milliseconds(18)}});
    Host& alice = online("str:alice");
    Host& bob = online("str:bob");
    send(alice, bob, "x");
    run_for(seconds(3));
    const IpAddress cut_off = alices ? alice.address : bob.address;
    const IpAddress relay = site("first").address;
    later(seconds(1), [this, cut_off, relay] {
      sites[0]->dead = true;  // nobody can say it by a signal
      cut = [=](const IpAddress& from, const IpAddress& to) {
        return (from == cut_off && to == relay) || (from == relay && to == cut_off);
      };
    });
    EXPECT_LE(outage(alice, bob, milliseconds(10), seconds(4)), 700);
    EXPECT_EQ(relay_of(alice, bob), "second");
    EXPECT_EQ(relay_of(bob, alice), "second");
  }
}

TEST_F(FailoverTest, ARelayThatDrainsIsLeftWithoutAGap) {
  build({{"first", milliseconds(10)}, {"second", milliseconds(18)}});
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  send(alice, bob, "x");
  run_for(seconds(3));
  later(seconds(1), [this] { site("first").site->drain(seconds(10), now); });
  later(seconds(11), [this] { site("first").dead = true; });
  EXPECT_LE(outage(alice, bob, milliseconds(10), seconds(14)), 40);
  EXPECT_EQ(relay_of(alice, bob), "second");
  EXPECT_EQ(home(alice), "second");
}

TEST_F(FailoverTest, ANearerRelayIsTakenAgainWhenItIsBack) {
  build({{"first", milliseconds(10)}, {"second", milliseconds(30)}});
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  send(alice, bob, "x");
  run_for(seconds(3));
  site("first").dead = true;
  outage(alice, bob, milliseconds(10), seconds(4));
  ASSERT_EQ(relay_of(alice, bob), "second");
  const std::uint64_t mark = alice.network->status_mark();
  run_for(seconds(3));
  EXPECT_EQ(alice.network->status_mark(), mark) << "nothing new";
  start(site("first"));
  EXPECT_LE(outage(alice, bob, milliseconds(10), seconds(30)), 60) << "a move costs nothing";
  EXPECT_NE(alice.network->status_mark(), mark);
  EXPECT_EQ(relay_of(alice, bob), "first");
  EXPECT_EQ(relay_of(bob, alice), "first");
}

TEST_F(FailoverTest, ARelayOfAnotherNameIsNotUsedAndSaysSo) {
  build({{"first", milliseconds(10)}});
  sites[1]->config.site_name = "misspelt";
  start(*sites[1]);
  Host& alice = add("str:alice");
  run_for(seconds(3));
  EXPECT_FALSE(alice.status().relay);
  EXPECT_NE(alice.status().text.find("names of the sites differ"), std::string::npos)
      << alice.status().text;
}

TEST_F(FailoverTest, ASiteThatLeavesTheListIsNotUsedAnyMore) {
  build({{"first", milliseconds(10)}, {"second", milliseconds(18)}});
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  send(alice, bob, "x");
  run_for(seconds(3));
  ASSERT_EQ(relay_of(alice, bob), "first");
  // Gone from the list, and silent: what was sent over both must not look for it.
  std::erase_if(sites[0]->config.other_sites,
                [](const OtherSite& other) { return other.name == "first"; });
  start_site();
  later(seconds(1), [this] { site("first").dead = true; });
  EXPECT_LE(outage(alice, bob, milliseconds(10), seconds(20)), 500);
  EXPECT_EQ(relay_of(alice, bob), "second");
  EXPECT_EQ(alice.status().relays.size(), 1u);
}

TEST_F(FailoverTest, SitesThatAnswerNoProbesAreUsedAllTheSame) {
  build({{"first", milliseconds(10)}, {"second", milliseconds(5)}});
  for (auto& node : sites) {
    node->config.stun = false;
    start(*node);
  }
  Host& alice = add("str:alice");
  run_for(seconds(4));
  EXPECT_TRUE(alice.ready());
  EXPECT_EQ(home(alice), "first") << "the operator's order counts where nothing else does";
}

}  // namespace
}  // namespace whimbrel
