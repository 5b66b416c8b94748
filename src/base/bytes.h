// Views of bytes, and a reader and a writer over them. Integers are big-endian; varints are those
// of RFC 9000 section 16 (1, 2, 4 or 8 bytes, the top two bits of the first byte give the length).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/assert.h"

namespace whimbrel {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline constexpr std::uint64_t kVarintMax = (std::uint64_t{1} << 62) - 1;

// Size in bytes of `value` as a varint: 1, 2, 4 or 8. `value` must be at most kVarintMax.
constexpr std::size_t varint_size(std::uint64_t value) {
  return value < 64 ? 1 : value < 16384 ? 2 : value < 1073741824 ? 4 : 8;
}

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline bool equal(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Reads from a peer's bytes. Every read checks; after the first failure ok() is false for good,
// reads return zero or an empty view, so that a decoder can read on and check once at its end.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  bool empty() const { return at_ == end_; }
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  Bytes rest() const { return {at_, remaining()}; }

  std::uint8_t u8() { return static_cast<std::uint8_t>(fixed(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(fixed(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(fixed(4)); }
  std::uint64_t u64() { return fixed(8); }
  // Big-endian integer of `size` bytes, 1 to 8.
  std::uint64_t fixed(std::size_t size);
  std::uint64_t varint();
  // A view into the bytes read, valid as long as they are.
  Bytes bytes(std::size_t size);
  void fail() {
    ok_ = false;
    at_ = end_;
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool ok_ = true;
};

// Writes into a caller's buffer. Writing past its end is a mistake of the caller (ASSERT): ask
// remaining() first.
class ByteWriter {
 public:
  explicit ByteWriter(MutableBytes buffer)
      : begin_(buffer.data()), at_(buffer.data()), end_(buffer.data() + buffer.size()) {}

  std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  MutableBytes written() const { return {begin_, size()}; }
  std::uint8_t* position() const { return at_; }

  void u8(std::uint8_t value) {
    ASSERT(at_ < end_);
    *at_++ = value;
  }
  void u16(std::uint16_t value) { fixed(value, 2); }
  void u32(std::uint32_t value) { fixed(value, 4); }
  void u64(std::uint64_t value) { fixed(value, 8); }
  // The low `size` bytes of `value`, big-endian, 1 to 8.
  void fixed(std::uint64_t value, std::size_t size);
  void varint(std::uint64_t value);
  // A varint in a given number of bytes (2, 4 or 8 where fewer would do): for lengths filled in
  // afterwards.
  void varint_sized(std::uint64_t value, std::size_t size);
  void bytes(Bytes value) {
    ASSERT(value.size() <= remaining());
    if (!value.empty()) std::memcpy(at_, value.data(), value.size());
    at_ += value.size();
  }
  void zeros(std::size_t count) {
    ASSERT(count <= remaining());
    std::memset(at_, 0, count);
    at_ += count;
  }
  void skip(std::size_t count) {
    ASSERT(count <= remaining());
    at_ += count;
  }
  // Back to an earlier size().
  void truncate(std::size_t size) {
    ASSERT(size <= this->size());
    at_ = begin_ + size;
  }

 private:
  std::uint8_t* begin_;
  std::uint8_t* at_;
  std::uint8_t* end_;
};

inline std::uint64_t ByteReader::fixed(std::size_t size) {
  if (remaining() < size) {
    fail();
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | at_[i];
  at_ += size;
  return value;
}

// RFC 9000 16: variable-length integer encoding.
inline std::uint64_t ByteReader::varint() {
  if (at_ == end_) {
    fail();
    return 0;
  }
  const std::size_t size = std::size_t{1} << (*at_ >> 6);
  if (remaining() < size) {
    fail();
    return 0;
  }
  std::uint64_t value = *at_ & 0x3f;
  for (std::size_t i = 1; i < size; ++i) value = value << 8 | at_[i];
  at_ += size;
  return value;
}

inline Bytes ByteReader::bytes(std::size_t size) {
  if (remaining() < size) {
    fail();
    return {};
  }
  const Bytes view{at_, size};
  at_ += size;
  return view;
}

inline void ByteWriter::fixed(std::uint64_t value, std::size_t size) {
  ASSERT(size <= remaining());
  for (std::size_t i = size; i-- > 0; value >>= 8) at_[i] = static_cast<std::uint8_t>(value);
  at_ += size;
}

inline void ByteWriter::varint(std::uint64_t value) {
  // Nearly all of them are so small: this is inlined where the loop is not.
  if (value >= 0x4000 || remaining() < 2) return varint_sized(value, varint_size(value));
  if (value >= 0x40) *at_++ = static_cast<std::uint8_t>(0x40 | value >> 8);
  *at_++ = static_cast<std::uint8_t>(value);
}

inline void ByteWriter::varint_sized(std::uint64_t value, std::size_t size) {
  ASSERT(value <= kVarintMax && varint_size(value) <= size);
  const std::uint8_t prefix = size == 1 ? 0 : size == 2 ? 0x40 : size == 4 ? 0x80 : 0xc0;
  std::uint8_t* first = at_;
  fixed(value, size);
  *first = static_cast<std::uint8_t>(*first | prefix);
}

}  // namespace whimbrel
