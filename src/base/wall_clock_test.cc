#include "base/wall_clock.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

constexpr UnixMillis kUnixStart = 1'800'000'000'000;

TEST(WallClock, GoesOnFromItsAnchor) {
  const WallClock clock(Instant{seconds(5)}, kUnixStart);
  EXPECT_EQ(clock.at(Instant{seconds(5)}), kUnixStart);
  EXPECT_EQ(clock.at(Instant{seconds(7) + milliseconds(3)}), kUnixStart + 2003);
  EXPECT_EQ(clock.seconds_at(Instant{seconds(7) + milliseconds(3)}), 1'800'000'002);
}

TEST(WallClock, KnowsTimesBeforeItsAnchor) {
  const WallClock clock(Instant{seconds(5)}, kUnixStart);
  EXPECT_EQ(clock.at(Instant{seconds(3)}), kUnixStart - 2000);
}

TEST(WallClock, IsSetInBothDirections) {
  WallClock clock(Instant{}, 0);
  EXPECT_EQ(clock.set(Instant{seconds(10)}, kUnixStart), kUnixStart - 10'000);
  EXPECT_EQ(clock.at(Instant{seconds(11)}), kUnixStart + 1000);
  EXPECT_EQ(clock.set(Instant{seconds(11)}, kUnixStart), -1000);
  EXPECT_EQ(clock.at(Instant{seconds(12)}), kUnixStart + 1000);
  EXPECT_EQ(clock.set(Instant{seconds(12)}, kUnixStart + 1000), 0) << "it was right";
}

}  // namespace
}  // namespace whimbrel
