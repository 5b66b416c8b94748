#include "endpoint/waiting_messages.h"

#include <gtest/gtest.h>

#include <string>

namespace whimbrel {
namespace {

Instant at(int ms) { return Instant(milliseconds(ms)); }

WaitingMessage message(ChannelId channel, bool reliable, int sent_ms, std::size_t size = 10) {
  const std::vector<std::uint8_t> bytes(size, static_cast<std::uint8_t>(sent_ms / 1000));
  return {SharedBytes::copy(bytes), channel, reliable, at(sent_ms)};
}

TEST(WaitingMessages, UnreliableOnesGrowOld) {
  WaitingMessages waiting;
  EXPECT_EQ(waiting.next_drop(), kNever);
  waiting.push(message(1, true, 0));
  EXPECT_EQ(waiting.next_drop(), kNever);
  waiting.push(message(1, false, 1000));
  waiting.push(message(2, true, 2000, 0));
  waiting.push(message(2, false, 3000));
  EXPECT_EQ(waiting.bytes(), 31u) << "an empty one counts as a byte";
  EXPECT_EQ(waiting.next_drop(), at(6000));
  EXPECT_EQ(waiting.drop_old(at(5999)), 0u);
  EXPECT_EQ(waiting.drop_old(at(6000)), 1u);
  EXPECT_EQ(waiting.next_drop(), at(8000));
  EXPECT_EQ(waiting.drop_old(at(9000)), 1u);
  EXPECT_EQ(waiting.bytes(), 11u);
  EXPECT_EQ(waiting.dropped_count(), 2u);
  EXPECT_EQ(waiting.dropped().at(1), 1u);
  EXPECT_EQ(waiting.dropped().at(2), 1u);
  EXPECT_EQ(waiting.pop().sent, at(0)) << "in order";
  EXPECT_EQ(waiting.pop().sent, at(2000));
  EXPECT_TRUE(waiting.empty());
  EXPECT_EQ(waiting.bytes(), 0u);
}

TEST(WaitingMessages, ABurstIsNotGoneThroughForEachOfIt) {
  WaitingMessages waiting;
  for (int ms = 0; ms < 50; ++ms) waiting.push(message(1, false, ms));
  EXPECT_EQ(waiting.drop_old(at(5000)), 1u);
  EXPECT_EQ(waiting.next_drop(), at(5100));
  EXPECT_EQ(waiting.drop_old(at(5050)), 0u);
  EXPECT_EQ(waiting.drop_old(at(5100)), 49u);
}

TEST(WaitingMessages, BoundedChannels) {
  WaitingMessages waiting;
  for (ChannelId channel = 0; channel < 256; ++channel) {
    EXPECT_TRUE(waiting.can_take(channel));
    waiting.push(message(channel, false, 0));
  }
  EXPECT_FALSE(waiting.can_take(256));
  EXPECT_TRUE(waiting.can_take(255));
}

}  // namespace
}  // namespace whimbrel
