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
  EXPECT_TRUE(clock.set(Instant{seconds(10)}, kUnixStart));
  EXPECT_EQ(clock.at(Instant{seconds(11)}), kUnixStart + 1000);
  EXPECT_TRUE(clock.set(Instant{seconds(11)}, 5000));
  EXPECT_EQ(clock.at(Instant{seconds(12)}), 6000);
}

TEST(WallClock, ASmallCorrectionIsNoJump) {
  WallClock clock(Instant{}, kUnixStart);
  EXPECT_FALSE(clock.set(Instant{seconds(1)}, kUnixStart + 1000)) << "it was right";
  EXPECT_FALSE(clock.set(Instant{seconds(1)}, kUnixStart + 60'000));
  EXPECT_FALSE(clock.set(Instant{seconds(1)}, kUnixStart - 58'000)) << "one takes the other back";
  EXPECT_EQ(clock.at(Instant{seconds(1)}), kUnixStart - 58'000);
}

TEST(WallClock, ShowsThatTheMachineMayHaveSlept) {
  WallClock clock(Instant{}, kUnixStart);
  clock.set(Instant{seconds(1)}, kUnixStart + 1000);
  EXPECT_FALSE(clock.may_have_slept());
  EXPECT_FALSE(clock.set(Instant{seconds(2)}, kUnixStart + 32'000)) << "no jump";
  EXPECT_TRUE(clock.may_have_slept());
  clock.set(Instant{seconds(3)}, kUnixStart + 33'000);
  EXPECT_FALSE(clock.may_have_slept());
  clock.set(Instant{seconds(4)}, kUnixStart + 4'000);
  EXPECT_FALSE(clock.may_have_slept()) << "it was set back";
}

// A clock that is slowed down or hurried until it is right.
TEST(WallClock, ManySmallCorrectionsAreAJump) {
  WallClock clock(Instant{}, kUnixStart);
  unsigned jumps = 0;
  for (int i = 1; i <= 120; ++i) jumps += clock.set(Instant{}, kUnixStart - i * 1000);
  EXPECT_EQ(jumps, 2u);
}

// Both clocks count in full milliseconds here: what a look loses by that must not pile up.
TEST(WallClock, AClockThatIsRightNeverJumps) {
  const Instant start{};
  WallClock clock(start, kUnixStart);
  constexpr Duration kLook = milliseconds(1000) + microseconds(900);
  for (int look = 1; look <= 200'000; ++look) {
    const Instant now = start + look * kLook;
    ASSERT_FALSE(clock.set(now, kUnixStart + to_milliseconds(now - start))) << look;
  }
}

TEST(ClockLooks, OnceASecondAtMost) {
  ClockLooks looks(Instant{});
  EXPECT_FALSE(looks.due(Instant{milliseconds(999)}));
  EXPECT_TRUE(looks.due(Instant{seconds(1)}));
  EXPECT_FALSE(looks.due(Instant{milliseconds(1999)}));
  EXPECT_TRUE(looks.due(Instant{seconds(900)}));
  EXPECT_FALSE(looks.due(Instant{seconds(900)}));
}

}  // namespace
}  // namespace whimbrel
