#include "message/range_gaps.h"

#include <gtest/gtest.h>

#include <vector>

namespace whimbrel {
namespace {

std::vector<Range> gaps(const RangeSet& set, std::uint64_t begin, std::uint64_t end) {
  std::vector<Range> found;
  for_each_gap(set, begin, end, [&](std::uint64_t from, std::uint64_t to) {
    found.push_back({from, to});
  });
  return found;
}

TEST(RangeGaps, OfNothing) {
  const RangeSet set;
  EXPECT_EQ(gaps(set, 3, 7), (std::vector<Range>{{3, 7}}));
  EXPECT_TRUE(gaps(set, 3, 3).empty());
  EXPECT_TRUE(gaps(set, 7, 3).empty());
}

TEST(RangeGaps, BetweenRanges) {
  RangeSet set;
  set.add(10, 20);
  set.add(30, 40);
  EXPECT_EQ(gaps(set, 0, 50), (std::vector<Range>{{0, 10}, {20, 30}, {40, 50}}));
  EXPECT_EQ(gaps(set, 15, 35), (std::vector<Range>{{20, 30}}));
  EXPECT_EQ(gaps(set, 20, 30), (std::vector<Range>{{20, 30}}));
  EXPECT_EQ(gaps(set, 5, 25), (std::vector<Range>{{5, 10}, {20, 25}}));
  EXPECT_TRUE(gaps(set, 10, 20).empty());
  EXPECT_TRUE(gaps(set, 12, 18).empty());
  EXPECT_EQ(gaps(set, 40, 41), (std::vector<Range>{{40, 41}}));
}

}  // namespace
}  // namespace whimbrel
