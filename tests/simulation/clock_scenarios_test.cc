// Machines whose clocks are wrong when they start, and are set right while their programs run.
#include <gtest/gtest.h>
#include <whimbrel/send_flags.h>

#include <string>

#include "handshake/certificate.h"
#include "sim/world.h"

namespace whimbrel::sim {
namespace {

constexpr UnixMillis kDay = UnixMillis{24} * 3600 * 1000;
// A machine without a battery for its clock starts in 1970.
constexpr UnixMillis kAt1970 = -kUnixStart;
constexpr UnixMillis kTenYearsAhead = 3653 * kDay;
// A time zone that was taken for the time.
constexpr UnixMillis kThreeHours = kDay / 8;
// A client tries its server again each 15 s, give or take a quarter, and looks at its clock then.
constexpr Duration kRetryMax = seconds(20);

struct Users {
  explicit Users(UnixMillis server_ahead = 0) : server(world.add_site(site(server_ahead))) {}

  static SiteNodeConfig site(UnixMillis ahead) {
    SiteNodeConfig config;
    config.clock_error = ahead;
    return config;
  }
  Host& add(const char* name, UnixMillis ahead = 0) {
    HostConfig config;
    config.app_id = 7;
    config.clock_error = ahead;
    Host& host = world.add_online(name, server, std::move(config));
    world.simulation().set_line(host.id(), {.delay = milliseconds(10)});
    return host;
  }
  bool gets_online(Host& host, Duration time = kRetryMax) {
    return world.run_until([&] { return host.online(); }, time);
  }
  bool reaches(Host& from, Host& to, Duration time = seconds(3)) {
    const std::uint64_t before = to.messages_received();
    EXPECT_EQ(from.say(to, 64, kSendReliable | kSendAutoRestartBrokenSession), Result::kOk);
    return world.run_until([&] { return to.messages_received() > before; }, time);
  }

  World world{1};
  SiteNode& server;
};

class WrongClock : public testing::TestWithParam<UnixMillis> {};
INSTANTIATE_TEST_SUITE_P(BothWays, WrongClock, testing::Values(kAt1970, kTenYearsAhead),
                         [](const auto& one) { return one.param < 0 ? "Behind" : "Ahead"; });

// What holds as well where certificates are valid all the time.
class CorrectedClock : public testing::TestWithParam<UnixMillis> {};
INSTANTIATE_TEST_SUITE_P(BothWays, CorrectedClock,
                         testing::Values(kAt1970, kTenYearsAhead, -kThreeHours, kThreeHours));

TEST_P(WrongClock, AClientLogsInOnceItsClockIsSet) {
  Users users;
  Host& bob = users.add("str:bob");
  Host& alice = users.add("str:alice", GetParam());
  users.world.run_for(seconds(60));
  EXPECT_EQ(alice.network_status().state, NetworkStatus::State::kConnecting);
  EXPECT_NE(alice.network_status().text.find("certificate"), std::string::npos)
      << alice.network_status().text;
  alice.set_clock_error(0);
  ASSERT_TRUE(users.gets_online(alice)) << alice.network_status().text;
  EXPECT_TRUE(users.reaches(alice, bob));
  EXPECT_TRUE(users.reaches(bob, alice));
  EXPECT_EQ(users.world.finish(), "");
}

TEST_P(WrongClock, ClientsLogInOnceTheServersClockIsSet) {
  Users users(GetParam());
  Host& alice = users.add("str:alice");
  Host& bob = users.add("str:bob");
  users.world.run_for(seconds(60));
  EXPECT_FALSE(alice.online());
  users.server.set_clock_error(0);
  ASSERT_TRUE(users.gets_online(alice)) << alice.network_status().text;
  ASSERT_TRUE(users.gets_online(bob)) << bob.network_status().text;
  EXPECT_TRUE(users.reaches(alice, bob));
  EXPECT_EQ(users.world.finish(), "");
}

// A whole house starts wrong, and is right a moment later: its sessions live, and whoever comes
// then believes them.
TEST_P(CorrectedClock, SessionsLiveWhenAllClocksAreSet) {
  for (const bool server_first : {false, true}) {
    Users users(GetParam());
    Host& alice = users.add("str:alice", GetParam());
    Host& bob = users.add("str:bob", GetParam());
    ASSERT_TRUE(users.gets_online(alice) && users.gets_online(bob));
    ASSERT_TRUE(users.reaches(alice, bob));
    if (server_first) users.server.set_clock_error(0);
    for (Host* host : {&alice, &bob}) {
      host->set_clock_error(0);
      users.world.run_for(seconds(7));
      EXPECT_TRUE(users.reaches(alice, bob));
    }
    users.server.set_clock_error(0);
    users.world.run_for(seconds(12));
    EXPECT_TRUE(users.reaches(bob, alice));
    EXPECT_TRUE(alice.failures().empty());
    EXPECT_TRUE(alice.online() && bob.online());
    // Each shows a certificate of the right time now.
    Host& carol = users.add("str:carol");
    ASSERT_TRUE(users.gets_online(carol));
    EXPECT_TRUE(users.reaches(alice, carol));
    EXPECT_TRUE(users.reaches(carol, bob));
    EXPECT_EQ(users.world.finish(), "");
  }
}

// Tokens of the time before open nothing any more: a relay that a client loses then must not stay
// lost.
TEST_P(CorrectedClock, ARelayIsOpenedAnewWithATokenOfTheRightTime) {
  Users users(GetParam());
  Host& alice = users.add("str:alice", GetParam());
  Host& bob = users.add("str:bob", GetParam());
  ASSERT_TRUE(users.gets_online(alice) && users.gets_online(bob));
  ASSERT_TRUE(users.reaches(alice, bob));
  for (Host* host : {&alice, &bob}) host->set_clock_error(0);
  users.server.set_clock_error(0);
  users.world.run_for(seconds(15));
  // The slots on the relay run out while its clients hear nothing.
  users.world.simulation().set_blocked(alice.id(), users.server.id(), true);
  users.world.run_for(seconds(100));
  users.world.simulation().set_blocked(alice.id(), users.server.id(), false);
  ASSERT_TRUE(users.gets_online(alice)) << alice.network_status().text;
  EXPECT_TRUE(users.reaches(alice, bob));
  EXPECT_TRUE(users.reaches(bob, alice));
}

TEST_P(CorrectedClock, RevocationsAreHeardOfAfterTheClocksWereSet) {
  Users users(GetParam());
  Host& alice = users.add("str:alice", GetParam());
  Host& bob = users.add("str:bob", GetParam());
  Host& mallory = users.add("str:mallory", GetParam());
  Host& mary = users.add("str:mary", GetParam());
  for (Host* host : {&alice, &bob, &mallory, &mary}) ASSERT_TRUE(users.gets_online(*host));
  ASSERT_TRUE(users.reaches(mallory, alice));
  ASSERT_TRUE(users.reaches(mary, alice));
  // A list of the wrong date.
  users.server.revoke(mary.key());
  users.world.run_for(seconds(5));
  EXPECT_FALSE(alice.connected(mary));
  for (Host* host : {&alice, &bob, &mallory}) host->set_clock_error(0);
  users.server.set_clock_error(0);
  users.world.run_for(seconds(15));
  EXPECT_TRUE(alice.connected(mallory));
  users.server.revoke(mallory.key());
  users.world.run_for(seconds(5));
  EXPECT_FALSE(alice.connected(mallory));
  EXPECT_TRUE(users.reaches(alice, bob));
}

// The list came from the future, as alice saw it: when she knows better, it counts.
TEST(Clock, AListThatWasRefusedForItsDateCountsLater) {
  Users users;
  Host& alice = users.add("str:alice");
  Host& mallory = users.add("str:mallory");
  ASSERT_TRUE(users.gets_online(alice) && users.gets_online(mallory));
  ASSERT_TRUE(users.reaches(mallory, alice));
  alice.set_clock_error(kAt1970);
  users.world.run_for(seconds(12));
  users.server.revoke(mallory.key());
  users.world.run_for(seconds(5));
  EXPECT_TRUE(alice.connected(mallory)) << "she cannot know";
  alice.set_clock_error(0);
  users.world.run_for(seconds(12));
  EXPECT_FALSE(alice.connected(mallory));
}

// What alice holds is dated later than what comes, though both are believed; she must hear of the
// next one none the less.
TEST(Clock, WhoIsRevokedAfterTheServersClockWentBackIsPutOut) {
  for (const bool starts_again : {false, true}) {
    Users users(200'000);
    Host& alice = users.add("str:alice");
    Host& mallory = users.add("str:mallory");
    Host& mary = users.add("str:mary");
    for (Host* host : {&alice, &mallory, &mary}) ASSERT_TRUE(users.gets_online(*host));
    ASSERT_TRUE(users.reaches(mallory, alice));
    users.server.revoke(mary.key());
    users.world.run_for(seconds(5));
    users.server.set_clock_error(0);
    if (starts_again) {
      users.server.kill();
      users.server.start();
    }
    users.world.run_for(seconds(30));
    ASSERT_TRUE(alice.connected(mallory));
    users.server.revoke(mallory.key());
    users.world.run_for(seconds(5));
    EXPECT_FALSE(alice.connected(mallory)) << starts_again;
  }
}

// Her clock is behind, and stays so: she is let in, and must hear of whom she is not to trust.
TEST(Clock, AListThatWasRefusedForItsDateCountsWhenThatIsNear) {
  Users users;
  Host& alice = users.add("str:alice", -400'000);
  Host& mallory = users.add("str:mallory");
  ASSERT_TRUE(users.gets_online(alice) && users.gets_online(mallory));
  ASSERT_TRUE(users.reaches(mallory, alice));
  users.server.revoke(mallory.key());
  users.world.run_for(seconds(90));
  EXPECT_TRUE(alice.connected(mallory)) << "not yet";
  users.world.run_for(seconds(20));
  EXPECT_FALSE(alice.connected(mallory));
}

// Its clock went ahead, and was right when the program was started again.
TEST(Clock, WhoStartsAgainWithAClockThatWasSetBackIsHeard) {
  Users users;
  Host& bob = users.add("str:bob");
  Host& alice = users.add("str:alice", 280'000);
  ASSERT_TRUE(users.gets_online(alice) && users.gets_online(bob));
  ASSERT_TRUE(users.reaches(alice, bob));
  users.world.run_for(seconds(5));
  alice.set_clock_error(0);
  alice.restart(true);
  ASSERT_TRUE(users.gets_online(alice, seconds(60))) << alice.network_status().text;
  users.world.run_for(seconds(30));
  EXPECT_TRUE(users.reaches(alice, bob, seconds(30)));
}

// --- without a server ----------------------------------------------------------------------------

struct Peers {
  Peers() : authority(SigningKey::generate(random)) {}

  Host& add(const char* name, UnixMillis ahead = 0) {
    HostConfig config;
    config.keys = generate_x25519(random);
    config.clock_error = ahead;
    config.authorities.push_back(authority.verify_key());
    config.require_certificate = true;
    Certificate certificate;
    certificate.not_before = kUnixStart / 1000 - 1000;
    certificate.not_after = kUnixStart / 1000 + 100'000;
    certificate.static_key = config.keys.public_key;
    certificate.identity = name;
    config.certificate = sign_certificate(certificate, authority);
    return world.add(name, std::move(config));
  }
  bool reaches(Host& from, Host& to) {
    const std::uint64_t before = to.messages_received();
    from.say(to, 64, kSendReliable | kSendAutoRestartBrokenSession);
    return world.run_until([&] { return to.messages_received() > before; }, seconds(6));
  }

  FastRandom random{4};
  World world{2};
  SigningKey authority;
};

TEST_P(WrongClock, PeersBelieveEachOthersCertificatesOnceTheClockIsSet) {
  for (const bool with_keys : {false, true}) {
    Peers peers;
    Host& alice = peers.add("str:alice", GetParam());
    Host& bob = peers.add("str:bob");
    peers.world.introduce(alice, bob, with_keys);
    EXPECT_FALSE(peers.reaches(alice, bob));
    EXPECT_EQ(alice.info(bob).end_reason, kEndRemoteBadCert);
    EXPECT_FALSE(peers.reaches(bob, alice));
    alice.set_clock_error(0);
    EXPECT_TRUE(peers.reaches(alice, bob));
    EXPECT_TRUE(peers.reaches(bob, alice));
  }
}

TEST_P(CorrectedClock, ASessionLivesThroughAJumpAndBack) {
  for (const bool with_keys : {false, true}) {
    Peers peers;
    Host& alice = peers.add("str:alice");
    Host& bob = peers.add("str:bob");
    peers.world.introduce(alice, bob, with_keys);
    ASSERT_TRUE(peers.reaches(alice, bob));
    for (const UnixMillis ahead : {GetParam(), UnixMillis{0}}) {
      alice.set_clock_error(ahead);
      peers.world.run_for(seconds(30));
      EXPECT_TRUE(peers.reaches(alice, bob));
      EXPECT_TRUE(peers.reaches(bob, alice));
    }
    EXPECT_TRUE(alice.failures().empty());
    EXPECT_EQ(peers.world.finish(), "");
  }
}

// The stamp of a first message never goes back, or it would be taken for one that is played back.
TEST(Clock, WhoseClockWentBackIsNotTakenForARepetition) {
  Peers peers;
  Host& alice = peers.add("str:alice");
  Host& bob = peers.add("str:bob");
  peers.world.introduce(alice, bob, true);
  ASSERT_TRUE(peers.reaches(alice, bob));
  for (const UnixMillis ahead : {UnixMillis{40'000}, UnixMillis{-40'000}, UnixMillis{0}}) {
    alice.set_clock_error(ahead);
    alice.close_session(bob);
    peers.world.run_for(seconds(5));
    EXPECT_TRUE(peers.reaches(alice, bob)) << ahead;
  }
  EXPECT_EQ(bob.count(Count::kDroppedReplayedHandshake), 0u);
}

// As WhoStartsAgainWithAClockThatWasSetBackIsHeard, of a clock that was wrong by more than clocks
// may differ.
TEST(Clock, APeerThatStartsAgainWithAClockThatWasSetBackIsHeard) {
  Peers peers;
  Host& alice = peers.add("str:alice", 7'200'000);
  Host& bob = peers.add("str:bob");
  peers.world.introduce(alice, bob, true);
  ASSERT_TRUE(peers.reaches(alice, bob));
  peers.world.run_for(seconds(5));
  alice.set_clock_error(0);
  alice.restart(true);
  peers.world.run_for(seconds(310));
  EXPECT_TRUE(peers.reaches(alice, bob));
}

}  // namespace
}  // namespace whimbrel::sim
