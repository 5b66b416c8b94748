#include "sim/enumerator.h"

#include <gtest/gtest.h>

#include <set>

namespace whimbrel::sim {
namespace {

TEST(Enumerator, RunsEverySequenceOnce) {
  Enumerator choices;
  std::set<std::string> seen;
  unsigned runs = 0;
  while (choices.next()) {
    ++runs;
    // Three ways without a second choice, two of them with 2 and 3.
    const std::uint32_t first = choices.below(5);
    if (first == 1) choices.below(2);
    if (first == 4) choices.below(3);
    EXPECT_TRUE(seen.insert(choices.text()).second) << choices.text();
  }
  EXPECT_EQ(runs, 3u + 2 + 3);
}

TEST(Enumerator, OfNothingIsOneRun) {
  Enumerator choices;
  EXPECT_TRUE(choices.next());
  EXPECT_FALSE(choices.next());
}

}  // namespace
}  // namespace whimbrel::sim
