#include "relay/test_relay.h"

namespace whimbrel::relay {
namespace {

using RelayLimitsTest = TestRelay;

TEST_F(RelayLimitsTest, SlotsOfOneIdentity) {
  for (int i = 0; i < 8; ++i) opened("str:alice");
  Client& ninth = add("str:alice");
  ninth.leg.open(ticket_for(token_for(ninth.identity)), now);
  run();
  EXPECT_EQ(ninth.leg.state(), Leg::State::kOpening);
  ASSERT_EQ(ninth.count<LegLost>(), 1u);
  EXPECT_EQ(std::get<LegLost>(ninth.events[0]).refusal, Refusal::kIdentityLimit);
  // It goes on trying, and gets in when one of them leaves.
  clients[0]->leg.close();
  run_for(seconds(5));
  EXPECT_EQ(ninth.leg.state(), Leg::State::kOpen);
}

TEST_F(RelayLimitsTest, Slots) {
  config.limits.slots_max = 3;
  restart();
  for (const char* name : {"str:a", "str:b", "str:c"}) opened(name);
  Client& late = add("str:d");
  late.leg.open(ticket_for(token_for(late.identity)), now);
  run();
  EXPECT_EQ(std::get<LegLost>(late.events.at(0)).refusal, Refusal::kFull);
  EXPECT_EQ(server->slot_count(), 3u);
}

TEST_F(RelayLimitsTest, ChangeWhileItServes) {
  config.limits.slots_max = 3;
  restart();
  for (const char* name : {"str:a", "str:b", "str:c"}) opened(name);
  RelayLimits limits = config.limits;
  limits.slots_max = 2;
  server->set_limits(limits, now);
  EXPECT_EQ(server->slot_count(), 3u) << "who is there stays";
  clients[0]->leg.close();
  run();
  Client& late = add("str:d");
  late.leg.open(ticket_for(token_for(late.identity)), now);
  run();
  EXPECT_EQ(std::get<LegLost>(late.events.at(0)).refusal, Refusal::kFull);
  EXPECT_EQ(server->slot_count(), 2u);
  limits.slots_max = 50;
  limits.packets_per_second = 1000;
  server->set_limits(limits, now);
  run_for(seconds(5));
  EXPECT_EQ(late.leg.state(), Leg::State::kOpen);
  for (int i = 0; i < 40; ++i) opened("str:e" + std::to_string(i));
  Client& slow = opened("str:slow");
  ASSERT_TRUE(connect(slow, *clients[1]));
  const std::size_t before = clients[1]->got.size();
  now += seconds(1);
  for (int i = 0; i < 1000; ++i) send(slow, *clients[1], "x");
  EXPECT_EQ(clients[1]->got.size() - before, 250u) << "the rate of a slot that is opened now";
}

TEST_F(RelayLimitsTest, SilenceOfAClient) {
  opened("str:alice");
  const Instant end = now + config.limits.idle_time;
  const auto advance_until = [this](Instant until) {
    for (; now < until; now += milliseconds(100)) server->advance(now);
  };
  advance_until(end - seconds(1));
  EXPECT_EQ(server->slot_count(), 1u);
  advance_until(end + seconds(10));
  EXPECT_EQ(server->slot_count(), 0u);
}

TEST_F(RelayLimitsTest, RateOfASlot) {
  config.limits.packets_per_second = 1000;
  restart();
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  now += seconds(1);
  for (int i = 0; i < 1000; ++i) send(alice, bob, "x");
  EXPECT_EQ(bob.got.size(), 250u) << "a quarter of a second's at once";
  EXPECT_EQ(server->counters().dropped_rate, 750u);
  now += milliseconds(100);
  for (int i = 0; i < 1000; ++i) send(alice, bob, "x");
  EXPECT_EQ(bob.got.size(), 350u);
}

TEST_F(RelayLimitsTest, RateThatATokenGives) {
  Client& alice = add("str:alice");
  Client& bob = opened("str:bob");
  Token token = token_for(alice.identity);
  token.bytes_per_second = 400'000;
  alice.leg.open(ticket_for(token), now);
  run();
  ASSERT_TRUE(connect(alice, bob));
  now += seconds(1);
  for (int i = 0; i < 1000; ++i) send(alice, bob, std::string(980, 'x'));
  EXPECT_EQ(bob.got.size(), 100u);
}

TEST_F(RelayLimitsTest, OpensOfOnePrefix) {
  config.limits.opens_per_prefix_per_second_max = 5;
  config.always_cookie = true;  // without one the address may be anybody's, and counts for nothing
  restart();
  for (int i = 0; i < 20; ++i) {
    Client& client = add("str:c" + std::to_string(i));
    client.leg.open(ticket_for(token_for(client.identity)), now);
  }
  run();
  EXPECT_EQ(server->slot_count(), 5u);
  EXPECT_GE(server->counters().dropped_open_rate, 15u);
  Client& elsewhere = add("str:elsewhere");
  elsewhere.address = IpAddress::v4(10, 200, 0, 1, 4000);
  elsewhere.leg.open(ticket_for(token_for(elsewhere.identity)), now);
  run();
  EXPECT_EQ(elsewhere.leg.state(), Leg::State::kOpen) << "others are not harmed";
}

TEST_F(RelayLimitsTest, ManyOpensNeedACookie) {
  config.limits.opens_without_cookie_per_second = 2;
  restart();
  for (int i = 0; i < 5; ++i) opened("str:c" + std::to_string(i));
  EXPECT_EQ(server->counters().cookies, 3u);
  EXPECT_EQ(server->slot_count(), 5u);
}

TEST_F(RelayLimitsTest, ACookieIsOfOneAddress) {
  config.always_cookie = true;
  restart();
  Client& alice = add("str:alice");
  alice.leg.open(ticket_for(token_for(alice.identity)), now);
  std::array<std::uint8_t, kOpenSizeMax> buffer;
  std::size_t size = alice.leg.poll_transmit(buffer, now);
  to_relay(alice.address, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  size = alice.leg.poll_transmit(buffer, now);  // with the cookie
  ASSERT_GT(size, 0u);
  to_relay(IpAddress::v4(10, 66, 0, 1, 1),
           {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  EXPECT_EQ(server->slot_count(), 0u);
  to_relay(alice.address, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  EXPECT_EQ(server->slot_count(), 1u);
}

TEST_F(RelayLimitsTest, BindingsOfASlot) {
  Client& alice = opened("str:alice");
  config.limits.slots_per_identity_max = 1000;
  for (std::size_t i = 0; i < Slot::kBindingsMax; ++i) {
    now += milliseconds(20);
    Client& peer = opened("str:p" + std::to_string(i));
    ASSERT_TRUE(connect(alice, peer)) << i;
  }
  now += milliseconds(20);
  Client& one_too_many = opened("str:late");
  EXPECT_FALSE(connect(alice, one_too_many));
  EXPECT_EQ(std::get<LegBound>(alice.events.back()).result, BindResult::kFull);
  alice.leg.unbind(clients[5]->leg.slot());
  EXPECT_TRUE(connect(alice, one_too_many));
  EXPECT_TRUE(send(alice, one_too_many, "there is room again"));
  EXPECT_EQ(one_too_many.got.size(), 1u);
}

TEST_F(RelayLimitsTest, RepliesWait) {
  config.limits.replies_max = 4;
  restart();
  Client& alice = opened("str:alice");
  // Pings that nobody takes the answers of.
  std::array<std::uint8_t, kOpenSizeMax> buffer;
  now += seconds(16);
  for (int i = 0; i < 20; ++i) {
    alice.leg.advance(now);
    while (const std::size_t size = alice.leg.poll_transmit(buffer, now)) {
      std::vector<std::uint8_t> datagram(buffer.begin(), buffer.begin() + static_cast<long>(size));
      server->receive(alice.address, datagram, now);
    }
    now += milliseconds(60);
  }
  EXPECT_GT(server->counters().dropped_replies, 0u);
  std::size_t waiting = 0;
  while (server->poll_transmit(buffer)) ++waiting;
  EXPECT_EQ(waiting, 4u);
}

}  // namespace
}  // namespace whimbrel::relay
