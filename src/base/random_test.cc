#include "base/random.h"

#include <gtest/gtest.h>

#include <array>

namespace whimbrel {
namespace {

// First outputs for the seed 0, from the reference implementations of splitmix64 and xoshiro256**.
TEST(FastRandom, IsXoshiro256StarStar) {
  FastRandom random(0);
  EXPECT_EQ(random.next(), 0x99ec5f36cb75f2b4u);
  EXPECT_EQ(random.next(), 0xbf6e1f784956452au);
  EXPECT_EQ(random.next(), 0x1a5f849d4933e6e0u);
}

TEST(FastRandom, SameSeedSameBytes) {
  FastRandom a(7);
  FastRandom b(7);
  FastRandom c(8);
  std::array<std::uint8_t, 21> x{};
  std::array<std::uint8_t, 21> y{};
  std::array<std::uint8_t, 21> z{};
  a.fill(x);
  b.fill(y);
  c.fill(z);
  EXPECT_EQ(x, y);
  EXPECT_NE(x, z);
}

TEST(Random, BelowStaysBelowAndReachesAll) {
  FastRandom random(1);
  std::array<int, 7> seen{};
  for (int i = 0; i < 7000; ++i) ++seen[random.below(7)];
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, UnitAndChance) {
  FastRandom random(2);
  int hits = 0;
  for (int i = 0; i < 10000; ++i) {
    const double unit = random.unit();
    ASSERT_GE(unit, 0.0);
    ASSERT_LT(unit, 1.0);
    if (random.chance(0.25)) ++hits;
  }
  EXPECT_NEAR(hits, 2500, 200);
  EXPECT_FALSE(random.chance(0));
  EXPECT_TRUE(random.chance(1));
}

}  // namespace
}  // namespace whimbrel
