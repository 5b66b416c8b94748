// Whoever sleeps is woken when there is something for them, whatever else happens at that moment:
// each test runs under many schedules of its threads. Time is simulated.
#include "api/test_world.h"

namespace whimbrel {
namespace {

using namespace std::chrono_literals;

// A wake-up takes a few microseconds. What is noticed later was noticed by a timer.
constexpr Duration kSoon = microseconds(700);

class Wakes : public testing::TestWithParam<bool> {
 protected:
  static Result say(NetworkingMessages& node) {
    return node.send_message_to_user(node.identity(), std::string_view("hi"), kSendReliable, 0);
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, Wakes, testing::Bool(), [](const auto& mode) {
  return mode.param ? std::string("OwnThread") : std::string("Polled");
});

// By way of the core the first time, by way of the outbox from then on.
TEST_P(Wakes, AMessageToOneself) {
  for_seeds(50, [&](std::uint64_t seed) {
    TestWorld world(seed);
    auto node = world.make("me", GetParam());
    for (int round = 0; round < 4; ++round) {
      TestWaiter waiter(world, *node);
      world.dawdle();
      const Duration sent = world.now();
      EXPECT_EQ(say(*node), Result::kOk);
      EXPECT_TRUE(waiter.told());
      EXPECT_LT(waiter.at() - sent, kSoon) << "round " << round;
      EXPECT_EQ(TestPair::read(*node), 1u);
    }
  });
}

// One drives, the other ones follow. Each is told.
TEST_P(Wakes, EveryThreadThatWaits) {
  for_seeds(50, [&](std::uint64_t seed) {
    TestWorld world(seed);
    auto node = world.make("me", GetParam());
    TestWaiter first(world, *node), second(world, *node), third(world, *node);
    world.dawdle();
    const Duration sent = world.now();
    EXPECT_EQ(say(*node), Result::kOk);
    for (TestWaiter* each : {&first, &second, &third}) {
      EXPECT_TRUE(each->told());
      EXPECT_LT(each->at() - sent, kSoon);
    }
  });
}

TEST_P(Wakes, AWakeEndsEveryWait) {
  for_seeds(50, [&](std::uint64_t seed) {
    TestWorld world(seed);
    auto node = world.make("me", GetParam());
    TestWaiter first(world, *node), second(world, *node);
    world.dawdle();
    const Duration woken = world.now();
    node->wake();
    for (TestWaiter* each : {&first, &second}) {
      EXPECT_FALSE(each->told());
      EXPECT_LT(each->at() - woken, kSoon);
    }
  });
}

// The driver leaves when its time is over; who followed it takes its place.
TEST_P(Wakes, AFollowerTakesTheRole) {
  for_seeds(50, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, GetParam());
    pair.connect();
    Thread brief([&] { pair.bob->wait(std::chrono::milliseconds(2)); });
    world.dawdle();
    TestWaiter follower(world, *pair.bob);
    world.threads.sleep(milliseconds(5));
    const Duration sent = world.now();
    EXPECT_EQ(pair.alice_sends(), Result::kOk);
    pair.alice->poll();
    brief.join();
    EXPECT_TRUE(follower.told());
    EXPECT_LT(follower.at() - sent, kSoon);
  });
}

// A packet from a peer, whose own driver sleeps, runs or is away at that moment.
TEST_P(Wakes, AMessageFromAPeer) {
  for_seeds(25, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, GetParam());
    pair.connect();
    const TestDriver driver(*pair.alice);
    for (int round = 0; round < 4; ++round) {
      TestWaiter waiter(world, *pair.bob);
      world.dawdle(3'000'000);
      const Duration sent = world.now();
      EXPECT_EQ(pair.alice_sends(), Result::kOk);
      EXPECT_TRUE(waiter.told());
      EXPECT_LT(waiter.at() - sent, kSoon) << "round " << round;
      TestPair::read(*pair.bob);
    }
  });
}

// Several threads send at a time, and nobody waits: the instance's own thread alone sees to it.
TEST(Sends, LeaveThoughNobodyWaits) {
  for_seeds(25, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, true);
    pair.connect();
    world.threads.sleep(milliseconds(20));  // its thread drives
    std::vector<Thread> senders;
    for (int i = 0; i < 3; ++i) {
      senders.emplace_back([&] {
        for (int message = 0; message < 3; ++message) {
          world.dawdle(100'000);
          EXPECT_EQ(pair.alice_sends(), Result::kOk);
        }
      });
    }
    for (Thread& sender : senders) sender.join();
    const Duration sent = world.now();
    std::size_t got = 0;
    while (got < 9 && world.now() - sent < kSoon) {
      world.threads.sleep(microseconds(10));
      got += TestPair::read(*pair.bob);
    }
    EXPECT_EQ(got, 9u);
  });
}

// With a thread of its own the handle shows what there is; without, when to poll.
TEST_P(Wakes, WhoWatchesTheHandle) {
  for_seeds(50, [&](std::uint64_t seed) {
    TestWorld world(seed);
    auto node = world.make("me", GetParam());
    const int handle = node->event_handle();
    node->poll();
    for (int round = 0; round < 3; ++round) {
      Duration seen{};
      std::size_t got = 0;
      Thread watcher([&] {
        while (got == 0 && world.kernel.wait_readable(handle, seconds(60))) {
          node->poll();
          got = TestPair::read(*node);
        }
        seen = world.now();
      });
      world.dawdle();
      const Duration sent = world.now();
      EXPECT_EQ(say(*node), Result::kOk);
      watcher.join();
      EXPECT_EQ(got, 1u);
      EXPECT_LT(seen - sent, kSoon) << "round " << round;
    }
    EXPECT_EQ(TestPair::read(*node), 0u);
    if (GetParam()) {
      EXPECT_FALSE(world.kernel.readable(handle));
    }
  });
}

// The first packet is lost. Whoever sleeps must come back for the second one: also the instance's
// own thread, whether it sleeps since long or stands aside for a moment.
TEST_P(Wakes, TheTimerThatACallHasSet) {
  for_seeds(25, [&](std::uint64_t seed) {
    TestWorld world(seed);
    int packets = 0;
    TestPair pair(world, GetParam());
    world.threads.sleep(milliseconds(5));
    world.kernel.on_wire = [&](const TestKernel::Outgoing&) { return ++packets == 1; };
    std::unique_ptr<TestDriver> driver;
    if (!GetParam()) driver = std::make_unique<TestDriver>(*pair.alice);
    world.dawdle();
    const Duration sent = world.now();
    EXPECT_EQ(pair.alice_sends(), Result::kOk);
    if (GetParam() && seed % 2 == 0)
      pair.alice->wait(std::chrono::microseconds(world.threads.dice().below(200)));
    while (packets < 2 && world.now() - sent < seconds(5)) world.threads.sleep(milliseconds(1));
    EXPECT_GE(packets, 2);
  });
}

// A sender that is held back by what is unread goes on when it is read.
TEST_P(Wakes, ThePeerOfWhoReads) {
  for_seeds(6, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, GetParam(), {{Option::kRecvBufferSize, 540672}});
    pair.connect();
    const TestDriver driver(*pair.bob);
    for (int i = 0; i < 300; ++i) {
      pair.alice_sends(200'000);
      pair.alice->wait(1ms);
    }
    ASSERT_EQ(pair.alice_sends(200'000), Result::kLimitExceeded);
    TestWaiter alice(world, *pair.alice);
    world.dawdle(3'000'000);
    const Duration begun = world.now();
    pair.bob->receive_messages_on_channel(0, 1000);
    EXPECT_TRUE(alice.told());
    EXPECT_LT(alice.at() - begun, milliseconds(50));
  });
}

// What waits for a callback ends the wait of another thread once there is one.
TEST_P(Wakes, ACallbackThatIsSetLate) {
  for_seeds(25, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, GetParam());
    pair.bob->on_session_request(nullptr);
    EXPECT_EQ(pair.alice_sends(), Result::kOk);
    for (int i = 0; i < 100; ++i) {
      pair.alice->wait(100us);
      pair.bob->wait(100us);
    }
    const int handle = pair.bob->event_handle();
    TestWaiter waiter(world, *pair.bob);
    world.dawdle();
    const Duration set = world.now();
    pair.bob->on_session_request([](const Identity&) {});
    EXPECT_TRUE(waiter.told());
    EXPECT_LT(waiter.at() - set, kSoon);
    if (GetParam()) {
      EXPECT_TRUE(world.kernel.readable(handle));
    }
    EXPECT_EQ(pair.bob->run_callbacks(), 1u);
  });
}

TEST(Schedule, TheSameSeedGivesTheSame) {
  const auto trace_of = [](std::uint64_t seed) {
    TestWorld world(seed);
    {
      TestPair pair(world, true);
      pair.connect();
    }
    return world.threads.trace();
  };
  EXPECT_EQ(trace_of(5), trace_of(5));
  EXPECT_NE(trace_of(5), trace_of(6));
}

}  // namespace
}  // namespace whimbrel
