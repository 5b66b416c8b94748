#include "io/fake_network.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

const IpAddress kPeer = IpAddress::v4(127, 0, 0, 1, 5);

Instant at(std::int64_t ms) { return Instant(milliseconds(ms)); }

class FakeLinkTest : public testing::Test {
 protected:
  void push(std::uint8_t tag, Instant now, std::size_t size = 1) {
    link.push(kPeer, std::vector<std::uint8_t>(size, tag), now);
  }
  std::vector<int> tags(Instant now) {
    std::vector<int> result;
    while (auto datagram = link.pop(now)) result.push_back(datagram->bytes[0]);
    return result;
  }

  FastRandom random{7};
  FakeLink link{random};
};

TEST_F(FakeLinkTest, IsOutOfTheWayWithoutSettings) {
  EXPECT_FALSE(link.active());
  EXPECT_EQ(link.next_deadline(), kNever);
}

TEST_F(FakeLinkTest, LagsAndKeepsTheOrder) {
  link.configure({.lag = milliseconds(30)});
  push(1, at(0));
  push(2, at(0));
  EXPECT_EQ(link.next_deadline(), at(30));
  EXPECT_TRUE(tags(at(29)).empty());
  EXPECT_EQ(tags(at(30)), (std::vector<int>{1, 2}));
}

TEST_F(FakeLinkTest, StaysActiveUntilItIsEmpty) {
  link.configure({.lag = milliseconds(30)});
  push(1, at(0));
  link.configure({});
  EXPECT_TRUE(link.active());
  EXPECT_EQ(tags(at(30)).size(), 1u);
  EXPECT_FALSE(link.active());
}

TEST_F(FakeLinkTest, LosesItsShare) {
  link.configure({.loss_percent = 20});
  for (int i = 0; i < 10000; ++i) push(1, at(0));
  const std::size_t arrived = tags(at(0)).size();
  EXPECT_GT(arrived, 7800u);
  EXPECT_LT(arrived, 8200u);
  link.configure({.loss_percent = 100});
  push(1, at(0));
  EXPECT_TRUE(tags(at(0)).empty());
}

TEST_F(FakeLinkTest, HoldsSomeBack) {
  link.configure({.reorder_percent = 100, .reorder_time = milliseconds(5)});
  push(1, at(0));
  link.configure({.reorder_percent = 0});
  push(2, at(0));
  EXPECT_EQ(tags(at(5)), (std::vector<int>{2, 1}));
}

TEST_F(FakeLinkTest, Duplicates) {
  link.configure({.duplicate_percent = 100, .duplicate_time_max = milliseconds(10)});
  push(1, at(0));
  EXPECT_EQ(tags(at(10)), (std::vector<int>{1, 1}));
}

TEST_F(FakeLinkTest, LimitsTheRateAndItsQueue) {
  link.configure({.rate = 100'000});
  for (int i = 0; i < 100; ++i) push(1, at(0), 1000);  // 10 ms each
  EXPECT_EQ(tags(at(10)).size(), 1u);
  EXPECT_EQ(tags(at(100)).size(), 9u);
  // Half a second of queue, and the packet on the line.
  EXPECT_EQ(tags(at(10000)).size(), 41u);
}

TEST_F(FakeLinkTest, BoundsItsMemory) {
  link.configure({.lag = seconds(1)});
  const std::size_t size = 1 << 20;
  for (int i = 0; i < 40; ++i) push(1, at(0), size);
  EXPECT_EQ(tags(at(1000)).size(), FakeLink::kQueuedBytesMax / size);
}

}  // namespace
}  // namespace whimbrel
