#include "message/send_credit.h"

#include <gtest/gtest.h>

#include <vector>

namespace whimbrel {
namespace {

// Channels that have nothing at the peer, so that only the session's credit counts.
struct Session {
  bool can_start(Lane lane, std::uint64_t size) const {
    return credit.can_start(lane, granted(), size);
  }
  void start(Lane lane, std::uint64_t size) {
    ChannelCredit channel = granted();
    credit.start(lane, channel, size);
  }
  void wait(Lane lane, std::uint64_t size) { credit.wait(lane, granted(), size); }
  void raise(std::uint64_t bytes, std::uint64_t messages) { credit.raise(bytes, messages); }
  static ChannelCredit granted() { return {UINT64_MAX / 2, UINT64_MAX / 2, 0, 0}; }

  SendCredit credit;
};

TEST(SendCredit, NothingBeforeThePeerGrants) {
  const Session credit;
  EXPECT_FALSE(credit.can_start(0, 0));
  EXPECT_FALSE(credit.can_start(0, 1));
}

TEST(SendCredit, BytesAndMessagesAreBothLimits) {
  Session credit;
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
  Session credit;
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
  Session credit;
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
  Session credit;
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
  Session credit;
  credit.raise(1000, 1000);
  credit.start(1, 10);
  credit.wait(0, 1000);
  EXPECT_FALSE(credit.can_start(1, 1));
  credit.raise(1010, 1000);
  EXPECT_TRUE(credit.can_start(0, 1000));
}

TEST(SendCredit, OneSavesAtATime) {
  Session credit;
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

// What channels hold that begin messages of `size` as long as they may, each until it is stopped.
std::vector<std::uint64_t> fill(std::size_t channels, std::uint64_t size) {
  SendCredit credit;
  credit.grant({1000, 1000, 1000, 1000});
  std::vector<ChannelCredit> all(channels, ChannelCredit{1000, 1000, 0, 0});
  std::vector<std::uint64_t> held;
  for (Lane lane = 0; lane < channels; ++lane) {
    while (credit.can_start(lane, all[lane], size)) credit.start(lane, all[lane], size);
    held.push_back(all[lane].bytes);
  }
  return held;
}

TEST(SendCredit, AChannelHoldsThreeQuartersAndFurtherOnesLess) {
  EXPECT_EQ(fill(4, 1), (std::vector<std::uint64_t>{750, 141, 46, 21}));
  EXPECT_EQ(fill(1, 200), (std::vector<std::uint64_t>{600}));
}

// Of many bytes; not of messages.
TEST(SendCredit, AChannelHoldsMoreOfALargeWindow) {
  for (const auto& [window, most] :
       {std::pair{256u << 10, 74u}, {917'504u, 82u}, {14u << 20, 85u}}) {
    SendCredit credit;
    credit.grant({window, window, window, window});
    ChannelCredit channel{window, window, 0, 0};
    const std::uint64_t size = window / 1000;
    while (credit.can_start(0, channel, size)) credit.start(0, channel, size);
    EXPECT_EQ(channel.bytes * 100 / window, most) << window;
  }
}

TEST(SendCredit, WhoHoldsNothingMayUseUpWhatIsLeft) {
  EXPECT_EQ(fill(2, 500), (std::vector<std::uint64_t>{500, 500}));
  EXPECT_EQ(fill(2, 1000), (std::vector<std::uint64_t>{1000, 0}));
}

TEST(SendCredit, WhatThePeerConsumedIsNotHeld) {
  SendCredit credit;
  credit.grant({1000, 1000, 1000, 1000});
  ChannelCredit channel{1000, 1000, 0, 0};
  while (credit.can_start(0, channel, 1)) credit.start(0, channel, 1);
  EXPECT_TRUE(channel.raise(1100, 1100));
  EXPECT_TRUE(credit.can_start(0, channel, 1));
  EXPECT_FALSE(channel.raise(1100, 1000));
}

TEST(SendCredit, MessagesHaveAShareToo) {
  SendCredit credit;
  credit.grant({100000, 100, 100000, 100});
  ChannelCredit channel{100000, 100, 0, 0};
  int begun = 0;
  for (; credit.can_start(0, channel, 1); ++begun) credit.start(0, channel, 1);
  EXPECT_EQ(begun, 75);
}

// It would save for ever, if nobody reads it.
TEST(SendCredit, AChannelThatHoldsMuchDoesNotSave) {
  SendCredit credit;
  credit.grant({8000, 8000, 8000, 8000});
  ChannelCredit full{8000, 8000, 0, 0};
  while (credit.can_start(0, full, 100)) credit.start(0, full, 100);
  credit.wait(0, full, 100);
  ChannelCredit other{8000, 8000, 0, 0};
  EXPECT_TRUE(credit.can_start(1, other, 1000));
}

}  // namespace
}  // namespace whimbrel
