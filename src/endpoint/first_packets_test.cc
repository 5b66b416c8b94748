#include "endpoint/first_packets.h"

#include <gtest/gtest.h>

#include "endpoint/unfinished.h"

namespace whimbrel {
namespace {

class FirstPacketsTest : public testing::Test {
 protected:
  static IpAddress address(std::uint8_t network, std::uint8_t host) {
    return IpAddress::v4(10, 1, network, host, 1000);
  }
  FirstPacketLimits limits{.per_100ms_max = 3,
                           .unfinished_max = 10,
                           .looks_of_network = 5,
                           .answers_of_network = 2,
                           .answers = 4,
                           .answers_of_networks = 3};
  FastRandom random{1};
  Instant now{};
};

TEST_F(FirstPacketsTest, CookiesAreAskedForWhereManyComeAtOnce) {
  FirstPackets packets(limits, random, now);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(packets.wants_cookie(0, now));
  EXPECT_TRUE(packets.wants_cookie(0, now));
  now += milliseconds(100);
  EXPECT_FALSE(packets.wants_cookie(0, now));
}

TEST_F(FirstPacketsTest, CookiesAreAskedForWhereManyAreNotFinished) {
  FirstPackets packets(limits, random, now);
  EXPECT_FALSE(packets.wants_cookie(9, now));
  EXPECT_TRUE(packets.wants_cookie(10, now));
}

TEST_F(FirstPacketsTest, ANetworkIsLookedAtSoOften) {
  FirstPackets packets(limits, random, now);
  for (std::uint8_t i = 0; i < 5; ++i) EXPECT_TRUE(packets.looks_at(address(1, i), now));
  EXPECT_FALSE(packets.looks_at(address(1, 9), now));
  EXPECT_TRUE(packets.looks_at(address(2, 9), now));
  now += seconds(1);
  EXPECT_TRUE(packets.looks_at(address(1, 9), now));
}

TEST_F(FirstPacketsTest, EachNetworkHasItsOwnAnswersAndAllShareTheRest) {
  FirstPackets packets(limits, random, now);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(packets.admit(address(1, 1), now), Standing::kAssured);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(packets.admit(address(1, 1), now), Standing::kCommon);
  EXPECT_EQ(packets.admit(address(1, 1), now), std::nullopt);
  EXPECT_EQ(packets.admit(address(2, 1), now), Standing::kAssured) << "whatever others do";
  EXPECT_EQ(packets.admit(address(3, 1), now), std::nullopt) << "all networks have had theirs";
  now += seconds(1);
  EXPECT_EQ(packets.admit(address(3, 1), now), Standing::kAssured);
}

TEST_F(FirstPacketsTest, WithoutLimitsAllAreTaken) {
  limits = {};
  FirstPackets packets(limits, random, now);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(packets.looks_at(address(1, 1), now));
    EXPECT_EQ(packets.admit(address(1, 1), now), Standing::kAssured);
  }
}

TEST(Unfinished, TheOldestOfManyGoesFirst) {
  Unfinished<int> all;
  EXPECT_FALSE(all.first_to_go() || all.oldest());
  all.add(1, Standing::kAssured);
  all.add(2, Standing::kCommon);
  all.add(3, Standing::kCommon);
  EXPECT_EQ(all.oldest(), 1);
  EXPECT_EQ(all.first_to_go(), 2);
  EXPECT_TRUE(all.erase(2));
  EXPECT_FALSE(all.erase(2));
  EXPECT_EQ(all.first_to_go(), 3);
  EXPECT_TRUE(all.erase(3));
  EXPECT_EQ(all.first_to_go(), 1);
  EXPECT_EQ(all.size(), 1u);
}

}  // namespace
}  // namespace whimbrel
