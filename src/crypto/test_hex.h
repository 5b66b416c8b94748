// Hex digits to bytes, for published vectors in tests.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "crypto/secret.h"

namespace whimbrel {

inline std::uint8_t hex_digit(char c) {
  return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10);
}

inline std::vector<std::uint8_t> hex(std::string_view digits) {
  ASSERT(digits.size() % 2 == 0);
  std::vector<std::uint8_t> bytes(digits.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] =
        static_cast<std::uint8_t>(hex_digit(digits[2 * i]) << 4 | hex_digit(digits[2 * i + 1]));
  return bytes;
}

inline std::array<std::uint8_t, kKeySize> hex32(std::string_view digits) {
  const auto bytes = hex(digits);
  ASSERT(bytes.size() == kKeySize);
  std::array<std::uint8_t, kKeySize> out;
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

inline std::vector<std::uint8_t> to_vector(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace whimbrel
