#include "path/congestion/hystart.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

using Phase = HyStart::Phase;

class HyStartRounds {
 public:
  explicit HyStartRounds(HyStart& hystart) : hystart_(hystart) {}
  void run(Duration rtt, unsigned samples) {
    // The first acknowledgement past the end opens the round; nothing newer is acknowledged in it.
    const std::uint64_t begin = end_;
    end_ = begin + 100;
    hystart_.on_acked(rtt, true, begin + 1, end_);
    for (unsigned i = 1; i < samples; ++i) hystart_.on_acked(rtt, true, begin + 1 + i, end_ + i);
  }

 private:
  HyStart& hystart_;
  std::uint64_t end_ = 0;
};

TEST(HyStart, StaysInSlowStartWhileTheDelayIsSteady) {
  HyStart hystart;
  HyStartRounds rounds(hystart);
  for (int i = 0; i < 50; ++i) rounds.run(milliseconds(40), 10);
  EXPECT_EQ(hystart.phase(), Phase::kSlowStart);
  EXPECT_EQ(hystart.growth(1200), 1200u);
}

TEST(HyStart, ARiseOfAnEighthEntersTheConservativePhase) {
  HyStart hystart;
  HyStartRounds rounds(hystart);
  rounds.run(milliseconds(80), 10);
  rounds.run(milliseconds(89), 10);  // below 80 + 10 ms
  EXPECT_EQ(hystart.phase(), Phase::kSlowStart);
  rounds.run(milliseconds(101), 10);  // above 89 + 11 ms
  EXPECT_EQ(hystart.phase(), Phase::kConservative);
  EXPECT_EQ(hystart.growth(1200), 300u);
}

TEST(HyStart, EightSamplesAreNeeded) {
  HyStart hystart;
  HyStartRounds rounds(hystart);
  rounds.run(milliseconds(80), 10);
  rounds.run(milliseconds(120), 7);
  EXPECT_EQ(hystart.phase(), Phase::kSlowStart);
}

TEST(HyStart, ThresholdLiesBetweenFourAndSixteenMilliseconds) {
  HyStart near;
  HyStartRounds near_rounds(near);
  near_rounds.run(milliseconds(8), 10);
  near_rounds.run(milliseconds(11), 10);
  EXPECT_EQ(near.phase(), Phase::kSlowStart);
  near_rounds.run(milliseconds(15), 10);
  EXPECT_EQ(near.phase(), Phase::kConservative);

  HyStart far;
  HyStartRounds far_rounds(far);
  far_rounds.run(milliseconds(400), 10);
  far_rounds.run(milliseconds(416), 10);
  EXPECT_EQ(far.phase(), Phase::kConservative);
}

TEST(HyStart, FiveConservativeRoundsEndSlowStart) {
  HyStart hystart;
  HyStartRounds rounds(hystart);
  rounds.run(milliseconds(80), 10);
  rounds.run(milliseconds(100), 10);
  ASSERT_EQ(hystart.phase(), Phase::kConservative);
  for (int i = 0; i < 4; ++i) rounds.run(milliseconds(110), 10);
  EXPECT_EQ(hystart.phase(), Phase::kConservative);
  rounds.run(milliseconds(110), 10);
  EXPECT_EQ(hystart.phase(), Phase::kDone);
}

TEST(HyStart, ARiseThatWasAnAccidentResumesSlowStart) {
  HyStart hystart;
  HyStartRounds rounds(hystart);
  rounds.run(milliseconds(80), 10);
  rounds.run(milliseconds(100), 10);
  ASSERT_EQ(hystart.phase(), Phase::kConservative);
  rounds.run(milliseconds(82), 10);
  EXPECT_EQ(hystart.phase(), Phase::kSlowStart);
}

}  // namespace
}  // namespace whimbrel
