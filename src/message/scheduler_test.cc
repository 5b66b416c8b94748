#include "message/scheduler.h"

#include <gtest/gtest.h>

#include <vector>

namespace whimbrel {
namespace {

constexpr std::int64_t kQuantum = 1200;

Scheduler with_lanes(std::size_t count) {
  Scheduler scheduler;
  scheduler.set_lane_count(count);
  return scheduler;
}

TEST(Scheduler, LanesJoinAtTheBack) {
  Scheduler scheduler = with_lanes(3);
  EXPECT_TRUE(scheduler.empty());
  scheduler.activate(2);
  scheduler.activate(0);
  scheduler.activate(2);
  EXPECT_TRUE(scheduler.active(2));
  EXPECT_FALSE(scheduler.active(1));
  EXPECT_EQ(scheduler.front(kQuantum), 2u);
  scheduler.leave();
  EXPECT_EQ(scheduler.front(kQuantum), 0u);
  scheduler.leave();
  EXPECT_TRUE(scheduler.empty());
}

TEST(Scheduler, ATurnEndsWithTheQuantum) {
  Scheduler scheduler = with_lanes(2);
  scheduler.activate(0);
  scheduler.activate(1);
  EXPECT_EQ(scheduler.front(kQuantum), 0u);
  EXPECT_FALSE(scheduler.spend(kQuantum - 1));
  EXPECT_EQ(scheduler.front(kQuantum), 0u);
  EXPECT_TRUE(scheduler.spend(1));
  EXPECT_EQ(scheduler.front(kQuantum), 1u);
}

TEST(Scheduler, DebtIsPaidBack) {
  Scheduler scheduler = with_lanes(2);
  scheduler.activate(0);
  scheduler.activate(1);
  std::vector<std::size_t> sent(2);
  // Lane 0 overdraws every time, lane 1 takes little at a time.
  for (int i = 0; i < 3000; ++i) {
    const Lane lane = scheduler.front(kQuantum);
    const std::size_t bytes = lane == 0 ? 1190 : 70;
    scheduler.spend(bytes);
    sent[lane] += bytes;
  }
  EXPECT_NEAR(static_cast<double>(sent[0]), static_cast<double>(sent[1]), 2.0 * kQuantum);
}

TEST(Scheduler, ASmallLaneWaitsOneRoundAtMost) {
  Scheduler scheduler = with_lanes(10);
  for (Lane lane = 0; lane < 9; ++lane) scheduler.activate(lane);
  scheduler.front(kQuantum);
  scheduler.spend(1000);
  scheduler.activate(9);
  int packets = 0;
  while (scheduler.front(kQuantum) != 9) {
    scheduler.spend(1200);
    ++packets;
  }
  EXPECT_LE(packets, 10);
}

TEST(Scheduler, LanesSetAsideKeepTheirPlace) {
  Scheduler scheduler = with_lanes(6);
  for (Lane lane = 0; lane < 6; ++lane) scheduler.activate(lane);
  for (Lane lane = 0; lane < 4; ++lane) {
    EXPECT_EQ(scheduler.front(kQuantum), lane);
    EXPECT_TRUE(scheduler.set_aside());
  }
  EXPECT_FALSE(scheduler.set_aside());
  EXPECT_EQ(scheduler.front(kQuantum), 4u);
  scheduler.leave();
  scheduler.restore();
  for (const Lane lane : {0u, 1u, 2u, 3u, 5u}) {
    EXPECT_EQ(scheduler.front(kQuantum), lane);
    scheduler.leave();
  }
  EXPECT_TRUE(scheduler.empty());
}

TEST(Scheduler, AnOldDebtIsBounded) {
  Scheduler scheduler = with_lanes(2);
  scheduler.activate(0);
  scheduler.activate(1);
  scheduler.front(65000);
  EXPECT_TRUE(scheduler.spend(65000));
  // Packets became small meanwhile: the debt shrinks to one of the new quanta.
  EXPECT_EQ(scheduler.front(kQuantum), 1u);
  EXPECT_TRUE(scheduler.spend(kQuantum));
  EXPECT_EQ(scheduler.front(kQuantum), 0u);
}

}  // namespace
}  // namespace whimbrel
