// Random simulations of peers with a server, the same ones every time. More of them: ./dev swarm
// <n>.
#include <gtest/gtest.h>

#include "tests/simulation/swarm.h"

namespace whimbrel::sim {
namespace {

constexpr std::uint64_t kSeedsPerTest = 20;

class OnlineSwarmOf : public testing::TestWithParam<std::uint64_t> {};

void demand_well(std::uint64_t seed) {
  const SwarmResult result = run_online_swarm(seed);
  EXPECT_EQ(result.problems, "") << result.summary
                                 << "\nreplay with: " << online_replay_command(seed);
}

TEST_P(OnlineSwarmOf, TwentySeeds) {
  const std::uint64_t first = GetParam() * kSeedsPerTest;
  for (std::uint64_t seed = first; seed < first + kSeedsPerTest; ++seed) demand_well(seed);
}

INSTANTIATE_TEST_SUITE_P(OnlineSwarm, OnlineSwarmOf, testing::Range<std::uint64_t>(0, 3));

// A relay that had started again gave out the slots of its earlier life, to others.
TEST(OnlineSwarm, SlotsOfAnEarlierLife) {
  for (const std::uint64_t seed : {10u, 13u, 28u, 51u}) demand_well(seed);
}

// A grant that was signalled to somebody who had not logged in yet was never said again.
TEST(OnlineSwarm, GrantsThatReachNobody) {
  for (const std::uint64_t seed : {49u, 61u, 63u, 66u, 91u}) demand_well(seed);
}

// An unreliable message that was lost and ten seconds of silence after it ended a session.
TEST(OnlineSwarm, SilenceAfterALoss) {
  for (const std::uint64_t seed : {190u, 199u}) demand_well(seed);
}

// A move to a nearer relay fell due while the way in use was in doubt, and was asked for again and
// again.
TEST(OnlineSwarm, AMoveThatHasToWait) { demand_well(1916); }

TEST(OnlineSwarm, SameSeedSamePackets) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    EXPECT_EQ(run_online_swarm(seed).trace_hash, run_online_swarm(seed).trace_hash)
        << online_replay_command(seed);
  }
  EXPECT_NE(run_online_swarm(1).trace_hash, run_online_swarm(2).trace_hash);
}

}  // namespace
}  // namespace whimbrel::sim
