#include <gtest/gtest.h>

#include <vector>

#include "message/channels.h"

namespace whimbrel {
namespace {

// Over two paths.
TEST(ChannelCopies, AnUnreliableMessageThatComesTwiceIsDeliveredOnce) {
  Channels channels(MessageLimits{});
  channels.expect_copies();
  std::vector<ReceivedMessage> out;
  const std::vector<std::uint8_t> bytes(100, 7);
  for (int copy = 0; copy < 2; ++copy) {
    for (std::uint64_t sequence = 0; sequence < 3; ++sequence)
      EXPECT_EQ(channels.on_message({0, sequence, bytes}, Instant(), out), FrameVerdict::kTaken);
    for (std::uint32_t offset = 0; offset < 200; offset += 100) {
      EXPECT_EQ(channels.on_fragment({false, 0, 9, offset, 200, bytes}, Instant(), out),
                FrameVerdict::kTaken);
    }
  }
  EXPECT_EQ(out.size(), 4u);
}

}  // namespace
}  // namespace whimbrel
