#include "path/rtt_estimator.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

constexpr Duration kDelayMax = milliseconds(25);
constexpr Instant kStart{};

TEST(RttEstimator, StandsForTheInitialRoundTripUntilTheFirstSample) {
  const RttEstimator rtt(milliseconds(333));
  EXPECT_FALSE(rtt.has_sample());
  EXPECT_EQ(rtt.smoothed(), milliseconds(333));
  // RFC 9002 6.2.2: 333 ms + 4 * 166.5 ms.
  EXPECT_EQ(rtt.probe_base(), milliseconds(999));
}

TEST(RttEstimator, FirstSampleSetsEverything) {
  RttEstimator rtt(milliseconds(333));
  rtt.on_sample(milliseconds(40), milliseconds(10), kDelayMax, kStart);
  EXPECT_EQ(rtt.smoothed(), milliseconds(40));
  EXPECT_EQ(rtt.variation(), milliseconds(20));
  EXPECT_EQ(rtt.min(), milliseconds(40));
}

TEST(RttEstimator, IsNeverZero) {
  RttEstimator rtt(Duration::zero());
  EXPECT_GT(rtt.smoothed(), Duration::zero());
  for (int i = 0; i < 10; ++i) rtt.on_sample(Duration::zero(), {}, kDelayMax, kStart);
  EXPECT_GT(rtt.smoothed(), Duration::zero());
  EXPECT_GT(rtt.min(), Duration::zero());
}

TEST(RttEstimator, SmoothsAndTakesOffTheAckDelay) {
  RttEstimator rtt(milliseconds(333));
  rtt.on_sample(milliseconds(40), {}, kDelayMax, kStart);
  rtt.on_sample(milliseconds(66), milliseconds(10), kDelayMax, kStart);
  EXPECT_EQ(rtt.smoothed(), (7 * milliseconds(40) + milliseconds(56)) / 8);
  EXPECT_EQ(rtt.variation(), (3 * milliseconds(20) + milliseconds(16)) / 4);
  EXPECT_EQ(rtt.min(), milliseconds(40));
}

TEST(RttEstimator, BelievesNoMoreDelayThanPromised) {
  RttEstimator rtt(milliseconds(333));
  rtt.on_sample(milliseconds(40), {}, kDelayMax, kStart);
  rtt.on_sample(milliseconds(140), milliseconds(90), kDelayMax, kStart);
  EXPECT_EQ(rtt.smoothed(), (7 * milliseconds(40) + milliseconds(115)) / 8);
}

// The first sample was one with a delay that nobody told: the minimum does not keep it.
TEST(RttEstimator, ADelayIsTakenOffBelowTheMinimum) {
  RttEstimator rtt(milliseconds(333));
  rtt.on_sample(milliseconds(26), {}, kDelayMax, kStart);
  for (int i = 0; i < 100; ++i)
    rtt.on_sample(milliseconds(18), milliseconds(17), kDelayMax, kStart);
  EXPECT_EQ(rtt.min(), milliseconds(1));
  EXPECT_LE(rtt.smoothed(), milliseconds(2));
}

TEST(RttEstimator, ADelayLongerThanTheSampleIsNoDelay) {
  RttEstimator rtt(milliseconds(333));
  rtt.on_sample(milliseconds(10), {}, kDelayMax, kStart);
  rtt.on_sample(milliseconds(10), milliseconds(20), kDelayMax, kStart);
  EXPECT_EQ(rtt.min(), milliseconds(10));
}

TEST(RttEstimator, AfterAPauseTheNextSampleStandsForItself) {
  RttEstimator rtt(milliseconds(333));
  for (int i = 0; i < 100; ++i) rtt.on_sample(milliseconds(120), {}, kDelayMax, kStart);
  rtt.on_sample(milliseconds(30), milliseconds(25), kDelayMax, kStart + milliseconds(1999));
  EXPECT_GT(rtt.smoothed(), milliseconds(100));
  rtt.on_sample(milliseconds(30), milliseconds(25), kDelayMax, kStart + seconds(4));
  EXPECT_EQ(rtt.smoothed(), milliseconds(5));
  EXPECT_EQ(rtt.variation(), microseconds(2500));
  EXPECT_EQ(rtt.min(), milliseconds(5));
}

TEST(RttEstimator, ForgetsTheMinimum) {
  RttEstimator rtt(milliseconds(333));
  rtt.on_sample(milliseconds(10), {}, kDelayMax, kStart);
  rtt.forget_minimum();
  rtt.on_sample(milliseconds(80), {}, kDelayMax, kStart);
  EXPECT_EQ(rtt.min(), milliseconds(80));
  rtt.on_sample(milliseconds(90), {}, kDelayMax, kStart);
  EXPECT_EQ(rtt.min(), milliseconds(80));
}

TEST(RttEstimator, ProbeBaseIsNeverFinerThanTheGranularity) {
  RttEstimator rtt(milliseconds(333));
  for (int i = 0; i < 100; ++i) rtt.on_sample(microseconds(100), {}, kDelayMax, kStart);
  EXPECT_GE(rtt.probe_base(), microseconds(100) + kGranularity);
}

}  // namespace
}  // namespace whimbrel
