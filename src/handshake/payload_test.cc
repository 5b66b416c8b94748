#include "handshake/payload.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/test_hex.h"

namespace whimbrel {
namespace {

using Buffer = std::vector<std::uint8_t>;

HandshakePayload example() {
  HandshakePayload payload;
  payload.stamp = 1'700'000'000'123;
  payload.versions = {1, 3};
  payload.suites = {AeadSuite::kChaChaPoly, AeadSuite::kAesGcm};
  payload.sender_index = 0xdeadbeef;
  return payload;
}

Buffer encode(const HandshakePayload& payload, std::size_t size_min = 0) {
  Buffer out(2000);
  out.resize(encode_payload(payload, size_min, out));
  return out;
}

// The example and one more field.
Buffer with_field(std::string_view field_hex) {
  Buffer bytes = encode(example());
  const auto field = hex(field_hex);
  bytes.insert(bytes.end(), field.begin(), field.end());
  return bytes;
}

// Stamp, versions, suites and sender index, one at a time left out.
constexpr std::string_view kStamp = "01080000018bcfe5687b";
constexpr std::string_view kVersions = "02020103";
constexpr std::string_view kSuites = "03020201";
constexpr std::string_view kSender = "0904deadbeef";

Buffer fields(std::initializer_list<std::string_view> parts) {
  std::string digits;
  for (std::string_view part : parts) digits += part;
  return hex(digits);
}

TEST(HandshakePayload, RoundTrip) {
  HandshakePayload payload = example();
  payload.identity = "str:alice";
  const Buffer certificate(200, 7);
  payload.certificate = certificate;
  payload.parameters = {1, 2, 3, 4, 1200, 6, 7};
  const Buffer bytes = encode(payload, 500);
  EXPECT_GE(bytes.size(), 500u);
  const auto decoded = decode_payload(bytes);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->stamp, payload.stamp);
  EXPECT_EQ(decoded->versions.lowest, 1);
  EXPECT_EQ(decoded->versions.highest, 3);
  EXPECT_EQ(to_vector(decoded->suites.view()), to_vector(payload.suites.view()));
  EXPECT_EQ(decoded->identity, payload.identity);
  EXPECT_EQ(to_vector(decoded->certificate), certificate);
  EXPECT_EQ(decoded->parameters, payload.parameters);
  EXPECT_EQ(decoded->sender_index, payload.sender_index);
}

TEST(HandshakePayload, PadsToAnySize) {
  const std::size_t plain = encode(example()).size();
  for (std::size_t size_min = 0; size_min < 600; ++size_min) {
    const Buffer bytes = encode(example(), size_min);
    EXPECT_GE(bytes.size(), size_min);
    EXPECT_LE(bytes.size(), std::max(plain, size_min + 2));
    EXPECT_TRUE(decode_payload(bytes).has_value()) << size_min;
  }
}

TEST(HandshakePayload, BytesOnTheWire) {
  const Buffer bytes = encode(example());
  const Buffer start = fields({kStamp, kVersions, kSuites, kSender});
  ASSERT_GE(bytes.size(), start.size());
  EXPECT_EQ(Buffer(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(start.size())),
            start);
}

TEST(HandshakePayload, AbsentFieldsHaveDefaults) {
  const auto decoded = decode_payload(fields({kStamp, kVersions, kSuites, kSender}));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->identity, "");
  EXPECT_TRUE(decoded->certificate.empty());
  EXPECT_EQ(decoded->parameters, TransportParameters());
}

TEST(HandshakePayload, OrderDoesNotMatterButFourFieldsMustBeThere) {
  EXPECT_TRUE(decode_payload(fields({kSender, kSuites, kVersions, kStamp})).has_value());
  EXPECT_FALSE(decode_payload(fields({kVersions, kSuites, kSender})).has_value());
  EXPECT_FALSE(decode_payload(fields({kStamp, kSuites, kSender})).has_value());
  EXPECT_FALSE(decode_payload(fields({kStamp, kVersions, kSender})).has_value());
  EXPECT_FALSE(decode_payload(fields({kStamp, kVersions, kSuites})).has_value());
  EXPECT_FALSE(decode_payload({}).has_value());
}

TEST(HandshakePayload, UnknownFieldsAreSkipped) {
  EXPECT_TRUE(decode_payload(with_field("0b03ffffff")).has_value());
  EXPECT_TRUE(decode_payload(with_field("7fff00")).has_value());
  EXPECT_TRUE(decode_payload(with_field("0b000b00")).has_value()) << "even twice";
  EXPECT_TRUE(decode_payload(with_field("0801ff")).has_value()) << "reserved";
}

TEST(HandshakePayload, ResetTokensHaveTheirSize) {
  const auto payload = decode_payload(with_field("0a10000102030405060708090a0b0c0d0e0f"));
  ASSERT_TRUE(payload && payload->reset_token);
  EXPECT_EQ((*payload->reset_token)[15], 15);
  EXPECT_FALSE(decode_payload(with_field("0a03ffffff")).has_value());
  EXPECT_FALSE(decode_payload(with_field("0a00")).has_value());
}

TEST(HandshakePayload, KnownFieldsOccurOnce) {
  for (std::string_view field : {kStamp, kVersions, kSuites, kSender})
    EXPECT_FALSE(decode_payload(with_field(field)).has_value()) << field;
  EXPECT_TRUE(decode_payload(with_field("040161")).has_value());
  EXPECT_FALSE(decode_payload(with_field("040161040161")).has_value());
  EXPECT_FALSE(decode_payload(with_field("06000600")).has_value());
  EXPECT_FALSE(decode_payload(with_field("07000700")).has_value());
}

TEST(HandshakePayload, MalformedFieldsAreRefused) {
  const auto decodes = [](std::string_view bad) {
    return decode_payload(fields({kVersions, kSuites, kSender, bad})).has_value();
  };
  EXPECT_FALSE(decodes("010700000000000000"));                                   // stamp of 7 bytes
  EXPECT_FALSE(decodes("0109000000000000000000"));                               // and of 9
  EXPECT_FALSE(decode_payload(fields({kStamp, "02020302", kSuites, kSender})));  // lowest > highest
  EXPECT_FALSE(decode_payload(fields({kStamp, "020101", kSuites, kSender})));
  EXPECT_FALSE(decode_payload(fields({kStamp, "0203010101", kSuites, kSender})));
  EXPECT_FALSE(decode_payload(fields({kStamp, kVersions, "0300", kSender})));      // no suite
  EXPECT_FALSE(decode_payload(fields({kStamp, kVersions, "03020101", kSender})));  // one twice
  EXPECT_FALSE(decode_payload(fields({kStamp, kVersions, "0309010203040506070809", kSender})));
  EXPECT_FALSE(decode_payload(fields({kStamp, kVersions, kSuites, "0903deadbe"})));
  EXPECT_FALSE(decode_payload(with_field("0400")));      // empty identity
  EXPECT_FALSE(decode_payload(with_field("0500")));      // empty certificate
  EXPECT_FALSE(decode_payload(with_field("07020001")));  // padding that says something
  EXPECT_FALSE(decode_payload(with_field("0a05ffff")));  // longer than what is there
  EXPECT_FALSE(decode_payload(with_field("0a")));
  EXPECT_FALSE(decode_payload(with_field("c0")));
}

TEST(HandshakePayload, LimitsOfIdentityAndCertificate) {
  const auto field_of = [](const char* header, std::size_t size) {
    return std::string(header) + std::string(2 * size, '3');
  };
  EXPECT_TRUE(
      decode_payload(fields({kStamp, kVersions, kSuites, kSender, field_of("04407f", 127)})));
  EXPECT_FALSE(
      decode_payload(fields({kStamp, kVersions, kSuites, kSender, field_of("044080", 128)})));
  EXPECT_EQ(kCertificateSizeMax, 0x105u);
  EXPECT_TRUE(
      decode_payload(fields({kStamp, kVersions, kSuites, kSender, field_of("054105", 261)})));
  EXPECT_FALSE(
      decode_payload(fields({kStamp, kVersions, kSuites, kSender, field_of("054106", 262)})));
}

TEST(HandshakePayload, LargestPayloadHasTheSizeThatIsSaid) {
  HandshakePayload payload = example();
  const std::string identity(kIdentityTextSizeMax, 'x');
  const Buffer certificate(kCertificateSizeMax, 1);
  payload.identity = identity;
  payload.certificate = certificate;
  payload.reset_token.emplace();
  payload.parameters = {kVarintMax, kVarintMax, kVarintMax, kVarintMax,
                        kVarintMax, kVarintMax, kVarintMax};
  while (payload.suites.add(static_cast<std::uint8_t>(100 + payload.suites.view().size()))) {
  }
  EXPECT_EQ(encode(payload).size(), kPayloadSizeMax);
}

TEST(HandshakePayload, TransportParametersAreChecked) {
  const auto parameters = [](std::string_view content) {
    const auto decoded = decode_payload(
        fields({kStamp, kVersions, kSuites, kSender, "06",
                std::string(1, '0') + std::string(1, static_cast<char>('0' + content.size() / 2)),
                content}));
    return decoded ? std::optional(decoded->parameters) : std::nullopt;
  };
  EXPECT_EQ(parameters("0105")->session_bytes_max, 5u);
  EXPECT_EQ(parameters("0105")->session_messages_max, 1000u) << "left out: the default";
  EXPECT_EQ(parameters("3f05")->session_bytes_max, 1048576u) << "unknown id: skipped";
  EXPECT_FALSE(parameters("01050106").has_value()) << "twice";
  EXPECT_FALSE(parameters("01").has_value()) << "no value";
  EXPECT_TRUE(parameters("0544b0").has_value());
  EXPECT_FALSE(parameters("0544af").has_value()) << "datagrams below 1200 bytes";
  EXPECT_TRUE(parameters("0480fa0000").has_value());
  EXPECT_FALSE(parameters("0480fa0001").has_value()) << "ack delay above 2^14 ms";
}

// Whatever is cut, changed or made up: decoding ends, and reads nothing that is not there (the
// sanitizers watch).
TEST(HandshakePayload, SurvivesAnyBytes) {
  FastRandom random(1);
  HandshakePayload payload = example();
  payload.identity = "str:alice";
  const Buffer good = encode(payload, 100);
  for (std::size_t size = 0; size < good.size(); ++size)
    decode_payload(Buffer(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)));
  for (int round = 0; round < 20000; ++round) {
    Buffer bytes = good;
    for (int change = 0; change < 3; ++change)
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.u32());
    const auto decoded = decode_payload(bytes);
    if (!decoded) continue;
    EXPECT_LE(decoded->identity.size(), kIdentityTextSizeMax);
    EXPECT_LE(decoded->versions.lowest, decoded->versions.highest);
  }
}

}  // namespace
}  // namespace whimbrel
