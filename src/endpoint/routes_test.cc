// An endpoint whose users are found by somebody outside.
#include "endpoint/endpoint_pair.h"

namespace whimbrel {
namespace {

class Routes : public EndpointPair {
 protected:
  Routes() {
    remake(a, [](EndpointConfig& config) { config.asks_routes = true; });
    b.accept_all = true;
  }
  template <typename Change>
  void remake(Host& host, Change change) {
    EndpointConfig config;
    config.identity = host.name();
    config.keys = generate_x25519(host.random);
    change(config);
    host.endpoint = std::make_unique<Endpoint>(std::move(config), host.random, now, kTestClock);
  }
};

TEST_F(Routes, AreAskedForOnceAndUsed) {
  ASSERT_EQ(send(a, b.name(), "one"), Result::kOk);
  ASSERT_EQ(send(a, b.name(), "two"), Result::kOk);
  run_for(milliseconds(100));
  EXPECT_EQ(a.endpoint->poll_route_wanted(), b.name());
  EXPECT_EQ(a.endpoint->poll_route_wanted(), std::nullopt);
  EXPECT_EQ(packets, 0);
  a.endpoint->provide_route(b.name(), b.address, b.endpoint->public_key(), now);
  run_for(seconds(1));
  EXPECT_EQ(b.got, (std::vector<std::string>{"one", "two"}));
}

// Who is given up before anybody has asked for their route is not asked for any more.
TEST_F(Routes, OfThoseWhoAreGivenUpAreNotAskedFor) {
  for (std::uint64_t i = 1; i <= 50; ++i)
    ASSERT_EQ(send(a, Identity::steam_id(i), "anybody?"), Result::kOk);
  run_for(seconds(15));
  ASSERT_EQ(a.failures.size(), 50u);
  ASSERT_EQ(send(a, b.name(), "one"), Result::kOk);
  run_for(milliseconds(100));
  EXPECT_EQ(a.endpoint->poll_route_wanted(), b.name());
  EXPECT_EQ(a.endpoint->poll_route_wanted(), std::nullopt);
}

TEST_F(Routes, ThatDoNotExistAreAFailureWithItsReason) {
  send(a, b.name(), "anybody?");
  ASSERT_EQ(a.endpoint->poll_route_wanted(), b.name());
  a.endpoint->refuse_route(b.name(), kEndMiscRendezvous, "str:bob is offline", now);
  run_for(milliseconds(1));
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.failures[0].end_reason, kEndMiscRendezvous);
  EXPECT_EQ(a.failures[0].end_debug, "str:bob is offline");
}

// What is missing is here, not at the peer.
TEST_F(Routes, ToAFamilyThatNoSocketIsBoundForFailAtOnceAndSaySo) {
  remake(a, [](EndpointConfig& config) { config.families.v6 = false; });
  const Identity ipv6 = *Identity::parse("ip:[::1]:4000");
  EXPECT_EQ(send(a, ipv6, "anybody?"), Result::kOk);
  run_for(milliseconds(1));
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.failures[0].end_reason, kEndMiscRendezvous);
  EXPECT_EQ(
      a.failures[0].end_debug,
      "ip:[::1]:4000 is called at [::1]:4000, and we have no IPv6 socket: set bind_v6, or use "
      "another address");
  EXPECT_EQ(packets, 0);
}

TEST_F(Routes, OfSeveralAddressesThoseWithASocketAreUsed) {
  remake(a, [](EndpointConfig& config) { config.families.v6 = false; });
  a.endpoint->set_route(b.name(), {*IpAddress::parse("[2001:db8::2]:1000"), b.address},
                        b.endpoint->public_key());
  send(a, b.name(), "hello");
  const Instant begin = now;
  while (b.got.empty() && now - begin < seconds(2)) run_for(milliseconds(1));
  EXPECT_LT(now - begin, milliseconds(100));  // not after the time to the second one
  EXPECT_EQ(b.got, std::vector<std::string>{"hello"});
}

// A game that sends sixty times a second to a member who is offline: few dials, and as few failures
// to hear of.
TEST_F(Routes, AfterAFailedDialTheNextOneWaits) {
  constexpr int kFlags = kSendUnreliable | kSendAutoRestartBrokenSession;
  std::vector<Duration> dials;
  std::vector<Result> between;
  const auto play = [&](Duration time) {
    for (const Instant end = now + time; now < end;) {
      const std::size_t failed = a.failures.size();
      const Result result = send(a, b.name(), "where I am", kFlags);
      if (const auto wanted = a.endpoint->poll_route_wanted()) {
        dials.push_back(now - Instant());
        EXPECT_EQ(result, Result::kOk);
        a.endpoint->refuse_route(*wanted, kEndMiscRendezvous, "str:bob is not online", now);
        drain(a);
        EXPECT_EQ(a.failures.size(), failed + 1);
      } else {
        EXPECT_EQ(result, Result::kNoConnection);
        EXPECT_EQ(a.failures.size(), failed);
      }
      run_for(microseconds(16'667));
    }
  };
  play(seconds(30));
  ASSERT_GE(dials.size(), 6u);
  EXPECT_LE(dials.size(), 11u);
  EXPECT_EQ(a.failures.size(), dials.size());
  EXPECT_LT(dials[1] - dials[0], milliseconds(270));
  for (std::size_t i = 2; i < dials.size(); ++i) {
    EXPECT_GE(dials[i] - dials[i - 1], dials[i - 1] - dials[i - 2] - milliseconds(17));
    EXPECT_LE(dials[i] - dials[i - 1], milliseconds(5017));
  }
  // Who closes it may try at once, and a session that has come up lets the count begin again.
  a.endpoint->close_session(b.name(), now);
  EXPECT_EQ(send(a, b.name(), "now", kFlags), Result::kOk);
  ASSERT_TRUE(a.endpoint->poll_route_wanted());
  a.endpoint->provide_route(b.name(), b.address, b.endpoint->public_key(), now);
  run_for(seconds(2));
  ASSERT_EQ(state(a, b.name()), ConnectionState::kConnected);
  b.endpoint->close_session(a.name(), now);
  run_for(milliseconds(100));
  EXPECT_EQ(send(a, b.name(), "again", kFlags), Result::kOk) << "it was no dial that failed";
}

TEST_F(Routes, ThatNobodyKnowsEndInATimeout) {
  send(a, b.name(), "anybody?");
  run_for(seconds(11));
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.failures[0].end_reason, kEndMiscTimeout);
  // Too late.
  a.endpoint->provide_route(b.name(), b.address, std::nullopt, now);
  EXPECT_EQ(packets, 0);
}

TEST_F(Routes, AreAskedForAgainByTheNextSession) {
  send(a, b.name(), "one");
  a.endpoint->poll_route_wanted();
  a.endpoint->provide_route(b.name(), b.address, std::nullopt, now);
  run_for(seconds(1));
  a.endpoint->close_session(b.name(), now);
  run_for(seconds(3));
  send(a, b.name(), "two");
  EXPECT_EQ(a.endpoint->poll_route_wanted(), b.name());
}

TEST_F(Routes, ThatAreGivenBeforehandAreNotAskedFor) {
  know_each_other(true);
  send(a, b.name(), "one");
  EXPECT_EQ(a.endpoint->poll_route_wanted(), std::nullopt);
  run_for(seconds(1));
  EXPECT_EQ(b.got.size(), 1u);
}

// A server: two who call themselves the same are two, and each is who its key says.
TEST_F(Routes, AServerNamesPeersByTheirKeys) {
  remake(b, [](EndpointConfig& config) { config.names_by_key = true; });
  know_each_other(false);
  send(a, b.name(), "it's me");
  run_for(seconds(1));
  ASSERT_EQ(b.requests.size(), 1u);
  EXPECT_EQ(b.requests[0], Identity::generic_bytes(a.endpoint->public_key().bytes));
  EXPECT_EQ(b.got.size(), 1u);
  EXPECT_EQ(send(b, b.requests[0], "welcome"), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(a.got, std::vector<std::string>{"welcome"});
}

TEST_F(Routes, AServerIsToldOfCleanEndsToo) {
  remake(b, [](EndpointConfig& config) { config.tells_ends = true; });
  know_each_other(true);
  send(a, b.name(), "hello");
  run_for(seconds(1));
  a.endpoint->close_session(b.name(), now);
  run_for(seconds(3));
  ASSERT_EQ(b.failures.size(), 1u);
  EXPECT_EQ(b.failures[0].state, ConnectionState::kClosedByPeer);
  send(a, b.name(), "hello again");
  run_for(seconds(200));
  ASSERT_EQ(b.failures.size(), 2u) << "an idle one";
}

}  // namespace
}  // namespace whimbrel
