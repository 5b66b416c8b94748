// A site behind real sockets, and clients that speak to it over loopback.
#include "server/server_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "endpoint/endpoint.h"
#include "server/test_client.h"
#include "traversal/stun.h"

namespace whimbrel {
namespace {

using Client = TestClient;

class ServerLoopTest : public testing::TestWithParam<bool> {
 protected:
  ServerLoopTest() {
    ServerLoopConfig config;
    config.listen = {*IpAddress::parse("127.0.0.1:0")};
    config.site_master = TestClient::master();
    config.site.rendezvous = false;
    config.sockets.offload = GetParam();
    server_ = std::move(*ServerLoop::open(config));
    thread_ = std::thread([this] { server_->run(); });
  }
  ~ServerLoopTest() override {
    server_->stop();
    thread_.join();
  }
  IpAddress server_address() const { return IpAddress::v4(127, 0, 0, 1, server_->port(true)); }

  std::unique_ptr<ServerLoop> server_;
  std::thread thread_;
};

TEST_P(ServerLoopTest, ForwardsBetweenRealSockets) {
  Client alice("str:alice", server_address()), bob("str:bob", server_address());
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
  Client alice("str:alice", server_address());
  std::array<std::uint8_t, 64> request;
  const std::size_t size = write_binding_request(request, StunTransaction{9});
  alice.send_raw(Bytes(request).first(size));
  ASSERT_TRUE(alice.run([&] { return !alice.other.empty(); }));
  EXPECT_TRUE(read_binding_response(alice.other[0])->mapped.is_loopback());
}

TEST_P(ServerLoopTest, JunkIsCountedAndNothingElse) {
  Client eve("str:eve", server_address());
  std::vector<std::uint8_t> junk(600);
  for (int i = 0; i < 2000; ++i) {
    eve.random_.fill(junk);
    eve.send_raw(Bytes(junk).first(1 + static_cast<std::size_t>(i) % junk.size()));
    if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  Client alice("str:alice", server_address());
  alice.open();
  EXPECT_TRUE(alice.run([&] { return alice.leg.state() == relay::Leg::State::kOpen; }));
  EXPECT_TRUE(eve.other.empty());
}

INSTANTIATE_TEST_SUITE_P(Offload, ServerLoopTest, testing::Bool());

// Of a stranger to the server with this key.
std::vector<std::uint8_t> first_packet(const PublicKey& server, Random& random) {
  static const WallClock clock(Instant(), unix_now());
  const Identity name = Identity::generic_string("server");
  EndpointConfig config;
  config.keys = generate_x25519(random);
  Endpoint stranger(std::move(config), random, Instant(), clock);
  stranger.set_route(name, IpAddress::v4(127, 0, 0, 1, 1), server);
  stranger.send(name, SharedBytes::copy(as_bytes("hello")), kSendReliable, 0, Instant());
  std::vector<std::uint8_t> packet(65536);
  packet.resize(stranger.poll_transmit(packet, Instant())->size);
  return packet;
}

// A server with a rendezvous alone.
class ServerLoopFirstPackets : public testing::Test {
 protected:
  ServerLoopFirstPackets() {
    ServerLoopConfig config;
    config.listen = {*IpAddress::parse("127.0.0.1:0")};
    config.site_master = TestClient::master();
    config.site.relay = false;
    config.site.keys = generate_x25519(random_);
    config.authority = &authority_;
    key_ = config.site.keys.public_key;
    server_ = std::move(*ServerLoop::open(config));
    thread_ = std::thread([this] { server_->run(); });
    eve_ = std::make_unique<Client>("str:eve", IpAddress::v4(127, 0, 0, 1, server_->port(true)));
  }
  ~ServerLoopFirstPackets() override {
    server_->stop();
    thread_.join();
  }
  void add_first_packets(int count) {
    for (int i = 0; i < count; ++i) packets_.push_back(first_packet(key_, random_));
  }
  // All are there when the server looks.
  void send() {
    server_->with_site([this](Site&, Instant) {
      for (const auto& packet : packets_) eve_->send_raw(packet);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    });
  }
  std::uint64_t count(Count what) {
    std::uint64_t value = 0;
    server_->with_site(
        [&](Site& site, Instant) { value = site.control()->endpoint().counters()[what]; });
    return value;
  }

  SecureRandom random_{system_random_seed()};
  rendezvous::MemoryRegistry registry_;
  rendezvous::Authority authority_{{}, SigningKey::generate(random_), registry_};
  PublicKey key_;
  std::unique_ptr<ServerLoop> server_;
  std::thread thread_;
  std::unique_ptr<Client> eve_;
  std::vector<std::vector<std::uint8_t>> packets_;
};

// One call of the system brings a few datagrams where each has another sender. What lies behind
// them does not wait for as many answers as a server gives that has nothing else to do.
TEST_F(ServerLoopFirstPackets, WaitForWhatCameWithThem) {
  add_first_packets(8);
  packets_.resize(55, std::vector<std::uint8_t>(100, 0xc0));
  std::array<std::uint8_t, 64> question;
  const std::size_t size = write_binding_request(question, StunTransaction{9});
  packets_.emplace_back(question.begin(), question.begin() + static_cast<long>(size));
  send();
  const auto& told = eve_->other;
  const auto answer = [&] {
    return std::find_if(told.begin(), told.end(),
                        [](const auto& one) { return is_stun_packet(one[0]); });
  };
  EXPECT_TRUE(eve_->run([&] { return answer() != told.end(); }));
  const auto before = std::count_if(told.begin(), answer(), [](const auto& one) {
    return packet_kind(one[0]) == PacketKind::kHandshake;
  });
  EXPECT_LE(before, 1);
}

// What a turn brings it also answers.
TEST_F(ServerLoopFirstPackets, AllGetTheirCookies) {
  add_first_packets(250);
  send();
  EXPECT_TRUE(eve_->run([&] { return count(Count::kPacketsIn) == packets_.size(); }));
  EXPECT_GT(count(Count::kCookiesSent), 0u);
  EXPECT_EQ(count(Count::kDroppedHandshakeLoad), 0u);
}

// What the machine's clock is wrong by.
std::atomic<UnixMillis> g_ahead{0};

TEST(ServerLoopClock, TheSystemsClockIsFollowedWhileItRuns) {
  g_ahead = -unix_now();
  ServerLoopConfig config;
  config.listen = {*IpAddress::parse("127.0.0.1:0")};
  config.site_master = TestClient::master();
  config.site.rendezvous = false;
  config.wall_clock = [] { return unix_now() + g_ahead; };
  const auto server = std::move(*ServerLoop::open(config));
  std::thread thread([&] { server->run(); });
  const auto tokens_refused = [&] {
    std::uint64_t count = 0;
    server->with_site(
        [&](Site& site, Instant) { count = site.relay()->counters().dropped_bad_token; });
    return count;
  };
  Client alice("str:alice", IpAddress::v4(127, 0, 0, 1, server->port(true)));
  alice.open();
  EXPECT_TRUE(alice.run([&] { return tokens_refused() > 0; }));
  g_ahead = 0;
  EXPECT_TRUE(alice.run([&] { return alice.leg.state() == relay::Leg::State::kOpen; }));
  server->stop();
  thread.join();
}

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
