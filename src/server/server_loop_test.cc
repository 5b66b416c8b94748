// A site behind real sockets, and clients that speak to it over loopback.
#include "server/server_loop.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "io/system_random.h"
#include "relay/leg.h"
#include "traversal/stun.h"

namespace whimbrel {
namespace {

constexpr std::string_view kLoopback = "127.0.0.1:0";

Secret test_master() {
  Secret secret;
  secret.bytes.fill(3);  // a test key
  return secret;
}

// One client: a socket and a leg, driven by hand.
class Client {
 public:
  Client(const std::string& name, std::uint16_t server_port)
      : identity(relay::identity_hash(0, name)),
        server_(IpAddress::v4(127, 0, 0, 1, server_port)),
        socket_(std::move(*UdpSocket::bind(*IpAddress::parse(kLoopback), {}))) {}

  void open() {
    relay::SiteKeys keys(test_master(), unix_now(), clock_.now());
    relay::Token token;
    token.identity = identity;
    token.not_after = unix_now() / 1000 + 600;
    random_.fill(token.secret.bytes);
    const relay::SealedToken sealed = keys.seal(token, random_, clock_.now());
    leg.open({server_, {sealed.begin(), sealed.end()}, token.secret}, clock_.now());
  }
  // Until `done`, or for 5 s.
  template <typename Done>
  bool run(Done done) {
    for (int i = 0; i < 5000; ++i) {
      turn();
      if (done()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  void turn() {
    std::array<std::uint8_t, relay::kOpenSizeMax> buffer;
    const Instant now = clock_.now();
    leg.advance(now);
    while (const std::size_t size = leg.poll_transmit(buffer, now)) {
      socket_->send(server_, Bytes(buffer).first(size), size);
    }
    for (const UdpSocket::Batch& batch : socket_->receive()) {
      for (std::size_t at = 0; at < batch.bytes.size(); at += batch.segment_size) {
        const std::size_t size = std::min(batch.segment_size, batch.bytes.size() - at);
        take(batch.bytes.subspan(at, size));
      }
    }
  }
  void send_batch(relay::SlotId to, std::size_t count, std::size_t size) {
    std::vector<std::uint8_t> batch, packet(size + relay::kHeaderSize);
    for (std::size_t i = 0; i < count; ++i) {
      const std::vector<std::uint8_t> payload(size, static_cast<std::uint8_t>(i));
      ASSERT_EQ(leg.wrap(to, payload, packet, clock_.now()), packet.size());
      batch.insert(batch.end(), packet.begin(), packet.end());
    }
    socket_->send(server_, batch, packet.size());
  }
  void send_raw(Bytes datagram) { socket_->send(server_, datagram, datagram.size()); }
  Instant now() const { return clock_.now(); }

  relay::IdentityHash identity;
  SecureRandom random_{system_random_seed()};
  relay::Leg leg{random_};
  std::vector<std::vector<std::uint8_t>> got;
  std::vector<std::vector<std::uint8_t>> other;

 private:
  void take(MutableBytes datagram) {
    if (!relay::is_relay_packet(datagram[0])) {
      other.emplace_back(datagram.begin(), datagram.end());
    } else if (const auto received = leg.receive(datagram, clock_.now())) {
      got.emplace_back(received->payload.begin(), received->payload.end());
    }
  }

  Clock clock_;
  IpAddress server_;
  std::unique_ptr<UdpSocket> socket_;
};

class ServerLoopTest : public testing::TestWithParam<bool> {
 protected:
  ServerLoopTest() {
    ServerLoopConfig config;
    config.listen = {*IpAddress::parse(kLoopback)};
    config.site_master = test_master();
    config.site.rendezvous = false;
    config.sockets.offload = GetParam();
    server_ = std::move(*ServerLoop::open(config));
    thread_ = std::thread([this] { server_->run(); });
  }
  ~ServerLoopTest() override {
    server_->stop();
    thread_.join();
  }
  std::uint16_t port() const { return server_->port(true); }

  std::unique_ptr<ServerLoop> server_;
  std::thread thread_;
};

TEST_P(ServerLoopTest, ForwardsBetweenRealSockets) {
  Client alice("str:alice", port()), bob("str:bob", port());
  alice.open();
  bob.open();
  ASSERT_TRUE(alice.run([&] { return alice.leg.state() == relay::Leg::State::kOpen; }));
  ASSERT_TRUE(bob.run([&] { return bob.leg.state() == relay::Leg::State::kOpen; }));
  bob.turn();  // shows that the answer came
  alice.leg.bind(bob.leg.make_grant(alice.identity, unix_now() / 1000 + 60), alice.now());
  ASSERT_TRUE(alice.run([&] { return alice.leg.bound(bob.leg.slot()); }));
  alice.send_batch(bob.leg.slot(), 40, 1200);
  ASSERT_TRUE(bob.run([&] { return bob.got.size() == 40; })) << bob.got.size();
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(bob.got[i], std::vector<std::uint8_t>(1200, static_cast<std::uint8_t>(i)));
  }
  server_->with_site(
      [](Site& site, Instant) { EXPECT_EQ(site.relay()->counters().forwarded, 40u); });
}

TEST_P(ServerLoopTest, AnswersStunOnTheSamePort) {
  Client alice("str:alice", port());
  std::array<std::uint8_t, 64> request;
  const std::size_t size = write_binding_request(request, StunTransaction{9});
  alice.send_raw(Bytes(request).first(size));
  ASSERT_TRUE(alice.run([&] { return !alice.other.empty(); }));
  EXPECT_TRUE(read_binding_response(alice.other[0])->mapped.is_loopback());
}

TEST_P(ServerLoopTest, JunkIsCountedAndNothingElse) {
  Client eve("str:eve", port());
  std::vector<std::uint8_t> junk(600);
  for (int i = 0; i < 2000; ++i) {
    eve.random_.fill(junk);
    eve.send_raw(Bytes(junk).first(1 + static_cast<std::size_t>(i) % junk.size()));
    if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  Client alice("str:alice", port());
  alice.open();
  EXPECT_TRUE(alice.run([&] { return alice.leg.state() == relay::Leg::State::kOpen; }));
  EXPECT_TRUE(eve.other.empty());
}

INSTANTIATE_TEST_SUITE_P(Offload, ServerLoopTest, testing::Bool());

TEST(ServerLoopOpen, SaysWhatIsWrong) {
  ServerLoopConfig config;
  EXPECT_EQ(ServerLoop::open(config).error(), "no address to listen on");
  config.listen = {*IpAddress::parse("127.0.0.1:0"), *IpAddress::parse("127.0.0.2:0")};
  EXPECT_NE(ServerLoop::open(config).error().find("two addresses of one family"),
            std::string::npos);
  config.listen = {*IpAddress::parse("203.0.113.9:4040")};
  EXPECT_NE(ServerLoop::open(config).error().find("203.0.113.9:4040"), std::string::npos);
}

}  // namespace
}  // namespace whimbrel
