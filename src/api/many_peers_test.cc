// An instance with many peers at once: what goes to them leaves together, and what comes from them
// is taken together.
#include <map>

#include "api/gather_policy.h"
#include "api/test_world.h"

namespace whimbrel {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPeers = 12;

// A hub with a session to each of its peers.
struct Star {
  Star(TestWorld& in, bool own_thread) : world(in), hub(in.make("hub", own_thread)) {
    hub->on_session_request([this](const Identity& who) { hub->accept_session_with_user(who); });
    for (std::size_t i = 0; i < kPeers; ++i) {
      peers.push_back(in.make("peer" + std::to_string(i), false));
      TestWorld::introduce(*peers.back(), *hub);
      greet(*peers.back(), hub->identity());
    }
    EXPECT_TRUE(run_until([&] {
      heard += TestPair::read(*hub);
      return heard == kPeers;
    }));
    for (auto& peer : peers) greet(*hub, peer->identity());
    EXPECT_TRUE(run_until([&] {
      read_all();
      return got_by_all(1);
    }));
    const Duration quiet = world.now() + milliseconds(200);
    EXPECT_TRUE(run_until([&] { return world.now() > quiet; }));
    got.clear();
    step = microseconds(100);
  }
  static void greet(NetworkingMessages& from, const Identity& to) {
    EXPECT_EQ(from.send_message_to_user(to, std::string_view("hello"), kSendReliable, 0),
              Result::kOk);
  }
  void read_all() {
    for (std::size_t i = 0; i < kPeers; ++i) got[i] += TestPair::read(*peers[i]);
  }
  bool got_by_all(std::size_t count) {
    for (std::size_t i = 0; i < kPeers; ++i) {
      if (got[i] != count) return false;
    }
    return true;
  }
  void drive() {
    hub->poll();
    hub->run_callbacks();
    for (auto& peer : peers) {
      peer->poll();
      peer->run_callbacks();
    }
  }
  bool run_until(const std::function<bool()>& done, Duration patience = seconds(20)) {
    const Duration give_up = world.now() + patience;
    while (!done()) {
      if (world.now() > give_up) return false;
      drive();
      world.threads.sleep(step);
    }
    return true;
  }
  // Unreliable, to everybody.
  void tell_all(std::size_t bytes = 300) {
    const std::vector<std::uint8_t> state(bytes, 7);
    for (auto& peer : peers) {
      EXPECT_EQ(hub->send_message_to_user(peer->identity(), state, kSendUnreliable, 0),
                Result::kOk);
    }
  }

  TestWorld& world;
  std::unique_ptr<NetworkingMessages> hub;
  std::vector<std::unique_ptr<NetworkingMessages>> peers;
  std::map<std::size_t, std::size_t> got;
  std::size_t heard = 0;
  Duration step = milliseconds(2);  // shorter once all are there
};

class ManyPeers : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Modes, ManyPeers, testing::Bool(), [](const auto& mode) {
  return mode.param ? std::string("OwnThread") : std::string("Polled");
});

TEST_P(ManyPeers, WhatGoesToThemLeavesInOneCall) {
  for_seeds(5, [&](std::uint64_t seed) {
    TestWorld world(seed);
    Star star(world, GetParam());
    const int socket = world.kernel.socket_at(star.hub->port_v4());
    std::uint64_t sent = 0;
    world.kernel.on_send = [&](const TestKernel::Outgoing& one) {
      sent += one.descriptor == socket ? 1 : 0;
      return 0;
    };
    const auto before = world.kernel.counts;
    star.tell_all();
    star.hub->wait(0us);
    EXPECT_EQ(sent, kPeers);
    const auto& after = world.kernel.counts;
    const std::uint64_t calls = after.sendmmsg - before.sendmmsg + after.sendmsg - before.sendmsg;
    // With a thread of its own the first ones leave while the last ones are still being sent.
    if (!GetParam()) {
      EXPECT_EQ(calls, 1u);
    }
    EXPECT_TRUE(star.run_until(
        [&] {
          star.read_all();
          return star.got_by_all(1);
        },
        milliseconds(5)));
    world.kernel.on_send = nullptr;
  });
}

// A slow machine, and much to send. What arrives meanwhile would not find room in the socket for
// ever.
TEST(ManySends, DoNotKeepFromReceiving) {
  TestWorld world(1);
  Star star(world, false);
  const int socket = world.kernel.socket_at(star.hub->port_v4());
  const TestKernel::Counts& counts = world.kernel.counts;
  std::uint64_t calls = 0, blind = 0, call = counts.sendmmsg, looks = 0;
  world.kernel.on_send = [&](const TestKernel::Outgoing& one) {
    if (one.descriptor != socket) return 0;
    world.threads.sleep(microseconds(500));
    if (std::exchange(call, counts.sendmmsg) == counts.sendmmsg) return 0;
    ++calls;
    if (std::exchange(looks, counts.recvmmsg) == counts.recvmmsg) ++blind;
    return 0;
  };
  for (int i = 0; i < 8; ++i) star.tell_all(1100);
  star.hub->wait(50ms);
  EXPECT_GT(calls, 3u);
  // A pass that has nothing more to send may find the socket empty.
  EXPECT_LE(blind, calls / 2) << "calls without a look at the socket after the one before";
  world.kernel.on_send = nullptr;
}

// Whoever watches the handle hears of what was found meanwhile.
TEST(ManySends, TellOfWhatTheyFind) {
  TestWorld world(1);
  Star star(world, false);
  const int handle = star.hub->event_handle();
  const int socket = world.kernel.socket_at(star.hub->port_v4());
  star.hub->poll();
  for (int i = 0; i < 8; ++i) star.tell_all(1100);
  Star::greet(*star.peers[0], star.hub->identity());
  star.peers[0]->poll();
  world.kernel.on_send = [&](const TestKernel::Outgoing& one) {
    if (one.descriptor == socket) world.threads.sleep(microseconds(500));
    return 0;
  };
  EXPECT_EQ(star.hub->send_message_to_user(star.peers[0]->identity(), std::string_view("now"),
                                           kSendUnreliable | kSendUseCurrentThread, 0),
            Result::kOk);
  world.kernel.on_send = nullptr;
  EXPECT_TRUE(world.kernel.wait_readable(handle, milliseconds(2)));
  EXPECT_EQ(TestPair::read(*star.hub), 1u);
}

// The socket is full in the midst of a call: what was not taken waits, and leaves when there is
// room; nothing leaves twice.
TEST_P(ManyPeers, WhatTheSocketHasNoRoomForLeavesLater) {
  for_seeds(10, [&](std::uint64_t seed) {
    TestWorld world(seed);
    Star star(world, GetParam());
    const int socket = world.kernel.socket_at(star.hub->port_v4());
    const std::size_t room = 1 + world.threads.dice().below(kPeers - 1);
    std::map<std::uint16_t, int> taken;
    bool fill = true;
    world.kernel.on_send = [&](const TestKernel::Outgoing& one) {
      if (one.descriptor != socket) return 0;
      if (fill && taken.size() == room) {
        fill = false;
        return EAGAIN;
      }
      ++taken[one.to];
      return 0;
    };
    star.tell_all();
    star.hub->wait(0us);
    EXPECT_TRUE(world.kernel.is_full(socket));
    EXPECT_EQ(taken.size(), room);
    world.threads.sleep(milliseconds(1));
    world.kernel.set_full(socket, false);
    EXPECT_TRUE(star.run_until(
        [&] {
          star.read_all();
          return star.got_by_all(1);
        },
        milliseconds(5)));
    for (const auto& [port, times] : taken) EXPECT_EQ(times, 1) << port;
    world.kernel.on_send = nullptr;
  });
}

TEST_P(ManyPeers, OneThatIsRefusedStopsNoOther) {
  for (const int error : {ENOBUFS, EMSGSIZE, EPERM, ECONNREFUSED, ENETUNREACH}) {
    TestWorld world(static_cast<std::uint64_t>(error));
    Star star(world, GetParam());
    const std::uint16_t refused = star.peers[3]->port_v4();
    world.kernel.on_send = [&](const TestKernel::Outgoing& one) {
      return one.to == refused ? error : 0;
    };
    star.tell_all();
    star.hub->wait(0us);
    const auto others_have_it = [&] {
      star.read_all();
      std::size_t count = 0;
      for (std::size_t i = 0; i < kPeers; ++i) count += star.got[i];
      return count == kPeers - 1 && star.got[3] == 0;
    };
    EXPECT_TRUE(star.run_until(others_have_it, milliseconds(5))) << error;
    world.kernel.on_send = nullptr;
  }
}

// Of users with two addresses each the first one has no way to it. Nobody waits for the time that
// the second one has to wait for.
TEST(ManyDials, NoWayToOneIsToldOfThatOne) {
  TestWorld world(3);
  auto hub = world.make("hub", false);
  std::vector<std::unique_ptr<NetworkingMessages>> users;
  for (int i = 0; i < 4; ++i) {
    users.push_back(world.make("user" + std::to_string(i), false));
    NetworkingMessages& user = *users.back();
    user.on_session_request([&user](const Identity& who) { user.accept_session_with_user(who); });
    const std::string second = "127.0.0.1:" + std::to_string(user.port_v4());
    const std::string first = i == 2 ? second : "127.0.0.1:" + std::to_string(30 + i);
    hub->add_route({user.identity(), first + "," + second, user.public_key_hex()});
  }
  world.kernel.on_send = [](const TestKernel::Outgoing& one) {
    return one.to < 40 ? ENETUNREACH : 0;
  };
  for (auto& user : users) {
    hub->send_message_to_user(user->identity(), std::string_view("hello"), kSendReliable, 0);
  }
  std::size_t got = 0;
  const Duration begun = world.now();
  while (got < users.size() && world.now() - begun < seconds(2)) {
    hub->wait(100us);
    for (auto& user : users) {
      user->poll();
      user->run_callbacks();
      got += TestPair::read(*user);
    }
  }
  EXPECT_EQ(got, users.size());
  EXPECT_LT(world.now() - begun, milliseconds(150));
  world.kernel.on_send = nullptr;
}

// Through the bad line of the Fake... options it is the same.
TEST_P(ManyPeers, OverAFakeLineToo) {
  TestWorld world(5);
  Star star(world, GetParam());
  ASSERT_TRUE(star.hub->set_option(Option::kFakePacketLagSend, 3));
  const auto before = world.kernel.counts;
  star.tell_all();
  star.hub->wait(0us);
  EXPECT_EQ(world.kernel.counts.sendmmsg + world.kernel.counts.sendmsg,
            before.sendmmsg + before.sendmsg);
  EXPECT_TRUE(star.run_until(
      [&] {
        star.read_all();
        return star.got_by_all(1);
      },
      milliseconds(8)));
}

// Each of many peers says something now and then, and nobody answers: they are not all taken one by
// one. Whoever waits learns of each within a moment.
TEST_P(ManyPeers, WhatComesFromThemIsTakenTogether) {
  for_seeds(5, [&](std::uint64_t seed) {
    TestWorld world(seed);
    Star star(world, GetParam());
    std::atomic<bool> stop{false};
    std::size_t heard = 0, wakes = 0;
    Thread reader([&] {
      while (!stop) {
        if (!star.hub->wait(std::chrono::milliseconds(50))) continue;
        ++wakes;
        heard += TestPair::read(*star.hub);
      }
    });
    constexpr std::size_t kRounds = 40;
    const std::vector<std::uint8_t> input(100, 7);
    for (std::size_t round = 0; round < kRounds; ++round) {
      for (auto& peer : star.peers) {
        EXPECT_EQ(peer->send_message_to_user(star.hub->identity(), input, kSendUnreliable, 0),
                  Result::kOk);
        peer->poll();
        world.threads.sleep(microseconds(40));
      }
    }
    world.threads.sleep(GatherPolicy::kGatherTime + microseconds(100));
    EXPECT_EQ(heard, kRounds * kPeers);
    EXPECT_LT(wakes, kRounds * kPeers / 3);
    // They are quiet again: the next one is heard at once, and a wake() was never waited for.
    const Duration woken = world.now();
    stop = true;
    star.hub->wake();
    reader.join();
    EXPECT_LT(world.now() - woken, microseconds(100));
  });
}

}  // namespace
}  // namespace whimbrel
