#include "api/gather_policy.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

constexpr Duration kNone = Duration::zero();
// A pass that brought a datagram of somebody else than the one before.
constexpr Core::Moved kAnother{.bytes = 150, .datagrams = 1, .turns = 1};

class GatherPolicyTest : public testing::Test {
 protected:
  // A stream of many peers has gone on for a while.
  void listen() {
    for (unsigned i = 0; i < GatherPolicy::kPassesMin; ++i) {
      EXPECT_EQ(policy.before_wait(), kNone);
      hear(kAnother);
    }
    EXPECT_EQ(policy.before_wait(), GatherPolicy::kGatherTime);
  }
  void hear(const Core::Moved& moved, bool said = false) {
    policy.after_wait(microseconds(80));
    policy.after_pass(moved, said);
  }
  GatherPolicy policy;
};

TEST_F(GatherPolicyTest, ManyPeersThatNobodyAnswersPileUp) {
  listen();
  for (int i = 0; i < 100; ++i) {
    hear({.bytes = 600, .datagrams = 4, .turns = 4});
    EXPECT_EQ(policy.before_wait(), GatherPolicy::kGatherTime);
  }
}

TEST_F(GatherPolicyTest, WhoAnswersIsToldAtOnce) {
  listen();
  hear(kAnother, true);
  EXPECT_EQ(policy.before_wait(), kNone);
  for (int i = 0; i < 100; ++i) {
    hear(kAnother, i % 4 == 0);
    EXPECT_EQ(policy.before_wait(), kNone);
  }
}

TEST_F(GatherPolicyTest, OnePeerAloneIsHeardAtOnce) {
  for (int i = 0; i < 100; ++i) {
    hear({.bytes = 150, .datagrams = 1, .turns = 0});
    EXPECT_EQ(policy.before_wait(), kNone);
  }
  listen();
  hear({.bytes = 150, .datagrams = 1, .turns = 0});
  EXPECT_EQ(policy.before_wait(), kNone);
}

TEST_F(GatherPolicyTest, AFloodPilesUpByItself) {
  listen();
  hear({.bytes = GatherPolicy::kBytesMax + 1, .datagrams = 20, .turns = 20});
  EXPECT_EQ(policy.before_wait(), kNone);
}

TEST_F(GatherPolicyTest, ALongSilenceEndsIt) {
  listen();
  policy.after_wait(GatherPolicy::kShortWaitMax + Duration(1));
  EXPECT_EQ(policy.before_wait(), kNone);
}

TEST_F(GatherPolicyTest, ATimerChangesNothing) {
  listen();
  policy.after_pass({.bytes = 0, .datagrams = 0, .turns = 0}, false);
  EXPECT_EQ(policy.before_wait(), GatherPolicy::kGatherTime);
}

}  // namespace
}  // namespace whimbrel
