#include "path/loss_recovery.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

namespace whimbrel {
namespace {

constexpr Duration kRtt = milliseconds(100);
constexpr Duration kDelayMax = milliseconds(25);
constexpr std::size_t kBytes = 1000;

class LossRecoveryTest : public ::testing::Test, public FrameSink {
 protected:
  void on_frame_acked(const SentFrame& frame) override { acked.push_back(frame.offset); }
  void on_frame_lost(const SentFrame& frame) override { lost.push_back(frame.offset); }

  // Sends one packet whose only frame has its number as offset.
  std::uint64_t send(bool eliciting = true, PacketPurpose purpose = PacketPurpose::kNormal) {
    const std::uint64_t number = recovery.next_number();
    const SentFrame frame{FrameType::kStream, kBytes, 0, number, 0};
    const std::span<const SentFrame> frames{&frame, eliciting ? 1u : 0u};
    recovery.on_packet_sent(now, kBytes, eliciting, purpose, ack_end, frames);
    return number;
  }
  void send(int count) {
    for (int i = 0; i < count; ++i) send();
  }
  // Newest first.
  bool acknowledge(std::initializer_list<Range> ranges, std::uint64_t delay_us = 0) {
    AckFrame ack;
    ack.delay_us = delay_us;
    for (const Range& range : ranges) ack.ranges[ack.count++] = range;
    settled = {};
    return recovery.on_ack_received(ack, now, *this, settled);
  }
  void fire() {
    now = recovery.next_deadline();
    settled = {};
    recovery.on_deadline(now, *this, settled);
  }
  // One sample of kRtt, so that timers are known.
  void measure_rtt() {
    recovery.on_handshake_rtt(kRtt, now);
    now += Duration(1);
  }
  using Numbers = std::vector<std::uint64_t>;

  Instant now{seconds(1)};
  LossRecovery recovery{milliseconds(333), kDelayMax, now};
  Settled settled;
  std::uint64_t ack_end = 0;
  Numbers acked, lost;
};

TEST_F(LossRecoveryTest, AcknowledgedFramesComeBackInOrder) {
  send(5);
  now += kRtt;
  ASSERT_TRUE(acknowledge({{3, 5}, {0, 2}}));
  EXPECT_EQ(acked, (Numbers{0, 1, 3, 4}));
  EXPECT_EQ(settled.bytes_acked, 4 * kBytes);
  EXPECT_EQ(recovery.bytes_in_flight(), kBytes);
  EXPECT_EQ(recovery.rtt().latest(), kRtt);
  EXPECT_EQ(recovery.next_unacked(), 5u);
}

TEST_F(LossRecoveryTest, TheSameAckTwiceSettlesNothing) {
  send(3);
  now += kRtt;
  acknowledge({{0, 3}});
  now += kRtt;
  ASSERT_TRUE(acknowledge({{0, 3}}));
  EXPECT_EQ(settled.packets_acked, 0u);
  EXPECT_EQ(acked.size(), 3u);
  EXPECT_EQ(recovery.rtt().latest(), kRtt);
}

TEST_F(LossRecoveryTest, AnAckOfAPacketNeverSentBreaksTheProtocol) {
  send(2);
  EXPECT_FALSE(acknowledge({{0, 3}}));
  EXPECT_TRUE(acked.empty());
  EXPECT_EQ(recovery.bytes_in_flight(), 2 * kBytes);
}

// RFC 9002 6.1.1.
TEST_F(LossRecoveryTest, LostAfterThreeLaterPackets) {
  measure_rtt();
  send(4);
  now += kRtt;
  acknowledge({{2, 3}});
  EXPECT_TRUE(lost.empty());
  acknowledge({{3, 4}});
  EXPECT_EQ(lost, (Numbers{0}));
  EXPECT_EQ(settled.packets_lost, 1u);
  EXPECT_EQ(settled.bytes_lost, kBytes);
  // Packet 1 is two behind: it waits for the timer.
  EXPECT_EQ(recovery.bytes_in_flight(), kBytes);
}

// RFC 9002 6.1.2.
TEST_F(LossRecoveryTest, LostAfterNineEighthsOfARoundTrip) {
  measure_rtt();
  const Instant sent = now;
  send(2);
  now += kRtt;
  acknowledge({{1, 2}});
  EXPECT_TRUE(lost.empty());
  EXPECT_EQ(recovery.next_deadline(), sent + kRtt * 9 / 8);
  fire();
  EXPECT_EQ(lost, (Numbers{0}));
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
  EXPECT_EQ(recovery.next_deadline(), kNever);
}

TEST_F(LossRecoveryTest, APacketAfterTheLargestAcknowledgedIsNotLost) {
  measure_rtt();
  send(1);
  now += 3 * kRtt;
  send(1);
  acknowledge({{0, 1}});
  EXPECT_TRUE(lost.empty());
}

// RFC 9002 6.2.1.
TEST_F(LossRecoveryTest, ProbeTimeoutDoublesUpToABound) {
  measure_rtt();
  const Duration pto = kRtt + 4 * (kRtt / 2) + kDelayMax;
  EXPECT_EQ(recovery.probe_timeout(), pto);
  send(1);
  const Instant sent = now;
  EXPECT_EQ(recovery.next_deadline(), sent + pto);
  fire();
  EXPECT_EQ(recovery.probes_owed(), 2u);
  EXPECT_EQ(recovery.probe_timeout(), 2 * pto);
  EXPECT_EQ(recovery.next_deadline(), now + 2 * pto);
  fire();
  EXPECT_EQ(recovery.probe_timeout(), 4 * pto);
  for (int i = 0; i < 20; ++i) fire();
  EXPECT_EQ(recovery.probe_timeout(), seconds(5));
  EXPECT_EQ(recovery.probes_owed(), 1u);
}

// RFC 9002 6.2.4.
TEST_F(LossRecoveryTest, AProbeTimeoutGivesTheOldestFramesBackButLosesNothing) {
  measure_rtt();
  send(5);
  fire();
  EXPECT_EQ(lost, (Numbers{0, 1}));
  EXPECT_EQ(settled.packets_lost, 0u);
  EXPECT_EQ(recovery.bytes_in_flight(), 5 * kBytes);
  send(true, PacketPurpose::kPtoProbe);
  EXPECT_EQ(recovery.probes_owed(), 1u);
  fire();
  EXPECT_EQ(lost, (Numbers{0, 1, 2, 3}));
  // The answer to the probe settles the rest, each frame once.
  now += kRtt;
  acknowledge({{5, 6}});
  EXPECT_EQ(lost, (Numbers{0, 1, 2, 3, 4}));
  EXPECT_EQ(recovery.probes_owed(), 0u);
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
}

TEST_F(LossRecoveryTest, AnAckResetsTheBackOff) {
  measure_rtt();
  send(1);
  fire();
  fire();
  now += milliseconds(10);
  acknowledge({{0, 1}});
  EXPECT_EQ(recovery.pto_count(), 0u);
  EXPECT_EQ(recovery.next_deadline(), kNever);
}

TEST_F(LossRecoveryTest, NothingAckElicitingNoTimer) {
  send(false);
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
  EXPECT_EQ(recovery.next_deadline(), kNever);
  EXPECT_EQ(recovery.oldest_unacked_time(), kNever);
}

// The frame went back for a probe, and the first packet with it had only been late.
TEST_F(LossRecoveryTest, WhatWentBackForAProbeIsAcknowledgedByItsFirstPacketToo) {
  measure_rtt();
  send();
  fire();
  EXPECT_EQ(lost, (Numbers{0}));
  send();
  ASSERT_TRUE(acknowledge({{0, 1}}));
  EXPECT_EQ(acked, (Numbers{0}));
  now += seconds(1);
  fire();
  EXPECT_EQ(lost, (Numbers{0, 1})) << "given back once";
}

// RFC 9002 5.1: an ACK of packets that asked for none gives no sample.
TEST_F(LossRecoveryTest, AcksOfAcksGiveNoSample) {
  send(false);
  now += kRtt;
  acknowledge({{0, 1}});
  EXPECT_FALSE(recovery.rtt().has_sample());
}

TEST_F(LossRecoveryTest, AHugeAckDelayIsNotBelieved) {
  measure_rtt();
  send(1);
  now += 2 * kRtt;
  acknowledge({{0, 1}}, kVarintMax);
  EXPECT_EQ(recovery.rtt().smoothed(), (7 * kRtt + 2 * kRtt - kDelayMax) / 8);
}

// RFC 9002 7.6.
TEST_F(LossRecoveryTest, PersistentCongestion) {
  measure_rtt();
  const Duration duration = 3 * (recovery.rtt().probe_base() + kDelayMax);
  send(1);
  now += duration + milliseconds(1);
  send(4);
  now += kRtt;
  acknowledge({{4, 5}});
  EXPECT_EQ(lost, (Numbers{0, 1}));
  EXPECT_TRUE(settled.persistent_congestion);
}

TEST_F(LossRecoveryTest, NoPersistentCongestionWhenSomethingBetweenArrived) {
  measure_rtt();
  const Duration duration = 3 * (recovery.rtt().probe_base() + kDelayMax);
  send(1);
  now += duration / 2;
  send(1);  // arrives
  now += duration / 2 + milliseconds(1);
  send(4);
  now += kRtt;
  acknowledge({{5, 6}, {1, 2}});
  EXPECT_EQ(lost, (Numbers{0, 2}));
  EXPECT_FALSE(settled.persistent_congestion);
}

TEST_F(LossRecoveryTest, NoPersistentCongestionBeforeTheFirstSample) {
  send(1);
  now += seconds(60);
  send(4);
  now += kRtt;
  acknowledge({{4, 5}});
  EXPECT_EQ(lost, (Numbers{0, 1}));
  EXPECT_FALSE(settled.persistent_congestion);
}

// RFC 9000 14.4.
TEST_F(LossRecoveryTest, TheLossOfAnMtuProbeIsNoLoss) {
  measure_rtt();
  send(true, PacketPurpose::kMtuProbe);
  send(4);
  now += kRtt;
  acknowledge({{1, 5}});
  EXPECT_TRUE(settled.mtu_probe_lost);
  EXPECT_EQ(settled.packets_lost, 0u);
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
}

TEST_F(LossRecoveryTest, ALateArrivalIsASpuriousLossAndWidensTheThreshold) {
  measure_rtt();
  send(6);
  now += kRtt;
  acknowledge({{1, 6}});
  EXPECT_EQ(lost, (Numbers{0}));
  now += milliseconds(1);
  acknowledge({{0, 6}});
  EXPECT_EQ(settled.spurious_losses, 1u);
  acknowledge({{0, 6}});
  EXPECT_EQ(settled.spurious_losses, 0u);  // once
  // Packet 0 was five behind: now that much is tolerated.
  lost.clear();
  send(6);
  now += kRtt;
  acknowledge({{7, 12}});
  EXPECT_TRUE(lost.empty());
  // Not for ever.
  now += seconds(31);
  send(4);
  acknowledge({{13, 16}});
  EXPECT_EQ(lost, (Numbers{6, 12}));
}

// At the limit of what is remembered the oldest is forgotten: that it arrives late tells nothing.
TEST_F(LossRecoveryTest, SoManyLostPacketsAreRemembered) {
  measure_rtt();
  send(1029);
  now += kRtt - milliseconds(1);
  acknowledge({{1028, 1029}});
  ASSERT_EQ(settled.packets_lost, 1026u) << "all but the two before it";
  acknowledge({{0, 1029}});
  EXPECT_EQ(settled.spurious_losses, 1024u);
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
}

// A packet that comes a thousand others late must not keep losses from being noticed.
TEST_F(LossRecoveryTest, ReorderingIsToleratedUpToALimit) {
  measure_rtt();
  send(1000);
  now += kRtt;
  acknowledge({{999, 1000}});
  acknowledge({{0, 1000}});
  ASSERT_GT(settled.spurious_losses, 900u);
  lost.clear();
  send(70);
  const Instant sent = now;
  now += kRtt;
  acknowledge({{1069, 1070}});
  EXPECT_EQ(lost, (Numbers{1000, 1001, 1002, 1003, 1004, 1005})) << "64 behind or more";
  EXPECT_EQ(recovery.next_deadline(), sent + 2 * kRtt);
}

TEST_F(LossRecoveryTest, ReportsHowFarOurAcksWereSeen) {
  ack_end = 17;
  send(false);
  ack_end = 0;
  send(1);
  now += kRtt;
  acknowledge({{0, 2}});
  EXPECT_EQ(settled.ack_end, 17u);
}

TEST_F(LossRecoveryTest, OldestUnackedTime) {
  send(false);
  const Instant first = now;
  send(1);
  now += milliseconds(1);
  send(2);
  EXPECT_EQ(recovery.oldest_unacked_time(), first);
  acknowledge({{1, 2}});
  EXPECT_EQ(recovery.oldest_unacked_time(), now);
  acknowledge({{0, 4}});
  EXPECT_EQ(recovery.oldest_unacked_time(), kNever);
}

// RFC 9000 9.4.
TEST_F(LossRecoveryTest, PacketsOfTheOldRouteCountForNothing) {
  measure_rtt();
  send(5);
  recovery.reset_for_new_route(milliseconds(333), now);
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
  EXPECT_EQ(recovery.next_number(), 5u);
  send(4);
  now += kRtt;
  acknowledge({{8, 9}, {1, 2}});
  // Frames come back all the same.
  EXPECT_EQ(acked, (Numbers{1, 8}));
  EXPECT_EQ(lost, (Numbers{0, 2, 3, 4, 5}));
  EXPECT_EQ(settled.bytes_acked, kBytes);
  EXPECT_EQ(settled.packets_lost, 1u);
  EXPECT_EQ(recovery.bytes_in_flight(), 2 * kBytes);
}

TEST_F(LossRecoveryTest, AbandonGivesEverythingBack) {
  measure_rtt();
  send(5);
  acknowledge({{3, 4}});
  lost.clear();
  recovery.abandon(*this);
  EXPECT_EQ(lost, (Numbers{1, 2, 4}));
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
  EXPECT_EQ(recovery.next_deadline(), kNever);
  EXPECT_EQ(recovery.next_number(), 5u);
}

}  // namespace
}  // namespace whimbrel
