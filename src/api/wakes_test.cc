// Whoever sleeps is woken when there is something for them, whatever else happens at that moment.
#include <whimbrel/send_flags.h>

#include "api/test_world.h"

namespace whimbrel {
namespace {

using namespace std::chrono_literals;

// A wake-up takes a few microseconds. What is noticed later was noticed by a timer.
constexpr Duration kSoon = microseconds(500);

class Wakes : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Modes, Wakes, testing::Bool(), [](const auto& mode) {
  return mode.param ? std::string("OwnThread") : std::string("Polled");
});

// A message to oneself, sent by one thread while another one is on its way into wait().
TEST_P(Wakes, AMessageToOneself) {
  for_seeds(300, [&](std::uint64_t seed) {
    TestWorld world(seed);
    const Identity me = TestWorld::name("me");
    auto node = world.make("me", GetParam());
    Duration sent{}, heard{};
    bool told = false;
    for (int round = 0; round < 3; ++round) {
      Thread sleeper([&] {
        told = node->wait(60s);
        heard = world.now();
      });
      world.threads.sleep(Duration(world.threads.dice().below(200'000)));
      sent = world.now();
      EXPECT_EQ(node->send_message_to_user(me, std::string_view("hi"), kSendReliable, 0),
                Result::kOk);
      sleeper.join();
      EXPECT_TRUE(told);
      EXPECT_LT(heard - sent, kSoon) << "round " << round;
      EXPECT_EQ(node->receive_messages_on_channel(0, 10).size(), 1u);
    }
  });
}

}  // namespace
}  // namespace whimbrel
