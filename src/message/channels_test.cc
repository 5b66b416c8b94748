#include "message/channels.h"

#include <gtest/gtest.h>

#include "message/test_link.h"

namespace whimbrel {
namespace {

constexpr std::size_t kFragmentSize = 1150;

TEST(Channels, ReliableMessagesArriveInOrder) {
  TestLink link;
  for (std::uint64_t i = 0; i < 200; ++i) {
    link.a.send(3, Delivery::kReliable, test_payload(i, i), kFragmentSize);
  }
  EXPECT_FALSE(link.a.flushed());
  link.run();
  ASSERT_EQ(link.at_b.size(), 200u);
  for (std::uint64_t i = 0; i < 200; ++i) {
    EXPECT_TRUE(is_test_payload(link.at_b[i].payload, i, i)) << i;
    EXPECT_EQ(link.at_b[i].number, i + 1);
    EXPECT_EQ(link.at_b[i].channel, 3);
    EXPECT_TRUE(link.at_b[i].reliable);
  }
  EXPECT_TRUE(link.a.flushed());
  EXPECT_EQ(link.a.held_bytes(), 0u);
  EXPECT_EQ(link.a.unacknowledged_reliable(), 0u);
}

TEST(Channels, UnreliableMessagesArriveWholeAndInFragments) {
  TestLink link;
  const std::size_t sizes[] = {0, 1, 64, 1149, 1150, 1195, 1196, 1197, 1198, 1200, 5000, 17000};
  for (const std::size_t size : sizes) {
    link.a.send(-5, Delivery::kUnreliable, test_payload(size, size), kFragmentSize);
  }
  link.run();
  ASSERT_EQ(link.at_b.size(), std::size(sizes));
  for (std::size_t i = 0; i < std::size(sizes); ++i) {
    EXPECT_TRUE(is_test_payload(link.at_b[i].payload, sizes[i], sizes[i])) << sizes[i];
    EXPECT_FALSE(link.at_b[i].reliable);
    EXPECT_EQ(link.at_b[i].number, i + 1);
  }
  EXPECT_EQ(link.a.held_bytes(), 0u);
}

TEST(Channels, LargeUnreliableMessagesAreSentAgain) {
  TestLink link;
  link.a.send(1, Delivery::kUnreliable, test_payload(30000, 1), kFragmentSize);
  EXPECT_EQ(link.a.pending_reliable(), 30000u);
  int lost = 0;
  while (true) {
    const TestPacket packet = TestLink::produce(link.a);
    if (packet.bytes.empty()) break;
    if (lost++ % 2 == 0) {
      TestLink::lose(link.a, packet);
      continue;
    }
    EXPECT_EQ(receive_packet(link.b, packet.bytes, Instant{}, link.at_b), FrameVerdict::kTaken);
    TestLink::acknowledge(link.a, packet);
  }
  ASSERT_EQ(link.at_b.size(), 1u);
  EXPECT_TRUE(is_test_payload(link.at_b[0].payload, 30000, 1));
  EXPECT_TRUE(link.at_b[0].reliable);
  EXPECT_TRUE(link.a.flushed());
}

TEST(Channels, LargestMessages) {
  TestLink link;
  for (std::uint64_t i = 0; i < 3; ++i) {
    link.a.send(0, Delivery::kReliable, test_payload(kMessageSizeMax, i), kFragmentSize);
    link.a.send(1, Delivery::kReliable, test_payload(kMessageSizeMax, i + 3), kFragmentSize);
    link.a.send(2, Delivery::kUnreliable, test_payload(kMessageSizeMax, i + 6), kFragmentSize);
  }
  std::size_t received = 0;
  while (link.step()) {
    received += link.at_b.size();
    TestLink::consume(link.b, link.at_b);
  }
  EXPECT_EQ(received, 9u);
  EXPECT_TRUE(link.a.flushed());
  EXPECT_FALSE(link.a.has_frames());
  EXPECT_FALSE(link.b.has_frames());
}

}  // namespace
}  // namespace whimbrel
