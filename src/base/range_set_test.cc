#include "base/range_set.h"

#include <gtest/gtest.h>

#include <limits>

namespace whimbrel {
namespace {

constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max();

TEST(RangeSet, JoinsWhatTouches) {
  RangeSet set;
  EXPECT_EQ(set.add(10, 20), 10u);
  EXPECT_EQ(set.add(30, 40), 10u);
  EXPECT_EQ(set.count(), 2u);
  EXPECT_EQ(set.add(20, 30), 10u);
  EXPECT_EQ(set.ranges(), (std::vector<Range>{{10, 40}}));
  EXPECT_EQ(set.add(5, 45), 10u);
  EXPECT_EQ(set.ranges(), (std::vector<Range>{{5, 45}}));
  EXPECT_EQ(set.add(5, 45), 0u);
  EXPECT_EQ(set.add(7, 7), 0u);
  EXPECT_EQ(set.add(8, 7), 0u);
}

TEST(RangeSet, RemoveSplits) {
  RangeSet set;
  set.add(10, 40);
  EXPECT_EQ(set.remove(20, 30), 10u);
  EXPECT_EQ(set.ranges(), (std::vector<Range>{{10, 20}, {30, 40}}));
  EXPECT_EQ(set.remove(0, 15), 5u);
  EXPECT_EQ(set.remove(18, 32), 4u);
  EXPECT_EQ(set.ranges(), (std::vector<Range>{{15, 18}, {32, 40}}));
  set.remove_below(35);
  EXPECT_EQ(set.ranges(), (std::vector<Range>{{35, 40}}));
  EXPECT_EQ(set.remove(35, 40), 5u);
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.remove(1, 2), 0u);
}

TEST(RangeSet, CoversAndContains) {
  RangeSet set;
  set.add(10, 20);
  set.add(21);
  EXPECT_TRUE(set.covers(10, 20));
  EXPECT_FALSE(set.covers(10, 21));
  EXPECT_FALSE(set.covers(19, 22));
  EXPECT_TRUE(set.covers(100, 100));
  EXPECT_TRUE(set.contains(21));
  EXPECT_FALSE(set.contains(20));
  EXPECT_FALSE(set.contains(9));
}

TEST(RangeSet, AtTheEndsOfTheNumbers) {
  RangeSet set;
  EXPECT_EQ(set.add(0, 1), 1u);
  EXPECT_EQ(set.add(kLast - 1, kLast), 1u);
  EXPECT_TRUE(set.contains(0));
  EXPECT_TRUE(set.contains(kLast - 1));
  EXPECT_EQ(set.add(0, kLast), kLast - 2);
  EXPECT_EQ(set.count(), 1u);
}

}  // namespace
}  // namespace whimbrel
