#include "sim/link.h"

#include <gtest/gtest.h>

#include <vector>

namespace whimbrel::sim {
namespace {

Instant at(Duration since_start) { return Instant{} + since_start; }

TEST(Link, DelaysEachPacket) {
  FastRandom random(1);
  Link link({.delay = milliseconds(20)});
  const Passage passage = link.pass(100, random, at(seconds(1)));
  ASSERT_EQ(passage.count, 1u);
  EXPECT_EQ(passage.arrivals[0].at, at(milliseconds(1020)));
}

TEST(Link, SendsAtItsRateAndCountsHeaders) {
  FastRandom random(1);
  Link link({.rate = 1'000'000, .header_bytes = 28});
  EXPECT_EQ(link.pass(972, random, at({})).arrivals[0].at, at(milliseconds(1)));
  EXPECT_EQ(link.pass(972, random, at({})).arrivals[0].at, at(milliseconds(2)));
  EXPECT_EQ(link.queued_bytes(at({})), 2000u);
  EXPECT_EQ(link.queue_delay(at(milliseconds(1))), milliseconds(1));
}

TEST(Link, DropsTheTailOfAFullQueue) {
  FastRandom random(1);
  Link link({.rate = 1'000'000, .queue_bytes_max = 5000, .header_bytes = 0});
  unsigned passed = 0;
  for (int i = 0; i < 10; ++i) passed += link.pass(1000, random, at({})).count;
  EXPECT_EQ(passed, 5u);
  EXPECT_EQ(link.stats().tail_dropped, 5u);
  EXPECT_LE(link.stats().queue_bytes_peak, 5000u);
  EXPECT_EQ(link.pass(1000, random, at(milliseconds(1))).count, 1u);
}

TEST(Link, APolicerDropsWhatExceedsItsRateAndHoldsNothingBack) {
  FastRandom random(1);
  Link link({.policer_rate = 100'000, .policer_burst = 5000, .header_bytes = 0});
  unsigned passed = 0;
  for (int i = 0; i < 10; ++i) passed += link.pass(1000, random, at({})).count;
  EXPECT_EQ(passed, 5u);
  EXPECT_EQ(link.stats().policed, 5u);
  EXPECT_EQ(link.pass(1000, random, at(milliseconds(9))).count, 0u);
  const Passage passage = link.pass(1000, random, at(milliseconds(11)));
  ASSERT_EQ(passage.count, 1u);
  EXPECT_EQ(passage.arrivals[0].at, at(milliseconds(11)));
}

TEST(Link, SwallowsWhatIsTooLargeAndEverythingWhenDown) {
  FastRandom random(1);
  Link link({.mtu = 1300});
  EXPECT_EQ(link.pass(1301, random, at({})).count, 0u);
  EXPECT_EQ(link.pass(1300, random, at({})).count, 1u);
  link.config().up = false;
  EXPECT_EQ(link.pass(10, random, at({})).count, 0u);
}

TEST(Link, LosesTheShareItIsTold) {
  FastRandom random(7);
  Link link({.loss = 0.1});
  for (int i = 0; i < 20000; ++i) link.pass(10, random, at({}));
  EXPECT_NEAR(static_cast<double>(link.stats().lost), 2000, 150);
}

TEST(Link, LosesInBursts) {
  FastRandom random(7);
  Link link({.bursts = {.to_bad = 0.01, .to_good = 0.25}});
  std::vector<unsigned> bursts;
  unsigned run = 0;
  for (int i = 0; i < 50000; ++i) {
    if (link.pass(10, random, at({})).count == 0) {
      ++run;
    } else if (run > 0) {
      bursts.push_back(run);
      run = 0;
    }
  }
  double sum = 0;
  for (const unsigned burst : bursts) sum += burst;
  // A bad spell lasts 1 / to_good packets and comes once in 1 / to_bad + 1 / to_good.
  EXPECT_NEAR(sum / static_cast<double>(bursts.size()), 4, 0.5);
  EXPECT_NEAR(static_cast<double>(link.stats().lost) / 50000, 4.0 / 104, 0.01);
}

TEST(Link, KeepsOrderUnderJitterUnlessToldOtherwise) {
  FastRandom random(3);
  Link ordered({.delay = milliseconds(5), .jitter = milliseconds(10)});
  Link loose({.delay = milliseconds(5), .jitter = milliseconds(10), .jitter_reorders = true});
  Instant last;
  unsigned swapped = 0;
  Instant last_loose;
  for (int i = 0; i < 1000; ++i) {
    const Instant arrival = ordered.pass(10, random, at(microseconds(i * 100))).arrivals[0].at;
    EXPECT_GE(arrival, last);
    last = arrival;
    const Instant other = loose.pass(10, random, at(microseconds(i * 100))).arrivals[0].at;
    swapped += other < last_loose;
    last_loose = other;
  }
  EXPECT_GT(swapped, 100u);
}

TEST(Link, DuplicatesReordersAndCorrupts) {
  FastRandom random(3);
  Link link({.duplicate = 0.5, .reorder = 0.5, .reorder_delay = milliseconds(3), .corrupt = 0.5});
  unsigned arrived = 0, held = 0, corrupted = 0;
  for (int i = 0; i < 10000; ++i) {
    const Passage passage = link.pass(10, random, at({}));
    arrived += passage.count;
    held += passage.arrivals[0].at == at(milliseconds(3));
    corrupted += passage.arrivals[0].corrupted;
  }
  EXPECT_NEAR(arrived, 15000, 300);
  EXPECT_NEAR(held, 5000, 300);
  EXPECT_NEAR(corrupted, 5000, 300);
}

}  // namespace
}  // namespace whimbrel::sim
