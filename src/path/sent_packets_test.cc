#include "path/sent_packets.h"

#include <gtest/gtest.h>

#include <vector>

namespace whimbrel {
namespace {

SentFrame frame(std::uint64_t offset) { return {FrameType::kStream, 1, 0, offset, 0}; }

TEST(SentPackets, NumbersAndFramesOfEachPacket) {
  SentPackets packets;
  for (std::uint64_t n = 0; n < 100; ++n) {
    std::vector<SentFrame> frames;
    for (std::uint64_t i = 0; i < n % 4; ++i) frames.push_back(frame(n * 10 + i));
    packets.push({}, frames);
  }
  EXPECT_EQ(packets.next_number(), 100u);
  for (int i = 0; i < 37; ++i) packets.pop_front();
  EXPECT_EQ(packets.first_number(), 37u);
  for (std::uint64_t n = 37; n < 100; ++n) {
    const SentPacket& packet = packets.at(n);
    ASSERT_EQ(packet.frame_count, n % 4);
    for (std::uint64_t i = 0; i < n % 4; ++i)
      EXPECT_EQ(packets.frame(packet, i).offset, n * 10 + i);
  }
}

TEST(SentPackets, FramesLeaveWithTheirPacket) {
  SentPackets packets;
  packets.push({}, std::vector<SentFrame>{frame(1), frame(2)});
  packets.push({}, std::vector<SentFrame>{frame(3)});
  packets.pop_front();
  EXPECT_EQ(packets.frame(packets.at(1), 0).offset, 3u);
  packets.pop_front();
  EXPECT_TRUE(packets.empty());
  EXPECT_EQ(packets.first_number(), 2u);
}

TEST(SentPackets, FullAtTheLimit) {
  SentPackets packets;
  for (std::size_t i = 0; i + 1 < kTrackedPacketsMax; ++i) packets.push({}, {});
  EXPECT_FALSE(packets.full());
  packets.push({}, {});
  EXPECT_TRUE(packets.full());
  packets.pop_front();
  EXPECT_FALSE(packets.full());
}

TEST(SentPackets, ShrinksOnlyWhenEmpty) {
  SentPackets packets;
  for (int i = 0; i < 1000; ++i) packets.push({}, {});
  packets.shrink();
  EXPECT_EQ(packets.size(), 1000u);
  while (!packets.empty()) packets.pop_front();
  packets.shrink();
  EXPECT_EQ(packets.capacity(), 0u);
  EXPECT_EQ(packets.next_number(), 1000u);
}

}  // namespace
}  // namespace whimbrel
