// Names, certificates, signals and one relay together.
#include "network/network.h"

#include "tests/network/test_networks.h"

namespace whimbrel {
namespace {

using NetworkTest = TestNetworks;

TEST_F(NetworkTest, ANameIsEnough) {
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  const Instant begin = now;
  ASSERT_EQ(send(alice, bob, "hello"), Result::kOk);
  run_for(seconds(2));
  ASSERT_EQ(bob.got, std::vector<std::string>{"hello"});
  EXPECT_EQ(bob.requests, std::vector<Identity>{*Identity::parse("str:alice")});
  EXPECT_LE(to_milliseconds(bob.got_at[0] - begin), 300);
  EXPECT_EQ(flags_of(alice, bob) & kInfoUnauthenticated, 0) << "both have certificates";
  EXPECT_NE(flags_of(alice, bob) & kInfoRelayed, 0);
  EXPECT_EQ(flags_of(bob, alice) & kInfoUnauthenticated, 0);
  ASSERT_EQ(send(bob, alice, "hello yourself"), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(alice.got, std::vector<std::string>{"hello yourself"});
}

TEST_F(NetworkTest, TheFirstMessageMayComeBeforeTheLogin) {
  Host& bob = online("str:bob");
  Host& alice = add("str:alice");
  ASSERT_EQ(send(alice, bob, "already"), Result::kOk);
  run_for(seconds(3));
  EXPECT_EQ(bob.got, std::vector<std::string>{"already"});
}

// It is known where Bob is, and he wants a certificate.
TEST_F(NetworkTest, ADialOfAKnownAddressWaitsForTheLogin) {
  Host& bob = online("str:bob");
  Host& alice = add("str:alice");
  alice.network->endpoint().set_route(bob.identity, bob.address, std::nullopt);
  ASSERT_EQ(send(alice, bob, "already"), Result::kOk);
  ASSERT_EQ(send(alice, *Identity::parse("ip:" + bob.address.text()), "here, too"), Result::kOk);
  run_for(seconds(3));
  EXPECT_EQ(bob.got.size(), 2u);
  EXPECT_TRUE(alice.failures.empty()) << alice.failures[0].end_debug;
}

TEST_F(NetworkTest, ADialOfAKnownAddressDoesNotWaitForADeadServerForEver) {
  Host& bob = add("str:bob");
  sites[0]->dead = true;
  bob.server.reset();
  start(bob);
  Host& alice = add("str:alice");
  alice.network->endpoint().set_route(bob.identity, bob.address, std::nullopt);
  ASSERT_EQ(send(alice, bob, "so be it"), Result::kOk);
  run_for(milliseconds(4900));
  EXPECT_TRUE(bob.got.empty());
  run_for(seconds(1));
  EXPECT_EQ(bob.got, std::vector<std::string>{"so be it"});
  EXPECT_TRUE(alice.failures.empty());
}

TEST_F(NetworkTest, WhoIsNotOnlineIsSaidAtOnce) {
  Host& alice = online("str:alice");
  ASSERT_EQ(send(alice, *Identity::parse("str:nobody"), "anybody?"), Result::kOk);
  run_for(milliseconds(100));
  ASSERT_EQ(alice.failures.size(), 1u);
  EXPECT_EQ(alice.failures[0].end_reason, kEndMiscRendezvous);
  EXPECT_EQ(alice.failures[0].end_debug,
            "str:nobody is not online (app id 7; a user with another app id is not found)");
}

// The relays where somebody has slots say where he lives.
TEST_F(NetworkTest, AStrangerLearnsNothingBeforeAccept) {
  Host& bob = online("str:bob");
  bob.accepts = false;
  run_for(seconds(250));  // long enough to tell his peers of his slots anew
  Host& alice = online("str:alice");
  const Identity name = *Identity::parse("str:bob");
  send(alice, bob, "are you there?");
  run_for(seconds(9));
  ASSERT_GE(bob.requests.size(), 1u);
  EXPECT_EQ(alice.network->sites_of(name).home, "");
  bob.network->endpoint().accept(*Identity::parse("str:alice"), now);
  send(alice, bob, "and now?");
  run_for(seconds(9));
  EXPECT_EQ(alice.network->sites_of(name).home, "home");
  ASSERT_FALSE(bob.got.empty());
  EXPECT_EQ(bob.got.back(), "and now?");
}

TEST_F(NetworkTest, ANameOfAnotherKeyIsRefusedAndSaysWhy) {
  online("str:alice");
  Host& eve = add("str:alice");
  run_for(seconds(3));
  EXPECT_EQ(eve.status().state, NetworkStatus::State::kRefused);
  EXPECT_NE(eve.status().text.find("belongs to another key"), std::string::npos)
      << eve.status().text;
}

// Without a certificate a name counts for nothing, not even by a direct way.
TEST_F(NetworkTest, NobodySpeaksUnderAnothersName) {
  Host& bob = online("str:bob");
  Host& eve = add("str:mallory");
  eve.identity = *Identity::parse("str:alice");
  eve.server.reset();
  start(eve);
  eve.network->endpoint().set_route(*Identity::parse("str:bob"), bob.address,
                                    bob.network->endpoint().public_key());
  send(eve, bob, "I am alice, believe me");
  run_for(seconds(12));
  EXPECT_TRUE(bob.requests.empty());
  EXPECT_TRUE(bob.got.empty());
  ASSERT_EQ(eve.failures.size(), 1u);
  EXPECT_EQ(eve.failures[0].end_reason, kEndRemoteBadCert);
}

TEST_F(NetworkTest, ACertificateOfAnotherAuthorityIsRefused) {
  Host& bob = online("str:bob");
  Host& eve = add("str:eve");
  eve.server.reset();
  const SigningKey other = SigningKey::generate(random);
  Certificate certificate;
  certificate.app_id = 7;
  certificate.not_before = unix_ms() / 1000 - 10;
  certificate.not_after = unix_ms() / 1000 + 1000;
  certificate.static_key = eve.keys.public_key;
  certificate.identity = "str:eve";
  eve.certificate = sign_certificate(certificate, other);
  start(eve);
  eve.network->endpoint().set_route(*Identity::parse("str:bob"), bob.address, std::nullopt);
  send(eve, bob, "hello");
  run_for(seconds(12));
  EXPECT_TRUE(bob.requests.empty());
  ASSERT_EQ(eve.failures.size(), 1u);
  EXPECT_EQ(eve.failures[0].end_reason, kEndRemoteBadCert);
}

// Whoever is revoked is put out by the server and by every peer, and not let in again.
TEST_F(NetworkTest, ARevokedKeyIsShutOutEverywhere) {
  Host& alice = online("str:alice");
  Host& eve = online("str:eve");
  Host& bob = online("str:bob");
  send(alice, eve, "hello");
  send(bob, eve, "hello");
  run_for(seconds(1));
  registry.revoke(eve.keys.public_key);
  run_for(seconds(3));
  EXPECT_EQ(eve.status().state, NetworkStatus::State::kRefused);
  EXPECT_NE(eve.status().text.find("revoked"), std::string::npos) << eve.status().text;
  for (Host* host : {&alice, &bob}) {
    ASSERT_EQ(host->failures.size(), 1u);
    EXPECT_EQ(host->failures[0].end_reason, kEndRemoteBadCert);
    EXPECT_EQ(host->failures[0].end_debug, "the certificate of str:eve was revoked");
  }
  // Without the server, by address and with the old certificate.
  eve.server.reset();
  eve.certificate = eve.network->endpoint().certificate();
  start(eve);
  eve.network->endpoint().set_route(*Identity::parse("str:bob"), bob.address, std::nullopt);
  send(eve, bob, "me again");
  run_for(seconds(12));
  EXPECT_EQ(bob.requests.size(), 0u);
  ASSERT_FALSE(eve.failures.empty());
  EXPECT_EQ(eve.failures.back().end_reason, kEndRemoteBadCert);
  // Who logs in later is told, too.
  Host& carol = online("str:carol");
  eve.network->endpoint().set_route(*Identity::parse("str:carol"), carol.address, std::nullopt);
  send(eve, carol, "and you?");
  run_for(seconds(12));
  EXPECT_TRUE(carol.requests.empty());
}

TEST_F(NetworkTest, AnAuthorityThatWasGivenBeforehandCounts) {
  Host& alice = add("str:alice");
  alice.authorities.push_back(SigningKey::generate(random).verify_key());
  start(alice);
  run_for(seconds(3));
  EXPECT_NE(alice.status().state, NetworkStatus::State::kOnline);
  EXPECT_NE(alice.status().text.find("not accepted"), std::string::npos) << alice.status().text;
}

TEST_F(NetworkTest, ASiteThatIsRestartedIsFoundAgainAndSessionsLiveOn) {
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  send(alice, bob, "before");
  run_for(seconds(1));
  start_site();
  std::vector<std::string> sent{"before"};
  for (int i = 0; i < 100; ++i) {
    sent.push_back(std::to_string(i));
    ASSERT_EQ(send(alice, bob, sent.back()), Result::kOk);
    run_for(milliseconds(50));
  }
  run_for(seconds(2));
  EXPECT_EQ(bob.got, sent);
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
  EXPECT_TRUE(alice.ready() && bob.ready());
  Duration gap{};
  for (std::size_t i = 1; i < bob.got_at.size(); ++i)
    gap = std::max(gap, bob.got_at[i] - bob.got_at[i - 1]);
  EXPECT_LE(to_milliseconds(gap), 4000);
  RecordProperty("outage_ms", static_cast<int>(to_milliseconds(gap)));
}

// Its key is known by then, so that a handshake takes one round trip, and so does the login.
TEST_F(NetworkTest, WhoLogsInAgainNeedsTwoRoundTrips) {
  Host& alice = online("str:alice");
  run_for(seconds(5));
  start_site();
  const auto is = [&](NetworkStatus::State state) { return alice.status().state == state; };
  for (int i = 0; i < 12'000 && is(NetworkStatus::State::kOnline); ++i) run_for(milliseconds(1));
  ASSERT_TRUE(is(NetworkStatus::State::kConnecting));
  const Instant begin = now;
  run_for(latency + milliseconds(1));
  EXPECT_EQ(sites[0]->site->relay()->slot_count(), 1u) << "the leg has asked at the same time";
  for (int i = 0; i < 5000 && !is(NetworkStatus::State::kOnline); ++i) run_for(milliseconds(1));
  EXPECT_LE(now - begin, 4 * latency + milliseconds(2));
}

// Its state folder is lost; what clients know of the old key does not keep them out for long.
TEST_F(NetworkTest, AServerThatComesBackWithAnotherKeyIsFoundAgain) {
  Host& alice = online("str:alice");
  run_for(seconds(5));
  sites[0]->config.keys = generate_x25519(random);
  start_site();
  run_for(seconds(25));
  EXPECT_TRUE(alice.ready()) << alice.status().text;
}

// Tokens run out within minutes; who has been logged in comes back all the same, for as long as his
// certificate lives.
TEST_F(NetworkTest, WhoWasLoggedInNeedsNoNewTokenToComeBack) {
  const std::int64_t until = unix_ms() / 1000 + 600;
  authority_config.mode = rendezvous::AuthorityConfig::Mode::kToken;
  authority_config.check_token =
      [until](const std::string& token,
              std::int64_t at) -> std::variant<rendezvous::BackendClaim, std::string> {
    if (at >= until) return std::string("the token is too old");
    return rendezvous::BackendClaim{token, std::nullopt, std::nullopt};
  };
  start_site();
  Host& alice = add("");
  alice.server->token = "str:alice";
  start(alice);
  run_for(seconds(2));
  ASSERT_TRUE(alice.ready()) << alice.status().text;
  run_for(seconds(900));
  start_site();
  run_for(seconds(20));
  EXPECT_TRUE(alice.ready()) << alice.status().text;
  // Not who never was, and not with another's certificate.
  Host& eve = add("");
  eve.server->token = "str:alice";
  start(eve);
  run_for(seconds(3));
  EXPECT_EQ(eve.status().state, NetworkStatus::State::kRefused);
  // Nor after the certificate has run out, or was revoked.
  registry.revoke(alice.keys.public_key);
  start_site();
  run_for(seconds(20));
  EXPECT_EQ(alice.status().state, NetworkStatus::State::kRefused);
}

TEST_F(NetworkTest, ANewTokenIsTriedAtOnce) {
  authority_config.mode = rendezvous::AuthorityConfig::Mode::kToken;
  authority_config.check_token =
      [](const std::string& token,
         std::int64_t) -> std::variant<rendezvous::BackendClaim, std::string> {
    if (token != "str:alice") return std::string("the token is too old");
    return rendezvous::BackendClaim{token, std::nullopt, std::nullopt};
  };
  start_site();
  Host& alice = add("");
  alice.server->token = "old";
  start(alice);
  run_for(seconds(2));
  ASSERT_EQ(alice.status().state, NetworkStatus::State::kRefused);
  alice.network->set_login_token("str:alice", now);
  run_for(seconds(2));
  EXPECT_TRUE(alice.ready()) << alice.status().text;
  alice.network->set_login_token("old", now);
  run_for(seconds(30));
  EXPECT_TRUE(alice.ready()) << "what is up stays";
}

// Two programs under one name would throw each other out for ever.
TEST_F(NetworkTest, WhoIsReplacedUnderItsNameStaysOut) {
  Host& earlier = online("str:alice");
  Host& later = add("str:alice");
  later.keys = earlier.keys;
  start(later);
  run_for(seconds(2));
  for (int i = 0; i < 120; ++i) {
    ASSERT_TRUE(later.ready()) << i << ": " << later.status().text;
    ASSERT_EQ(earlier.status().state, NetworkStatus::State::kRefused) << i;
    run_for(milliseconds(500));
  }
  EXPECT_EQ(earlier.status().text, "logged in elsewhere as str:alice");
  // A token that is given anew is a wish to be back.
  earlier.network->set_login_token("", now);
  run_for(seconds(3));
  EXPECT_TRUE(earlier.ready());
  EXPECT_EQ(later.status().state, NetworkStatus::State::kRefused);
}

// Where it has another key, the rendezvous alone knows that it is the same user.
TEST_F(NetworkTest, WhoIsReplacedByAProgramWithAnotherKeyStaysOut) {
  authority_config.mode = rendezvous::AuthorityConfig::Mode::kToken;
  authority_config.check_token =
      [](const std::string& token,
         std::int64_t) -> std::variant<rendezvous::BackendClaim, std::string> {
    return rendezvous::BackendClaim{token, std::nullopt, std::nullopt};
  };
  start_site();
  const auto log_in = [this]() -> Host& {
    Host& host = add("");
    host.server->token = "str:alice";
    start(host);
    run_for(seconds(2));
    return host;
  };
  Host& earlier = log_in();
  ASSERT_TRUE(earlier.ready()) << earlier.status().text;
  Host& later = log_in();
  for (int i = 0; i < 120; ++i) {
    ASSERT_TRUE(later.ready()) << i << ": " << later.status().text;
    ASSERT_EQ(earlier.status().state, NetworkStatus::State::kRefused) << i;
    run_for(milliseconds(500));
  }
  EXPECT_EQ(earlier.status().text, "logged in elsewhere as str:alice");
}

TEST_F(NetworkTest, ASiteThatIsAwayForAWhileIsFoundAgain) {
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  send(alice, bob, "before");
  run_for(seconds(1));
  sites[0]->dead = true;
  run_for(seconds(30));
  EXPECT_EQ(alice.status().state, NetworkStatus::State::kConnecting);
  EXPECT_NE(alice.status().text.find("203.0.113.1:4040"), std::string::npos) << alice.status().text;
  start_site();
  run_for(seconds(25));
  EXPECT_TRUE(alice.ready() && bob.ready()) << alice.status().text;
  send(alice, bob, "after");
  run_for(seconds(5));
  EXPECT_EQ(bob.got.back(), "after");
}

// One who talks to many says a lot at once when its slot is a new one: no faster than the
// rendezvous takes it.
TEST_F(NetworkTest, AHubOfManySessionsRecoversWithoutBeingRefused) {
  constexpr std::size_t kSpokes = 100;
  Host& hub = online("str:hub");
  std::vector<Host*> spokes;
  for (std::size_t i = 0; i < kSpokes; ++i) spokes.push_back(&add("str:s" + std::to_string(i)));
  run_for(seconds(2));
  for (Host* spoke : spokes) send(*spoke, hub, "hello");
  run_for(seconds(5));
  EXPECT_EQ(hub.got.size(), kSpokes);
  start_site();
  for (Host* spoke : spokes) send(hub, *spoke, "still there?");
  run_for(seconds(10));
  for (Host* spoke : spokes) EXPECT_EQ(spoke->got.size(), 1u);
  EXPECT_EQ(sites[0]->site->control()->server().counters().rate_limited, 0u);
}

TEST_F(NetworkTest, LossOnTheWayDelaysAndLosesNothing) {
  FastRandom dice(3);
  lose = [&] { return dice.chance(0.1); };
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(10));
  std::vector<std::string> sent;
  for (int i = 0; i < 200; ++i) {
    sent.push_back(std::to_string(i));
    ASSERT_EQ(send(alice, bob, sent.back()), Result::kOk);
    run_for(milliseconds(20));
  }
  run_for(seconds(10));
  EXPECT_EQ(bob.got, sent);
}

// All its grants are to be made anew, and the server takes few signals.
TEST_F(NetworkTest, AHubKeepsToWhatTheServerTakes) {
  sites[0]->config.relay = false;
  sites[0]->config.rendezvous_limits.requests_per_second = 20;
  SiteNode& relay = add_relay("west");
  start_site();
  Host& hub = online("str:hub");
  constexpr std::size_t kPeers = 60;
  for (std::size_t i = 0; i < kPeers; ++i) add("str:peer" + std::to_string(i));
  run_for(seconds(3));
  for (std::size_t i = 1; i <= kPeers; ++i) send(*hosts[i], hub, "hello");
  run_for(seconds(9));
  ASSERT_EQ(hub.got.size(), kPeers);
  start(relay);
  for (std::size_t i = 1; i <= kPeers; ++i) send(hub, *hosts[i], "still there");
  run_for(seconds(20));
  for (std::size_t i = 1; i <= kPeers; ++i)
    EXPECT_EQ(hosts[i]->got, std::vector<std::string>{"still there"}) << i;
  EXPECT_TRUE(hub.failures.empty());
  EXPECT_EQ(sites[0]->site->control()->server().counters().rate_limited, 0u);
}

TEST_F(NetworkTest, NumbersComeFromTheServer) {
  authority_config.mode = rendezvous::AuthorityConfig::Mode::kNumeric;
  start_site();
  Host& first = online("");
  Host& second = online("");
  const Identity to = second.network->endpoint().identity();
  EXPECT_EQ(to, Identity::steam_id(0x0110000100000002));
  send(first, to, "hello, second");
  run_for(seconds(2));
  EXPECT_EQ(second.got, std::vector<std::string>{"hello, second"});
  EXPECT_EQ(second.requests.at(0), Identity::steam_id(0x0110000100000001));
}

TEST_F(NetworkTest, AServerThatGivesAnotherNumberIsNotBelieved) {
  authority_config.mode = rendezvous::AuthorityConfig::Mode::kNumeric;
  start_site();
  Host& alice = online("");
  registry = rendezvous::MemoryRegistry();
  registry.number_of(7, generate_x25519(random).public_key);
  start_site();
  run_for(seconds(20));
  EXPECT_FALSE(alice.ready());
  EXPECT_NE(alice.status().text.find("another name"), std::string::npos) << alice.status().text;
}

TEST_F(NetworkTest, WithoutAServerItIsTheEndpointAlone) {
  Host& alice = add("str:alice");
  alice.server.reset();
  start(alice);
  EXPECT_EQ(alice.status().state, NetworkStatus::State::kNone);
  send(alice, *Identity::parse("str:bob"), "x");
  run_for(milliseconds(100));
  ASSERT_EQ(alice.failures.size(), 1u);
  EXPECT_NE(alice.failures[0].end_debug.find("add a route"), std::string::npos);
}

TEST_F(NetworkTest, IdleCostsFewPackets) {
  online("str:alice");
  packets = 0;
  run_for(seconds(100));
  EXPECT_LE(packets, 80u);
}

// Both users' packets, the relay's and the rendezvous', each counted where it leaves.
TEST_F(NetworkTest, AnIdleSessionOverTheRelayCostsAPacketASecondOfEachUser) {
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  send(alice, bob, "hello");
  send(bob, alice, "hello");
  run_for(seconds(20));
  packets = 0;
  run_for(seconds(100));
  RecordProperty("packets", static_cast<int>(packets));
  EXPECT_LE(packets, 200u);
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
}

TEST_F(NetworkTest, JunkFromTheServersAddressHarmsNothing) {
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::uint8_t> junk(1 + random.below(200));
    random.fill(junk);
    alice.network->receive(sites[0]->address, junk, now);
  }
  send(alice, bob, "well");
  run_for(seconds(2));
  EXPECT_EQ(bob.got.size(), 1u);
}

}  // namespace
}  // namespace whimbrel
