#include "path/mtu_search.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

constexpr Instant kStart{};

// Answers every probe as a path would that carries up to `mtu`; returns the number of probes.
int search(MtuSearch& mtu_search, std::size_t mtu) {
  int probes = 0;
  while (const auto size = mtu_search.probe_size(kStart)) {
    ++probes;
    mtu_search.on_probe_sent(*size);
    EXPECT_FALSE(mtu_search.probe_size(kStart));  // one at a time
    if (*size <= mtu)
      mtu_search.on_probe_acked(*size, kStart);
    else
      mtu_search.on_probe_lost(kStart);
  }
  return probes;
}

TEST(MtuSearch, OneProbeIsEnoughOnEthernet) {
  MtuSearch mtu(1200, 1472, true);
  EXPECT_EQ(mtu.datagram_size(), 1200u);
  EXPECT_EQ(search(mtu, 1472), 1);
  EXPECT_EQ(mtu.datagram_size(), 1472u);
  EXPECT_EQ(mtu.next_deadline(), kNever);
}

TEST(MtuSearch, OffMeansOff) {
  MtuSearch mtu(1200, 1472, false);
  EXPECT_FALSE(mtu.probe_size(kStart));
  EXPECT_EQ(mtu.next_deadline(), kNever);
}

TEST(MtuSearch, ComesCloseToAnyPath) {
  for (std::size_t size = 1200; size <= 16384; size += 37) {
    MtuSearch mtu(1200, 16384, true);
    const int probes = search(mtu, size);
    EXPECT_LE(mtu.datagram_size(), size);
    EXPECT_GT(mtu.datagram_size() + 17, size);
    EXPECT_LE(probes, 45) << size;
  }
}

TEST(MtuSearch, ASizeIsGivenUpAfterThreeProbesOnly) {
  MtuSearch mtu(1200, 1472, true);
  for (int i = 0; i < 2; ++i) {
    mtu.on_probe_sent(1472);
    mtu.on_probe_lost(kStart);
    EXPECT_EQ(mtu.probe_size(kStart), 1472u);
  }
  mtu.on_probe_sent(1472);
  mtu.on_probe_lost(kStart);
  EXPECT_EQ(mtu.probe_size(kStart), 1452u);
}

TEST(MtuSearch, TriesAgainAfterTheRaiseTime) {
  MtuSearch mtu(1200, 1472, true);
  search(mtu, 1300);
  const std::size_t found = mtu.datagram_size();
  EXPECT_EQ(mtu.next_deadline(), kStart + seconds(600));
  mtu.on_deadline(kStart + seconds(599));
  EXPECT_FALSE(mtu.probe_size(kStart));
  mtu.on_deadline(kStart + seconds(600));
  EXPECT_EQ(mtu.datagram_size(), found);
  search(mtu, 1472);
  EXPECT_EQ(mtu.datagram_size(), 1472u);
}

TEST(MtuSearch, FallsBackWhenFullDatagramsVanish) {
  MtuSearch mtu(1200, 1472, true);
  search(mtu, 1472);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(mtu.on_lost(1472, kStart));
  EXPECT_TRUE(mtu.on_lost(1472, kStart));
  EXPECT_EQ(mtu.datagram_size(), 1200u);
  EXPECT_FALSE(mtu.probe_size(kStart));
  mtu.on_deadline(mtu.next_deadline());
  EXPECT_TRUE(mtu.probe_size(kStart));
}

TEST(MtuSearch, LossesBetweenArrivalsAreNoBlackHole) {
  MtuSearch mtu(1200, 1472, true);
  search(mtu, 1472);
  for (int i = 0; i < 100; ++i) {
    mtu.on_acked(1472);
    EXPECT_FALSE(mtu.on_lost(1472, kStart));
    EXPECT_FALSE(mtu.on_lost(1472, kStart));
  }
  // Small packets lost, or small ones acknowledged, say nothing.
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(mtu.on_lost(300, kStart));
}

TEST(MtuSearch, FallsBackAfterThreeProbeTimeouts) {
  MtuSearch mtu(1200, 1472, true);
  search(mtu, 1472);
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(mtu.on_probe_timeout(kStart));
  mtu.on_acked(50);
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(mtu.on_probe_timeout(kStart)) << "in a row, that is";
  EXPECT_TRUE(mtu.on_probe_timeout(kStart));
  EXPECT_EQ(mtu.datagram_size(), 1200u);
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(mtu.on_probe_timeout(kStart));
}

TEST(MtuSearch, AnAnswerFromBeforeAFallBackChangesNothing) {
  MtuSearch mtu(1200, 1472, true);
  EXPECT_FALSE(mtu.on_probe_acked(1472, kStart));
  EXPECT_EQ(mtu.datagram_size(), 1200u);
}

}  // namespace
}  // namespace whimbrel
