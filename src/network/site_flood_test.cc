// A server whose port is flooded with first packets: who is one of its users, or wants to be, notices nothing.
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "handshake/handshake.h"
#include "network/site.h"
#include "rendezvous/client.h"

namespace whimbrel {
namespace {

constexpr UnixMillis kUnixNow = 1'800'000'000'000;

// Somebody who logs in, over a line without delay.
class Caller {
 public:
  Caller(const std::string& name, const IpAddress& address, const IpAddress& server,
         const std::optional<PublicKey>& key, Instant now)
      : address(address),
        random_(std::hash<std::string>()(name)),
        clock_(now, kUnixNow),
        endpoint(config(random_), random_, now, clock_),
        client({0, name, ""}) {
    endpoint.set_route(server_name(), server, key);
    client.on_connected(now);
  }
  static Identity server_name() { return Identity::generic_string(rendezvous::kServerName); }
  void settle(Instant now) {
    endpoint.advance(now);
    client.advance(now);
    endpoint.take_messages(delivered_);
    for (const DeliveredMessage& one : delivered_) {
      client.on_message(one.message.payload, now);
      endpoint.consumed(one.session, one.message.place, one.message.reliable,
                        one.message.payload.size(), 1, now);
    }
    delivered_.clear();
    while (const auto event = endpoint.poll_event())
      lost = lost || std::holds_alternative<SessionFailedEvent>(*event);
    while (client.poll_event()) {
    }
    while (const auto message = client.poll_output()) {
      endpoint.send(server_name(), SharedBytes::copy(*message),
                    kSendReliable | kSendAutoRestartBrokenSession, 0, now);
    }
  }
  bool online() const { return client.state() == rendezvous::Client::State::kOnline; }

 private:
  static EndpointConfig config(Random& random) {
    EndpointConfig config;
    config.keys = generate_x25519(random);
    config.tells_ends = true;
    return config;
  }

 public:
  const IpAddress address;

 private:
  FastRandom random_;
  WallClock clock_;
  std::vector<DeliveredMessage> delivered_;

 public:
  Endpoint endpoint;
  rendezvous::Client client;
  bool lost = false;  // a session that was up
};

class SiteFlood : public testing::Test {
 protected:
  SiteFlood() {
    config.keys = generate_x25519(random);
    make();
  }
  void make() { site = std::make_unique<Site>(config, &authority, keys, random, now, kUnixNow); }
  const Endpoint& endpoint() const { return site->control()->endpoint(); }
  const rendezvous::Server& server() const { return site->control()->server(); }

  // A first packet under a fresh key; the server's key is known to the attacker, or not.
  std::vector<std::uint8_t> first_packet(bool known) {
    HandshakeConfig& own = attackers_.emplace_back();
    own.static_key = generate_x25519(random);
    Initiator initiator = known ? Initiator(own, config.keys.public_key) : Initiator(own);
    std::vector<std::uint8_t> packet(kHandshakePacketSizeMax);
    packet.resize(initiator.write_init(random.u32() | 1, kUnixNow, random, packet));
    inits_.push_back(std::move(initiator));
    return packet;
  }
  void give(const IpAddress& from, std::vector<std::uint8_t> packet) {
    site->receive(from, packet, now);
  }
  // What the server says goes to the callers, and to whom `others` is.
  void exchange() {
    for (bool moved = true; moved;) {
      moved = false;
      site->advance(now);
      while (const auto out = site->poll_transmit(buffer, now)) {
        moved = true;
        for (std::size_t at = 0; at < out->size; at += out->segment_size) {
          const std::size_t size = std::min(out->segment_size, out->size - at);
          deliver(out->to, MutableBytes(buffer).subspan(at, size));
        }
      }
      for (auto& caller : callers) {
        caller->settle(now);
        while (const auto out = caller->endpoint.poll_transmit(buffer, now)) {
          moved = true;
          for (std::size_t at = 0; at < out->size; at += out->segment_size) {
            const std::size_t size = std::min(out->segment_size, out->size - at);
            give(caller->address, {buffer.begin() + static_cast<long>(at),
                                   buffer.begin() + static_cast<long>(at + size)});
          }
        }
      }
    }
  }
  void deliver(const IpAddress& to, MutableBytes datagram) {
    for (auto& caller : callers) {
      if (caller->address == to) return caller->endpoint.receive(kServer, datagram, now);
    }
    answers[to].assign(datagram.begin(), datagram.end());
  }
  Caller& add(const std::string& name, const IpAddress& address) {
    callers.push_back(
        std::make_unique<Caller>(name, address, kServer, config.keys.public_key, now));
    return *callers.back();
  }
  static IpAddress spoofed(std::uint32_t i) {
    return IpAddress::v4(static_cast<std::uint8_t>(20 + (i >> 16)),
                         static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 7, 999);
  }
  // `count` in a second, whoever answers cookies with `shown`, and calls in between. `from` says who sends which.
  template <typename From>
  void flood(std::uint32_t count, bool known, bool shown, const From& from) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const IpAddress source = from(i);
      std::vector<std::uint8_t> packet = first_packet(known);
      give(source, packet);
      exchange();
      const auto answer = answers.find(source);
      if (shown && answer != answers.end() &&
          inits_.back().read_cookie_reply(answer->second, packet) == HandshakeError::kNone)
        give(source, packet);
      answers.clear();
      inits_.clear();
      attackers_.clear();
      exchange();
      now += Duration(seconds(1)) / count;
    }
  }

  const IpAddress kServer = IpAddress::v4(192, 0, 2, 1, 4040);
  Instant now{};
  FastRandom random{1};
  relay::SiteKeys keys{Secret()};
  rendezvous::MemoryRegistry registry;
  rendezvous::Authority authority{{}, SigningKey::generate(random), registry};
  SiteConfig config;
  std::unique_ptr<Site> site;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(65536);
  std::vector<std::unique_ptr<Caller>> callers;
  std::map<IpAddress, std::vector<std::uint8_t>> answers;

 private:
  std::deque<HandshakeConfig> attackers_;
  std::deque<Initiator> inits_;
};

TEST_F(SiteFlood, FromMadeUpAddressesCostsCookies) {
  for (const bool known : {true, false}) {
    callers.clear();
    make();
    flood(1000, known, false, spoofed);
    EXPECT_LE(endpoint().session_count(), 256u) << known;
    EXPECT_EQ(server().client_count(), 0u) << "nobody has proved anything";
    EXPECT_GT(endpoint().counters()[Count::kCookiesSent], 500u);
    Caller& alice = add("str:alice" + std::to_string(known), IpAddress::v4(203, 0, 113, 5, 7000));
    flood(300, known, false, spoofed);
    EXPECT_TRUE(alice.online());
    EXPECT_FALSE(alice.lost);
  }
}

TEST_F(SiteFlood, ThatShowsItsAddressTakesNoPlaceOfOthers) {
  config.rendezvous_limits.clients_max = 20;
  make();
  Caller& alice = add("str:alice", IpAddress::v4(203, 0, 113, 5, 7000));
  exchange();
  ASSERT_TRUE(alice.online());
  const auto one_network = [](std::uint32_t i) {
    return IpAddress::v4(20, 1, 1, static_cast<std::uint8_t>(i), 999);
  };
  flood(3000, true, true, one_network);
  EXPECT_LE(endpoint().session_count(), 2100u);
  EXPECT_EQ(server().client_count(), 1u);
  Caller& bob = add("str:bob", IpAddress::v4(198, 51, 100, 5, 7000));
  flood(100, true, true, one_network);
  EXPECT_TRUE(bob.online());
  EXPECT_TRUE(alice.online());
  EXPECT_FALSE(alice.lost || bob.lost);
  now += seconds(10);
  exchange();
  now += seconds(1);
  exchange();
  EXPECT_EQ(endpoint().session_count(), 2u) << "who confirms nothing is gone";
}

// What one network sends beyond what it may is not even looked at: no cookie, and no time.
TEST_F(SiteFlood, OfOneNetworkIsLimitedAtTheDoor) {
  config.first_packets.looks_of_network = 100;
  make();
  flood(500, true, false,
        [](std::uint32_t i) { return IpAddress::v4(20, 1, 1, static_cast<std::uint8_t>(i), 999); });
  const Counters& counters = endpoint().counters();
  EXPECT_GE(counters[Count::kDroppedHandshakeLoad], 290u);
  EXPECT_LE(counters[Count::kCookiesSent] + endpoint().session_count(), 210u);
}

// Whoever finishes handshakes and does not log in.
TEST_F(SiteFlood, OfClientsThatDoNotLogInKeepsNobodyOut) {
  config.rendezvous_limits.clients_max = 5;
  config.rendezvous_limits.waiting_max = 50;
  make();
  Caller& alice = add("str:alice", IpAddress::v4(203, 0, 113, 5, 7000));
  exchange();
  ASSERT_TRUE(alice.online());
  for (std::uint32_t i = 0; i < 200; ++i) {
    Caller& idler = add("str:idler" + std::to_string(i), spoofed(i));
    while (idler.client.poll_output()) {  // does not say its login
    }
    idler.endpoint.send(Caller::server_name(), SharedBytes::copy(as_bytes("hello")), kSendReliable,
                        0, now);
    exchange();
    now += milliseconds(5);
  }
  EXPECT_LE(server().client_count(), 51u);
  EXPECT_EQ(server().user_count(), 1u);
  Caller& bob = add("str:bob", IpAddress::v4(198, 51, 100, 5, 7000));
  exchange();
  EXPECT_TRUE(bob.online());
  EXPECT_TRUE(alice.online());
}

}  // namespace
}  // namespace whimbrel
