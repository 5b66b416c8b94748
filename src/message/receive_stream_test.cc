#include "message/receive_stream.h"

#include <gtest/gtest.h>

#include "message/test_link.h"

namespace whimbrel {
namespace {

struct Receiver {
  FrameVerdict frame(std::uint64_t offset, const std::vector<std::uint8_t>& bytes) {
    return stream.on_frame(offset, bytes,
                           {slabs, bytes_window, messages_window, channel_bytes, channel_messages,
                            early_pieces, early_pieces_max, Instant{}, out});
  }

  SlabAllocator slabs;
  ReceiveWindow bytes_window{1 << 20, kMessageStreamSizeMax, 4096};
  ReceiveWindow messages_window{100, 1, 16};
  ReceiveWindow channel_bytes{700000, kMessageStreamSizeMax, 4096};
  ReceiveWindow channel_messages{90, 1, 16};
  std::size_t early_pieces = 0;
  std::size_t early_pieces_max = 4;
  std::vector<ReceivedMessage> out;
  ReceiveStream stream{3};
};

// The stream of messages with these sizes.
std::vector<std::uint8_t> stream_of(std::initializer_list<std::size_t> sizes) {
  std::vector<std::uint8_t> bytes;
  for (const std::size_t size : sizes) {
    std::array<std::uint8_t, 8> length;
    ByteWriter out(length);
    out.varint(size);
    bytes.insert(bytes.end(), out.written().begin(), out.written().end());
    const SharedBytes payload = test_payload(size, size);
    bytes.insert(bytes.end(), payload.data(), payload.data() + payload.size());
  }
  return bytes;
}
std::vector<std::uint8_t> slice(const std::vector<std::uint8_t>& bytes, std::size_t begin,
                                std::size_t end) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(begin),
          bytes.begin() + static_cast<std::ptrdiff_t>(end)};
}

TEST(ReceiveStream, CutsAFrameIntoMessages) {
  Receiver r;
  EXPECT_EQ(r.frame(0, stream_of({64, 0, 63, 200})), FrameVerdict::kTaken);
  ASSERT_EQ(r.out.size(), 4u);
  std::uint64_t number = 1;
  for (const std::size_t size : {64, 0, 63, 200}) {
    EXPECT_TRUE(is_test_payload(r.out[number - 1].payload, size, size));
    EXPECT_EQ(r.out[number - 1].number, number);
    EXPECT_EQ(r.out[number - 1].channel, 3);
    ++number;
  }
}

// A slab is freed with its last payload: what waits for its rest, or for what is before it, must
// not be one.
TEST(ReceiveStream, WhatIsIncompletePinsNoSlab) {
  Receiver r;
  const auto bytes = stream_of({300, 40});
  const SharedBytes before = r.slabs.allocate(1);
  // The end of the first message and the whole of the second come early, in one piece, which is cut
  // when the first begins.
  EXPECT_EQ(r.frame(200, slice(bytes, 200, bytes.size() - 1)), FrameVerdict::kTaken);
  EXPECT_EQ(r.frame(0, slice(bytes, 0, 100)), FrameVerdict::kTaken);
  EXPECT_EQ(r.slabs.allocate(1).data(), before.data() + 1);
  EXPECT_EQ(r.frame(100, slice(bytes, 100, 200)), FrameVerdict::kTaken);
  EXPECT_EQ(r.out.size(), 1u);
  EXPECT_EQ(r.slabs.allocate(1).data(), before.data() + 2);
  EXPECT_EQ(r.frame(bytes.size() - 1, {bytes.back()}), FrameVerdict::kTaken);
  ASSERT_EQ(r.out.size(), 2u);
  EXPECT_TRUE(is_test_payload(r.out[1].payload, 40, 40));
}

TEST(ReceiveStream, ByteByByte) {
  Receiver r;
  const auto bytes = stream_of({300, 0, 5, 17000});
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    ASSERT_EQ(r.frame(i, {bytes[i]}), FrameVerdict::kTaken);
  }
  ASSERT_EQ(r.out.size(), 4u);
  EXPECT_TRUE(is_test_payload(r.out[3].payload, 17000, 17000));
}

// Two cuts anywhere, the three parts in every order, one of them twice.
TEST(ReceiveStream, AnyOrderOfParts) {
  const auto bytes = stream_of({5, 70, 0, 9});
  const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (std::size_t a = 1; a < bytes.size(); a += 2) {
    for (std::size_t b = a + 1; b < bytes.size(); b += 3) {
      const std::size_t cuts[] = {0, a, b, bytes.size()};
      for (const auto& order : orders) {
        Receiver r;
        for (const int i : {order[0], order[1], order[0], order[2]}) {
          ASSERT_EQ(r.frame(cuts[i], slice(bytes, cuts[i], cuts[i + 1])), FrameVerdict::kTaken);
        }
        ASSERT_EQ(r.out.size(), 4u) << a << ' ' << b;
        ASSERT_TRUE(is_test_payload(r.out[1].payload, 70, 70));
        ASSERT_TRUE(is_test_payload(r.out[3].payload, 9, 9));
        ASSERT_EQ(r.early_pieces, 0u);
      }
    }
  }
}

TEST(ReceiveStream, WhatCameFirstCounts) {
  Receiver r;
  const auto good = stream_of({10, 10, 10});
  auto bad = good;
  for (auto& byte : bad) byte = static_cast<std::uint8_t>(byte ^ 0xff);
  r.frame(25, slice(good, 25, 30));  // early
  r.frame(22, slice(bad, 22, 26));   // overlaps it
  r.frame(22, slice(good, 22, 25));
  r.frame(0, slice(good, 0, 5));
  r.frame(7, slice(good, 7, 9));
  r.frame(0, slice(bad, 0, 5));  // all known
  r.frame(5, slice(good, 5, 7));
  r.frame(6, slice(bad, 6, 9));  // all known
  r.frame(9, slice(good, 9, 22));
  ASSERT_EQ(r.out.size(), 2u);
  EXPECT_TRUE(is_test_payload(r.out[0].payload, 10, 10));
  EXPECT_TRUE(is_test_payload(r.out[1].payload, 10, 10));
}

TEST(ReceiveStream, RefusesTooManyEarlyPieces) {
  Receiver r;
  const auto bytes = stream_of({3, 3, 3, 3, 3, 3, 3, 3});
  for (std::uint64_t i = 1; i <= 4; ++i) {
    EXPECT_EQ(r.frame(4 * i, slice(bytes, 4 * i, 4 * i + 3)), FrameVerdict::kTaken);
  }
  EXPECT_EQ(r.early_pieces, 4u);
  EXPECT_EQ(r.frame(20, slice(bytes, 20, 24)), FrameVerdict::kRefused);
  EXPECT_EQ(r.frame(4, slice(bytes, 4, 7)), FrameVerdict::kTaken);  // known
  EXPECT_EQ(r.frame(0, slice(bytes, 0, 4)), FrameVerdict::kTaken);
  EXPECT_EQ(r.early_pieces, 3u);
  EXPECT_EQ(r.frame(20, slice(bytes, 20, 24)), FrameVerdict::kTaken);
  for (std::uint64_t i = 1; i <= 4; ++i) r.frame(4 * i, slice(bytes, 4 * i, 4 * i + 4));
  r.frame(24, slice(bytes, 24, 32));
  EXPECT_EQ(r.out.size(), 8u);
  EXPECT_EQ(r.early_pieces, 0u);
}

TEST(ReceiveStream, RefusesTooManyIslands) {
  Receiver r;
  const auto bytes = stream_of({100000});
  r.frame(0, slice(bytes, 0, 4));
  FrameVerdict verdict = FrameVerdict::kTaken;
  std::uint64_t islands = 0;
  for (; verdict == FrameVerdict::kTaken && islands < 50000; ++islands) {
    verdict = r.frame(6 + 2 * islands, {bytes[6 + 2 * islands]});
  }
  EXPECT_EQ(verdict, FrameVerdict::kRefused);
  EXPECT_EQ(islands, 1025u);
  EXPECT_EQ(r.frame(4, slice(bytes, 4, 100004)), FrameVerdict::kTaken);
  ASSERT_EQ(r.out.size(), 1u);
  EXPECT_TRUE(is_test_payload(r.out[0].payload, 100000, 100000));
}

TEST(ReceiveStream, AMessageOverTheLimitIsAViolation) {
  Receiver r;
  std::vector<std::uint8_t> length(4);
  ByteWriter(length).varint(kMessageSizeMax);
  EXPECT_EQ(r.frame(0, length), FrameVerdict::kTaken);
  Receiver over;
  ByteWriter(length).varint(kMessageSizeMax + 1);
  EXPECT_EQ(over.frame(0, length), FrameVerdict::kViolation);
  Receiver huge;
  std::vector<std::uint8_t> eight(8);
  ByteWriter(eight).varint(kVarintMax);
  EXPECT_EQ(huge.frame(0, eight), FrameVerdict::kViolation);
}

TEST(ReceiveStream, ALengthThatIsNotTheShortestIsAViolation) {
  for (const std::size_t size : {2, 4, 8}) {
    Receiver r;
    std::vector<std::uint8_t> bytes(size);
    ByteWriter(bytes).varint_sized(3, size);
    EXPECT_EQ(r.frame(0, bytes), FrameVerdict::kViolation);
  }
}

TEST(ReceiveStream, CreditOfTheChannel) {
  Receiver r;
  EXPECT_EQ(r.frame(699999, {0}), FrameVerdict::kTaken);
  EXPECT_EQ(r.frame(700000, {0}), FrameVerdict::kViolation);
}

TEST(ReceiveStream, CreditOfTheSessionCountsWholeMessages) {
  Receiver r;
  r.bytes_window.charge((1 << 20) - 110);
  const auto bytes = stream_of({107, 1});
  EXPECT_EQ(r.frame(0, slice(bytes, 0, 3)), FrameVerdict::kTaken);
  // The whole message is charged; its length was given back.
  EXPECT_EQ(r.bytes_window.held(), (1u << 20) - 110 + 107);
  EXPECT_EQ(r.frame(3, slice(bytes, 3, bytes.size())), FrameVerdict::kViolation);
}

TEST(ReceiveStream, CreditForMessages) {
  Receiver r;
  EXPECT_EQ(r.frame(0, std::vector<std::uint8_t>(90, 0)), FrameVerdict::kTaken);
  EXPECT_EQ(r.out.size(), 90u);
  EXPECT_EQ(r.frame(90, {0}), FrameVerdict::kViolation) << "the channel's";
  Receiver other;
  other.messages_window.charge(20);
  EXPECT_EQ(other.frame(0, std::vector<std::uint8_t>(80, 0)), FrameVerdict::kTaken);
  EXPECT_EQ(other.frame(80, {0}), FrameVerdict::kViolation) << "the session's";
}

TEST(ReceiveStream, LengthsTakeNoRoom) {
  Receiver r;
  r.frame(0, stream_of({200000}));
  EXPECT_EQ(r.bytes_window.held(), 200000u);
  EXPECT_EQ(r.channel_bytes.held(), 200000u);
  EXPECT_EQ(r.messages_window.held(), 1u);
  EXPECT_EQ(r.channel_messages.held(), 1u);
}

}  // namespace
}  // namespace whimbrel
