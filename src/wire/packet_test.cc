#include "wire/packet.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace whimbrel {
namespace {

TEST(DataHeader, RoundTrip) {
  for (std::uint8_t size = 1; size <= 4; ++size) {
    for (const bool phase : {false, true}) {
      std::vector<std::uint8_t> datagram(100);
      const PacketNumber number{0x0123456789abcdef};
      const std::size_t head = write_data_header(datagram.data(), phase, 0xdeadbeef, number, size);
      EXPECT_EQ(head, 5u + size);
      EXPECT_EQ(packet_kind(datagram[0]), PacketKind::kData);
      const auto header = read_data_header(datagram);
      ASSERT_TRUE(header);
      EXPECT_EQ(header->key_phase, phase);
      EXPECT_EQ(header->receiver_index, 0xdeadbeefu);
      EXPECT_EQ(header->number_size, size);
      EXPECT_EQ(header->size(), head);
      EXPECT_EQ(header->truncated_number,
                0x0123456789abcdefu & ((std::uint64_t{1} << 8 * size) - 1));
    }
  }
}

TEST(DataHeader, NeedsASealedByteAndATag) {
  std::vector<std::uint8_t> datagram(kDataOverheadMax + 10);
  write_data_header(datagram.data(), false, 1, PacketNumber{1}, 2);
  const std::size_t least = 5 + 2 + 1 + kTagSize;
  EXPECT_TRUE(read_data_header(Bytes(datagram).first(least)));
  for (std::size_t size = 0; size < least; ++size) {
    EXPECT_FALSE(read_data_header(Bytes(datagram).first(size))) << size;
  }
}

TEST(DataHeader, ReservedBitsAreZero) {
  std::vector<std::uint8_t> datagram(100);
  write_data_header(datagram.data(), false, 1, PacketNumber{1}, 1);
  for (const int bit : {0x08, 0x04}) {
    auto bad = datagram;
    bad[0] = static_cast<std::uint8_t>(bad[0] | bit);
    EXPECT_FALSE(read_data_header(bad));
  }
}

TEST(PacketKind, ByFirstByte) {
  for (int first = 0; first < 256; ++first) {
    const PacketKind expected = first >= 0xc0 && first < 0xe0   ? PacketKind::kData
                                : first >= 0xe0 && first < 0xf0 ? PacketKind::kHandshake
                                                                : PacketKind::kOther;
    EXPECT_EQ(packet_kind(static_cast<std::uint8_t>(first)), expected) << first;
  }
}

// RFC 9000 A.2 and A.3.
TEST(PacketNumber, ExamplesOfTheStandard) {
  EXPECT_EQ(packet_number_size(PacketNumber{0xac5c02}, 0xabe8b3 + 1), 2);
  EXPECT_EQ(packet_number_size(PacketNumber{0xace8fe}, 0xabe8b3 + 1), 3);
  EXPECT_EQ(value(recover_packet_number(0xa82f30ea + 1, 0x9b32, 2)), 0xa82f9b32u);
}

// Whatever the receiver has seen between the largest acknowledged and the number before, it finds
// the number again.
TEST(PacketNumber, RecoveredFromWhatIsSent) {
  FastRandom random(3);
  for (int i = 0; i < 100000; ++i) {
    const std::uint64_t next_unacked = random.below(std::uint64_t{1} << (1 + random.below(60)));
    const std::uint64_t ahead = random.below(std::uint64_t{1} << (1 + random.below(29)));
    const std::uint64_t number = next_unacked + ahead;
    const std::uint8_t size = packet_number_size(PacketNumber{number}, next_unacked);
    ASSERT_GE(size, 1);
    ASSERT_LE(size, 4);
    const std::uint64_t mask = (std::uint64_t{1} << 8 * size) - 1;
    const std::uint64_t expected = next_unacked + random.below(ahead + 1);
    ASSERT_EQ(value(recover_packet_number(expected, number & mask, size)), number)
        << next_unacked << ' ' << expected;
  }
}

TEST(PacketNumber, NearTheBeginning) {
  EXPECT_EQ(value(recover_packet_number(0, 0, 1)), 0u);
  EXPECT_EQ(value(recover_packet_number(0, 255, 1)), 255u);
  EXPECT_EQ(value(recover_packet_number(5, 250, 1)), 250u);
}

}  // namespace
}  // namespace whimbrel
