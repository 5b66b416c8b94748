#include "base/expected.h"

#include <gtest/gtest.h>

#include <memory>

namespace whimbrel {
namespace {

Expected<int> half(int n) {
  if (n % 2 != 0) return Error{"odd"};
  return n / 2;
}

TEST(Expected, HoldsAValueOrASentence) {
  EXPECT_TRUE(half(4).ok());
  EXPECT_EQ(*half(4), 2);
  EXPECT_EQ(half(4).error(), "");
  EXPECT_FALSE(half(3));
  EXPECT_EQ(half(3).error(), "odd");
}

TEST(Expected, ValueMayBeMovedOut) {
  Expected<std::unique_ptr<int>> made(std::make_unique<int>(5));
  const std::unique_ptr<int> taken = std::move(*made);
  EXPECT_EQ(*taken, 5);
}

TEST(ExpectedDeathTest, NoValueNoAccess) { EXPECT_DEATH(half(3).value(), "assertion failed"); }

}  // namespace
}  // namespace whimbrel
