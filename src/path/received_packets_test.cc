#include "path/received_packets.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

constexpr Instant kStart{};
constexpr Duration kDelay = milliseconds(25);
constexpr Duration kRtt = milliseconds(40);

class ReceivedPacketsTest : public ::testing::Test {
 protected:
  bool receive(std::uint64_t number, Instant now = kStart, bool eliciting = true) {
    return received.on_received(number, eliciting, kRtt, now);
  }
  void acknowledge(Instant now = kStart) {
    received.make_ack(ack, now);
    received.on_ack_written();
  }

  ReceivedPackets received{kDelay};
  AckFrame ack;
};

TEST_F(ReceivedPacketsTest, EverySecondPacketIsAcknowledgedAtOnce) {
  receive(0);
  EXPECT_TRUE(received.has_ack());
  EXPECT_FALSE(received.ack_due(kStart));
  receive(1);
  EXPECT_TRUE(received.ack_due(kStart));
  acknowledge();
  EXPECT_EQ(ack.count, 1u);
  EXPECT_EQ(ack.ranges[0], (Range{0, 2}));
  EXPECT_FALSE(received.ack_due(kStart + seconds(1)));
  EXPECT_FALSE(received.has_ack());
}

TEST_F(ReceivedPacketsTest, ASinglePacketWaitsForTheDelay) {
  receive(0);
  EXPECT_EQ(received.next_deadline(), kStart + kDelay);
  EXPECT_FALSE(received.ack_due(kStart + kDelay - Duration(1)));
  EXPECT_TRUE(received.ack_due(kStart + kDelay));
  received.on_deadline(kStart + kDelay);
  // Due until it is written, but the timer does not fire again.
  EXPECT_EQ(received.next_deadline(), kNever);
  EXPECT_TRUE(received.ack_due(kStart + kDelay));
}

TEST_F(ReceivedPacketsTest, AcknowledgementsAloneAskForNothing) {
  for (std::uint64_t n = 0; n < 10; ++n) receive(n, kStart, false);
  EXPECT_FALSE(received.ack_due(kStart + seconds(10)));
  EXPECT_EQ(received.next_deadline(), kNever);
  EXPECT_TRUE(received.has_ack());  // worth adding to a packet that leaves anyway
}

TEST_F(ReceivedPacketsTest, AGapIsReportedAtOnce) {
  receive(0);
  receive(1);
  acknowledge();
  receive(3);
  EXPECT_TRUE(received.ack_due(kStart));
  acknowledge();
  ASSERT_EQ(ack.count, 2u);
  EXPECT_EQ(ack.ranges[0], (Range{3, 4}));
  EXPECT_EQ(ack.ranges[1], (Range{0, 2}));
}

TEST_F(ReceivedPacketsTest, ALatePacketIsReportedAtOnce) {
  receive(0);
  receive(2);
  acknowledge();
  receive(1);
  EXPECT_TRUE(received.ack_due(kStart));
  acknowledge();
  EXPECT_EQ(ack.count, 1u);
}

TEST_F(ReceivedPacketsTest, DuplicatesChangeNothing) {
  EXPECT_TRUE(receive(5));
  acknowledge();
  EXPECT_TRUE(received.is_duplicate(5));
  EXPECT_FALSE(receive(5));
  EXPECT_FALSE(received.has_ack());
  EXPECT_FALSE(received.is_duplicate(4));
  EXPECT_FALSE(received.is_duplicate(6));
}

TEST_F(ReceivedPacketsTest, TooOldCountsAsDuplicate) {
  receive(100000);
  EXPECT_FALSE(received.is_duplicate(100000 - 4095));
  EXPECT_TRUE(received.is_duplicate(100000 - 4096));
}

TEST_F(ReceivedPacketsTest, DelayIsThatOfTheLargest) {
  receive(1, kStart);
  receive(0, kStart + milliseconds(2));
  acknowledge(kStart + milliseconds(5));
  EXPECT_EQ(ack.delay_us, 5000u);
}

TEST_F(ReceivedPacketsTest, RangesAreBounded) {
  for (std::uint64_t n = 0; n < 4000; n += 2) receive(n);
  acknowledge();
  EXPECT_EQ(ack.count, kAckRangesMax);
  EXPECT_EQ(ack.ranges[0], (Range{3998, 3999}));
  // The oldest were forgotten, and are still no news.
  EXPECT_TRUE(received.is_duplicate(0));
}

// One frame has the newest of them only. So the gaps between these are filled, and the rest shows.
TEST_F(ReceivedPacketsTest, AtTheLimitOfRangesTheOldestIsForgotten) {
  const std::uint64_t end = 2 * kReceivedRangesMax + 100;
  for (std::uint64_t n = 0; n < end; n += 2) receive(n);
  constexpr std::uint64_t kOldestKept = 100;
  for (std::uint64_t n = kOldestKept + 61; n < end; n += 2) receive(n);
  acknowledge();
  ASSERT_EQ(ack.count, 31u);
  EXPECT_EQ(ack.ranges[0], (Range{kOldestKept + 60, end}));
  EXPECT_EQ(ack.ranges[30], (Range{kOldestKept, kOldestKept + 1}));
  EXPECT_FALSE(receive(kOldestKept - 2)) << "forgotten, and no news";
}

TEST_F(ReceivedPacketsTest, AcknowledgedAcksAreNotRepeated) {
  for (std::uint64_t n = 0; n < 20; n += 2) receive(n);
  acknowledge();
  EXPECT_EQ(ack.count, 10u);
  received.on_ack_acked(19);
  receive(19);
  acknowledge();
  ASSERT_EQ(ack.count, 1u);
  EXPECT_EQ(ack.ranges[0], (Range{18, 20}));
}

// Packets at `rate` a second; returns how many ACK frames there were for each second.
double acks_per_second(ReceivedPackets& received, double rate, Duration rtt) {
  const auto gap = Duration(static_cast<std::int64_t>(1e9 / rate));
  Instant now = kStart;
  double acks = 0;
  for (std::uint64_t n = 0; now < kStart + seconds(2); ++n, now += gap) {
    received.on_received(n, true, rtt, now);
    if (now >= received.next_deadline()) received.on_deadline(now);
    if (!received.ack_due(now)) continue;
    received.on_ack_written();
    if (now >= kStart + seconds(1)) ++acks;
  }
  return acks;
}

TEST(ReceivedPacketsRate, ThinnedToTheRoundTripAtAHighRate) {
  ReceivedPackets fast(kDelay);
  EXPECT_NEAR(acks_per_second(fast, 100000, milliseconds(50)), 100000 / 32.0, 100);
  ReceivedPackets near(kDelay);
  // 80 packets a round trip: every fifth.
  EXPECT_NEAR(acks_per_second(near, 20000, milliseconds(4)), 4000, 100);
  ReceivedPackets slow(kDelay);
  EXPECT_NEAR(acks_per_second(slow, 100, milliseconds(50)), 50, 2);
}

TEST(ReceivedPacketsRate, TheEndOfAThinnedBurstDoesNotWaitForTheFullDelay) {
  ReceivedPackets received(kDelay);
  acks_per_second(received, 100000, milliseconds(8));
  ASSERT_GT(received.ack_threshold(), kAckThresholdMin);
  const Instant now = kStart + seconds(2);
  received.on_ack_written();
  received.on_received(received.expected(), true, milliseconds(8), now);
  EXPECT_LE(received.next_deadline(), now + milliseconds(2));
}

}  // namespace
}  // namespace whimbrel
