// A program without a thread of its own, which looks at the network once a frame, sixty times a
// second.
#include "api/test_world.h"

namespace whimbrel {
namespace {

constexpr Duration kFrame = microseconds(16'667);

// Reads at the beginning of each frame, answers what it has got, and lets it leave at the end.
class FrameLoop {
 public:
  FrameLoop(TestWorld& world, NetworkingMessages& node, const Identity& peer, Duration phase)
      : world_(world), node_(node), peer_(peer), thread_([this, phase] {
          world_.threads.sleep(phase);
          for (Duration next = world_.now() + kFrame; !stop_; next += kFrame) {
            frame();
            world_.threads.sleep(next - world_.now());
          }
        }) {}
  ~FrameLoop() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // The first word; the other one answers each.
  void serve() { serve_ = true; }
  const std::vector<Duration>& read_at() const { return read_at_; }

 private:
  void frame() {
    node_.poll();
    const std::size_t got = TestPair::read(node_);
    for (std::size_t i = 0; i < got; ++i) read_at_.push_back(world_.now());
    for (std::size_t i = 0; i < got + (serve_.exchange(false) ? 1 : 0); ++i)
      node_.send_message_to_user(peer_, std::string_view("hi"), kSendUnreliable, 0);
    node_.poll();
  }

  TestWorld& world_;
  NetworkingMessages& node_;
  const Identity peer_;
  std::vector<Duration> read_at_;
  std::atomic<bool> serve_{false};
  std::atomic<bool> stop_{false};
  Thread thread_;  // the last: it begins at once
};

// A message waits for the peer's next frame, and for nothing else.
TEST(FrameLoops, ARoundTripTakesTwoFramesAtMost) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, false);
    pair.connect();
    const Duration phase = kFrame * static_cast<int>(seed - 1) / 10;
    FrameLoop alice(world, *pair.alice, pair.bob_id, Duration{});
    FrameLoop bob(world, *pair.bob, pair.alice_id, phase);
    alice.serve();
    world.threads.sleep(seconds(2));
    alice.stop();
    bob.stop();
    const auto& times = alice.read_at();
    ASSERT_GE(times.size(), 58u);
    for (std::size_t i = 1; i < times.size(); ++i)
      EXPECT_LE(times[i] - times[i - 1], 2 * kFrame + milliseconds(1)) << i;
  });
}

}  // namespace
}  // namespace whimbrel
