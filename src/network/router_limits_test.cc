// What a router does at each of its limits.
#include "handshake/packets.h"
#include "network/test_router.h"

namespace whimbrel {
namespace {

class RouterLimitsTest : public RouterTest {
 protected:
  Host& limited(const std::string& name, const RouterLimits& limits) {
    Host& host = add(name);
    host.router = std::make_unique<Router>(*host.endpoint, 7, host.random, now, clock, limits);
    give_ticket(host);
    return host;
  }
  // All of them at this moment.
  std::vector<Host*> add_users(std::initializer_list<const char*> names) {
    std::vector<Host*> users;
    for (const char* name : names) users.push_back(&add(name));
    run_for(seconds(1));
    return users;
  }
};

TEST_F(RouterLimitsTest, StrangersAreLimited) {
  Host& alice = add("str:alice");
  run_for(seconds(1));
  const std::vector<std::uint8_t> packet{static_cast<std::uint8_t>(HandshakeKind::kInitIk)};
  for (int i = 0; i < 5000; ++i) {
    alice.router->on_signal(*Identity::parse("str:s" + std::to_string(i)),
                            write_signal({SignalKind::kPacket, {}, packet}), now);
  }
  EXPECT_EQ(alice.router->contact_count(), RouterLimits().contacts_max * 3 / 4);
  Host& bob = add("str:bob");
  run_for(seconds(1));
  send(alice, bob, "hello");
  run_for(seconds(1));
  EXPECT_EQ(bob.got.size(), 1u) << "there is room for those whom we dial";
  run_for(seconds(80));
  EXPECT_EQ(alice.router->contact_count(), 1u) << "bob";
}

// A lookup that finds no room waits; a handshake packet is sent again.
TEST_F(RouterLimitsTest, RequestsThatTheRendezvousHasNotTakenYet) {
  RouterLimits limits;
  limits.requests_max = 2;
  Host& alice = limited("str:alice", limits);
  const auto users = add_users({"str:bob", "str:carol", "str:dave", "str:erin"});
  for (Host* user : users) ASSERT_EQ(send(alice, *user, "hello"), Result::kOk);
  std::vector<Identity> looked_up;
  while (const auto request = alice.router->poll_request(now)) {
    looked_up.push_back(std::get<LookupRequest>(*request).user);
    serve(alice, *request);
  }
  EXPECT_EQ(looked_up.size(), 4u);
  run_for(milliseconds(100));  // all answers have come, and all first packets left at once
  EXPECT_EQ(alice.router->stats().dropped_full, 2u);
  run_for(seconds(2));
  for (const Host* user : users) EXPECT_EQ(user->got, std::vector<std::string>{"hello"});
  EXPECT_TRUE(alice.failures.empty());
}

// So many lookups wait that they take minutes: whoever calls meanwhile is answered.
TEST_F(RouterLimitsTest, LookupsThatWaitLeaveRoomForAnswers) {
  RouterLimits limits;
  limits.requests_max = 8;
  limits.requests_per_second = 10;
  Host& alice = limited("str:alice", limits);
  const auto users = add_users({"str:bob"});
  for (std::uint64_t i = 1; i <= 300; ++i)
    alice.endpoint->send(Identity::steam_id(i), SharedBytes::copy(as_bytes("x")), kSendReliable, 0,
                         now);
  run_for(milliseconds(300));
  send(*users[0], alice, "hello");
  run_for(seconds(5));
  EXPECT_EQ(alice.got.size(), 1u);
  EXPECT_EQ(alice.router->stats().dropped_full, 0u);
}

TEST_F(RouterLimitsTest, UsersWhomWeDial) {
  RouterLimits limits;
  limits.contacts_max = 2;
  Host& alice = limited("str:alice", limits);
  const auto users = add_users({"str:bob", "str:carol", "str:dave"});
  for (Host* user : users) ASSERT_EQ(send(alice, *user, "hello"), Result::kOk);
  run_for(seconds(2));
  EXPECT_EQ(alice.router->contact_count(), 2u);
  ASSERT_EQ(alice.failures.size(), 1u);
  EXPECT_EQ(alice.failures[0].identity, users[2]->name());
  EXPECT_EQ(alice.failures[0].end_debug, "too many users at once");
  send(alice, *users[0], "again");
  run_for(seconds(1));
  EXPECT_EQ(users[0]->got.size(), 2u) << "nobody else is harmed";
  // Who was not talked to for a minute makes room.
  alice.endpoint->close_session(users[1]->name(), now);
  run_for(seconds(80));
  send(alice, *users[2], "hello", kSendReliable | kSendAutoRestartBrokenSession);
  run_for(seconds(2));
  EXPECT_EQ(users[2]->got.size(), 1u);
}

TEST_F(RouterLimitsTest, RequestsOfASecond) {
  Host& alice = add("str:alice");
  run_for(seconds(1));
  for (int i = 0; i < 3000; ++i)
    alice.endpoint->send(Identity::steam_id(static_cast<std::uint64_t>(i + 1)),
                         SharedBytes::copy(as_bytes("x")), kSendReliable, 0, now);
  const auto asked_in_a_second = [&] {
    int asked = 0;
    for (const Instant end = now + seconds(1); now < end; now += milliseconds(10))
      while (alice.router->poll_request(now)) ++asked;
    return asked;
  };
  const auto usual = static_cast<int>(RouterLimits().requests_per_second);
  EXPECT_NEAR(asked_in_a_second(), 2 * usual, 3) << "as many at once, and in the second";
  EXPECT_NEAR(asked_in_a_second(), usual, 3);
  alice.router->set_pace(1'000'000'000, now);
  const auto most = static_cast<int>(RouterLimits().requests_per_second_max);
  EXPECT_NEAR(asked_in_a_second(), usual + most, 10) << "whatever the rendezvous says";
  EXPECT_NEAR(asked_in_a_second(), most, 10);
}

// Nobody asks for them: the first are kept.
TEST_F(RouterLimitsTest, LossesOfALegThatNobodyHasHeardOf) {
  Host& alice = add("str:alice");
  run_for(seconds(1));
  const auto lose = [&] {
    relay_dead = true;
    alice.router->suspect(relay_address, false, now);
    run_for(seconds(4));
    relay_dead = false;
    run_for(seconds(2));
    ASSERT_TRUE(alice.router->relays().home()->open());
  };
  for (int i = 0; i < 70; ++i) lose();
  std::size_t losses = 0;
  while (alice.router->poll_leg_lost()) ++losses;
  EXPECT_EQ(losses, 64u);
  lose();
  EXPECT_TRUE(alice.router->poll_leg_lost()) << "there is room again";
}

}  // namespace
}  // namespace whimbrel
