// What an instance does when its socket is full, or the kernel refuses: nothing is lost that could
// wait, nobody spins, and what is left leaves when it can.
#include "api/test_world.h"

namespace whimbrel {
namespace {

using namespace std::chrono_literals;

class FullSocket : public testing::TestWithParam<bool> {
 protected:
  // Alice says something, and her socket has no room for it.
  static bool fill(TestWorld& world, TestPair& pair, int socket) {
    world.kernel.on_send = [socket, done = false](const TestKernel::Outgoing& one) mutable {
      return one.descriptor == socket && !std::exchange(done, true) ? EAGAIN : 0;
    };
    EXPECT_EQ(pair.alice_sends(3000), Result::kOk);
    for (int i = 0; i < 1000 && !world.kernel.is_full(socket); ++i)
      world.threads.sleep(microseconds(10));
    return world.kernel.is_full(socket);
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, FullSocket, testing::Bool(), [](const auto& mode) {
  return mode.param ? std::string("OwnThread") : std::string("Polled");
});

TEST_P(FullSocket, TheRestLeavesWhenThereIsRoom) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, GetParam());
    pair.connect();
    const TestDriver alice(*pair.alice), bob(*pair.bob);
    const int socket = world.kernel.socket_at(pair.alice->port_v4());
    ASSERT_TRUE(fill(world, pair, socket));
    const std::uint64_t waits = world.kernel.counts.epoll_waits;
    world.threads.sleep(milliseconds(5));
    EXPECT_LT(world.kernel.counts.epoll_waits - waits, 400u) << "nobody looks again and again";
    world.kernel.set_full(socket, false);
    const Duration room = world.now();
    std::size_t got = 0;
    while (got == 0 && world.now() - room < seconds(5)) {
      world.threads.sleep(microseconds(20));
      got = TestPair::read(*pair.bob);
    }
    EXPECT_EQ(got, 1u);
    EXPECT_LT(world.now() - room, milliseconds(2)) << "not by a repetition";
    world.threads.sleep(milliseconds(200));
    const std::uint64_t waits_before = world.kernel.counts.epoll_waits;
    world.threads.sleep(milliseconds(500));
    EXPECT_LT(world.kernel.counts.epoll_waits - waits_before, 600u) << "it is watched no more";
    world.kernel.on_send = nullptr;
  });
}

// The peer comes from another port, which is to be challenged. That cannot leave, and stays due.
TEST_P(FullSocket, WhatIsDueAndCannotLeaveSpinsNobody) {
  for_seeds(5, [&](std::uint64_t seed) {
    TestWorld world(seed);
    TestPair pair(world, GetParam());
    pair.connect();
    const TestDriver alice(*pair.alice), bob(*pair.bob);
    const int socket = world.kernel.socket_at(pair.alice->port_v4());
    ASSERT_TRUE(fill(world, pair, socket));
    world.kernel.rebind(world.kernel.socket_at(pair.bob->port_v4()), 7777);
    ASSERT_EQ(pair.send(*pair.bob, pair.alice_id), Result::kOk);
    world.threads.sleep(milliseconds(50));
    ASSERT_EQ(TestPair::read(*pair.alice), 1u);
    const std::uint64_t waits = world.kernel.counts.epoll_waits;
    world.threads.sleep(milliseconds(500));
    EXPECT_LT(world.kernel.counts.epoll_waits - waits, 1500u);
    world.kernel.set_full(socket, false);
    const Duration room = world.now();
    std::size_t got = 0;
    while (got == 0 && world.now() - room < seconds(5)) {
      world.threads.sleep(milliseconds(1));
      got = TestPair::read(*pair.bob);
    }
    EXPECT_EQ(got, 1u);
    world.kernel.on_send = nullptr;
  });
}

// Whoever goes says so, if the kernel has room again in time.
TEST_P(FullSocket, AFarewellWaitsForRoom) {
  TestWorld world(3);
  TestPair pair(world, GetParam());
  pair.connect();
  const int socket = world.kernel.socket_at(pair.alice->port_v4());
  world.kernel.on_send = [socket, done = false](const TestKernel::Outgoing& one) mutable {
    return one.descriptor == socket && !std::exchange(done, true) ? EAGAIN : 0;
  };
  {
    Thread room([&] {
      world.threads.sleep(milliseconds(5));
      world.kernel.set_full(socket, false);
    });
    pair.alice.reset();
    room.join();
  }
  pair.bob->wait(100ms);
  pair.bob->run_callbacks();
  EXPECT_EQ(pair.bob->get_session_connection_info(pair.alice_id, nullptr, nullptr),
            ConnectionState::kClosedByPeer);
  world.kernel.on_send = nullptr;
}

// Each kind of refusal for a while: what is reliable arrives all the same.
TEST_P(FullSocket, ReliableMessagesOutliveEveryError) {
  for (const int error : {ENOBUFS, EMSGSIZE, EPERM, ENETUNREACH, EINTR, ECONNREFUSED}) {
    TestWorld world(static_cast<std::uint64_t>(error));
    TestPair pair(world, GetParam());
    pair.connect();
    int left = 5;
    world.kernel.on_send = [&](const TestKernel::Outgoing&) { return --left >= 0 ? error : 0; };
    ASSERT_EQ(pair.alice_sends(20'000), Result::kOk);
    EXPECT_TRUE(pair.run_until([&] { return TestPair::read(*pair.bob) == 1; })) << error;
    world.kernel.on_send = nullptr;
  }
}

TEST_P(FullSocket, APeerThatIsGoneSpinsNobody) {
  TestWorld world(7);
  TestPair pair(world, GetParam());
  pair.connect();
  pair.bob->close_session_with_user(pair.alice_id);
  world.kernel.on_wire = [](const TestKernel::Outgoing&) { return true; };
  pair.bob.reset();
  world.kernel.on_wire = nullptr;
  const TestDriver alice(*pair.alice);
  pair.alice_sends();
  const std::uint64_t waits = world.kernel.counts.epoll_waits;
  world.threads.sleep(seconds(2));
  EXPECT_LT(world.kernel.counts.epoll_waits - waits, 200u);
}

// Linux before 5.11 waits by whole milliseconds.
TEST_P(FullSocket, AnOlderKernelServesToo) {
  TestWorld world(8);
  world.kernel.has_pwait2 = false;
  TestPair pair(world, GetParam());
  pair.connect();
}

TEST_P(FullSocket, EachDescriptorIsClosedAtTheEnd) {
  TestWorld world(9);
  {
    TestPair pair(world, GetParam());
    pair.alice->event_handle();
    EXPECT_GT(world.kernel.open_descriptors(), 7u);
  }
  EXPECT_EQ(world.kernel.open_descriptors(), 0u);
}

}  // namespace
}  // namespace whimbrel
