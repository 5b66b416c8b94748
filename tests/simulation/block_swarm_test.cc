// Blocks between users and their only server, the same ones every time; all lengths from 1 to 9.5 s
// are among them. More of them: ./dev swarm <n> --world blocks.
#include <gtest/gtest.h>

#include "tests/simulation/swarm.h"

namespace whimbrel::sim {
namespace {

constexpr std::uint64_t kLengths = 851;  // in steps of 10 ms
constexpr std::uint64_t kParts = 4;

class BlockSwarmOf : public testing::TestWithParam<std::uint64_t> {};

// A leg that was lost in silence was opened anew, while the relay forwarded to the old slot what
// nobody could read any more.
TEST_P(BlockSwarmOf, EveryFifthLengthEndsNoSession) {
  for (std::uint64_t seed = GetParam(); seed < kLengths; seed += 5 * kParts) {
    const SwarmResult result = run_block_swarm(seed);
    EXPECT_EQ(result.problems, "")
        << result.summary << "\nreplay with: " << block_replay_command(seed);
  }
}

INSTANTIATE_TEST_SUITE_P(BlockSwarm, BlockSwarmOf, testing::Values(0, 5, 10, 15));

// One hears and is not heard. What it had not been told waited for a probe's back-off; what waited
// for the leg came back as round trips of seconds.
TEST(BlockSwarm, OneIsNotHeard) {
  for (const std::uint64_t seed : {66u, 226u, 977u, 989u, 1156u, 1255u, 2676u}) {
    EXPECT_EQ(run_block_swarm(seed).problems, "") << block_replay_command(seed);
  }
}

// Who only listens has nothing to say when it is back, and the other one waits.
TEST(BlockSwarm, OneOnlyListens) {
  for (const std::uint64_t seed : {70u, 310u, 447u, 730u, 1892u}) {
    EXPECT_EQ(run_block_swarm(seed).problems, "") << block_replay_command(seed);
  }
}

// Both slots are others then, and each end hears of the other's through a rendezvous that has to
// know both again.
TEST(BlockSwarm, TheServerStartsAgain) {
  for (std::uint64_t seed = 9; seed < kLengths; seed += 30) {
    EXPECT_EQ(run_block_swarm(seed).problems, "") << block_replay_command(seed);
  }
}

TEST(BlockSwarm, SameSeedSamePackets) {
  EXPECT_EQ(run_block_swarm(7).trace_hash, run_block_swarm(7).trace_hash);
}

}  // namespace
}  // namespace whimbrel::sim
