#include "base/bytes.h"

#include <gtest/gtest.h>

#include <vector>

namespace whimbrel {
namespace {

// RFC 9000 A.1.
TEST(Varint, ExamplesOfTheStandard) {
  const struct {
    std::vector<std::uint8_t> bytes;
    std::uint64_t value;
  } cases[] = {
      {{0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}, 151288809941952652},
      {{0x9d, 0x7f, 0x3e, 0x7d}, 494878333},
      {{0x7b, 0xbd}, 15293},
      {{0x25}, 37},
  };
  for (const auto& [bytes, value] : cases) {
    ByteReader in(bytes);
    EXPECT_EQ(in.varint(), value);
    EXPECT_TRUE(in.ok() && in.empty());
    std::vector<std::uint8_t> buffer(8);
    ByteWriter out(buffer);
    out.varint(value);
    EXPECT_TRUE(equal(out.written(), bytes));
  }
  const std::vector<std::uint8_t> longer = {0x40, 0x25};
  EXPECT_EQ(ByteReader(longer).varint(), 37u);
}

TEST(Varint, SizesAtTheirLimits) {
  EXPECT_EQ(varint_size(0), 1u);
  EXPECT_EQ(varint_size(63), 1u);
  EXPECT_EQ(varint_size(64), 2u);
  EXPECT_EQ(varint_size(16383), 2u);
  EXPECT_EQ(varint_size(16384), 4u);
  EXPECT_EQ(varint_size((1u << 30) - 1), 4u);
  EXPECT_EQ(varint_size(1u << 30), 8u);
  EXPECT_EQ(varint_size(kVarintMax), 8u);
}

TEST(ByteReader, ReadsBigEndian) {
  const std::vector<std::uint8_t> bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  ByteReader in(bytes);
  EXPECT_EQ(in.u8(), 0x01);
  EXPECT_EQ(in.u16(), 0x0203);
  EXPECT_EQ(in.u32(), 0x04050607u);
  EXPECT_EQ(in.fixed(3), 0x08090au);
  EXPECT_EQ(in.remaining(), 6u);
  EXPECT_TRUE(equal(in.bytes(2), Bytes(bytes).subspan(10, 2)));
  EXPECT_EQ(in.rest().size(), 4u);
  EXPECT_TRUE(in.ok());
}

TEST(ByteReader, FailsForGood) {
  const std::vector<std::uint8_t> bytes = {1, 2, 3};
  ByteReader in(bytes);
  EXPECT_EQ(in.u32(), 0u);
  EXPECT_FALSE(in.ok());
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(in.u8(), 0u);
  EXPECT_EQ(in.varint(), 0u);
  EXPECT_TRUE(in.bytes(1).empty());
  EXPECT_FALSE(in.ok());
}

TEST(ByteReader, CutVarint) {
  for (const int first : {0x40, 0x80, 0xc0}) {
    const std::vector<std::uint8_t> bytes = {static_cast<std::uint8_t>(first)};
    ByteReader in(bytes);
    EXPECT_EQ(in.varint(), 0u);
    EXPECT_FALSE(in.ok());
  }
}

TEST(ByteWriter, WritesWhatTheReaderReads) {
  std::vector<std::uint8_t> buffer(64);
  ByteWriter out(buffer);
  out.u8(7);
  out.u16(0x1234);
  out.u32(0xdeadbeef);
  out.u64(0x0123456789abcdef);
  out.fixed(0xabcdef, 3);
  out.varint_sized(5, 4);
  out.bytes(as_bytes("text"));
  out.zeros(2);
  EXPECT_EQ(out.size() + out.remaining(), buffer.size());
  ByteReader in(out.written());
  EXPECT_EQ(in.u8(), 7);
  EXPECT_EQ(in.u16(), 0x1234);
  EXPECT_EQ(in.u32(), 0xdeadbeef);
  EXPECT_EQ(in.u64(), 0x0123456789abcdefu);
  EXPECT_EQ(in.fixed(3), 0xabcdefu);
  EXPECT_EQ(in.varint(), 5u);
  EXPECT_EQ(as_text(in.bytes(4)), "text");
  EXPECT_EQ(in.u16(), 0);
  EXPECT_TRUE(in.ok() && in.empty());
}

TEST(ByteWriter, GoesBack) {
  std::vector<std::uint8_t> buffer(4);
  ByteWriter out(buffer);
  out.u16(1);
  out.u8(2);
  out.truncate(2);
  EXPECT_EQ(out.size(), 2u);
  out.skip(2);
  EXPECT_EQ(out.remaining(), 0u);
  EXPECT_EQ(out.position(), buffer.data() + 4);
}

TEST(ByteWriterDeathTest, NeverWritesPastItsEnd) {
  std::vector<std::uint8_t> buffer(3);
  EXPECT_DEATH(ByteWriter(buffer).u32(1), "assertion failed");
  EXPECT_DEATH(ByteWriter(buffer).zeros(4), "assertion failed");
  EXPECT_DEATH(ByteWriter(buffer).bytes(as_bytes("four")), "assertion failed");
  EXPECT_DEATH(ByteWriter(buffer).varint(kVarintMax + 1), "assertion failed");
  EXPECT_DEATH(ByteWriter(buffer).varint_sized(64, 1), "assertion failed");
  EXPECT_DEATH(ByteWriter(buffer).truncate(1), "assertion failed");
}

TEST(Bytes, Equality) {
  EXPECT_TRUE(equal(as_bytes("ab"), as_bytes("ab")));
  EXPECT_FALSE(equal(as_bytes("ab"), as_bytes("ac")));
  EXPECT_FALSE(equal(as_bytes("ab"), as_bytes("a")));
  EXPECT_TRUE(equal({}, as_bytes("")));
}

}  // namespace
}  // namespace whimbrel
