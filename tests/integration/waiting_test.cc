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

// A send that no waiting will let in must not keep wait() from sleeping.
TEST(Waiting, AFullTableOfChannelsIsNoLackOfRoom) {
  Pair pair(false);
  pair.connect();
  const auto send = [&](int channel, std::size_t size) {
    return pair.alice->send_message_to_user(pair.bob_id, payload_of(size), kSendReliable, channel);
  };
  int channel = 1000;
  while (channel < 1300 && send(channel, 1) == Result::kOk) ++channel;
  ASSERT_EQ(channel, 1255);  // with channel 99: 256
  std::vector<Message> messages;
  ASSERT_TRUE(pair.receive(*pair.bob, 1, messages, 1254));
  EXPECT_EQ(send(5000, 1), Result::kLimitExceeded);
  EXPECT_FALSE(pair.alice->wait(50ms));
}

}  // namespace
}  // namespace whimbrel
