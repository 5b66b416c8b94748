#include "api/spin_policy.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

constexpr Duration kNone = Duration::zero();

TEST(SpinPolicy, SleepsAtFirst) { EXPECT_EQ(SpinPolicy().before_wait(), kNone); }

TEST(SpinPolicy, LooksInAConversation) {
  SpinPolicy policy;
  policy.after_wait(microseconds(100), false, false);
  policy.after_pass(200, true);
  EXPECT_EQ(policy.before_wait(), SpinPolicy::kSpinMax);
  for (int i = 0; i < 100; ++i) {
    policy.after_wait(microseconds(8), true, true);
    EXPECT_EQ(policy.before_wait(), SpinPolicy::kSpinMax);
  }
}

TEST(SpinPolicy, SleepsAfterALongWaitAndInAFlood) {
  SpinPolicy policy;
  policy.after_wait(microseconds(201), false, false);
  EXPECT_EQ(policy.before_wait(), kNone);
  policy.after_wait(microseconds(20), false, false);
  policy.after_pass(SpinPolicy::kConversationBytesMax + 1, true);
  EXPECT_EQ(policy.before_wait(), kNone);
}

// A stream goes on whether somebody looks or sleeps. In one, each look would be "in time".
TEST(SpinPolicy, WhoOnlyListensSleeps) {
  SpinPolicy policy;
  for (int i = 0; i < 100; ++i) {
    policy.after_wait(microseconds(20), false, false);
    policy.after_pass(200, false);
    EXPECT_EQ(policy.before_wait(), kNone);
  }
}

// An acknowledgement comes first, and is no answer.
TEST(SpinPolicy, LooksUntilThereIsAnAnswer) {
  SpinPolicy policy;
  policy.after_wait(microseconds(20), false, false);
  policy.after_pass(200, true);
  policy.after_wait(microseconds(8), true, true);
  policy.after_pass(30, false);
  EXPECT_EQ(policy.before_wait(), SpinPolicy::kSpinMax);
  policy.after_wait(microseconds(8), true, true);
  policy.after_pass(200, false);
  policy.after_answer();
  EXPECT_EQ(policy.before_wait(), kNone);
}

TEST(SpinPolicy, LooksInVainMakeItRare) {
  SpinPolicy policy;
  int looks = 0;
  policy.after_wait(microseconds(150), false, false);
  policy.after_pass(200, true);
  constexpr int kWaits = 100000;
  for (int i = 0; i < kWaits; ++i) {
    const bool look = policy.before_wait() > kNone;
    looks += look ? 1 : 0;
    policy.after_wait(microseconds(150), look, false);
  }
  EXPECT_GT(looks, 50);
  EXPECT_LT(looks, 120);
  // One that was not in vain starts over.
  policy.after_wait(microseconds(10), true, true);
  while (policy.before_wait() == kNone) policy.after_wait(microseconds(100), false, false);
  policy.after_wait(microseconds(100), true, false);
  int skipped = 0;
  while (policy.before_wait() == kNone) ++skipped;
  EXPECT_EQ(skipped, static_cast<int>(SpinPolicy::kSkipFirst));
}

}  // namespace
}  // namespace whimbrel
