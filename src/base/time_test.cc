#include "base/time.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

TEST(TimeUntil, IsZeroForWhatHasPassed) {
  const Instant now(seconds(5));
  EXPECT_EQ(time_until(now + seconds(2), now), seconds(2));
  EXPECT_EQ(time_until(now, now), Duration::zero());
  EXPECT_EQ(time_until(now - Duration(1), now), Duration::zero());
  EXPECT_EQ(time_until(kNow, now), Duration::zero());
  EXPECT_EQ(time_until(kNow, kNow), Duration::zero());
}

TEST(TimeUntil, NeverOverflows) {
  EXPECT_EQ(time_until(kNever, Instant()), Duration::max());
  EXPECT_EQ(time_until(kNever, Instant(seconds(1))), Duration::max() - seconds(1));
  EXPECT_EQ(time_until(kNever, Instant(-seconds(1))), Duration::max());
  EXPECT_EQ(time_until(kNever, kNow), Duration::max());
  EXPECT_EQ(time_until(Instant(seconds(1)), Instant(-seconds(1))), seconds(2));
}

}  // namespace
}  // namespace whimbrel
