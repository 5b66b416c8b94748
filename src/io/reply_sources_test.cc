#include "io/reply_sources.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

const IpAddress kAlias = IpAddress::v4(127, 0, 0, 5, 0);

IpAddress peer(std::uint32_t number) {
  return IpAddress::v4(10, static_cast<std::uint8_t>(number >> 16),
                       static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number),
                       4000);
}

TEST(ReplySources, WhatTheKernelWouldChooseIsNotKept) {
  ReplySources sources(true);
  sources.note(peer(1), IpAddress::v4(127, 0, 0, 1, 0));
  EXPECT_EQ(sources.find(peer(1)), nullptr);
  sources.note(peer(1), kAlias);
  ASSERT_NE(sources.find(peer(1)), nullptr);
  EXPECT_EQ(*sources.find(peer(1)), kAlias);
  EXPECT_EQ(sources.find(peer(2)), nullptr);
  sources.note(peer(1), IpAddress::v4(127, 0, 0, 1, 0));
  EXPECT_EQ(sources.find(peer(1)), nullptr) << "it has come to another address since";
}

TEST(ReplySources, ForgetsWhatHasGone) {
  ReplySources sources(true);
  sources.forget(peer(1));
  sources.note(peer(1), kAlias);
  sources.forget(peer(1));
  EXPECT_EQ(sources.find(peer(1)), nullptr);
}

TEST(ReplySources, ManyPeersGiveWayToLaterOnes) {
  ReplySources sources(true);
  constexpr std::uint32_t kPeers = 2 * ReplySources::kEntriesMax;
  std::size_t known = 0;
  for (std::uint32_t i = 0; i < kPeers; ++i) {
    sources.note(peer(i), kAlias);
    ASSERT_NE(sources.find(peer(i)), nullptr);
  }
  for (std::uint32_t i = 0; i < kPeers; ++i) known += sources.find(peer(i)) != nullptr ? 1 : 0;
  EXPECT_LE(known, ReplySources::kEntriesMax);
  EXPECT_GT(known, ReplySources::kEntriesMax / 2);
}

}  // namespace
}  // namespace whimbrel
