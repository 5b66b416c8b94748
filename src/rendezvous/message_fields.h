// How the fields of a rendezvous message are written and read. Each message names its fields once,
// to either of these.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace whimbrel::rendezvous {

// Integers are big-endian; a text or a blob follows its size (v of RFC 9000 16).
class FieldWriter {
 public:
  explicit FieldWriter(std::uint8_t type) { bytes_.push_back(type); }

  template <std::integral Number>
  void number(const Number& value) {
    for (std::size_t i = sizeof(Number); i-- > 0;) {
      bytes_.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i)));
    }
  }
  void flag(const bool& value) { bytes_.push_back(value ? 1 : 0); }
  template <std::size_t kSize>
  void fixed(const std::array<std::uint8_t, kSize>& value) {
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  void text(const std::string& value, std::size_t size_max) { blob_of(as_bytes(value), size_max); }
  void blob(const std::vector<std::uint8_t>& value, std::size_t size_max) {
    blob_of(value, size_max);
  }
  // One byte, from zero to `last`.
  template <typename Enum>
  void choice(const Enum& value, Enum last) {
    ASSERT(value <= last);
    bytes_.push_back(static_cast<std::uint8_t>(value));
  }
  // A number of a type of its own.
  template <typename Enum>
  void id(const Enum& value) {
    number(static_cast<std::uint64_t>(value));
  }
  // The count, then each element's fields.
  template <typename Element>
  void list(std::vector<Element>& elements, std::size_t count_max) {
    ASSERT(elements.size() <= count_max);
    varint(elements.size());
    for (Element& element : elements) element.fields(*this);
  }

  std::vector<std::uint8_t> take() && { return std::move(bytes_); }

 private:
  void blob_of(Bytes value, std::size_t size_max) {
    ASSERT(value.size() <= size_max);
    varint(value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  void varint(std::uint64_t value) {
    std::array<std::uint8_t, 8> bytes;
    ByteWriter out(bytes);
    out.varint(value);
    bytes_.insert(bytes_.end(), out.written().begin(), out.written().end());
  }

  std::vector<std::uint8_t> bytes_;
};

// After the first field that does not fit, ok() is false and everything else is empty.
class FieldReader {
 public:
  explicit FieldReader(Bytes bytes) : in_(bytes) {}

  template <std::integral Number>
  void number(Number& value) {
    value = static_cast<Number>(in_.fixed(sizeof(Number)));
  }
  void flag(bool& value) {
    const std::uint8_t byte = in_.u8();
    if (byte > 1) in_.fail();
    value = byte == 1;
  }
  template <std::size_t kSize>
  void fixed(std::array<std::uint8_t, kSize>& value) {
    const Bytes bytes = in_.bytes(kSize);
    std::copy(bytes.begin(), bytes.end(), value.begin());
  }
  void text(std::string& value, std::size_t size_max) { value = as_text(blob_of(size_max)); }
  void blob(std::vector<std::uint8_t>& value, std::size_t size_max) {
    const Bytes bytes = blob_of(size_max);
    value.assign(bytes.begin(), bytes.end());
  }
  template <typename Enum>
  void choice(Enum& value, Enum last) {
    const std::uint8_t byte = in_.u8();
    if (byte > static_cast<std::uint8_t>(last)) return in_.fail();
    value = static_cast<Enum>(byte);
  }
  template <typename Enum>
  void id(Enum& value) {
    value = static_cast<Enum>(in_.u64());
  }
  template <typename Element>
  void list(std::vector<Element>& elements, std::size_t count_max) {
    const std::uint64_t count = in_.varint();
    if (count > count_max) in_.fail();
    for (std::uint64_t i = 0; in_.ok() && i < count; ++i) elements.emplace_back().fields(*this);
  }

  // Everything was read, and nothing is left over.
  bool done() const { return in_.ok() && in_.empty(); }

 private:
  Bytes blob_of(std::size_t size_max) {
    const std::uint64_t size = in_.varint();
    if (size > size_max) in_.fail();
    return in_.ok() ? in_.bytes(static_cast<std::size_t>(size)) : Bytes();
  }

  ByteReader in_;
};

}  // namespace whimbrel::rendezvous
