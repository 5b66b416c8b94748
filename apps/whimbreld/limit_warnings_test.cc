#include "limit_warnings.h"

#include <gtest/gtest.h>

namespace {

using Lines = std::vector<std::string>;

TEST(LimitWarnings, EachIsToldOnceAMinuteWithACount) {
  LimitWarnings warnings;
  LimitWarnings::Clock::time_point now{};
  EXPECT_EQ(warnings.look({{"slots", 0}, {"packets", 0}}, now), Lines());
  EXPECT_EQ(warnings.look({{"slots", 3}, {"packets", 0}}, now), Lines{"3 slots"});
  now += std::chrono::seconds(5);
  EXPECT_EQ(warnings.look({{"slots", 10}, {"packets", 1}}, now), Lines{"1 packets"});
  now += std::chrono::seconds(54);
  EXPECT_EQ(warnings.look({{"slots", 12}, {"packets", 1}}, now), Lines());
  now += std::chrono::seconds(1);
  EXPECT_EQ(warnings.look({{"slots", 12}, {"packets", 1}}, now), Lines{"9 slots"});
  now += std::chrono::seconds(600);
  EXPECT_EQ(warnings.look({{"slots", 12}, {"packets", 1}}, now), Lines()) << "nothing new";
}

}  // namespace
