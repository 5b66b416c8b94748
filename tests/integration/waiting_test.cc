// What wakes an application that waits, and what must not.
#include <poll.h>

#include <atomic>
#include <thread>

#include "tests/integration/pair.h"

namespace whimbrel {
namespace {

const Identity kMe = Identity::generic_string("me");

// A thread that sleeps in wait() for at most 20 s.
class Sleeper {
 public:
  explicit Sleeper(NetworkingMessages& node)
      : thread_([this, &node] {
          inside_ = true;
          woke_ = node.wait(20s);
        }) {
    while (!inside_) std::this_thread::yield();
    std::this_thread::sleep_for(100ms);  // deep inside, mostly: the test holds either way
  }
  ~Sleeper() {
    if (thread_.joinable()) thread_.join();
  }
  bool woke() {
    thread_.join();
    return woke_;
  }

 private:
  std::atomic<bool> inside_{false};
  std::atomic<bool> woke_{false};
  std::thread thread_;
};

class LoopbackTest : public testing::Test {
 protected:
  void send() {
    ASSERT_EQ(node->send_message_to_user(kMe, payload_of(4), kSendReliable, 0), Result::kOk);
  }
  std::size_t receive() { return node->receive_messages_on_channel(0, 10).size(); }

  std::unique_ptr<NetworkingMessages> node = make_node(loopback_config("me", true));
};

TEST_F(LoopbackTest, WakesAThreadInsideWait) {
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < 5; ++round) {  // the first one by way of the core, the others not
    Sleeper sleeper(*node);
    send();
    EXPECT_TRUE(sleeper.woke());
    EXPECT_EQ(receive(), 1u);
  }
  // One that had slept to its end would have taken 20 s.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 18s);
}

TEST_F(LoopbackTest, SignalsTheEventHandle) {
  pollfd handle{node->event_handle(), POLLIN, 0};
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(20ms);
    send();
    EXPECT_EQ(::poll(&handle, 1, 20000), 1) << "message " << round;
    EXPECT_EQ(receive(), 1u);
  }
}

bool readable(NetworkingMessages& node, int timeout_ms = 0) {
  pollfd handle{node.event_handle(), POLLIN, 0};
  return ::poll(&handle, 1, timeout_ms) == 1;
}

// Bob's session with alice is up, and bob has told and read everything.
class NewsTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    pair.connect();
    while (pair.bob->wait(20ms)) pair.bob->receive_messages_on_channel(99, 10);
  }
  // True once bob was told of something; false after 20 s.
  bool bob_hears() {
    pair.bob_was_told = false;
    return pair.run_until([&] { return pair.bob_was_told; });
  }
  void send(int channel) {
    ASSERT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(4), kSendReliable, channel),
              Result::kOk);
  }
  std::size_t bob_reads(int channel, int max = 10) {
    return pair.bob->receive_messages_on_channel(channel, max).size();
  }

  Pair pair{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Modes, NewsTest, testing::Bool(), [](const auto& mode) {
  return mode.param ? std::string("OwnThread") : std::string("Polled");
});

TEST_P(NewsTest, WhatIsNotReadIsToldOnce) {
  for (const int channel : {7, 99, 1000}) {  // 99 was read before, the others never
    send(channel);
    ASSERT_TRUE(bob_hears()) << channel;
    EXPECT_FALSE(pair.bob->wait(10ms)) << channel;
    EXPECT_EQ(bob_reads(0), 0u);
    EXPECT_FALSE(pair.bob->wait(10ms)) << channel;
  }
  send(0);
  ASSERT_TRUE(bob_hears()) << "as much as lies unread beside it";
}

TEST_P(NewsTest, WhatAReceiveCallLeavesIsTold) {
  for (int i = 0; i < 3; ++i) send(0);
  std::size_t all = 0;
  while (all < 3) {
    ASSERT_TRUE(bob_hears());
    all += bob_reads(0, 1);
  }
  EXPECT_FALSE(pair.bob->wait(10ms));
}

TEST_P(NewsTest, EachThreadIsTold) {
  send(3);
  ASSERT_TRUE(bob_hears());
  bool told = false;
  std::thread([&] { told = pair.bob->wait(20s); }).join();
  EXPECT_TRUE(told);
  EXPECT_FALSE(pair.bob->wait(10ms));
}

TEST_P(NewsTest, AWakeEndsAWaitThatIsGoingOnAndTheNextOne) {
  pair.bob->wake();
  EXPECT_FALSE(pair.bob->wait(60s));
  EXPECT_FALSE(pair.bob->wait(0us));
  std::atomic<int> inside{0};
  std::atomic<bool> told{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      ++inside;
      if (pair.bob->wait(60s)) told = true;
    });
  }
  while (inside < 3) std::this_thread::yield();
  std::this_thread::sleep_for(50ms);
  pair.bob->wake();
  for (std::thread& thread : threads) thread.join();
  pair.bob.reset();
}

TEST_P(NewsTest, ADeadlineInThePastOnlyLooks) {
  EXPECT_FALSE(pair.bob->wait(0us));
  EXPECT_FALSE(pair.bob->wait(-5s));
  EXPECT_FALSE(pair.bob->wait(std::chrono::microseconds::min()));
  send(0);
  ASSERT_TRUE(bob_hears());
}

class HandleTest : public testing::Test {
 protected:
  HandleTest() { pair.connect(); }
  // Bob reads channel 0 from here on.
  void SetUp() override {
    read_all();
    ASSERT_FALSE(readable(*pair.bob));
  }
  std::size_t read_all() {
    pair.bob->run_callbacks();
    return pair.bob->receive_messages_on_channel(0, 100).size();
  }
  void send(int channel) {
    ASSERT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(4), kSendReliable, channel),
              Result::kOk);
  }
  Pair pair{true};
};

TEST_F(HandleTest, IsReadableWheneverWaitSaysTrue) {
  for (int i = 0; i < 50; ++i) {
    // Alice sends while bob is inside, as often as not.
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(i * 40));
      pair.alice->send_message_to_user(pair.bob_id, payload_of(4), kSendReliable, 0);
    });
    const bool told = pair.bob->wait(20s);
    EXPECT_TRUE(told);
    EXPECT_TRUE(readable(*pair.bob)) << i;
    other.join();
    EXPECT_EQ(read_all(), 1u);
    EXPECT_FALSE(readable(*pair.bob));
  }
}

TEST_F(HandleTest, AChannelThatNobodyReadsIsShownUntilTheNextCall) {
  send(7);
  ASSERT_TRUE(readable(*pair.bob, 20000));
  EXPECT_EQ(read_all(), 0u);
  EXPECT_FALSE(readable(*pair.bob));
  EXPECT_FALSE(pair.bob->wait(0us)) << "what the handle has told is told";
  send(0);
  ASSERT_TRUE(readable(*pair.bob, 20000));
  EXPECT_EQ(read_all(), 1u);
  EXPECT_EQ(pair.bob->receive_messages_on_channel(7, 10).size(), 1u);
}

// Whatever comes on a channel that the program reads, between its calls, is shown until it is
// taken.
TEST_F(HandleTest, AChannelThatIsReadIsShownUntilThen) {
  pair.bob->receive_messages_on_channel(7, 10);
  send(7);
  ASSERT_TRUE(readable(*pair.bob, 20000));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(read_all(), 0u);
  EXPECT_TRUE(readable(*pair.bob));
  EXPECT_EQ(pair.bob->receive_messages_on_channel(7, 10).size(), 1u);
  EXPECT_FALSE(readable(*pair.bob));
}

TEST_F(HandleTest, AChannelThatIsReadNoMoreSpinsNobody) {
  pair.bob->receive_messages_on_channel(7, 10);
  send(7);
  ASSERT_TRUE(readable(*pair.bob, 20000));
  int calls = 0;
  while (readable(*pair.bob) && calls < 10000) {
    read_all();
    ++calls;
  }
  EXPECT_LT(calls, 3000);
}

TEST_F(HandleTest, RoomIsShownUntilItIsUsed) {
  const auto block = payload_of(60000);
  const auto send_block = [&] {
    return pair.alice->send_message_to_user(pair.bob_id, block, kSendReliable, 0);
  };
  pair.alice->run_callbacks();
  for (int i = 0; i < 1000 && send_block() == Result::kOk; ++i) {
  }
  ASSERT_EQ(send_block(), Result::kLimitExceeded) << "nobody reads";
  pair.alice->receive_messages_on_channel(0, 10);
  EXPECT_FALSE(readable(*pair.alice));
  for (int i = 0; i < 2000 && !readable(*pair.alice); ++i) {
    read_all();
    std::this_thread::sleep_for(1ms);
  }
  ASSERT_TRUE(readable(*pair.alice));
  EXPECT_EQ(send_block(), Result::kOk);
  EXPECT_FALSE(readable(*pair.alice));
}

// A send that no waiting will let in must not keep wait() from sleeping.
TEST(Waiting, ChannelsThatAreAllInUseAreNoLackOfRoom) {
  Pair pair(false);
  pair.connect();
  pair.alice->set_option(Option::kFakePacketLossSend, 100);
  const auto send = [&](int channel, std::size_t size) {
    return pair.alice->send_message_to_user(pair.bob_id, payload_of(size), kSendReliable, channel);
  };
  int channel = 1000;
  while (channel < 1300 && send(channel, 1) == Result::kOk) ++channel;
  ASSERT_EQ(channel, 1256);  // the idle channel 99 has given its place
  EXPECT_EQ(send(5000, 1), Result::kLimitExceeded);
  EXPECT_FALSE(pair.alice->wait(50ms));
}

}  // namespace
}  // namespace whimbrel
