// What calls do to what has arrived, and what they tell.
#include <whimbrel/lobbies.h>

#include "api/test_world.h"

namespace whimbrel {
namespace {

using namespace std::chrono_literals;

class CallsTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Modes, CallsTest, testing::Bool(), [](const auto& mode) {
  return mode.param ? std::string("OwnThread") : std::string("Polled");
});

TEST_P(CallsTest, WhatIsUnreadGoesWithItsSession) {
  TestWorld world(1);
  TestPair pair(world, GetParam());
  pair.connect();
  ASSERT_EQ(pair.alice_sends(), Result::kOk);
  ASSERT_EQ(pair.alice_sends(4, 5), Result::kOk);
  pair.run_until([&, until = world.now() + milliseconds(20)] { return world.now() > until; });
  const int handle = pair.bob->event_handle();
  if (GetParam()) {
    EXPECT_TRUE(world.kernel.readable(handle));
  }
  EXPECT_TRUE(pair.bob->close_session_with_user(pair.alice_id));
  if (GetParam()) {
    EXPECT_FALSE(world.kernel.readable(handle)) << "there is nothing left to show";
  }
  EXPECT_EQ(TestPair::read(*pair.bob), 0u);
  EXPECT_EQ(TestPair::read(*pair.bob, 5), 0u);
}

// Whoever is dialled by an address has another name, which it shows. An earlier session was under
// that one.
TEST_P(CallsTest, WhatIsUnreadGoesUnderEitherName) {
  for (const bool by_address : {false, true}) {
    TestWorld world(8);
    TestPair pair(world, GetParam());
    const auto rest = [&] {
      pair.run_until([&, until = world.now() + milliseconds(20)] { return world.now() > until; });
    };
    pair.connect();
    ASSERT_EQ(pair.send(*pair.bob, pair.alice_id), Result::kOk);
    rest();
    EXPECT_TRUE(pair.bob->close_session_with_user(pair.alice_id));
    rest();
    const Identity address =
        *Identity::parse("ip:127.0.0.1:" + std::to_string(pair.bob->port_v4()));
    ASSERT_EQ(pair.send(*pair.alice, address), Result::kOk);
    ASSERT_TRUE(pair.run_until([&] { return TestPair::read(*pair.bob) > 0; }));
    ASSERT_EQ(pair.send(*pair.bob, pair.alice_id), Result::kOk);
    rest();
    EXPECT_TRUE(pair.alice->close_session_with_user(by_address ? address : pair.bob_id));
    EXPECT_EQ(TestPair::read(*pair.alice), 0u);
  }
}

// Also what the driver has not looked at yet.
TEST_P(CallsTest, WhatWasSentToOneselfGoesWithItsSession) {
  TestWorld world(6);
  auto node = world.make("me", GetParam());
  const Identity me = node->identity();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(node->send_message_to_user(me, std::string_view("hi"), kSendReliable, 0),
              Result::kOk);
  }
  EXPECT_TRUE(node->close_session_with_user(me));
  EXPECT_EQ(TestPair::read(*node), 0u);
}

// A call comes after what was sent before it, though nobody has driven since.
TEST_P(CallsTest, WhatWasSentComesBeforeACall) {
  TestWorld world(7);
  TestPair pair(world, GetParam());
  pair.connect();
  ASSERT_EQ(pair.alice_sends(100), Result::kOk);
  ConnectionStatus status;
  pair.alice->get_session_connection_info(pair.bob_id, nullptr, &status);
  EXPECT_EQ(status.pending_reliable + status.sent_unacknowledged_reliable, 100);
  ASSERT_EQ(pair.alice_sends(100), Result::kOk);
  EXPECT_TRUE(pair.alice->close_session_with_user(pair.bob_id));
  EXPECT_EQ(pair.alice->get_session_connection_info(pair.bob_id, nullptr, nullptr),
            ConnectionState::kNone)
      << "no new session is made for it";
  EXPECT_TRUE(pair.run_until([&, got = std::size_t{0}]() mutable {
    got += TestPair::read(*pair.bob);
    return got == 2;
  }));
}

TEST_P(CallsTest, WhatIsUnreadGoesWithItsChannel) {
  TestWorld world(2);
  TestPair pair(world, GetParam());
  pair.connect();
  ASSERT_EQ(pair.alice_sends(), Result::kOk);
  ASSERT_EQ(pair.alice_sends(4, 5), Result::kOk);
  pair.run_until([&, until = world.now() + milliseconds(20)] { return world.now() > until; });
  EXPECT_TRUE(pair.bob->close_channel_with_user(pair.alice_id, 5));
  EXPECT_EQ(TestPair::read(*pair.bob, 5), 0u);
  EXPECT_EQ(TestPair::read(*pair.bob), 1u);
}

// What a call itself brings is told to the thread that waits.
TEST_P(CallsTest, ARefusedLobbyCallIsTold) {
  TestWorld world(3);
  auto node = world.make("me", GetParam());
  bool answered = false;
  TestWaiter waiter(world, *node);
  world.threads.sleep(milliseconds(2));
  const Duration asked = world.now();
  EXPECT_TRUE(node->lobbies().create(LobbyKind::kPublic, 0,
                                     [&](LobbyResult, const Lobby&) { answered = true; }));
  EXPECT_TRUE(waiter.told());
  EXPECT_LT(waiter.at() - asked, milliseconds(1));
  node->run_callbacks();
  EXPECT_TRUE(answered);
}

// There is no server to ask: the call answers at once, and says so.
TEST_P(CallsTest, ALobbyCallWithoutAServerIsTold) {
  TestWorld world(4);
  auto node = world.make("me", GetParam());
  TestWaiter waiter(world, *node);
  world.threads.sleep(milliseconds(2));
  const Duration asked = world.now();
  EXPECT_TRUE(node->lobbies().create(LobbyKind::kPublic, 4, [](LobbyResult, const Lobby&) {}));
  EXPECT_TRUE(waiter.told());
  EXPECT_LT(waiter.at() - asked, milliseconds(1));
}

// A sender that was refused hears when there is room, also where its own call finds it.
TEST_P(CallsTest, RoomIsTold) {
  TestWorld world(5);
  TestPair pair(world, GetParam());
  pair.connect();
  const TestDriver bob(*pair.bob);
  Result result = Result::kOk;
  for (int i = 0; i < 100 && result == Result::kOk; ++i) result = pair.alice_sends(100'000);
  ASSERT_EQ(result, Result::kLimitExceeded);
  EXPECT_TRUE(pair.alice->wait(60s));
  EXPECT_EQ(pair.alice_sends(100'000), Result::kOk);
}

}  // namespace
}  // namespace whimbrel
