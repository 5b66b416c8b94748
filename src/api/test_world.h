// Instances of NetworkingMessages in a world of one process: a kernel and a clock of the test's
// (io/test_kernel.h), and threads that take turns as a seed says (io/test_threads.h). Time is
// simulated, so a test may say how soon something must happen.
#pragma once

#include <gtest/gtest.h>
#include <whimbrel/networking_messages.h>
#include <whimbrel/send_flags.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/test_kernel.h"
#include "io/test_threads.h"
#include "io/thread.h"

namespace whimbrel {

// Seeds that each test runs; WHIMBREL_SEED runs a single one again.
template <typename Run>
void for_seeds(std::uint64_t count, const Run& run) {
  const char* one = std::getenv("WHIMBREL_SEED");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  for (std::uint64_t seed = first; seed < first + (one != nullptr ? 1 : count); ++seed) {
    SCOPED_TRACE("WHIMBREL_SEED=" + std::to_string(seed));
    run(seed);
    if (testing::Test::HasFailure()) return;
  }
}

class TestWorld {
 public:
  explicit TestWorld(std::uint64_t seed) : threads(seed) {}

  static Identity name(const std::string& text) { return Identity::generic_string(text); }
  std::unique_ptr<NetworkingMessages> make(const std::string& who, bool own_thread,
                                           const std::vector<OptionValue>& options = {}) {
    Config config;
    config.identity = name(who);
    config.bind_v4 = "127.0.0.1:0";
    config.bind_v6 = "";
    config.own_thread = own_thread;
    config.options = options;
    std::string error;
    auto made = NetworkingMessages::create(config, &error);
    EXPECT_NE(made, nullptr) << error;
    return made;
  }
  // `to` knows where `whom` is.
  static void introduce(NetworkingMessages& to, NetworkingMessages& whom) {
    EXPECT_TRUE(to.add_route(
        {whom.identity(), "127.0.0.1:" + std::to_string(whom.port_v4()), whom.public_key_hex()}));
  }
  // So that what comes next meets the other threads in the midst of something.
  void dawdle(std::uint64_t ns_max = 200'000) {
    threads.sleep(Duration(static_cast<std::int64_t>(threads.dice().below(ns_max))));
  }
  Duration now() const { return Duration(threads.now_ns()); }

  TestThreads threads;
  TestKernel kernel{threads};
};

// Alice and Bob, who know each other's address.
class TestPair {
 public:
  TestPair(TestWorld& in, bool threaded, const std::vector<OptionValue>& options = {})
      : world(in),
        own_thread(threaded),
        alice(in.make("alice", threaded, options)),
        bob(in.make("bob", threaded, options)) {
    TestWorld::introduce(*alice, *bob);
    TestWorld::introduce(*bob, *alice);
    bob->on_session_request([this](const Identity& who) { bob->accept_session_with_user(who); });
  }
  Result send(NetworkingMessages& from, const Identity& to, std::size_t size = 4, int channel = 0) {
    const std::vector<std::uint8_t> bytes(size, 7);
    return from.send_message_to_user(to, bytes, kSendReliable | kSendNoNagle, channel);
  }
  Result alice_sends(std::size_t size = 4, int channel = 0) {
    return send(*alice, bob_id, size, channel);
  }
  // Both are driven until `done`; a simulated minute is too long.
  bool run_until(const std::function<bool()>& done) {
    const Duration give_up = world.now() + seconds(60);
    while (!done()) {
      if (world.now() > give_up) return false;
      if (own_thread) world.threads.sleep(milliseconds(1));
      for (NetworkingMessages* each : {alice.get(), bob.get()}) {
        if (!own_thread) each->wait(std::chrono::milliseconds(1));
        each->run_callbacks();
      }
    }
    return true;
  }
  static std::size_t read(NetworkingMessages& node, int channel = 0) {
    return node.receive_messages_on_channel(channel, 1000).size();
  }
  // A session that is up and quiet.
  void connect() {
    ASSERT_EQ(alice_sends(), Result::kOk);
    ASSERT_TRUE(run_until([&] { return read(*bob) > 0; }));
    ASSERT_EQ(send(*bob, alice_id), Result::kOk);
    ASSERT_TRUE(run_until([&] { return read(*alice) > 0; }));
    const Duration quiet = world.now() + milliseconds(100);
    ASSERT_TRUE(run_until([&] { return world.now() > quiet; }));
  }

  TestWorld& world;
  const bool own_thread;
  const Identity alice_id = TestWorld::name("alice");
  const Identity bob_id = TestWorld::name("bob");
  std::unique_ptr<NetworkingMessages> alice, bob;
};

// A thread of the application that is inside wait() whenever it can, and reads nothing.
class TestDriver {
 public:
  explicit TestDriver(NetworkingMessages& node)
      : node_(node), thread_([this] {
          while (!stop_) node_.wait(std::chrono::seconds(60));
        }) {}
  ~TestDriver() {
    stop_ = true;
    node_.wake();
    thread_.join();
  }

 private:
  NetworkingMessages& node_;
  std::atomic<bool> stop_{false};
  Thread thread_;  // the last: it begins at once
};

// A thread of the application that calls wait() once.
class TestWaiter {
 public:
  TestWaiter(TestWorld& world, NetworkingMessages& node)
      : thread_([this, &world, &node] {
          told_ = node.wait(std::chrono::seconds(60));
          at_ = world.now();
        }) {}
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  ~TestWaiter() { join(); }
  // Joins, and answers what wait() said and when.
  bool told() {
    join();
    return told_;
  }
  Duration at() {
    join();
    return at_;
  }

 private:
  bool told_ = false;
  Duration at_{};
  Thread thread_;  // the last: it begins at once
};

}  // namespace whimbrel
