#include "message/seen_sequences.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"

namespace whimbrel {
namespace {

TEST(SeenSequences, EachOnce) {
  SeenSequences seen;
  for (const std::uint64_t n : {0, 5, 3, 4, 1, 2}) {
    EXPECT_FALSE(seen.seen(n));
    seen.note(n);
    EXPECT_TRUE(seen.seen(n));
  }
}

TEST(SeenSequences, WhatIsOlderThanTheWindowCountsAsSeen) {
  SeenSequences seen;
  seen.note(5000);
  EXPECT_TRUE(seen.seen(5000 - SeenSequences::kSize));
  EXPECT_FALSE(seen.seen(5001 - SeenSequences::kSize));
  EXPECT_FALSE(seen.seen(5001));
}

TEST(SeenSequences, IsRightAboutAnyOrder) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    FastRandom random(seed);
    SeenSequences seen;
    std::set<std::uint64_t> noted;
    std::uint64_t front = 0;
    for (int i = 0; i < 20'000; ++i) {
      front += random.below(50) == 0 ? random.below(3000) : random.below(3);
      const std::uint64_t n = front - std::min(front, random.below(SeenSequences::kSize));
      const std::uint64_t end = noted.empty() ? 0 : *noted.rbegin() + 1;
      const bool old = n < end && end - n > SeenSequences::kSize;
      ASSERT_EQ(seen.seen(n), old || noted.contains(n)) << n;
      if (old) continue;
      seen.note(n);
      noted.insert(n);
    }
  }
}

}  // namespace
}  // namespace whimbrel
