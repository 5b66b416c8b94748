#include "path/pacer.h"

#include <gtest/gtest.h>

#include "path/congestion/controller.h"

namespace whimbrel {
namespace {

constexpr Instant kStart{};
constexpr std::size_t kDatagram = 1200;

TEST(Pacer, WithoutARateEverythingMayLeave) {
  Pacer pacer(kDatagram, kStart);
  pacer.on_sent(100000000, kStart);
  EXPECT_EQ(pacer.allowance(kStart), SIZE_MAX);
  EXPECT_EQ(pacer.next_send_time(kStart), kStart);
}

TEST(Pacer, FirstBurstIsTheInitialWindow) {
  Pacer pacer(kDatagram, kStart);
  pacer.set_rate(1000000, kStart);
  EXPECT_EQ(pacer.allowance(kStart), kWindowPacketsInitial * kDatagram);
}

TEST(Pacer, WaitsForAFullDatagramAtALowRate) {
  Pacer pacer(kDatagram, kStart);
  pacer.set_rate(120000, kStart);  // a datagram every 10 ms
  pacer.on_sent(kWindowPacketsInitial * kDatagram, kStart);
  EXPECT_EQ(pacer.allowance(kStart), 0u);
  const Instant next = pacer.next_send_time(kStart);
  EXPECT_GT(next, kStart + microseconds(9999));
  EXPECT_LT(next, kStart + microseconds(10100));
  EXPECT_GE(pacer.allowance(next), kDatagram);
}

TEST(Pacer, AtAHighRateABatchGathersAndLeavesWhole) {
  Pacer pacer(kDatagram, kStart);
  pacer.set_rate(100000000, kStart);
  pacer.on_sent(static_cast<std::uint64_t>(pacer.burst()), kStart);
  const Instant next = pacer.next_send_time(kStart);
  EXPECT_GE(next, kStart + microseconds(100));
  // 10 kB in 100 us: the batch leaves down to the last full datagram, not one packet a timer.
  std::size_t sent = 0;
  while (pacer.allowance(next) > 0) {
    pacer.on_sent(kDatagram, next);
    sent += kDatagram;
  }
  EXPECT_GE(sent, 8 * kDatagram);
}

TEST(Pacer, BurstGrowsWithTheRate) {
  Pacer pacer(kDatagram, kStart);
  pacer.set_rate(200000000, kStart);
  EXPECT_DOUBLE_EQ(pacer.burst(), 200000.0);
  EXPECT_GE(pacer.allowance(kStart), 65536u);
}

TEST(Pacer, LongRunRateIsTheRate) {
  for (const std::uint64_t rate : {50000u, 2500000u, 300000000u}) {
    Pacer pacer(kDatagram, kStart);
    pacer.set_rate(rate, kStart);
    Instant now = kStart;
    double sent = 0;
    while (now < kStart + seconds(2)) {
      while (pacer.allowance(now) > 0) {
        pacer.on_sent(kDatagram, now);
        sent += kDatagram;
      }
      const Instant next = pacer.next_send_time(now);
      ASSERT_GT(next, now);
      now = next;
    }
    EXPECT_NEAR((sent - pacer.burst()) / to_seconds(now - kStart), static_cast<double>(rate),
                0.01 * static_cast<double>(rate) + kDatagram);
  }
}

TEST(Pacer, AnOverdraftIsPaidBack) {
  Pacer pacer(kDatagram, kStart);
  pacer.set_rate(1000000, kStart);
  pacer.on_sent(112000, kStart);  // 100 kB more than the bucket held
  EXPECT_EQ(pacer.allowance(kStart + milliseconds(100)), 0u);
  EXPECT_GT(pacer.allowance(kStart + milliseconds(102)), 0u);
}

TEST(Pacer, AnIdleTimeGathersNoMoreThanABurst) {
  Pacer pacer(kDatagram, kStart);
  pacer.set_rate(1000000, kStart);
  EXPECT_EQ(pacer.allowance(kStart + seconds(60)), kWindowPacketsInitial * kDatagram);
}

}  // namespace
}  // namespace whimbrel
