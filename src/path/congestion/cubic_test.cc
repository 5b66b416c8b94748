#include "path/congestion/cubic.h"

#include <gtest/gtest.h>

#include <cmath>

namespace whimbrel {
namespace {

constexpr Instant kStart{};
constexpr std::size_t kDatagram = 1200;
constexpr Duration kRtt = milliseconds(100);

// A sender that always fills the window: one round a round-trip time, an ACK for each packet.
class CubicTest : public ::testing::Test {
 protected:
  CubicTest() {
    for (int i = 0; i < 20; ++i) rtt.on_sample(kRtt, {}, milliseconds(25), kStart);
  }

  double packets() const { return static_cast<double>(cubic.window()) / kDatagram; }

  void acknowledge(std::uint64_t bytes, bool window_limited = true) {
    AckSample sample;
    sample.now = now;
    sample.bytes_acked = bytes;
    sample.sent_time = now - kRtt + Duration(1);
    sample.acked_end = ++acked;
    sample.next_number = acked + cubic.window() / kDatagram;
    sample.bytes_in_flight_before = window_limited ? cubic.window() : bytes;
    sample.has_rtt_sample = true;
    sample.window_limited = window_limited;
    cubic.on_acked(sample, rtt);
  }
  void round(bool window_limited = true) {
    const std::uint64_t count = cubic.window() / kDatagram;
    for (std::uint64_t i = 0; i < count; ++i) {
      now += kRtt / static_cast<std::int64_t>(count);
      acknowledge(kDatagram, window_limited);
    }
  }
  void rounds(int count) {
    for (int i = 0; i < count; ++i) round();
  }
  void lose(std::uint64_t packet_count = 1) {
    LossSample sample;
    sample.now = now;
    sample.packets_lost = packet_count;
    sample.bytes_lost = packet_count * kDatagram;
    sample.sent_time = now - kRtt + Duration(1);
    cubic.on_lost(sample);
  }

  Cubic cubic{kDatagram};
  RttEstimator rtt{milliseconds(333)};
  Instant now = kStart + seconds(1);
  std::uint64_t acked = 0;
};

TEST_F(CubicTest, BeginsWithTenPackets) {
  EXPECT_EQ(cubic.window(), 10 * kDatagram);
  EXPECT_TRUE(cubic.in_slow_start());
  EXPECT_EQ(cubic.slow_start_threshold(), UINT64_MAX);
}

TEST_F(CubicTest, SlowStartDoublesEachRound) {
  round();
  EXPECT_NEAR(packets(), 20, 0.01);
  round();
  EXPECT_NEAR(packets(), 40, 0.01);
}

TEST_F(CubicTest, ALossCutsToSevenTenths) {
  rounds(4);
  const double before = packets();
  lose();
  EXPECT_NEAR(packets(), 0.7 * before, 0.01);
  EXPECT_FALSE(cubic.in_slow_start());
  EXPECT_EQ(cubic.slow_start_threshold(), cubic.window());
}

TEST_F(CubicTest, OneCutForOneRound) {
  rounds(4);
  lose();
  const std::uint64_t window = cubic.window();
  lose(5);  // sent before the cut
  EXPECT_EQ(cubic.window(), window);
  acknowledge(kDatagram);  // sent before the cut, too: no growth yet
  EXPECT_EQ(cubic.window(), window);
  now += kRtt * 2;
  lose();
  EXPECT_LT(cubic.window(), window);
}

// RFC 9438 4.2: back at W_max after K = cbrt(W_max * 0.3 / 0.4) seconds, then beyond.
TEST_F(CubicTest, ComesBackToTheMaximumAfterK) {
  rounds(6);  // 640 packets
  const double max = packets();
  lose();
  now += kRtt;
  const double k = std::cbrt(max * (1 - 0.7) / 0.4);
  const Instant epoch = now;
  while (now < epoch + Duration(static_cast<std::int64_t>(0.5 * k * 1e9))) round();
  // Half-way W_cubic lacks C * (K/2)^3 of the maximum, an eighth of the cut.
  EXPECT_NEAR(packets(), max * (1 - 0.3 / 8), 0.02 * max);
  while (now < epoch + Duration(static_cast<std::int64_t>(k * 1e9))) round();
  EXPECT_NEAR(packets(), max, 0.01 * max);
  while (now < epoch + Duration(static_cast<std::int64_t>(1.5 * k * 1e9))) round();
  EXPECT_NEAR(packets(), max * (1 + 0.3 / 8), 0.02 * max);
}

// RFC 9438 4.3: at a small window Reno is faster, and CUBIC follows it: alpha = 0.529 packets a
// round until the window before the cut, then one.
TEST_F(CubicTest, IsNeverSlowerThanReno) {
  round();  // 20 packets
  lose();
  now += kRtt;
  const double begin = packets();  // 14
  rounds(10);
  EXPECT_GT(packets(), begin + 0.9 * 10 * 0.529);
  rounds(20);
  EXPECT_GT(packets(), 20 + 10);
}

// RFC 9438 4.7: W_max shrinks when the last one was not reached.
TEST_F(CubicTest, FastConvergence) {
  rounds(6);
  lose();
  now += kRtt * 2;
  const double second = packets();
  lose();  // far below the first maximum
  now += kRtt * 2;
  const double new_max = second * 0.85;
  const double k = std::cbrt((new_max - packets()) / 0.4);
  const Instant epoch = now;
  while (now < epoch + Duration(static_cast<std::int64_t>(k * 1e9))) round();
  EXPECT_NEAR(packets(), new_max, 0.02 * new_max);
}

TEST_F(CubicTest, NeverBelowTwoPackets) {
  for (int i = 0; i < 50; ++i) {
    lose();
    now += kRtt * 2;
  }
  EXPECT_EQ(cubic.window(), 2 * kDatagram);
}

TEST_F(CubicTest, PersistentCongestionStartsOver) {
  rounds(5);
  lose();
  const std::uint64_t threshold = cubic.slow_start_threshold();
  cubic.on_persistent_congestion();
  EXPECT_EQ(cubic.window(), 2 * kDatagram);
  EXPECT_TRUE(cubic.in_slow_start());
  now += kRtt * 2;
  rounds(3);
  EXPECT_NEAR(packets(), 16, 0.1);
  EXPECT_EQ(cubic.slow_start_threshold(), threshold);
}

TEST_F(CubicTest, DoesNotGrowWhileTheApplicationIsTheLimit) {
  rounds(2);
  const std::uint64_t window = cubic.window();
  for (int i = 0; i < 20; ++i) round(false);
  EXPECT_EQ(cubic.window(), window);
}

// RFC 9438 5.8: nor does it jump up the curve when the application comes back.
TEST_F(CubicTest, IdleTimeDoesNotMoveAlongTheCurve) {
  rounds(6);
  lose();
  now += kRtt;
  rounds(2);
  const std::uint64_t window = cubic.window();
  for (int i = 0; i < 600; ++i) {
    now += kRtt;
    acknowledge(kDatagram, false);
  }
  round();
  EXPECT_LT(static_cast<double>(cubic.window()), 1.05 * static_cast<double>(window));
}

TEST_F(CubicTest, ASpuriousLossIsUndone) {
  rounds(5);
  const std::uint64_t before = cubic.window();
  const Instant sent = now - kRtt + Duration(1);
  lose(2);
  cubic.on_spurious_loss(sent);
  EXPECT_LT(cubic.window(), before);  // one of the two was real so far
  cubic.on_spurious_loss(sent);
  EXPECT_EQ(cubic.window(), before);
  EXPECT_TRUE(cubic.in_slow_start());
}

TEST_F(CubicTest, ALossOfAnEarlierCutUndoesNothing) {
  rounds(5);
  const Instant sent = now - kRtt + Duration(1);
  lose();
  now += 2 * kRtt;
  lose(2);
  const std::uint64_t window = cubic.window();
  cubic.on_spurious_loss(sent);
  EXPECT_EQ(cubic.window(), window);
}

TEST_F(CubicTest, PacesFasterInSlowStartAndNotOnLoopback) {
  const double per_round = static_cast<double>(cubic.window()) / 0.1;
  EXPECT_NEAR(static_cast<double>(cubic.pacing_rate(rtt)), 2 * per_round, 0.01 * per_round);
  lose();
  EXPECT_NEAR(static_cast<double>(cubic.pacing_rate(rtt)), 1.25 * 0.7 * per_round,
              0.01 * per_round);
  RttEstimator near(milliseconds(333));
  near.on_sample(microseconds(80), {}, milliseconds(25), kStart);
  EXPECT_EQ(cubic.pacing_rate(near), 0u);
}

TEST_F(CubicTest, WindowIsBounded) {
  for (int i = 0; i < 40; ++i) acknowledge(cubic.window());
  EXPECT_EQ(cubic.window(), kWindowBytesMax);
}

}  // namespace
}  // namespace whimbrel
