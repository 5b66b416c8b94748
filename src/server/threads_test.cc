// A server of several threads behind real sockets: whose packets come to which thread is the
// kernel's doing.
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "server/server_loop.h"
#include "server/test_client.h"
#include "traversal/stun.h"

namespace whimbrel {
namespace {

using Client = TestClient;

class ServerThreads : public testing::Test {
 protected:
  ~ServerThreads() override { stop(); }

  void start(std::uint32_t threads, bool v6_too = false, bool rendezvous = false) {
    ServerLoopConfig config;
    config.listen = {*IpAddress::parse("127.0.0.1:0")};
    if (v6_too) config.listen.push_back(*IpAddress::parse("[::1]:0"));
    config.site_master = TestClient::master();
    config.site.rendezvous = rendezvous;
    config.site.keys = generate_x25519(random_);
    config.authority = &authority_;
    config.threads = threads;
    auto opened = ServerLoop::open(config);
    ASSERT_TRUE(opened.ok()) << opened.error();
    server_ = std::move(*opened);
    EXPECT_EQ(server_->warning(), "");
    thread_ = std::thread([this] { server_->run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    server_->stop();
    thread_.join();
  }
  IpAddress address(bool v4 = true) const {
    IpAddress address = *IpAddress::parse(v4 ? "127.0.0.1" : "::1");
    address.port = server_->port(v4);
    return address;
  }
  // A client whose slot is of this shard.
  Client& client_on(std::uint32_t shard, bool v4 = true) {
    for (int i = 0; i < 200; ++i) {
      auto client =
          std::make_unique<Client>("str:c" + std::to_string(clients_.size()), address(v4));
      EXPECT_TRUE(client->open_and_wait());
      clients_.push_back(std::move(client));
      if (shard_of(*clients_.back()) == shard) return *clients_.back();
    }
    ADD_FAILURE() << "no slot of shard " << shard;
    return *clients_.back();
  }
  std::uint32_t shard_of(const Client& client) const {
    return relay::shard_of(client.leg.slot(), server_->threads());
  }
  relay::RelayCounters counters() {
    relay::RelayCounters sum;
    server_->with_every_site([&](Site& site, Instant) {
      if (site.relay() != nullptr) sum += site.relay()->counters();
    });
    return sum;
  }
  static std::size_t delivered(Client& from, Client& to, std::size_t count, std::size_t size) {
    to.got.clear();
    from.send_batch(to.leg.slot(), count, size);
    to.run([&] { return to.got.size() == count; });
    for (std::size_t i = 0; i < to.got.size(); ++i) {
      EXPECT_EQ(to.got[i], std::vector<std::uint8_t>(size, static_cast<std::uint8_t>(i)));
    }
    return to.got.size();
  }

  // A message of Alice to Bob, and a question of STUN, which goes where Alice's packets go: the
  // kernel joins datagrams of one client by their size, and the first one says where all of them
  // go.
  static void send_joined_with_stun(Client& alice, Client& bob) {
    std::array<std::uint8_t, 64> request;
    const std::size_t size = write_binding_request(request, StunTransaction{9});
    const std::vector<std::uint8_t> payload(size - relay::kHeaderSize, 5);
    std::vector<std::uint8_t> batch(size);
    ASSERT_EQ(alice.leg.wrap(bob.leg.slot(), payload, batch, alice.now()), size);
    batch.insert(batch.end(), request.begin(), request.begin() + static_cast<long>(size));
    alice.send_joined(batch, size);
  }

  SecureRandom random_{system_random_seed()};
  rendezvous::MemoryRegistry registry_;
  rendezvous::Authority authority_{{}, SigningKey::generate(random_), registry_};
  std::unique_ptr<ServerLoop> server_;
  std::thread thread_;
  std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(ServerThreads, ForwardWithinAndAcrossShards) {
  start(3);
  std::vector<Client*> all;
  for (const std::uint32_t shard : {0u, 0u, 1u, 1u, 2u}) all.push_back(&client_on(shard));
  std::size_t sent = 0;
  for (Client* from : all) {
    for (Client* to : all) {
      if (from == to) continue;
      ASSERT_TRUE(from->bind_to(*to)) << shard_of(*from) << " to " << shard_of(*to);
      ASSERT_EQ(delivered(*from, *to, 40, 1200), 40u);
      sent += 40;
    }
  }
  const relay::RelayCounters sum = counters();
  EXPECT_EQ(sum.forwarded, sent);
  EXPECT_EQ(sum.misdirected, 0u) << "the kernel knows whose they are";
  EXPECT_EQ(sum.dropped_handover, 0u);
  EXPECT_GT(sum.handed_over, sent / 2);
  server_->with_every_site(
      [](Site& site, Instant) { EXPECT_GT(site.relay()->counters().forwarded, 0u); });
}

TEST_F(ServerThreads, AClientThatMovesStaysWithItsShard) {
  start(2);
  Client& alice = client_on(0);
  Client& bob = client_on(1);
  ASSERT_TRUE(alice.bind_to(bob));
  ASSERT_TRUE(bob.bind_to(alice));
  // Ports are spread over sockets where nobody says otherwise: several, so that one would go
  // astray.
  for (int i = 0; i < 6; ++i) {
    bob.move();
    ASSERT_EQ(delivered(bob, alice, 3, 100), 3u);
    // What he gets goes there when he has answered for it.
    ASSERT_TRUE(bob.run([&] {
      alice.send_batch(bob.leg.slot(), 1, 100);
      const bool there = !bob.got.empty();
      bob.got.clear();
      return there;
    }));
  }
  EXPECT_EQ(counters().misdirected, 0u);
}

TEST_F(ServerThreads, StunIsAnsweredByTheFirst) {
  start(4);
  for (int i = 0; i < 8; ++i) {
    Client client("str:alice", address());
    std::array<std::uint8_t, 64> request;
    const std::size_t size = write_binding_request(request, StunTransaction{9});
    client.send_raw(Bytes(request).first(size));
    ASSERT_TRUE(client.run([&] { return !client.other.empty(); }));
  }
  server_->with_site([](Site& site, Instant) {
    EXPECT_EQ(site.counters().stun_answered, 8u);
    EXPECT_EQ(site.counters().handed_over, 0u);
  });
}

TEST_F(ServerThreads, WhatIsJoinedWithAnotherShardsPacketsIsHandedOn) {
  start(2);
  Client& alice = client_on(1);
  Client& bob = client_on(1);
  ASSERT_TRUE(alice.bind_to(bob));
  send_joined_with_stun(alice, bob);
  EXPECT_TRUE(alice.run([&] { return !alice.other.empty(); })) << "the answer to STUN";
  EXPECT_TRUE(bob.run([&] { return !bob.got.empty(); }));
  std::uint64_t handed_over = 0;
  server_->with_every_site(
      [&](Site& site, Instant) { handed_over += site.counters().handed_over; });
  EXPECT_EQ(handed_over, alice.joins() ? 1u : 0u);
}

// It has no slot, and so no timer: it sleeps until something comes.
TEST_F(ServerThreads, OneThatSleepsIsWokenForWhatIsHandedOn) {
  const auto all_are_of_the_second = [this] {
    return clients_.size() == 2 && shard_of(*clients_[0]) == 1 && shard_of(*clients_[1]) == 1;
  };
  // Chance says of which shard a slot is.
  for (int i = 0; i < 100 && !all_are_of_the_second(); ++i) {
    stop();
    clients_.clear();
    start(2);
    for (const char* name : {"str:alice", "str:bob"}) {
      clients_.push_back(std::make_unique<Client>(name, address()));
      ASSERT_TRUE(clients_.back()->open_and_wait());
    }
  }
  ASSERT_TRUE(all_are_of_the_second());
  Client& alice = *clients_[0];
  ASSERT_TRUE(alice.bind_to(*clients_[1]));
  send_joined_with_stun(alice, *clients_[1]);
  EXPECT_TRUE(alice.run([&] { return !alice.other.empty(); })) << "the answer to STUN";
}

// So that a flood of what the rendezvous gets delays no forwarding.
TEST_F(ServerThreads, TheRendezvousHasOneOfItsOwn) {
  for (const std::uint32_t threads : {1u, 2u}) {
    start(threads, false, true);
    EXPECT_EQ(server_->threads(), threads);
    std::size_t relays = 0, rendezvous = 0, both = 0;
    server_->with_every_site([&](Site& site, Instant) {
      relays += site.relay() != nullptr ? 1 : 0;
      rendezvous += site.control() != nullptr ? 1 : 0;
      both += site.relay() != nullptr && site.control() != nullptr ? 1 : 0;
    });
    EXPECT_EQ(relays, threads);
    EXPECT_EQ(rendezvous, 1u);
    EXPECT_EQ(both, 0u);
    server_->with_site([](Site& site, Instant) { EXPECT_NE(site.control(), nullptr); });
    Client& alice = client_on(0);
    Client& bob = client_on(threads - 1);
    ASSERT_TRUE(alice.bind_to(bob));
    EXPECT_EQ(delivered(alice, bob, 20, 1000), 20u);
    EXPECT_EQ(counters().misdirected, 0u);
    clients_.clear();
    stop();
  }
}

TEST_F(ServerThreads, WhatIsJoinedWithPacketsOfTheRendezvousIsHandedOn) {
  start(2, false, true);
  Client& alice = client_on(1);
  Client& bob = client_on(1);
  ASSERT_TRUE(alice.bind_to(bob));
  std::array<std::uint8_t, 64> request;
  const std::size_t size = write_binding_request(request, StunTransaction{9});
  const std::vector<std::uint8_t> payload(size - relay::kHeaderSize, 5);
  std::vector<std::uint8_t> relayed(size);
  for (const bool relay_first : {true, false}) {
    alice.other.clear();
    bob.got.clear();
    ASSERT_EQ(alice.leg.wrap(bob.leg.slot(), payload, relayed, alice.now()), size);
    std::vector<std::uint8_t> batch(request.begin(), request.begin() + static_cast<long>(size));
    batch.insert(relay_first ? batch.begin() : batch.end(), relayed.begin(), relayed.end());
    alice.send_joined(batch, size);
    EXPECT_TRUE(alice.run([&] { return !alice.other.empty(); })) << relay_first;
    EXPECT_TRUE(bob.run([&] { return !bob.got.empty(); })) << relay_first;
  }
}

TEST_F(ServerThreads, BothFamilies) {
  if (!UdpSocket::family_available(false)) GTEST_SKIP() << "no IPv6 here";
  start(2, true);
  Client& alice = client_on(0, true);
  Client& bob = client_on(1, false);
  ASSERT_TRUE(alice.bind_to(bob));
  ASSERT_TRUE(bob.bind_to(alice));
  EXPECT_EQ(delivered(alice, bob, 20, 1000), 20u);
  EXPECT_EQ(delivered(bob, alice, 20, 1000), 20u);
  EXPECT_EQ(counters().misdirected, 0u);
}

TEST_F(ServerThreads, AllAreToldOfTheEnd) {
  start(2);
  Client& alice = client_on(0);
  Client& bob = client_on(1);
  server_->with_every_site([](Site& site, Instant now) { site.drain(seconds(30), now); });
  for (Client* client : {&alice, &bob}) {
    EXPECT_TRUE(client->run([&] {
      const auto event = client->leg.poll_event();
      return event && std::holds_alternative<relay::LegDraining>(*event);
    }));
  }
}

// Both threads at work, with tasks in between.
TEST_F(ServerThreads, UnderLoad) {
  start(2);
  Client& alice = client_on(0);
  Client& bob = client_on(1);
  ASSERT_TRUE(alice.bind_to(bob));
  ASSERT_TRUE(bob.bind_to(alice));
  for (int i = 0; i < 30; ++i) {
    std::thread other([&] { alice.send_batch(bob.leg.slot(), 40, 600); });
    bob.send_batch(alice.leg.slot(), 40, 600);
    counters();
    other.join();
    alice.turn();
    bob.turn();
  }
  EXPECT_TRUE(bob.run([&] { return bob.got.size() == 1200; })) << bob.got.size();
  EXPECT_TRUE(alice.run([&] { return alice.got.size() == 1200; })) << alice.got.size();
  EXPECT_GT(server_->socket_stats().receive_calls, 0u);
}

TEST(ServerThreadsOpen, ThePortIsNobodyElses) {
  ServerLoopConfig config;
  config.listen = {*IpAddress::parse("127.0.0.1:0")};
  config.threads = 2;
  config.site.rendezvous = false;
  auto first = ServerLoop::open(config);
  ASSERT_TRUE(first.ok()) << first.error();
  config.listen[0].port = (*first)->port(true);
  const auto second = ServerLoop::open(config);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().find("Another program has this port"), std::string::npos);
}

TEST(ServerThreadsOpen, AsManyAsAreOfUse) {
  const auto threads_for = [](std::uint32_t asked, std::size_t slots, bool relay) {
    ServerLoopConfig config;
    config.listen = {*IpAddress::parse("127.0.0.1:0")};
    config.threads = asked;
    config.site.rendezvous = false;
    config.site.relay = relay;
    config.site.relay_config.limits.slots_max = slots;
    return (*ServerLoop::open(config))->threads();
  };
  EXPECT_EQ(threads_for(2, 100, true), 2u);
  EXPECT_EQ(threads_for(100, 100, true), relay::kShardsMax);
  EXPECT_EQ(threads_for(4, 3, true), 3u);
  EXPECT_EQ(threads_for(4, 100, false), 1u);
  EXPECT_GE(threads_for(0, 100, true), 1u);
  EXPECT_LE(threads_for(0, 100, true), relay::kShardsMax);
}

}  // namespace
}  // namespace whimbrel
