// Whole networks against a whole site: names, certificates, signals and the relay together, over a wire in memory.
#include "network/network.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "network/site.h"

namespace whimbrel {
namespace {

constexpr UnixMillis kUnixStart = 1'800'000'000'000;

class NetworkTest : public ::testing::Test {
 protected:
  struct Host {
    FastRandom random{0};
    Identity identity;
    KeyPair keys;
    std::vector<std::uint8_t> certificate;
    std::vector<VerifyKey> authorities;
    std::optional<NetworkConfig> server;
    IpAddress address;
    std::unique_ptr<Network> network;
    bool accepts = true;
    std::vector<std::string> got;
    std::vector<Instant> got_at;
    std::vector<Identity> requests;
    std::vector<ConnectionInfo> failures;

    NetworkStatus status() const { return network->status(); }
    bool ready() const { return status().state == NetworkStatus::State::kOnline && status().relay; }
  };
  struct Flight {
    Instant due;
    std::function<void()> land;
  };

  NetworkTest() {
    site_config.keys = generate_x25519(random);
    random.fill(site_master.bytes);
    start_site();
  }

  // As a restart of the program: the state folder lives on, everything else is new.
  void start_site() {
    site_keys = std::make_unique<relay::SiteKeys>(site_master, unix_ms(), now);
    authority = std::make_unique<rendezvous::Authority>(authority_config, authority_key, registry);
    site = std::make_unique<Site>(site_config, authority.get(), *site_keys, random, now, unix_ms());
  }
  UnixMillis unix_ms() const { return kUnixStart + to_milliseconds(now.time_since_epoch()); }

  Host& add(const std::string& name) {
    hosts.push_back(std::make_unique<Host>());
    Host& host = *hosts.back();
    const auto number = static_cast<std::uint8_t>(hosts.size());
    host.random = FastRandom(number);
    host.address = IpAddress::v4(10, 0, 0, number, 4000);
    if (!name.empty()) host.identity = *Identity::parse(name);
    host.keys = generate_x25519(host.random);
    host.server = NetworkConfig{site_address, std::nullopt, "", true};
    start(host);
    return host;
  }
  void start(Host& host) {
    EndpointConfig config;
    config.identity = host.identity;
    config.keys = host.keys;
    config.certificate = host.certificate;
    config.app_id = 7;
    for (const VerifyKey& key : host.authorities) config.trust.add_authority(key);
    host.network =
        std::make_unique<Network>(std::move(config), host.server, host.random, now, unix_ms());
  }
  Host& online(const std::string& name) {
    Host& host = add(name);
    run_for(seconds(2));
    EXPECT_TRUE(host.ready()) << name << ": " << host.status().text;
    return host;
  }

  void later(Duration delay, std::function<void()> land) {
    const Instant due = now + delay;
    auto at = flights.end();
    while (at != flights.begin() && std::prev(at)->due > due) --at;
    flights.insert(at, {due, std::move(land)});
  }
  void carry(const IpAddress& from, const IpAddress& to, std::vector<std::uint8_t> datagram) {
    ++packets;
    if (lose && lose()) return;
    later(latency, [this, from, to, datagram = std::move(datagram)]() mutable {
      if (to == site_address) {
        if (site_dead) return;
        if (const auto next = site->receive(from, datagram, now)) {
          carry(site_address, *next, std::move(datagram));
        }
        return;
      }
      for (auto& host : hosts) {
        if (host->address == to) host->network->receive(from, datagram, now);
      }
    });
  }
  template <typename Part>
  void transmit(Part& part, const IpAddress& from) {
    static std::array<std::uint8_t, 65536> buffer;
    while (const auto out = part.poll_transmit(buffer, now)) {
      for (std::size_t at = 0; at < out->size; at += out->segment_size) {
        const std::size_t size = std::min(out->segment_size, out->size - at);
        carry(from, out->to,
              {buffer.begin() + static_cast<long>(at),
               buffer.begin() + static_cast<long>(at + size)});
      }
    }
  }
  void drain(Host& host) {
    transmit(*host.network, host.address);
    Endpoint& endpoint = host.network->endpoint();
    std::vector<DeliveredMessage> messages;
    endpoint.take_messages(messages);
    for (auto& m : messages) {
      host.got.emplace_back(as_text(m.message.payload.view()));
      host.got_at.push_back(now);
      endpoint.consumed(m.session, m.message.channel, m.message.reliable, m.message.payload.size(),
                        1, now);
    }
    while (auto event = endpoint.poll_event()) {
      if (auto* request = std::get_if<SessionRequestEvent>(&*event)) {
        host.requests.push_back(request->identity);
        if (host.accepts) endpoint.accept(request->identity, now);
      } else {
        host.failures.push_back(std::get<SessionFailedEvent>(*event).info);
      }
    }
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 500'000) << "busy without end";
      for (int i = 0; i < 2; ++i) {
        for (auto& host : hosts) drain(*host);
        if (!site_dead) transmit(*site, site_address);
      }
      Instant next = site_dead ? kNever : site->next_deadline();
      for (auto& host : hosts) next = std::min(next, host->network->next_deadline());
      if (!flights.empty()) next = std::min(next, flights.front().due);
      if (next > end) break;
      now = std::max(now, next);
      if (!site_dead) site->advance(now);
      for (auto& host : hosts) host->network->advance(now);
      while (!flights.empty() && flights.front().due <= now) {
        const auto land = std::move(flights.front().land);
        flights.pop_front();
        land();
      }
    }
    now = end;
  }
  Result send(Host& from, const Identity& to, const std::string& text) {
    return from.network->endpoint().send(to, SharedBytes::copy(as_bytes(text)),
                                         kSendReliable | kSendAutoRestartBrokenSession, 0, now);
  }
  Result send(Host& from, Host& to, const std::string& text) {
    return send(from, to.network->endpoint().identity(), text);
  }
  int flags_of(Host& host, Host& peer) {
    ConnectionInfo info;
    host.network->endpoint().connection_info(peer.network->endpoint().identity(), now, &info,
                                             nullptr);
    return info.flags;
  }

  Instant now{};
  FastRandom random{77};
  Secret site_master;
  SigningKey authority_key = SigningKey::generate(random);
  rendezvous::MemoryRegistry registry;
  rendezvous::AuthorityConfig authority_config;
  SiteConfig site_config;
  IpAddress site_address = IpAddress::v4(203, 0, 113, 1, 4040);
  std::unique_ptr<relay::SiteKeys> site_keys;
  std::unique_ptr<rendezvous::Authority> authority;
  std::unique_ptr<Site> site;
  std::vector<std::unique_ptr<Host>> hosts;
  std::deque<Flight> flights;
  Duration latency = milliseconds(25);
  std::function<bool()> lose;
  bool site_dead = false;
  std::size_t packets = 0;
};

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

TEST_F(NetworkTest, WhoIsNotOnlineIsSaidAtOnce) {
  Host& alice = online("str:alice");
  ASSERT_EQ(send(alice, *Identity::parse("str:nobody"), "anybody?"), Result::kOk);
  run_for(milliseconds(100));
  ASSERT_EQ(alice.failures.size(), 1u);
  EXPECT_EQ(alice.failures[0].end_reason, kEndMiscRendezvous);
  EXPECT_EQ(alice.failures[0].end_debug, "str:nobody is not online");
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

TEST_F(NetworkTest, ASiteThatIsAwayForAWhileIsFoundAgain) {
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  send(alice, bob, "before");
  run_for(seconds(1));
  site_dead = true;
  run_for(seconds(30));
  EXPECT_EQ(alice.status().state, NetworkStatus::State::kConnecting);
  EXPECT_NE(alice.status().text.find("203.0.113.1:4040"), std::string::npos) << alice.status().text;
  site_dead = false;
  start_site();
  run_for(seconds(25));
  EXPECT_TRUE(alice.ready() && bob.ready()) << alice.status().text;
  send(alice, bob, "after");
  run_for(seconds(5));
  EXPECT_EQ(bob.got.back(), "after");
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

TEST_F(NetworkTest, JunkFromTheServersAddressHarmsNothing) {
  Host& alice = online("str:alice");
  Host& bob = online("str:bob");
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::uint8_t> junk(1 + random.below(200));
    random.fill(junk);
    alice.network->receive(site_address, junk, now);
  }
  send(alice, bob, "well");
  run_for(seconds(2));
  EXPECT_EQ(bob.got.size(), 1u);
}

}  // namespace
}  // namespace whimbrel
