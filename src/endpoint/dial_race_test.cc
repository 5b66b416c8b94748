// A peer with several addresses: RFC 8305 sections 4 and 5.
#include <set>

#include "endpoint/dial.h"
#include "endpoint/endpoint_pair.h"
#include "handshake/handshake.h"
#include "handshake/packets.h"

namespace whimbrel {
namespace {

const IpAddress kBobV6 = *IpAddress::parse("[2001:db8::2]:1000");
const IpAddress kBobV4 = *IpAddress::parse("10.0.0.2:1000");
const IpAddress kAliceV6 = *IpAddress::parse("[2001:db8::1]:1000");

IpAddress nobody(std::uint16_t port) { return IpAddress::v4(10, 0, 0, 9, port); }

// Both have an address of each family; bob's IPv6 one is known first. With and without bob's key.
class DialRace : public EndpointPair, public testing::WithParamInterface<bool> {
 protected:
  DialRace() {
    a.others = {kAliceV6};
    b.others = {kBobV6};
    b.accept_all = true;
    call({kBobV6, kBobV4});
  }
  void call(std::vector<IpAddress> addresses) {
    const auto key = GetParam() ? std::optional(b.endpoint->public_key()) : std::nullopt;
    a.endpoint->set_route(b.name(), std::move(addresses), key);
  }
  // No packet passes over this family, or one way takes so long.
  void line_is(bool v4, std::optional<Duration> one_way) {
    way = [=, before = way, this](const IpAddress& from,
                                  const IpAddress& to) -> std::optional<Duration> {
      if (to.is_v4() == v4) return one_way;
      return before ? before(from, to) : std::optional(latency);
    };
  }
  // How long until it was there; nothing: longer than `most`.
  std::optional<Duration> time_to_arrive(Duration most = seconds(9)) {
    const Instant begin = now;
    send(a, b.name(), "hello");
    while (b.got.empty() && now - begin < most) run_for(milliseconds(1));
    if (b.got.empty()) return std::nullopt;
    return now - begin;
  }
  // Once the session is up: message 1, its answer, message 2 (and 3).
  Duration handshake() const { return GetParam() ? 3 * latency : 5 * latency; }
  std::string remote(Host& host, Host& peer) {
    ConnectionInfo info;
    host.endpoint->connection_info(peer.name(), now, &info, nullptr);
    return info.remote_address;
  }
  void expect_session_over(const IpAddress& bobs, const IpAddress& alices) {
    run_for(seconds(2));
    EXPECT_EQ(remote(a, b), bobs.text());
    EXPECT_EQ(remote(b, a), alices.text());
    EXPECT_TRUE(a.failures.empty());
    EXPECT_TRUE(b.failures.empty());
    EXPECT_EQ(b.got, std::vector<std::string>{"hello"});
    send(b, a.name(), "back");
    run_for(seconds(2));
    EXPECT_EQ(a.got, std::vector<std::string>{"back"});
    EXPECT_EQ(remote(a, b), bobs.text()) << "it has moved since";
    EXPECT_EQ(remote(b, a), alices.text()) << "it has moved since";
  }
};

TEST_P(DialRace, SoManyAddressesAreTried) {
  std::vector<IpAddress> all;
  for (std::uint16_t i = 0; i < kDialAddressesMax; ++i) all.push_back(nobody(i));
  std::set<IpAddress> tried;
  way = [&](const IpAddress&, const IpAddress& to) -> std::optional<Duration> {
    tried.insert(to);
    return latency;
  };
  all.back() = kBobV4;
  all.push_back(nobody(1000));
  call(all);
  EXPECT_TRUE(time_to_arrive()) << "the last of those";
  all[kDialAddressesMax - 1] = nobody(999);
  all.push_back(kBobV4);
  tried.clear();
  a.endpoint->close_session(b.name(), now);
  run_for(seconds(6));
  b.got.clear();
  tried.clear();
  call(all);
  EXPECT_FALSE(time_to_arrive());
  EXPECT_EQ(tried.size(), kDialAddressesMax);
}

TEST_P(DialRace, TheFirstAloneIsTriedWhereItAnswers) {
  int to_v4 = 0;
  way = [&](const IpAddress&, const IpAddress& to) {
    to_v4 += to.is_v4() ? 1 : 0;
    return std::optional(latency);
  };
  EXPECT_LE(*time_to_arrive(), handshake() + milliseconds(1));
  expect_session_over(kBobV6, kAliceV6);
  EXPECT_EQ(to_v4, 0);
}

TEST_P(DialRace, TheNextIsTriedWhenTheFirstIsDead) {
  line_is(false, std::nullopt);
  const auto time = time_to_arrive();
  ASSERT_TRUE(time);
  EXPECT_GE(*time, milliseconds(250));
  EXPECT_LE(*time, milliseconds(250) + handshake() + milliseconds(1));
  expect_session_over(kBobV4, a.address);
}

TEST_P(DialRace, TheLastIsTriedWhenAllOthersAreDead) {
  std::vector<IpAddress> eight;
  for (std::uint16_t port = 1; port <= 7; ++port) eight.push_back(nobody(port));
  eight.push_back(kBobV4);
  call(eight);
  const auto time = time_to_arrive();
  ASSERT_TRUE(time);
  EXPECT_LE(*time, 7 * milliseconds(250) + handshake() + milliseconds(1));
  expect_session_over(kBobV4, a.address);
}

// RFC 8305 section 5: what was begun goes on. Nobody waits for the second where the first comes in
// between.
TEST_P(DialRace, ASlowFirstStillWinsWhereTheSecondIsSlower) {
  line_is(false, milliseconds(140));
  line_is(true, milliseconds(500));
  ASSERT_TRUE(time_to_arrive());
  expect_session_over(kBobV6, kAliceV6);
}

TEST_P(DialRace, AFastSecondWinsWhereTheFirstIsVerySlow) {
  line_is(false, milliseconds(700));
  ASSERT_LE(*time_to_arrive(), milliseconds(250) + handshake() + milliseconds(1));
  expect_session_over(kBobV4, a.address);
}

// Bob hears the second first, and alice his answer to the first: both must end on one way, and stay
// there.
TEST_P(DialRace, BothAgreeOnTheWayThatTheCallerHasChosen) {
  int strays = 0;
  way = [&](const IpAddress& from, const IpAddress& to) -> std::optional<Duration> {
    // What alice sends first, and what bob answers first, is lost.
    if (now < Instant() + milliseconds(from == kBobV4 ? 310 : 200)) return std::nullopt;
    if (to.is_v4() && now > Instant() + milliseconds(400)) ++strays;
    return latency;
  };
  // Both talk from the beginning, which is when they could get out of step.
  int to_alice = 0;
  for (int i = 0; i < 400; ++i) {
    send(a, b.name(), "to bob");
    if (!b.requests.empty()) to_alice += send(b, a.name(), "to alice") == Result::kOk ? 1 : 0;
    run_for(milliseconds(3));
  }
  run_for(seconds(1));
  const std::string bobs = remote(a, b);
  const std::string alices = remote(b, a);
  EXPECT_EQ(bobs, kBobV6.text());
  EXPECT_EQ(alices, kAliceV6.text());
  EXPECT_EQ(strays, 0);
  EXPECT_EQ(a.got.size(), static_cast<std::size_t>(to_alice));
  EXPECT_EQ(b.got.size(), 400u);
}

TEST_P(DialRace, BothMayCallAtOnce) {
  line_is(false, std::nullopt);
  const auto key = GetParam() ? std::optional(a.endpoint->public_key()) : std::nullopt;
  b.endpoint->set_route(a.name(), std::vector{kAliceV6, a.address}, key);
  send(a, b.name(), "to bob");
  send(b, a.name(), "to alice");
  run_for(seconds(2));
  EXPECT_EQ(a.got, std::vector<std::string>{"to alice"});
  EXPECT_EQ(b.got, std::vector<std::string>{"to bob"});
  EXPECT_TRUE(a.requests.empty());
  EXPECT_TRUE(b.requests.empty());
  EXPECT_EQ(remote(a, b), kBobV4.text());
  EXPECT_EQ(remote(b, a), a.address.text());
}

// Of the copies that come over both ways the application hears once, and late ones change nothing.
TEST_P(DialRace, OneRequestIsPostedForAllCopies) {
  b.accept_all = false;
  send(a, b.name(), "hello");
  run_for(seconds(3));
  EXPECT_EQ(b.requests, std::vector{a.name()});
  b.endpoint->accept(a.name(), now);
  run_for(seconds(2));
  EXPECT_EQ(b.got, std::vector<std::string>{"hello"});
  EXPECT_EQ(b.endpoint->session_count(), 1u);
  EXPECT_EQ(a.endpoint->session_count(), 1u);
}

// The system says so when a packet leaves.
TEST_P(DialRace, NobodyWaitsWhereNoWayLeads) {
  way = [&](const IpAddress&, const IpAddress& to) -> std::optional<Duration> {
    if (to != kBobV6) return latency;
    a.endpoint->on_unreachable(to);
    return std::nullopt;
  };
  EXPECT_LE(*time_to_arrive(), handshake() + milliseconds(1));
  expect_session_over(kBobV4, a.address);
}

// Each next one is hurried once, however often the first one's packets are refused.
TEST_P(DialRace, OneWithoutAWayHurriesOneOther) {
  call({kBobV6, nobody(1), nobody(2), nobody(3)});
  std::vector<Duration> begun;
  std::set<IpAddress> called;
  way = [&](const IpAddress&, const IpAddress& to) -> std::optional<Duration> {
    if (called.insert(to).second) begun.push_back(now - Instant());
    if (to == kBobV6) a.endpoint->on_unreachable(to);
    return std::nullopt;
  };
  EXPECT_FALSE(time_to_arrive(seconds(2)));
  EXPECT_EQ(begun, (std::vector<Duration>{milliseconds(0), milliseconds(0), milliseconds(250),
                                          milliseconds(500)}));
}

TEST_P(DialRace, AFailureNamesEveryAddress) {
  way = [](const IpAddress&, const IpAddress&) { return std::nullopt; };
  EXPECT_FALSE(time_to_arrive(seconds(11)));
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(a.failures[0].end_reason, kEndMiscTimeout);
  const std::string& text = a.failures[0].end_debug;
  EXPECT_NE(text.find("str:bob at [2001:db8::2]:1000 or 10.0.0.2:1000 did not accept or answer"),
            std::string::npos)
      << text;
}

TEST_P(DialRace, MoreThanEightAreNotTried) {
  std::vector<IpAddress> nine;
  for (std::uint16_t port = 1; port <= 9; ++port) nine.push_back(nobody(port));
  call(nine);
  std::set<IpAddress> called;
  way = [&](const IpAddress&, const IpAddress& to) {
    called.insert(to);
    return std::nullopt;
  };
  EXPECT_FALSE(time_to_arrive(seconds(5)));
  EXPECT_EQ(called.size(), 8u);
}

TEST_P(DialRace, AnAddressThatStandsTwiceIsTriedOnce) {
  call({nobody(1), nobody(1), nobody(1), kBobV4});
  const auto time = time_to_arrive();
  ASSERT_TRUE(time);
  EXPECT_LE(*time, milliseconds(250) + handshake() + milliseconds(1));
}

// It answers from its first address whatever it was called at, and the call to a dead one is the
// later one.
TEST_P(DialRace, AFarHostThatAnswersFromAnotherAddress) {
  const IpAddress second = IpAddress::v4(10, 0, 0, 3, 1000);
  b.others = {second};
  latency = milliseconds(150);
  call({second, nobody(1)});
  const auto time = time_to_arrive();
  ASSERT_TRUE(time);
  EXPECT_LE(*time, seconds(2));
  run_for(seconds(1));
  EXPECT_EQ(b.got, std::vector<std::string>{"hello"});
  send(b, a.name(), "back");
  send(a, b.name(), "again");
  run_for(seconds(1));
  EXPECT_EQ(a.got, std::vector<std::string>{"back"});
  EXPECT_EQ(b.got.back(), "again");
}

// Each address asks for a cookie of its own, for it sees us under another one.
TEST_P(DialRace, ACookieIsForItsAddressAlone) {
  EndpointConfig config;
  config.identity = b.name();
  config.keys = generate_x25519(b.random);
  config.limits.first_packets.per_100ms_max = 0;
  b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kTestClock);
  call({kBobV6, kBobV4});
  // Over IPv6 alice hears the cookie and nothing else.
  int answers = 0;
  way = [&](const IpAddress& from, const IpAddress&) -> std::optional<Duration> {
    if (from == kBobV6 && ++answers > 1) return std::nullopt;
    return latency;
  };
  ASSERT_LE(*time_to_arrive(), milliseconds(250) + handshake() + 2 * latency + milliseconds(1));
  expect_session_over(kBobV4, a.address);
  EXPECT_EQ(b.endpoint->counters()[Count::kCookiesSent], 2u);
}

// With a key nobody else answers.
class DialRaceWithoutKey : public DialRace {};

// Somebody else lives at the first: told only when the second has had its time, too.
TEST_P(DialRaceWithoutKey, SomebodyElseAtTheFirstEndsNoDial) {
  Host carol("str:carol", 3, 3);
  carol.address = kBobV6;
  b.others.clear();
  way = [&](const IpAddress&, const IpAddress& to) -> std::optional<Duration> {
    if (to == kBobV6) return std::nullopt;
    return latency;
  };
  send(a, b.name(), "hello");
  static std::array<std::uint8_t, 65536> buffer;
  const auto out = a.endpoint->poll_transmit(buffer, now);
  ASSERT_TRUE(out && out->to == kBobV6);
  std::vector<std::uint8_t> packet(buffer.begin(), buffer.begin() + static_cast<long>(out->size));
  carol.endpoint->receive(kAliceV6, packet, now);
  const auto answer = carol.endpoint->poll_transmit(buffer, now);
  ASSERT_TRUE(answer);
  packet.assign(buffer.begin(), buffer.begin() + static_cast<long>(answer->size));
  a.endpoint->receive(kBobV6, packet, now);
  // What the first has to say is said, so nobody waits 250 ms for the second.
  const Instant begin = now;
  while (b.got.empty() && now < begin + seconds(3)) run_for(milliseconds(1));
  EXPECT_LE(now - begin, handshake() + milliseconds(1));
  EXPECT_EQ(b.got, std::vector<std::string>{"hello"});
  EXPECT_TRUE(a.failures.empty()) << a.failures[0].end_debug;
}

// Somebody else lives at the one, and no way leads to the other: nobody waits for that.
TEST_P(DialRaceWithoutKey, AnAddressWithoutAWayDelaysNoCertainFailure) {
  const IpAddress own = a.address;  // where alice meets herself
  call({kBobV6, own});
  way = [&](const IpAddress&, const IpAddress& to) -> std::optional<Duration> {
    if (to != kBobV6) return latency;
    a.endpoint->on_unreachable(to);
    return std::nullopt;
  };
  EXPECT_FALSE(time_to_arrive(seconds(5)));
  ASSERT_EQ(a.failures.size(), 1u);
  EXPECT_NE(a.failures[0].end_debug.find("is this program itself"), std::string::npos)
      << a.failures[0].end_debug;
}

// Both call. The end of the handshake that gave way comes over the slower of two ways, when the
// other one is confirmed: it is no new life of the peer.
TEST_F(EndpointPair, TheEndOfTheHandshakeThatGaveWayMayComeLate) {
  know_each_other(false);
  const bool b_yields = yields(b.endpoint->public_key(), a.endpoint->public_key());
  Host& first = b_yields ? a : b;
  Host& yielding = b_yields ? b : a;
  const auto at = [this](int ms) { return now == Instant() + milliseconds(ms); };
  way = [&](const IpAddress& from, const IpAddress&) -> std::optional<Duration> {
    if (from == yielding.address && at(0)) return std::nullopt;  // its message 1, which comes again
    if (from == first.address && at(305)) return std::nullopt;   // message 3 likewise
    if (from == yielding.address && at(320)) return milliseconds(400);  // its own message 3
    return latency;
  };
  send(yielding, first.name(), "one");
  run_for(milliseconds(285));
  send(first, yielding.name(), "two");
  run_for(seconds(3));
  EXPECT_EQ(first.got, std::vector<std::string>{"one"});
  EXPECT_EQ(yielding.got, std::vector<std::string>{"two"});
  EXPECT_TRUE(first.failures.empty()) << first.failures[0].end_debug;
  EXPECT_TRUE(yielding.failures.empty()) << yielding.failures[0].end_debug;
  EXPECT_EQ(first.endpoint->counters()[Count::kDroppedCrossed], 1u);
}

INSTANTIATE_TEST_SUITE_P(WithoutKey, DialRaceWithoutKey, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(WithAndWithoutKey, DialRace, testing::Bool(),
                         [](const auto& keys) { return keys.param ? "Known" : "Unknown"; });

}  // namespace
}  // namespace whimbrel
