#include "message/receive_window.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

constexpr std::uint64_t kWindow = 1000;

TEST(ReceiveWindow, RefusesWhatWasNotGranted) {
  ReceiveWindow window(kWindow, 100, 10);
  EXPECT_EQ(window.limit(), kWindow);
  EXPECT_TRUE(window.charge(1000));
  EXPECT_FALSE(window.charge(1));
  EXPECT_EQ(window.held(), 1000u);
  window.free(1000);
  // Not before it is announced.
  EXPECT_FALSE(window.charge(1));
  EXPECT_EQ(window.announce(), 2000u);
  EXPECT_TRUE(window.charge(1000));
  EXPECT_FALSE(window.charge(1));
}

TEST(ReceiveWindow, AnnouncesAtAQuarter) {
  ReceiveWindow window(kWindow, 100, 10);
  window.charge(500);
  window.free(249);
  window.consider(true);
  EXPECT_FALSE(window.due());
  window.free(1);
  window.consider(false);
  EXPECT_TRUE(window.due());
  EXPECT_EQ(window.announce(), 1250u);
  EXPECT_FALSE(window.due());
}

TEST(ReceiveWindow, AnnouncesAtOnceWhenThePeerMayWait) {
  ReceiveWindow window(kWindow, 100, 10);
  window.charge(901);  // 99 remain: not enough for the largest message
  window.free(9);
  window.consider(false);
  EXPECT_FALSE(window.due());  // a small step, and more is to be consumed
  window.free(1);
  window.consider(false);
  EXPECT_TRUE(window.due());
}

TEST(ReceiveWindow, AnnouncesTheSmallestStepWhenAllIsConsumed) {
  ReceiveWindow window(kWindow, 100, 50);
  window.charge(1000);
  window.free(1);
  window.consider(true);
  EXPECT_TRUE(window.due());
}

TEST(ReceiveWindow, KeepsSilentWhileThePeerHasEnough) {
  ReceiveWindow window(kWindow, 100, 10);
  window.charge(900);
  window.free(249);
  window.consider(true);
  EXPECT_FALSE(window.due());
  EXPECT_EQ(window.promised(), 751u);
}

// Whatever the order, a peer that waits for `unit` gets it once all is consumed.
TEST(ReceiveWindow, NeverStalls) {
  for (const std::uint64_t unit : {1, 100, 990, 1000}) {
    ReceiveWindow window(kWindow, unit, 16);
    for (int i = 0; i < 5000; ++i) {
      const std::uint64_t amount = i % 7 == 0 ? unit : i % 13;
      ASSERT_TRUE(window.charge(amount > unit ? unit : amount)) << unit << ' ' << i;
      window.free(window.held());
      window.consider(true);
      if (window.due()) window.announce();
      ASSERT_GE(window.promised() - window.held(), unit) << i;
    }
  }
}

TEST(ReceiveWindow, KeepsRoomForWhatIsNotAnnouncedYet) {
  ReceiveWindow window(kWindow, 100, 10);
  window.charge(200);
  window.free(200);
  EXPECT_EQ(window.promised(), 800u);
  EXPECT_EQ(window.reserved(), 1000u);
  window.set_window(600);
  EXPECT_EQ(window.reserved(), 800u) << "what was promised stands";
  window.consider(true);
  EXPECT_FALSE(window.due());
  EXPECT_EQ(window.announce(), 1000u) << "never shrinks";
}

}  // namespace
}  // namespace whimbrel
