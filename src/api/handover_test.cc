// What one thread does while another one is in the midst of something, and what the event handle
// shows of it. A slow system call holds the other thread there, so that the moment is met for
// certain, and not by chance. Time is simulated.
#include <thread>

#include "api/test_world.h"

namespace whimbrel {
namespace {

using namespace std::chrono_literals;

// A wake-up takes a few microseconds. What is noticed later was noticed by a timer.
constexpr Duration kSoon = microseconds(700);

// The next packet of `node` that another thread than this one sends takes it a while, with all the
// locks that it holds there. That packet is lost, and so are all of other instances: an answer
// would wake whoever was forgotten.
class SlowPacket {
 public:
  SlowPacket(TestWorld& world, NetworkingMessages& node, Duration time)
      : world_(world), socket_(world.kernel.socket_at(node.port_v4())), time_(time) {
    world_.kernel.on_wire = [this](const TestKernel::Outgoing& one) { return is_lost(one); };
  }
  ~SlowPacket() {
    world_.threads.block("slow packet", [this] { return !inside_; });
    world_.kernel.on_wire = nullptr;
  }
  bool begun() const { return begun_; }
  void await() {
    world_.threads.block("slow packet", [this] { return begun_; });
  }
  // Packets of `node`, this one included.
  int sent() const { return sent_; }

 private:
  bool is_lost(const TestKernel::Outgoing& one) {
    if (one.descriptor != socket_) return true;
    ++sent_;
    if (begun_ || std::this_thread::get_id() == here_) return false;
    begun_ = inside_ = true;
    world_.threads.sleep(time_);
    inside_ = false;
    return true;
  }

  TestWorld& world_;
  const int socket_;
  const Duration time_;
  const std::thread::id here_ = std::this_thread::get_id();
  bool begun_ = false, inside_ = false;
  int sent_ = 0;
};

class Handover : public testing::TestWithParam<bool> {
 protected:
  static Result say(NetworkingMessages& from, const Identity& to, int flags = kSendUnreliable) {
    return from.send_message_to_user(to, std::string_view("hi"), flags | kSendNoNagle, 0);
  }
  // Until whoever drives sends a packet. Where the instance has a thread of its own, the first
  // message of a burst leaves by itself.
  static void let_driver_send(SlowPacket& slow, TestPair& pair, NetworkingMessages& from,
                              const Identity& to) {
    for (int i = 0; i < 20 && !slow.begun(); ++i) {
      ASSERT_EQ(say(from, to), Result::kOk);
      pair.world.threads.sleep(microseconds(20));
    }
    ASSERT_TRUE(slow.begun());
  }
  // How long it takes until `node` has so many messages more.
  static Duration time_to_hear(TestPair& pair, NetworkingMessages& node) {
    const Duration begun = pair.world.now();
    std::size_t got = 0;
    while (got == 0 && pair.world.now() - begun < seconds(1)) {
      pair.world.threads.sleep(microseconds(10));
      node.poll();
      got = TestPair::read(node);
    }
    return pair.world.now() - begun;
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, Handover, testing::Bool(), [](const auto& mode) {
  return mode.param ? std::string("OwnThread") : std::string("Polled");
});

// Another thread has the core at that moment, and has looked already at what was sent.
TEST_F(Handover, ASendWhileTheCoreIsBusy) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, true);
    pair.connect();
    world.threads.sleep(milliseconds(20));  // its thread drives, and sleeps
    SlowPacket slow(world, *pair.alice, microseconds(400));
    Thread first([&] { EXPECT_EQ(say(*pair.alice, pair.bob_id), Result::kOk); });
    slow.await();
    world.threads.sleep(microseconds(150));  // no burst any more
    EXPECT_EQ(say(*pair.alice, pair.bob_id), Result::kOk);
    EXPECT_LT(time_to_hear(pair, *pair.bob), kSoon);
    first.join();
  });
}

// The thread inside wait() drives, and does not look again by itself at what was sent.
TEST_P(Handover, ASendWhileTheDriverSends) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, GetParam());
    pair.connect();
    const TestDriver driver(*pair.alice);
    world.threads.sleep(milliseconds(5));
    SlowPacket slow(world, *pair.alice, microseconds(200));
    let_driver_send(slow, pair, *pair.alice, pair.bob_id);
    pair.bob->poll();
    TestPair::read(*pair.bob);
    EXPECT_EQ(say(*pair.alice, pair.bob_id), Result::kOk);
    EXPECT_LT(time_to_hear(pair, *pair.bob), kSoon);
  });
}

// The same, but a call brings it: what is read makes room, which the peer waits to hear of.
TEST_P(Handover, ARoomThatIsMadeWhileTheDriverSends) {
  for_seeds(5, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, GetParam(), {{Option::kRecvBufferSize, 540672}});
    pair.connect();
    const TestDriver driver(*pair.bob);
    for (int i = 0; i < 10; ++i) {
      pair.alice_sends(200'000);
      pair.alice->wait(10ms);
    }
    world.threads.sleep(milliseconds(100));
    SlowPacket slow(world, *pair.bob, microseconds(200));
    let_driver_send(slow, pair, *pair.bob, pair.alice_id);
    const int before = slow.sent();
    EXPECT_GT(TestPair::read(*pair.bob), 0u);
    world.threads.sleep(kSoon);
    EXPECT_GT(slow.sent(), before);
  });
}

// A poll() that has sent already what there was says that there is more.
TEST_F(Handover, ASendWhileAnotherThreadPolls) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, false);
    pair.connect();
    const int handle = pair.alice->event_handle();
    pair.alice->poll();
    SlowPacket slow(world, *pair.alice, microseconds(200));
    EXPECT_EQ(say(*pair.alice, pair.bob_id), Result::kOk);
    EXPECT_TRUE(world.kernel.readable(handle));
    Thread other([&] { pair.alice->poll(); });
    slow.await();
    EXPECT_EQ(say(*pair.alice, pair.bob_id), Result::kOk);
    other.join();
    EXPECT_TRUE(world.kernel.wait_readable(handle, kSoon));
  });
}

// One thread drives, and is held up; the other one that waits follows it.
TEST_P(Handover, AWakeWhileTheDriverIsBusy) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, GetParam());
    pair.connect();
    TestWaiter first(world, *pair.alice), second(world, *pair.alice);
    world.threads.sleep(milliseconds(5));
    SlowPacket slow(world, *pair.alice, milliseconds(5));
    let_driver_send(slow, pair, *pair.alice, pair.bob_id);
    const Duration woken = world.now();
    pair.alice->wake();
    EXPECT_LT(std::min(first.at(), second.at()) - woken, kSoon);
  });
}

// The application was inside wait() for long, and the instance's own thread is not in a hurry.
TEST_F(Handover, TheApplicationGoesAway) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, true);
    pair.connect();
    for (const Duration until = world.now() + milliseconds(100); world.now() < until;)
      pair.bob->wait(20ms);
    pair.bob->wait(60ms);
    world.threads.sleep(milliseconds(5));
    EXPECT_EQ(say(*pair.alice, pair.bob_id), Result::kOk);
    EXPECT_LT(time_to_hear(pair, *pair.bob), kSoon);
  });
}

// Nobody drives for a millisecond after a wait(). What a call brings is shown before that.
TEST_F(Handover, TheHandleShowsWhatACallHasBrought) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    auto node = world.make("me", true);
    const int handle = node->event_handle();
    TestPair::read(*node);
    for (int round = 0; round < 3; ++round) {
      world.threads.sleep(milliseconds(5));
      node->wait(0us);
      // By way of the core the first time, by way of the outbox from then on.
      EXPECT_EQ(say(*node, node->identity()), Result::kOk);
      EXPECT_TRUE(world.kernel.wait_readable(handle, microseconds(300))) << "round " << round;
      EXPECT_EQ(TestPair::read(*node), 1u);
      EXPECT_FALSE(world.kernel.readable(handle));
    }
  });
}

// The first packet is lost. A program that polls only when the handle says so sends it again.
TEST_F(Handover, TheHandleShowsWhenATimerIsDue) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, false);
    pair.connect();
    const int handle = pair.alice->event_handle();
    int packets = 0;
    world.kernel.on_wire = [&](const TestKernel::Outgoing&) {
      ++packets;
      return true;
    };
    const Duration sent = world.now();
    EXPECT_EQ(say(*pair.alice, pair.bob_id, kSendReliable), Result::kOk);
    while (packets < 2 && world.kernel.wait_readable(handle, seconds(60))) pair.alice->poll();
    EXPECT_GE(packets, 2);
    EXPECT_LT(world.now() - sent, seconds(1));
    world.kernel.on_wire = nullptr;
  });
}

// A send has set a timer for the case that its packet is lost. It was not.
TEST_F(Handover, ATimerThatIsNotNeededIsTakenBack) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, true);
    pair.connect();
    world.threads.sleep(milliseconds(20));
    const std::uint64_t before = world.kernel.counts.timers;
    EXPECT_EQ(say(*pair.alice, pair.bob_id), Result::kOk);
    world.threads.sleep(milliseconds(500));
    EXPECT_EQ(world.kernel.counts.timers, before) << "it wakes nobody";
  });
}

}  // namespace
}  // namespace whimbrel
