// Random simulations, the same ones every time. More of them: ./dev swarm <n>.
#include "tests/simulation/swarm.h"

#include <gtest/gtest.h>

namespace whimbrel::sim {
namespace {

constexpr std::uint64_t kSeedsPerTest = 40;

class SwarmOf : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SwarmOf, FortySeeds) {
  const std::uint64_t first = GetParam() * kSeedsPerTest;
  for (std::uint64_t seed = first; seed < first + kSeedsPerTest; ++seed) {
    const SwarmResult result = run_swarm(seed);
    EXPECT_EQ(result.problems, "") << result.summary << "\nreplay with: " << replay_command(seed);
  }
}

INSTANTIATE_TEST_SUITE_P(Swarm, SwarmOf, testing::Range<std::uint64_t>(0, 6));

// Seeds that once found a fault.
TEST(Swarm, KeptSeeds) {
  for (const std::uint64_t seed : {5146u, 9070u, 20561u}) {
    const SwarmResult result = run_swarm(seed);
    EXPECT_EQ(result.problems, "") << result.summary << "\nreplay with: " << replay_command(seed);
  }
}

TEST(Swarm, SameSeedSamePackets) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    EXPECT_EQ(run_swarm(seed).trace_hash, run_swarm(seed).trace_hash) << replay_command(seed);
  }
  EXPECT_NE(run_swarm(1).trace_hash, run_swarm(2).trace_hash);
}

}  // namespace
}  // namespace whimbrel::sim
