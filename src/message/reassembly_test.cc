#include <gtest/gtest.h>

#include "message/partial_message.h"
#include "message/test_link.h"
#include "message/unordered_reassembly.h"
#include "message/unreliable_reassembly.h"

namespace whimbrel {
namespace {

using Added = UnreliableReassembly::Added;

FragmentFrame fragment(const SharedBytes& message, std::uint64_t sequence, std::size_t begin,
                       std::size_t end, bool reliable = false) {
  return {reliable,
          0,
          sequence,
          static_cast<std::uint32_t>(begin),
          static_cast<std::uint32_t>(message.size()),
          message.view().subspan(begin, end - begin)};
}

TEST(PartialMessage, AnyOrderWithOverlaps) {
  const SharedBytes message = test_payload(100, 1);
  SlabAllocator slabs;
  PartialMessage partial(slabs.allocate(100));
  EXPECT_FALSE(partial.add(60, message.view().subspan(60)));
  EXPECT_FALSE(partial.add(10, message.view().subspan(10, 30)));
  EXPECT_FALSE(partial.add(60, message.view().subspan(60)));
  EXPECT_EQ(partial.range_count(), 2u);
  const std::vector<std::uint8_t> other(100, 0xff);
  EXPECT_FALSE(partial.add(15, Bytes(other).first(10)));  // known: ignored
  EXPECT_FALSE(partial.add(30, message.view().subspan(30, 40)));
  EXPECT_TRUE(partial.add(0, message.view().first(20)));
  EXPECT_TRUE(equal(partial.take(), message));
}

struct Unreliable {
  Added add(std::uint32_t place, const FragmentFrame& frame, Instant now = Instant{}) {
    if (!partials.knows(place, frame.sequence)) {
      partials.begin(place, frame.sequence, slabs.allocate(frame.total), now);
    }
    return partials.add(place, frame, out);
  }
  SlabAllocator slabs;
  UnreliableReassembly partials{3};
  SharedBytes out;
};

TEST(UnreliableReassembly, Completes) {
  Unreliable u;
  const SharedBytes message = test_payload(3000, 1);
  EXPECT_EQ(u.add(0, fragment(message, 9, 2000, 3000)), Added::kIncomplete);
  EXPECT_EQ(u.partials.bytes(), 3000u);
  EXPECT_EQ(u.add(0, fragment(message, 9, 0, 1000)), Added::kIncomplete);
  EXPECT_EQ(u.add(0, fragment(message, 9, 1000, 2000)), Added::kComplete);
  EXPECT_TRUE(equal(u.out, message));
  EXPECT_TRUE(u.partials.empty());
  EXPECT_EQ(u.partials.bytes(), 0u);
  EXPECT_EQ(u.partials.dropped(), 0u);
}

TEST(UnreliableReassembly, TheOldestGivesWay) {
  Unreliable u;
  const SharedBytes message = test_payload(100, 1);
  for (std::uint64_t sequence = 0; sequence < 4; ++sequence) {
    u.add(7, fragment(message, sequence, 0, 50));
  }
  EXPECT_EQ(u.partials.count(), 3u);
  EXPECT_EQ(u.partials.bytes(), 300u);
  EXPECT_EQ(u.partials.dropped(), 1u);
  EXPECT_FALSE(u.partials.knows(7, 0));
  EXPECT_TRUE(u.partials.knows(7, 1));
  EXPECT_FALSE(u.partials.knows(6, 1));
  EXPECT_EQ(u.add(7, fragment(message, 1, 50, 100)), Added::kComplete);
}

TEST(UnreliableReassembly, TotalsMustAgree) {
  Unreliable u;
  u.add(0, fragment(test_payload(100, 1), 1, 0, 50));
  EXPECT_EQ(u.add(0, fragment(test_payload(101, 1), 1, 50, 101)), Added::kContradiction);
}

TEST(UnreliableReassembly, OldOnesExpire) {
  Unreliable u;
  const Instant start{};
  const SharedBytes message = test_payload(100, 1);
  u.add(0, fragment(message, 1, 0, 50), start);
  u.add(0, fragment(message, 2, 0, 50), start + seconds(1));
  u.partials.expire(start + UnreliableReassembly::kAgeMax - Duration(1));
  EXPECT_EQ(u.partials.count(), 2u);
  u.partials.expire(start + UnreliableReassembly::kAgeMax);
  EXPECT_EQ(u.partials.count(), 1u);
  EXPECT_TRUE(u.partials.knows(0, 2));
  EXPECT_EQ(u.partials.dropped(), 1u);
}

TEST(UnreliableReassembly, BoundedIslands) {
  Unreliable u;
  const SharedBytes message = test_payload(1000, 1);
  for (std::size_t i = 0; i < UnreliableReassembly::kRangesMax; ++i) {
    u.add(0, fragment(message, 1, 2 * i, 2 * i + 1));
  }
  EXPECT_EQ(u.partials.count(), 1u);
  u.add(0, fragment(message, 1, 900, 901));
  EXPECT_TRUE(u.partials.empty());
  EXPECT_EQ(u.partials.dropped(), 1u);
}

struct Unordered {
  FrameVerdict add(const FragmentFrame& frame) {
    return reassembly.on_frame(frame, {slabs, bytes, messages, channel_bytes, channel_messages,
                                       early_pieces, 4, Instant{}, out});
  }
  SlabAllocator slabs;
  ReceiveWindow bytes{1000, 1000, 10};
  ReceiveWindow messages{8, 1, 1};
  ReceiveWindow channel_bytes{1000, 1000, 10};
  ReceiveWindow channel_messages{8, 1, 1};
  std::size_t early_pieces = 0;
  std::vector<ReceivedMessage> out;
  UnorderedReassembly reassembly{8};
};

TEST(UnorderedReassembly, DeliversEachOnceAsSoonAsItIsWhole) {
  Unordered u;
  const SharedBytes first = test_payload(100, 1);
  const SharedBytes second = test_payload(50, 2);
  EXPECT_EQ(u.add(fragment(first, 0, 0, 60, true)), FrameVerdict::kTaken);
  EXPECT_EQ(u.add(fragment(second, 1, 0, 50, true)), FrameVerdict::kTaken);
  ASSERT_EQ(u.out.size(), 1u);
  EXPECT_EQ(u.out[0].number, 2u);
  EXPECT_TRUE(u.out[0].reliable);
  EXPECT_TRUE(equal(u.out[0].payload, second));
  EXPECT_EQ(u.add(fragment(second, 1, 0, 50, true)), FrameVerdict::kTaken);
  EXPECT_EQ(u.add(fragment(first, 0, 60, 100, true)), FrameVerdict::kTaken);
  EXPECT_EQ(u.add(fragment(first, 0, 60, 100, true)), FrameVerdict::kTaken);
  ASSERT_EQ(u.out.size(), 2u);
  EXPECT_TRUE(equal(u.out[1].payload, first));
  EXPECT_EQ(u.bytes.held(), 150u);
  EXPECT_EQ(u.messages.held(), 2u);
  EXPECT_EQ(u.channel_bytes.held(), 150u);
  EXPECT_EQ(u.channel_messages.held(), 2u);
}

TEST(UnorderedReassembly, CreditIsForWholeMessages) {
  Unordered u;
  EXPECT_EQ(u.add(fragment(test_payload(600, 1), 0, 0, 1, true)), FrameVerdict::kTaken);
  EXPECT_EQ(u.add(fragment(test_payload(400, 1), 1, 0, 1, true)), FrameVerdict::kTaken);
  EXPECT_EQ(u.add(fragment(test_payload(1, 1), 2, 0, 1, true)), FrameVerdict::kViolation);
}

// A slab is freed with its last payload: what waits for its rest must not be one.
TEST(UnorderedReassembly, AnIncompleteMessagePinsNoSlab) {
  Unordered u;
  const SharedBytes before = u.slabs.allocate(1);
  EXPECT_EQ(u.add(fragment(test_payload(600, 1), 0, 0, 1, true)), FrameVerdict::kTaken);
  EXPECT_EQ(u.slabs.allocate(1).data(), before.data() + 1);
}

TEST(UnorderedReassembly, CreditForMessages) {
  Unordered u;
  for (std::uint64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(u.add(fragment(test_payload(2, 1), i, 0, 1, true)), FrameVerdict::kTaken);
  }
  EXPECT_EQ(u.add(fragment(test_payload(2, 1), 8, 0, 1, true)), FrameVerdict::kViolation);
}

TEST(UnorderedReassembly, TotalsMustAgree) {
  Unordered u;
  u.add(fragment(test_payload(100, 1), 0, 0, 50, true));
  EXPECT_EQ(u.add(fragment(test_payload(99, 1), 0, 50, 99, true)), FrameVerdict::kViolation);
}

// A peer that keeps leaving sequences out would make the memory of what came grow for ever.
TEST(UnorderedReassembly, BoundedGaps) {
  Unordered u;
  const SharedBytes message = test_payload(1, 1);
  std::uint64_t taken = 0;
  while (u.add(fragment(message, 2 * taken, 0, 1, true)) == FrameVerdict::kTaken) {
    ++taken;
    ASSERT_LT(taken, 100u);
    for (ReceiveWindow* window : {&u.messages, &u.channel_messages}) {
      window->free(1);
      window->announce();
    }
  }
  EXPECT_EQ(taken, 9u);
}

TEST(UnorderedReassembly, BoundedIslands) {
  SlabAllocator slabs;
  ReceiveWindow bytes(kMessageSizeMax, kMessageSizeMax, 1);
  ReceiveWindow messages(1, 1, 1);
  ReceiveWindow channel_bytes = bytes;
  ReceiveWindow channel_messages = messages;
  std::size_t early_pieces = 0;
  std::vector<ReceivedMessage> out;
  UnorderedReassembly reassembly(1);
  const SharedBytes message = test_payload(100000, 1);
  std::size_t islands = 0;
  while (reassembly.on_frame(fragment(message, 0, 2 * islands, 2 * islands + 1, true),
                             {slabs, bytes, messages, channel_bytes, channel_messages, early_pieces,
                              4, Instant{}, out}) == FrameVerdict::kTaken) {
    ASSERT_LT(++islands, 10000u);
  }
  EXPECT_EQ(islands, 1024u);
}

}  // namespace
}  // namespace whimbrel
