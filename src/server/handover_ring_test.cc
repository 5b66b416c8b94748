#include "server/handover_ring.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace whimbrel {
namespace {

relay::Handover numbered(std::uint32_t number) {
  relay::Handover handover;
  handover.kind = relay::Handover::Kind::kForward;
  handover.source = relay::SlotId{number};
  return handover;
}

TEST(HandoverRing, NothingIsSeenBeforeItIsPublished) {
  HandoverRing ring;
  EXPECT_FALSE(ring.publish());
  ASSERT_TRUE(ring.push(numbered(1), as_bytes("one")));
  EXPECT_TRUE(ring.empty());
  EXPECT_FALSE(ring.next());
  EXPECT_TRUE(ring.publish());
  EXPECT_FALSE(ring.empty());
  const auto item = ring.next();
  ASSERT_TRUE(item);
  EXPECT_EQ(item->handover->source.value, 1u);
  EXPECT_EQ(as_text(item->bytes), "one");
  EXPECT_TRUE(ring.empty());
}

TEST(HandoverRing, NeighboursLieSideBySide) {
  HandoverRing ring;
  ring.push(numbered(1), as_bytes("one"));
  ring.push(numbered(2), {});
  ring.push(numbered(3), as_bytes("two"));
  ring.publish();
  const auto first = ring.next();
  ring.next();
  const auto last = ring.next();
  EXPECT_EQ(first->bytes.data() + 3, last->bytes.data());
}

TEST(HandoverRing, RefusesBeyondItsRecords) {
  HandoverRing ring;
  for (std::uint32_t i = 0; i < HandoverRing::kRecordsMax; ++i) {
    ASSERT_TRUE(ring.push(numbered(i), {}));
  }
  EXPECT_FALSE(ring.push(numbered(0), {}));
  ring.publish();
  ASSERT_TRUE(ring.next());
  EXPECT_FALSE(ring.push(numbered(0), {})) << "it is the taker's until he gives it back";
  ring.release();
  EXPECT_TRUE(ring.push(numbered(0), {}));
  EXPECT_FALSE(ring.push(numbered(0), {}));
}

TEST(HandoverRing, RefusesBeyondItsBytes) {
  HandoverRing ring;
  const std::vector<std::uint8_t> large(HandoverRing::kBytesMax + 1);
  EXPECT_FALSE(ring.push(numbered(0), large));
  EXPECT_TRUE(ring.push(numbered(0), Bytes(large).first(HandoverRing::kBytesMax - 100)));
  EXPECT_TRUE(ring.push(numbered(1), Bytes(large).first(60)));
  EXPECT_FALSE(ring.push(numbered(2), Bytes(large).first(60)));
  EXPECT_TRUE(ring.push(numbered(2), Bytes(large).first(40)));
  ring.publish();
  while (ring.next()) {
  }
  ring.release();
  EXPECT_TRUE(ring.push(numbered(3), Bytes(large).first(HandoverRing::kBytesMax)));
}

// What does not fit before the end goes to the start, and is in one piece.
TEST(HandoverRing, GoesRound) {
  HandoverRing ring;
  std::vector<std::uint8_t> datagram(1237);
  for (std::uint32_t i = 0; i < 5000; ++i) {
    std::fill(datagram.begin(), datagram.end(), static_cast<std::uint8_t>(i));
    ASSERT_TRUE(ring.push(numbered(i), datagram));
    ASSERT_TRUE(ring.push(numbered(i), Bytes(datagram).first(i % 7)));
    ring.publish();
    for (const std::size_t size : {datagram.size(), std::size_t{i % 7}}) {
      const auto item = ring.next();
      ASSERT_TRUE(item);
      EXPECT_EQ(item->handover->source.value, i);
      EXPECT_TRUE(equal(item->bytes, Bytes(datagram).first(size)));
    }
    ring.release();
  }
}

TEST(HandoverRing, BetweenTwoThreads) {
  constexpr std::uint32_t kCount = 100'000;
  HandoverRing ring;
  std::thread pusher([&] {
    std::array<std::uint8_t, 64> bytes{};
    for (std::uint32_t i = 0; i < kCount;) {
      bytes.fill(static_cast<std::uint8_t>(i));
      if (ring.push(numbered(i), Bytes(bytes).first(i % 65))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
      if (i % 16 == 0) ring.publish();
    }
    ring.publish();
  });
  std::uint32_t wrong = 0;
  for (std::uint32_t i = 0; i < kCount;) {
    const auto item = ring.next();
    if (!item) {
      ring.release();
      std::this_thread::yield();
      continue;
    }
    wrong += item->handover->source.value != i || item->bytes.size() != i % 65;
    for (std::uint8_t& byte : item->bytes) {
      wrong += byte != static_cast<std::uint8_t>(i);
      byte = 0;
    }
    ++i;
  }
  pusher.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace whimbrel
