#include "traversal/stun.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace whimbrel {
namespace {

std::vector<std::uint8_t> from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < hex.size();) {
    if (hex[i] == ' ') {
      ++i;
      continue;
    }
    bytes.push_back(static_cast<std::uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
    i += 2;
  }
  return bytes;
}

// RFC 5769 2.1: with a username, a priority and an integrity check, none of which we know.
constexpr std::string_view kSampleRequest =
    "00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74 "
    "00240004 6e0001ff 80290008 932ff9b151263b36 00060009 6576746a3a68367659202020 "
    "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf";
// RFC 5769 2.2 and 2.3.
constexpr std::string_view kSampleResponseV4 =
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 "
    "00200008 0001a147e112a643 00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 "
    "80280004 c07d4c96";
constexpr std::string_view kSampleResponseV6 =
    "01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 "
    "00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9 "
    "00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c";

TEST(Stun, ReadsThePublishedResponses) {
  const auto v4 = read_binding_response(from_hex(kSampleResponseV4));
  ASSERT_TRUE(v4.has_value());
  EXPECT_EQ(v4->mapped.text(), "192.0.2.1:32853");
  const auto v6 = read_binding_response(from_hex(kSampleResponseV6));
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->mapped.text(), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

TEST(Stun, AChangedFingerprintIsSeen) {
  auto changed = from_hex(kSampleResponseV4);
  changed[30] ^= 1;
  EXPECT_FALSE(read_binding_response(changed).has_value());
}

// The published request insists on attributes of ICE.
TEST(Stun, WhatWeDoNotKnowIsAnError420) {
  std::array<std::uint8_t, kStunAnswerSizeMax> buffer;
  const auto request = from_hex(kSampleRequest);
  const std::size_t size =
      answer_binding_request(request, IpAddress::v4(192, 0, 2, 1, 32853), buffer);
  const auto expected = from_hex(
      "01110014 2112a442 b7e7a701bc34d686fa87dfae 00090004 00000414 000a0006 0024 0006 0008 0000");
  EXPECT_EQ(std::vector<std::uint8_t>(buffer.begin(), buffer.begin() + static_cast<long>(size)),
            expected);
}

TEST(Stun, AnswersARequestWithItsAddress) {
  for (const char* text : {"192.0.2.1:32853", "[2001:db8::1]:1", "127.0.0.1:65535"}) {
    const IpAddress from = *IpAddress::parse(text);
    StunTransaction transaction;
    for (std::size_t i = 0; i < 12; ++i) transaction[i] = static_cast<std::uint8_t>(i * 17);
    std::array<std::uint8_t, 64> request;
    const std::size_t size = write_binding_request(request, transaction);
    EXPECT_EQ(size, 28u);
    std::array<std::uint8_t, kStunAnswerSizeMax> answer;
    const std::size_t answer_size =
        answer_binding_request(Bytes(request).first(size), from, answer);
    EXPECT_LE(answer_size, size + 24);
    const auto read = read_binding_response(Bytes(answer).first(answer_size));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->mapped, from);
    EXPECT_EQ(read->transaction, transaction);
  }
}

TEST(Stun, AnythingElseIsSilence) {
  std::array<std::uint8_t, kStunAnswerSizeMax> buffer;
  const IpAddress from = IpAddress::v4(192, 0, 2, 1, 1);
  const auto request = from_hex("00010000 2112a442 b7e7a701bc34d686fa87dfae");
  EXPECT_GT(answer_binding_request(request, from, buffer), 0u);
  for (std::size_t size = 0; size < request.size(); ++size) {
    EXPECT_EQ(answer_binding_request(Bytes(request).first(size), from, buffer), 0u);
  }
  auto changed = request;
  changed[4] ^= 1;  // the cookie
  EXPECT_EQ(answer_binding_request(changed, from, buffer), 0u);
  EXPECT_EQ(answer_binding_request(from_hex(kSampleResponseV4), from, buffer), 0u);
  // An attribute that is longer than the message.
  EXPECT_EQ(answer_binding_request(from_hex("00010004 2112a442 b7e7a701bc34d686fa87dfae 80220004"),
                                   from, buffer),
            0u);
}

}  // namespace
}  // namespace whimbrel
