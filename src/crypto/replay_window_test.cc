#include "crypto/replay_window.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace whimbrel {
namespace {

TEST(ReplayWindow, TakesEachNumberOnce) {
  ReplayWindow window;
  EXPECT_EQ(window.next(), 0u);
  for (std::uint64_t number : {0u, 5u, 3u, 4u, 1u}) {
    EXPECT_TRUE(window.acceptable(number)) << number;
    window.commit(number);
    EXPECT_FALSE(window.acceptable(number)) << number;
  }
  EXPECT_TRUE(window.acceptable(2));
  EXPECT_EQ(window.next(), 6u);
}

TEST(ReplayWindow, CheckingChangesNothing) {
  ReplayWindow window;
  EXPECT_TRUE(window.acceptable(1000000));
  EXPECT_TRUE(window.acceptable(0));
  EXPECT_EQ(window.next(), 0u);
}

TEST(ReplayWindow, IsExactly4096Wide) {
  ReplayWindow window;
  window.commit(10000);
  EXPECT_TRUE(window.acceptable(10000 - 4095));
  EXPECT_FALSE(window.acceptable(10000 - 4096));
  window.commit(10001);
  EXPECT_FALSE(window.acceptable(10000 - 4095));
  EXPECT_FALSE(window.acceptable(10000));
}

TEST(ReplayWindow, FarJumpForgetsEverything) {
  ReplayWindow window;
  for (std::uint64_t number = 0; number < 5000; ++number) window.commit(number);
  window.commit((std::uint64_t{1} << 61) + 17);
  for (std::uint64_t back = 1; back < 4096; ++back)
    ASSERT_TRUE(window.acceptable((std::uint64_t{1} << 61) + 17 - back)) << back;
}

TEST(ReplayWindow, FitsIntoASmallSession) { EXPECT_LE(sizeof(ReplayWindow), 520u); }

// What the window should do, written as one would say it.
class NaiveWindow {
 public:
  explicit NaiveWindow(std::uint64_t size) : size_(size) {}
  bool acceptable(std::uint64_t number) const {
    if (seen_.empty() || number > *seen_.rbegin()) return true;
    return *seen_.rbegin() - number < size_ && !seen_.contains(number);
  }
  void commit(std::uint64_t number) { seen_.insert(number); }

 private:
  std::uint64_t size_;
  std::set<std::uint64_t> seen_;
};

template <std::size_t kSize>
void compare_with_naive(std::uint64_t seed) {
  FastRandom random(seed);
  BasicReplayWindow<kSize> window;
  NaiveWindow naive(kSize);
  // Mostly near the top, on both sides of it, now and then a jump of up to two windows.
  std::uint64_t top = random.below(3 * kSize);
  for (int step = 0; step < 4000; ++step) {
    const std::uint64_t reach = random.chance(0.02) ? 2 * kSize : kSize / 8 + 2;
    const std::uint64_t up = top + random.below(reach);
    const std::uint64_t down = random.below(random.chance(0.1) ? kSize + 70 : 40);
    const std::uint64_t number = up - std::min(up, down);
    ASSERT_EQ(window.acceptable(number), naive.acceptable(number))
        << "seed " << seed << " step " << step;
    if (!naive.acceptable(number)) continue;
    window.commit(number);
    naive.commit(number);
    top = window.next() - 1;
  }
}

TEST(ReplayWindow, AgreesWithNaiveModel) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    compare_with_naive<64>(seed);
    compare_with_naive<128>(seed);
    compare_with_naive<4096>(seed);
  }
}

}  // namespace
}  // namespace whimbrel
