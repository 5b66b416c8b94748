// A server with several addresses: the login over the first that answers. RFC 8305 sections 4 and
// 5.
#include "tests/network/test_networks.h"

namespace whimbrel {
namespace {

const IpAddress kServerV6 = *IpAddress::parse("[2001:db8::4040]:4040");
const IpAddress kDeadV4 = *IpAddress::parse("198.51.100.7:4040");
const IpAddress kDeadV6 = *IpAddress::parse("[2001:db8::dead]:4040");
constexpr Duration kAttemptDelay = milliseconds(250);

class ServerRaceTest : public TestNetworks {
 protected:
  ServerRaceTest() { sites[0]->other = kServerV6; }

  const IpAddress& server_v4() const { return sites[0]->address; }
  // With an address of each family.
  Host& add_with(const std::string& name, std::vector<IpAddress> servers) {
    Host& host = add(name);
    host.other = *IpAddress::parse("[2001:db8::1]:4000");
    host.server->servers = std::move(servers);
    start(host);
    return host;
  }
  // Nothing: not within `most`.
  std::optional<Duration> time_to_log_in(Host& host, Duration most = seconds(20)) {
    const Instant begin = now;
    while (host.status().state != NetworkStatus::State::kOnline) {
      if (now - begin >= most) return std::nullopt;
      run_for(milliseconds(1));
    }
    return now - begin;
  }
  // Its relay is at the server's address that was used.
  IpAddress relay_of(Host& host) {
    run_for(seconds(1));
    const NetworkStatus status = host.status();
    return status.relays.empty() || !status.relay ? IpAddress() : status.relays[0].address;
  }
  // Nothing passes over this family.
  void cut_family(bool v4) {
    cut = [=](const IpAddress&, const IpAddress& to) { return to.is_v4() == v4; };
  }
  // Messages 1 to 3, what confirms them, the login, its answer.
  Duration login() const { return 6 * latency; }
};

TEST_F(ServerRaceTest, TheFirstAloneIsUsedWhereItAnswers) {
  std::size_t over_v4 = 0;
  cut = [&](const IpAddress&, const IpAddress& to) {
    over_v4 += to.is_v4() ? 1 : 0;
    return false;
  };
  Host& alice = add_with("str:alice", {kServerV6, server_v4()});
  EXPECT_LE(*time_to_log_in(alice), login() + milliseconds(1));
  EXPECT_EQ(relay_of(alice), kServerV6);
  EXPECT_EQ(over_v4, 0u);
}

TEST_F(ServerRaceTest, ADeadIpv6CostsTheAttemptDelay) {
  cut_family(false);
  Host& alice = add_with("str:alice", {kServerV6, server_v4()});
  const auto time = time_to_log_in(alice);
  ASSERT_TRUE(time) << alice.status().text;
  EXPECT_GE(*time, kAttemptDelay);
  EXPECT_LE(*time, kAttemptDelay + login() + milliseconds(1));
  EXPECT_EQ(relay_of(alice), server_v4());
}

TEST_F(ServerRaceTest, ADeadIpv4CostsNothingWhereIpv6IsFirst) {
  cut_family(true);
  Host& alice = add_with("str:alice", {kServerV6, server_v4()});
  EXPECT_LE(*time_to_log_in(alice), login() + milliseconds(1));
  EXPECT_EQ(relay_of(alice), kServerV6);
}

TEST_F(ServerRaceTest, OneOfManyIsEnough) {
  Host& alice = add_with("str:alice", {kDeadV6, kDeadV4, kServerV6});
  EXPECT_LE(*time_to_log_in(alice), 2 * kAttemptDelay + login() + milliseconds(1));
  EXPECT_EQ(relay_of(alice), kServerV6);
}

TEST_F(ServerRaceTest, ASlowFirstLosesAgainstAFastSecond) {
  delay = [this](const IpAddress&, const IpAddress& to) {
    return to.is_v4() ? latency : milliseconds(900);
  };
  Host& alice = add_with("str:alice", {kServerV6, server_v4()});
  EXPECT_LE(*time_to_log_in(alice), kAttemptDelay + login() + milliseconds(1));
  EXPECT_EQ(relay_of(alice), server_v4());
  // The loser's answers come late, and are dropped quietly.
  run_for(seconds(20));
  EXPECT_TRUE(alice.ready()) << alice.status().text;
  EXPECT_EQ(alice.status().text, "online as str:alice");
}

TEST_F(ServerRaceTest, ASlowFirstWinsAgainstASlowerSecond) {
  delay = [](const IpAddress&, const IpAddress& to) {
    return to.is_v4() ? milliseconds(400) : milliseconds(140);
  };
  Host& alice = add_with("str:alice", {kServerV6, server_v4()});
  EXPECT_LE(*time_to_log_in(alice), 6 * milliseconds(140) + milliseconds(1));
  EXPECT_EQ(relay_of(alice), kServerV6);
}

TEST_F(ServerRaceTest, WithTheKeyOfTheServerToo) {
  cut_family(false);
  Host& alice = add_with("str:alice", {kServerV6, server_v4()});
  alice.server->server_key = sites[0]->config.keys.public_key;
  start(alice);
  EXPECT_LE(*time_to_log_in(alice), kAttemptDelay + login() + milliseconds(1));
  EXPECT_EQ(relay_of(alice), server_v4());
}

// The session to the server, and the relay that lives there, move together.
TEST_F(ServerRaceTest, WhenOneFamilyDiesTheOtherIsTaken) {
  Host& alice = add_with("str:alice", {kServerV6, server_v4()});
  Host& bob = online("str:bob");
  ASSERT_TRUE(time_to_log_in(alice));
  ASSERT_EQ(relay_of(alice), kServerV6);
  send(alice, bob, "over IPv6");
  run_for(seconds(1));
  cut_family(false);
  run_for(seconds(20));
  ASSERT_TRUE(alice.ready()) << alice.status().text;
  EXPECT_EQ(relay_of(alice), server_v4());
  send(alice, bob, "over IPv4");
  run_for(seconds(2));
  EXPECT_EQ(bob.got, (std::vector<std::string>{"over IPv6", "over IPv4"}));
}

// RFC 8305 section 4: what was used before is preferred.
TEST_F(ServerRaceTest, TheLastWinnerIsTriedFirst) {
  cut_family(false);
  Host& alice = add_with("str:alice", {kServerV6, server_v4()});
  ASSERT_TRUE(time_to_log_in(alice));
  cut = nullptr;
  run_for(seconds(2));
  start_site();  // it knows nobody any more
  run_for(seconds(30));
  ASSERT_TRUE(alice.ready()) << alice.status().text;
  EXPECT_EQ(relay_of(alice), server_v4());
}

// Small packets pass over IPv6, and large ones do not.
TEST_F(ServerRaceTest, AnAddressThatAnswersAndDoesNotLogInComesLast) {
  std::size_t answers = 0;
  cut = [&](const IpAddress& from, const IpAddress&) { return from == kServerV6 && ++answers > 1; };
  Host& alice = add_with("str:alice", {kServerV6, server_v4()});
  const auto time = time_to_log_in(alice);
  ASSERT_TRUE(time) << alice.status().text;
  EXPECT_LE(*time, seconds(5));
  EXPECT_EQ(relay_of(alice), server_v4());
}

TEST_F(ServerRaceTest, AFailureNamesEveryAddress) {
  Host& alice = add_with("str:alice", {kDeadV6, kDeadV4});
  EXPECT_FALSE(time_to_log_in(alice, seconds(4)));
  EXPECT_NE(alice.status().text.find(kDeadV6.text() + " or " + kDeadV4.text()), std::string::npos)
      << alice.status().text;
}

// --- the name stands for other addresses ---------------------------------------------------------

TEST_F(ServerRaceTest, AServerThatHasMovedIsReachedAtItsNewAddress) {
  Host& alice = add_with("str:alice", {kDeadV4});
  EXPECT_FALSE(time_to_log_in(alice, seconds(5)));
  EXPECT_TRUE(alice.network->seeks_server());
  alice.network->set_servers({kServerV6, server_v4()}, now);
  EXPECT_LE(*time_to_log_in(alice), login() + milliseconds(1));
  EXPECT_FALSE(alice.network->seeks_server());
}

TEST_F(ServerRaceTest, AServerThatIsReachedIsNotLeftForAnotherAddress) {
  Host& alice = add_with("str:alice", {server_v4()});
  ASSERT_TRUE(time_to_log_in(alice));
  alice.network->set_servers({kDeadV4}, now);
  run_for(seconds(30));
  EXPECT_TRUE(alice.ready());
}

// The dial that is under way goes on.
TEST_F(ServerRaceTest, TheSameAddressesInAnotherOrderChangeNothing) {
  Host& alice = add_with("str:alice", {kDeadV6, server_v4()});
  run_for(milliseconds(200));
  alice.network->set_servers({server_v4(), kDeadV6}, now);
  EXPECT_GE(*time_to_log_in(alice), milliseconds(50));
}

// There was no network yet when the program began.
TEST_F(ServerRaceTest, WithoutAnyAddressItWaitsForOne) {
  Host& alice = add_with("str:alice", {});
  alice.server->not_found = "can't find the host 'game.example'";
  start(alice);
  EXPECT_FALSE(time_to_log_in(alice, seconds(60)));
  EXPECT_EQ(alice.status().state, NetworkStatus::State::kConnecting);
  EXPECT_EQ(alice.status().text, "can't find the host 'game.example'");
  EXPECT_TRUE(alice.network->seeks_server());
  alice.network->set_login_token("", now);
  run_for(seconds(1));
  alice.network->set_servers({server_v4()}, now);
  EXPECT_LE(*time_to_log_in(alice), login() + milliseconds(1));
}

}  // namespace
}  // namespace whimbrel
