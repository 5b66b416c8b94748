// Relays with several addresses: the slot is opened at one that answers. RFC 8305.
#include "tests/network/test_networks.h"

namespace whimbrel {
namespace {

constexpr Duration kAttemptDelay = milliseconds(250);

class SiteAddressesTest : public TestNetworks {
 protected:
  static IpAddress v6(int site) {
    return *IpAddress::parse("[2001:db8::" + std::to_string(site) + "]:4040");
  }
  // A rendezvous without a relay, reachable over both families, and relays with both, IPv6 first.
  void build(const std::vector<std::string>& relays) {
    sites[0]->config.relay = false;
    sites[0]->other = v6(1);
    for (const std::string& name : relays) {
      SiteNode& relay = add_relay(name);
      relay.other = v6(static_cast<int>(sites.size()));
      sites[0]->config.other_sites.back().addresses = {*relay.other, relay.address};
    }
    start_site();
  }
  // `servers`: in the order in which they are tried.
  Host& add_with(const std::string& name, std::vector<IpAddress> servers) {
    Host& host = add(name);
    host.other = *IpAddress::parse("[2001:db8:1::" + std::to_string(hosts.size()) + "]:4000");
    host.server->servers = std::move(servers);
    start(host);
    return host;
  }
  Host& add_v6_first(const std::string& name) { return add_with(name, {v6(1), sites[0]->address}); }
  std::optional<Duration> time_until(const std::function<bool()>& done,
                                     Duration most = seconds(20)) {
    const Instant begin = now;
    while (!done()) {
      if (now - begin >= most) return std::nullopt;
      run_for(milliseconds(1));
    }
    return now - begin;
  }
  std::optional<Duration> time_to_open(Host& host) {
    if (!time_until([&] { return host.status().state == NetworkStatus::State::kOnline; }))
      return std::nullopt;
    return time_until([&] { return host.status().relay; });
  }
  // Where its home is opened.
  static IpAddress home_of(const Host& host) {
    for (const RelayStatus& relay : host.status().relays) {
      if (relay.home && relay.open) return relay.address;
    }
    return {};
  }
  bool is_relay(const IpAddress& address) const {
    for (std::size_t i = 1; i < sites.size(); ++i) {
      if (sites[i]->has(address)) return true;
    }
    return false;
  }
  // Relays are not reached over this family; the rendezvous is.
  void cut_relays(bool v4) {
    cut = [=, this](const IpAddress& from, const IpAddress& to) {
      return to.is_v4() == v4 && (is_relay(to) || is_relay(from));
    };
  }
};

TEST_F(SiteAddressesTest, TheFamilyOfTheServerIsUsedAtOnce) {
  build({"fra"});
  Host& alice = add_v6_first("str:alice");
  Host& bob = add_with("str:bob", {sites[0]->address, v6(1)});
  // Open, cookie, Open again, slot.
  EXPECT_LE(*time_to_open(alice), 6 * latency + milliseconds(2));
  EXPECT_EQ(home_of(alice), v6(2));
  ASSERT_TRUE(time_to_open(bob));
  EXPECT_EQ(home_of(bob), sites[1]->address);
  // One slot is reached over IPv6 and the other over IPv4.
  send(alice, bob, "across");
  run_for(seconds(1));
  EXPECT_EQ(bob.got, std::vector<std::string>{"across"});
}

TEST_F(SiteAddressesTest, AFamilyThatLeadsNowhereCostsTheAttemptDelay) {
  build({"fra"});
  for (const bool v4 : {false, true}) {
    SCOPED_TRACE(v4);
    cut_relays(v4);
    Host& alice =
        add_with("str:alice" + std::to_string(v4), v4 ? std::vector{sites[0]->address, v6(1)}
                                                      : std::vector{v6(1), sites[0]->address});
    const auto time = time_to_open(alice);
    ASSERT_TRUE(time);
    EXPECT_LE(*time, kAttemptDelay + 6 * latency + milliseconds(2));
    EXPECT_EQ(home_of(alice), v4 ? v6(2) : sites[1]->address);
  }
}

TEST_F(SiteAddressesTest, AHostWithoutIpv4FindsTheNearestRelay) {
  build({"ams", "fra"});
  cut = [](const IpAddress&, const IpAddress& to) { return to.is_v4(); };
  delay = [this](const IpAddress& from, const IpAddress& to) {
    return sites[2]->has(from) || sites[2]->has(to) ? milliseconds(5) : latency;
  };
  Host& alice = add_v6_first("str:alice");
  ASSERT_TRUE(time_to_open(alice));
  run_for(seconds(3));
  EXPECT_EQ(home_of(alice), v6(3));
  const auto relays = alice.status().relays;
  EXPECT_TRUE(std::all_of(relays.begin(), relays.end(), [](const RelayStatus& relay) {
    return relay.open && !relay.address.is_v4();
  }));
}

TEST_F(SiteAddressesTest, WhenOneFamilyDiesTheOtherIsTaken) {
  build({"fra"});
  Host& alice = add_v6_first("str:alice");
  Host& bob = add_v6_first("str:bob");
  ASSERT_TRUE(time_to_open(alice) && time_to_open(bob));
  send(alice, bob, "over IPv6");
  run_for(seconds(1));
  // Soon after the start, and long after it, when the last round was minutes ago.
  for (const Duration after : {seconds(1), seconds(120)}) {
    SCOPED_TRACE(after.count());
    const bool v4 = home_of(alice).is_v4();
    run_for(after);
    cut = [=](const IpAddress&, const IpAddress& to) { return to.is_v4() == v4; };
    for (int i = 0; i < 60; ++i) {
      send(alice, bob, "now?");
      run_for(milliseconds(250));
    }
    EXPECT_EQ(home_of(alice).is_v4(), !v4);
    EXPECT_EQ(home_of(bob).is_v4(), !v4);
    EXPECT_TRUE(bob.failures.empty() && alice.failures.empty());
    run_for(seconds(2));
    EXPECT_EQ(bob.got.size(), static_cast<std::size_t>(after == seconds(1) ? 61 : 121));
  }
}

// The relay is out of reach over all families, for a time; then one of them works.
TEST_F(SiteAddressesTest, TheOneThatComesBackIsFound) {
  build({"fra"});
  Host& alice = add_v6_first("str:alice");
  ASSERT_TRUE(time_to_open(alice));
  cut = [](const IpAddress&, const IpAddress&) { return true; };
  run_for(seconds(90));
  cut = [](const IpAddress&, const IpAddress& to) { return !to.is_v4(); };
  const auto time = time_until([&] { return alice.ready(); }, seconds(60));
  ASSERT_TRUE(time) << alice.status().text;
  EXPECT_EQ(home_of(alice), sites[1]->address);
}

TEST_F(SiteAddressesTest, AnAddressThatIsStillOfferedIsKept) {
  build({"fra"});
  Host& alice = add_with("str:alice", {sites[0]->address, v6(1)});
  ASSERT_TRUE(time_to_open(alice));
  ASSERT_EQ(home_of(alice), sites[1]->address);
  const std::uint64_t slots = sites[1]->site->relay()->counters().opened;
  // Tickets are renewed meanwhile.
  run_for(seconds(600));
  EXPECT_EQ(home_of(alice), sites[1]->address);
  EXPECT_EQ(sites[1]->site->relay()->counters().opened, slots);
}

TEST_F(SiteAddressesTest, AnAddressThatIsNotOfferedAnyMoreIsLeft) {
  build({"fra"});
  Host& alice = add_v6_first("str:alice");
  ASSERT_TRUE(time_to_open(alice));
  ASSERT_EQ(home_of(alice), v6(2));
  sites[0]->site->set_site_addresses("fra", {sites[1]->address});
  run_for(seconds(300));
  EXPECT_EQ(home_of(alice), sites[1]->address);
}

// The names of the two files differ: each Open would be answered with a slot that is of no use.
TEST_F(SiteAddressesTest, ARelayOfAnotherNameIsNotAskedAgainAndAgain) {
  for (const std::vector<std::string>& names : {std::vector<std::string>{"fra"}, {"fra", "ams"}}) {
    SCOPED_TRACE(names.size());
    sites.resize(1);
    sites[0]->config.other_sites.clear();
    build(names);
    sites[1]->config.site_name = "frankfurt";
    start(*sites[1]);
    add_v6_first("str:alice" + std::to_string(names.size()));
    run_for(seconds(60));
    EXPECT_LE(sites[1]->site->relay()->counters().opened, 2u);
    hosts.clear();
  }
}

TEST_F(SiteAddressesTest, EachSiteHasATicketThoughTheMessageHoldsNotAllAddresses) {
  build({});
  for (int i = 0; i < 15; ++i) {
    SiteNode& relay = add_relay("relay" + std::to_string(i));
    sites[0]->config.other_sites.back().addresses = {relay.address, v6(10), v6(11), v6(12), v6(13)};
  }
  start_site();
  Host& alice = add("str:alice");
  ASSERT_TRUE(time_to_open(alice));
  EXPECT_EQ(alice.status().relays.size(), 15u);
}

}  // namespace
}  // namespace whimbrel
