#include "rendezvous/watches.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace whimbrel::rendezvous {
namespace {

constexpr Instant kStart{seconds(1)};

Identity user(int number) { return *Identity::parse("str:u" + std::to_string(number)); }

// What is said now: "+str:u1" or "-str:u1".
std::vector<std::string> said(Watches& watches, Instant now) {
  std::vector<std::string> all;
  while (const auto watch = watches.poll(now))
    all.push_back((watch->on ? "+" : "-") + watch->identity);
  return all;
}
using Said = std::vector<std::string>;

TEST(Watches, AreAskedForOnceThereIsAConnectionAndAfterEachLogin) {
  Watches watches;
  Instant now = kStart;
  EXPECT_TRUE(watches.add(user(1)));
  EXPECT_EQ(said(watches, now), Said{});
  EXPECT_EQ(watches.next_deadline(), kNever);
  watches.on_online(200, now);
  EXPECT_LE(watches.next_deadline(), now);
  EXPECT_EQ(said(watches, now), Said{"+str:u1"});
  EXPECT_TRUE(watches.add(user(2)));
  EXPECT_TRUE(watches.add(user(2))) << "is watched already";
  EXPECT_EQ(said(watches, now), Said{"+str:u2"});
  watches.on_offline();
  EXPECT_EQ(watches.next_deadline(), kNever);
  now += seconds(1);
  watches.on_online(200, now);
  EXPECT_EQ(said(watches, now), (Said{"+str:u1", "+str:u2"}));
}

TEST(Watches, OnlyWhatHasChangedIsNewsAlsoAfterALogin) {
  Watches watches;
  watches.on_online(200, kStart);
  watches.add(user(1));
  EXPECT_TRUE(watches.on_presence(user(1), false, kStart)) << "the first answer";
  EXPECT_FALSE(watches.on_presence(user(1), false, kStart));
  EXPECT_TRUE(watches.on_presence(user(1), true, kStart));
  EXPECT_TRUE(watches.on_presence(user(1), false, kStart));
  watches.on_offline();
  watches.on_online(200, kStart);
  EXPECT_FALSE(watches.on_presence(user(1), false, kStart));
  EXPECT_TRUE(watches.on_presence(user(1), true, kStart));
  watches.on_offline();
  watches.on_online(200, kStart);
  EXPECT_FALSE(watches.on_presence(user(1), true, kStart));
  EXPECT_TRUE(watches.on_presence(user(1), false, kStart)) << "was there after the login";
  watches.remove(user(1));
  watches.add(user(1));
  EXPECT_TRUE(watches.on_presence(user(1), false, kStart)) << "whoever begins anew is told anew";
}

TEST(Watches, WhoLogsInAfterUsWasNotGone) {
  Watches watches;
  watches.on_online(200, kStart);
  for (int i = 1; i <= 4; ++i) {
    watches.add(user(i));
    watches.on_presence(user(i), i != 4, kStart);
  }
  said(watches, kStart);
  watches.on_offline();
  Instant now = kStart + seconds(100);
  watches.on_online(200, now);
  for (int i = 1; i <= 4; ++i) EXPECT_FALSE(watches.on_presence(user(i), false, now));
  said(watches, now);
  now += Watches::kGrace - seconds(1);
  EXPECT_FALSE(watches.on_presence(user(1), true, now)) << "is back";
  watches.remove(user(3));
  said(watches, now);
  EXPECT_EQ(watches.poll_gone(now), std::nullopt);
  EXPECT_EQ(watches.next_deadline(), now + seconds(1));
  now += seconds(1);
  EXPECT_EQ(watches.poll_gone(now), user(2));
  EXPECT_EQ(watches.poll_gone(now), std::nullopt);
  EXPECT_TRUE(watches.on_presence(user(1), false, now)) << "this time for good";
  EXPECT_TRUE(watches.on_presence(user(2), true, now));
}

TEST(Watches, ALossWithinTheGraceTellsNothing) {
  Watches watches;
  watches.on_online(200, kStart);
  watches.add(user(1));
  watches.on_presence(user(1), true, kStart);
  watches.on_online(200, kStart);
  EXPECT_FALSE(watches.on_presence(user(1), false, kStart));
  watches.on_offline();
  EXPECT_EQ(watches.poll_gone(kStart + seconds(100)), std::nullopt);
  EXPECT_EQ(watches.next_deadline(), kNever);
}

TEST(Watches, AnEndIsSaidAndAgainToAServerThatHasMissedIt) {
  Watches watches;
  watches.on_online(200, kStart);
  watches.add(user(1));
  said(watches, kStart);
  watches.remove(user(1));
  EXPECT_EQ(said(watches, kStart), Said{"-str:u1"});
  EXPECT_FALSE(watches.on_presence(user(1), true, kStart));
  EXPECT_EQ(said(watches, kStart), Said{"-str:u1"});
  watches.remove(user(1));
  EXPECT_EQ(said(watches, kStart), Said{});
  // Of what has not left yet only the last counts.
  watches.add(user(2));
  watches.remove(user(2));
  EXPECT_EQ(said(watches, kStart), Said{});
  watches.add(user(2));
  watches.remove(user(2));
  watches.add(user(2));
  EXPECT_EQ(said(watches, kStart), Said{"+str:u2"});
}

// The server was told of the first watch, whatever came after it and did not leave.
TEST(Watches, AnEndIsSaidAlsoWhereItWasTakenBackMeanwhile) {
  Watches watches;
  watches.on_online(200, kStart);
  watches.add(user(1));
  EXPECT_EQ(said(watches, kStart), Said{"+str:u1"});
  watches.remove(user(1));
  watches.add(user(1));
  watches.remove(user(1));
  EXPECT_EQ(said(watches, kStart), Said{"-str:u1"});
}

TEST(Watches, KeepToTheServersPace) {
  Watches watches;
  for (int i = 0; i < 256; ++i) ASSERT_TRUE(watches.add(user(i)));
  Instant now = kStart;
  watches.on_online(80, now);
  std::size_t count = said(watches, now).size();
  EXPECT_EQ(count, 20u) << "a quarter of it at once";
  for (int second = 1; second <= 10; ++second) {
    const Instant end = kStart + seconds(second);
    while (watches.next_deadline() <= end) {
      now = watches.next_deadline();
      count += said(watches, now).size();
    }
    EXPECT_NEAR(static_cast<double>(count), 20 + 10 * second, 1) << "then an eighth each second";
  }
}

TEST(Watches, ATinyPaceIsEnough) {
  Watches watches;
  watches.add(user(1));
  watches.add(user(2));
  watches.on_online(1, kStart);
  EXPECT_EQ(said(watches, kStart), Said{"+str:u1"});
  EXPECT_EQ(said(watches, kStart + seconds(8) + milliseconds(1)), Said{"+str:u2"});
}

TEST(Watches, WhatWasNotAnsweredIsAskedAgain) {
  Watches watches;
  watches.on_online(200, kStart);
  watches.add(user(1));
  watches.add(user(2));
  said(watches, kStart);
  watches.on_presence(user(1), true, kStart);
  EXPECT_EQ(watches.next_deadline(), kStart + Watches::kRetry);
  EXPECT_EQ(said(watches, kStart + Watches::kRetry), Said{"+str:u2"});
  watches.on_presence(user(2), true, kStart);
  EXPECT_EQ(said(watches, kStart + 2 * Watches::kRetry), Said{});
  EXPECT_EQ(watches.next_deadline(), kNever) << "then it is quiet";
}

TEST(Watches, KeepToTheirLimit) {
  Watches watches;
  for (int i = 0; i < 256; ++i) ASSERT_TRUE(watches.add(user(i)));
  EXPECT_FALSE(watches.add(user(256)));
  EXPECT_TRUE(watches.add(user(0))) << "is watched already";
  watches.remove(user(0));
  EXPECT_TRUE(watches.add(user(256)));
}

TEST(Watches, WhoeverChangesThemAllTheTimePilesNothingUp) {
  Watches watches;
  Instant now = kStart;
  watches.on_online(4000, now);
  std::size_t sent = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 256; ++i) ASSERT_TRUE(watches.add(user(1000 * round + i)));
    sent += said(watches, now).size();
    for (int i = 0; i < 256; ++i) watches.remove(user(1000 * round + i));
  }
  EXPECT_LE(sent, 1000u);
  // What is left to say: the ends that fit.
  std::size_t ends = 0;
  for (int second = 0; second < 10; ++second) {
    now += seconds(1);
    for (const std::string& one : said(watches, now)) {
      EXPECT_EQ(one[0], '-') << one;
      ++ends;
    }
  }
  EXPECT_LE(ends, 512u);
}

}  // namespace
}  // namespace whimbrel::rendezvous
