#include "crypto/siphash.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

SipKey counting_key() {
  SipKey key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  return key;
}

// The paper's appendix A: key 00..0f, input 00..0e.
TEST(SipHash, ThePublishedVector) {
  std::array<std::uint8_t, 15> input;
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<std::uint8_t>(i);
  const SipTag expected{0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1};
  EXPECT_EQ(siphash24(counting_key(), input), expected);
}

// The first of the reference code's table.
TEST(SipHash, OfNothing) {
  const SipTag expected{0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72};
  EXPECT_EQ(siphash24(counting_key(), {}), expected);
}

}  // namespace
}  // namespace whimbrel
