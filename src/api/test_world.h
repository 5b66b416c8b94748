// Instances of NetworkingMessages in a world of one process: a kernel and a clock of the test's (io/test_kernel.h), and threads
// that take turns as a seed says (io/test_threads.h). Time is simulated, so a test may say how soon something must happen.
#pragma once

#include <gtest/gtest.h>
#include <whimbrel/networking_messages.h>

#include <cstdlib>
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
  Duration now() const { return Duration(threads.now_ns()); }

  TestThreads threads;
  TestKernel kernel{threads};
};

}  // namespace whimbrel
