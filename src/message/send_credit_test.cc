#include "message/send_credit.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

TEST(SendCredit, NothingBeforeThePeerGrants) {
  const SendCredit credit;
  EXPECT_FALSE(credit.can_start(0, 0));
  EXPECT_FALSE(credit.can_start(0, 1));
}

TEST(SendCredit, BytesAndMessagesAreBothLimits) {
  SendCredit credit;
  credit.raise(100, 3);
  EXPECT_TRUE(credit.can_start(0, 100));
  EXPECT_FALSE(credit.can_start(0, 101));
  credit.start(0, 60);
  EXPECT_TRUE(credit.can_start(1, 40));
  EXPECT_FALSE(credit.can_start(1, 41));
  credit.start(1, 0);
  credit.start(1, 1);
  EXPECT_FALSE(credit.can_start(1, 1));  // messages
  credit.raise(100, 4);
  EXPECT_TRUE(credit.can_start(1, 39));
  EXPECT_FALSE(credit.can_start(1, 40));
}

TEST(SendCredit, NeverShrinks) {
  SendCredit credit;
  credit.raise(100, 3);
  credit.raise(50, 1);
  EXPECT_TRUE(credit.can_start(0, 100));
  credit.start(0, 1);
  credit.start(0, 1);
  EXPECT_TRUE(credit.can_start(0, 98));
}

// Messages that use up every new bit of credit do not starve a large one, as long as credit comes
// back in larger steps than the share that is left to them.
TEST(SendCredit, ALargeMessageSaves) {
  SendCredit credit;
  std::uint64_t total = 1000;
  credit.raise(total, 1000000);
  for (int i = 0; i < 7; ++i) credit.start(1, 100);
  EXPECT_FALSE(credit.can_start(0, 600));
  credit.wait(0, 600);
  int rounds = 0;
  while (!credit.can_start(0, 600)) {
    ASSERT_LT(++rounds, 10);
    while (credit.can_start(1, 100)) credit.start(1, 100);
    credit.raise(total += 250, 1000000);
  }
  credit.start(0, 600);
  EXPECT_FALSE(credit.can_start(0, 600));
}

// The one that saves leaves the others enough to go on with, even if its turn never comes.
TEST(SendCredit, OthersGoOnMeanwhile) {
  SendCredit credit;
  credit.raise(8000, 1000000);
  credit.start(2, 6500);  // never freed
  credit.wait(0, 5000);
  std::uint64_t total = 8000;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(credit.can_start(1, 900)) << i;
    credit.start(1, 900);
    credit.raise(total += 900, 1000000);
  }
  EXPECT_FALSE(credit.can_start(0, 5000));
}

TEST(SendCredit, SavesEverythingForAMessageAsLargeAsTheWindow) {
  SendCredit credit;
  credit.raise(1000, 1000);
  credit.start(1, 10);
  credit.wait(0, 1000);
  EXPECT_FALSE(credit.can_start(1, 1));
  credit.raise(1010, 1000);
  EXPECT_TRUE(credit.can_start(0, 1000));
}

TEST(SendCredit, OneSavesAtATime) {
  SendCredit credit;
  credit.raise(1000, 1000);
  credit.start(3, 900);
  credit.wait(0, 500);
  credit.wait(1, 800);
  credit.raise(1600, 1000);
  EXPECT_TRUE(credit.can_start(0, 500));
  credit.start(0, 500);
  credit.wait(1, 800);
  credit.raise(2400, 1000);
  EXPECT_TRUE(credit.can_start(1, 800));
}

}  // namespace
}  // namespace whimbrel
