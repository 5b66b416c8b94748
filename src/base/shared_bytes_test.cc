#include "base/shared_bytes.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace whimbrel {
namespace {

TEST(SharedBytes, CopiesAndMoves) {
  SharedBytes a = SharedBytes::copy(as_bytes("hello"));
  const SharedBytes b = a;
  EXPECT_EQ(a.data(), b.data());
  SharedBytes c = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT: what a move leaves is promised
  EXPECT_EQ(as_text(c), "hello");
  c = b;
  SharedBytes& alias = c;
  c = std::move(alias);
  EXPECT_EQ(as_text(c), "hello");
  c = alias;
  EXPECT_EQ(as_text(c), "hello");
  c = SharedBytes();
  EXPECT_TRUE(c.empty());
  EXPECT_EQ(as_text(b), "hello");
}

TEST(SharedBytes, NothingNeedsNoSlab) {
  EXPECT_EQ(SharedBytes::copy({}).data(), nullptr);
  SlabAllocator slabs;
  EXPECT_EQ(slabs.allocate(0).data(), nullptr);
}

TEST(SlabAllocator, PacksSmallPayloads) {
  SlabAllocator slabs;
  const SharedBytes first = slabs.copy(as_bytes("first"));
  const SharedBytes second = slabs.copy(as_bytes("second"));
  EXPECT_EQ(second.data(), first.data() + first.size());
  EXPECT_EQ(as_text(first), "first");
  EXPECT_EQ(as_text(second), "second");
}

TEST(SlabAllocator, LargePayloadsHaveTheirOwn) {
  SlabAllocator slabs;
  const SharedBytes before = slabs.allocate(1);
  const SharedBytes large = slabs.allocate(SlabAllocator::kOwnSlabMin);
  const SharedBytes after = slabs.allocate(1);
  EXPECT_EQ(after.data(), before.data() + 1);
  EXPECT_EQ(large.size(), SlabAllocator::kOwnSlabMin);
}

// Sanitizers watch: no payload is freed early, none leaks.
TEST(SlabAllocator, PayloadsOutliveTheAllocator) {
  std::vector<SharedBytes> kept;
  {
    SlabAllocator slabs;
    for (std::size_t i = 0; i < 5000; ++i) {
      SharedBytes payload = slabs.allocate(i % 300);
      for (auto& byte : payload.mutable_view()) byte = static_cast<std::uint8_t>(i);
      if (i % 3 == 0) kept.push_back(std::move(payload));
    }
  }
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(kept[i].size(), 3 * i % 300);
    for (const auto byte : kept[i].view()) ASSERT_EQ(byte, static_cast<std::uint8_t>(3 * i));
  }
}

// A slab of one-byte payloads hands out as many references as there can be.
TEST(SlabAllocator, ManyTinyPayloads) {
  SlabAllocator slabs;
  std::vector<SharedBytes> all;
  for (std::size_t i = 0; i < 3 * SlabAllocator::kSlabSize; ++i) all.push_back(slabs.allocate(1));
  EXPECT_NE(all.front().data(), all.back().data());
}

TEST(SlabAllocator, LetGoOnAnotherThread) {
  SlabAllocator slabs;
  std::vector<SharedBytes> given;
  for (int i = 0; i < 10000; ++i) given.push_back(slabs.allocate(60));
  std::thread other([mine = std::move(given)]() mutable { mine.clear(); });
  for (int i = 0; i < 10000; ++i) slabs.allocate(60);
  other.join();
}

TEST(SharedBytesRelease, CountsRunsOfOneSlab) {
  SlabAllocator slabs;
  const SharedBytes kept = slabs.copy(as_bytes("kept"));
  {
    SharedBytesRelease gone;
    gone.add({});
    for (int i = 0; i < 1000; ++i) gone.add(slabs.allocate(100));
    gone.add(SharedBytes::copy(as_bytes("alone")));
    gone.add(kept);
    gone.add(slabs.allocate(8000));
  }
  EXPECT_EQ(as_text(kept), "kept");
}

}  // namespace
}  // namespace whimbrel
