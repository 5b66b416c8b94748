#include "handshake/certificate.h"

#include <gtest/gtest.h>

#include "crypto/secure_random.h"
#include "crypto/test_hex.h"
#include "handshake/revocations.h"

namespace whimbrel {
namespace {

using Status = CertificateStatus;

constexpr UnixMillis kNow = 1'700'000'000'000;
constexpr std::int64_t kNowSeconds = kNow / 1000;

class CertificateTest : public testing::Test {
 protected:
  CertificateTest() {
    trust_.add_authority(authority_.verify_key());
    certificate_.app_id = 480;
    certificate_.serial = 77;
    certificate_.not_before = kNowSeconds - 100;
    certificate_.not_after = kNowSeconds + 100;
    certificate_.static_key = holder_.public_key;
    certificate_.identity = "str:alice";
  }

  std::vector<std::uint8_t> sign() { return sign_certificate(certificate_, authority_); }
  CertificateClaim claim() const {
    return {.app_id = 480, .identity = "str:alice", .static_key = holder_.public_key};
  }
  Status verify(Bytes encoded, UnixMillis now = kNow) {
    return trust_.verify(encoded, claim(), now);
  }

  SecureRandom random_{Secret()};
  SigningKey authority_ = SigningKey::generate(random_);
  SigningKey other_authority_ = SigningKey::generate(random_);
  KeyPair holder_ = generate_x25519(random_);
  Certificate certificate_;
  TrustStore trust_;
};

TEST_F(CertificateTest, RoundTrip) {
  const auto encoded = sign();
  EXPECT_EQ(encoded.size(), kCertificateFixedSize + 9);
  const auto decoded = decode_certificate(encoded);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->app_id, 480u);
  EXPECT_EQ(decoded->serial, 77u);
  EXPECT_EQ(decoded->not_before, certificate_.not_before);
  EXPECT_EQ(decoded->not_after, certificate_.not_after);
  EXPECT_EQ(decoded->static_key, holder_.public_key);
  EXPECT_EQ(decoded->authority, authority_key_id(authority_.verify_key()));
  EXPECT_EQ(decoded->identity, "str:alice");
  EXPECT_EQ(verify(encoded), Status::kValid);
}

TEST_F(CertificateTest, LayoutOnTheWire) {
  const auto encoded = sign();
  EXPECT_EQ(std::vector<std::uint8_t>(encoded.begin(), encoded.begin() + 13),
            hex("01000001e0000000000000004d"));
  EXPECT_EQ(to_vector(Bytes(encoded).subspan(29, 32)), to_vector(holder_.public_key.view()));
  EXPECT_EQ(encoded[69], 9);
  std::vector<std::uint8_t> signed_part = to_vector(as_bytes("whimbrel certificate 1"));
  signed_part.insert(signed_part.end(), encoded.begin(), encoded.end() - 64);
  EXPECT_TRUE(verify_signature(authority_.verify_key(), signed_part, Bytes(encoded).last(64)));
}

TEST_F(CertificateTest, SizesAndVersionAreChecked) {
  auto encoded = sign();
  for (std::size_t size = 0; size < encoded.size(); ++size)
    EXPECT_FALSE(decode_certificate(Bytes(encoded).first(size))) << size;
  encoded.push_back(0);
  EXPECT_FALSE(decode_certificate(encoded));
  encoded.pop_back();
  encoded[0] = 2;
  EXPECT_FALSE(decode_certificate(encoded));

  certificate_.identity.assign(kIdentityTextSizeMax, 'x');
  EXPECT_EQ(sign().size(), kCertificateSizeMax);
  EXPECT_TRUE(decode_certificate(sign()));
}

TEST_F(CertificateTest, EachFaultHasItsName) {
  EXPECT_EQ(verify({}), Status::kAbsent);
  EXPECT_EQ(verify(as_bytes("nonsense")), Status::kMalformed);
  EXPECT_EQ(verify(sign_certificate(certificate_, other_authority_)), Status::kUnknownAuthority);
  auto forged = sign();
  forged.back() ^= 1;
  EXPECT_EQ(verify(forged), Status::kWrongSignature);

  const Certificate good = certificate_;
  certificate_.app_id = 481;
  EXPECT_EQ(verify(sign()), Status::kWrongApp);
  certificate_ = good;
  certificate_.identity = "str:alicf";
  EXPECT_EQ(verify(sign()), Status::kWrongIdentity);
  certificate_ = good;
  certificate_.static_key.bytes[0] ^= 1;
  EXPECT_EQ(verify(sign()), Status::kWrongKey);
}

TEST_F(CertificateTest, OfARevokedKeyCountsForNothing) {
  const auto encoded = sign();
  ASSERT_EQ(verify(encoded), Status::kValid);
  const RevocationList list{kNowSeconds, {}, {holder_.public_key}};
  ASSERT_TRUE(trust_.set_revocations(sign_revocations(list, authority_), kNow));
  EXPECT_EQ(verify(encoded), Status::kRevoked) << "also where its signature is remembered";
}

TEST_F(CertificateTest, TimesAreInclusiveWithLeewayBefore) {
  const auto encoded = sign();
  const auto at = [&](std::int64_t seconds) { return verify(encoded, seconds * 1000); };
  EXPECT_EQ(at(certificate_.not_after), Status::kValid);
  EXPECT_EQ(at(certificate_.not_after + 1), Status::kExpired);
  EXPECT_EQ(at(certificate_.not_before - 300), Status::kValid);
  EXPECT_EQ(at(certificate_.not_before - 301), Status::kNotYetValid);
}

TEST_F(CertificateTest, ExtremeTimesDoNotOverflow) {
  certificate_.not_before = std::numeric_limits<std::int64_t>::min();
  certificate_.not_after = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(verify(sign()), Status::kValid);
  certificate_.not_before = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(verify(sign()), Status::kNotYetValid);
  certificate_.not_before = certificate_.not_after = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(verify(sign()), Status::kExpired);
}

TEST_F(CertificateTest, EveryByteIsSigned) {
  const auto good = sign();
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto bad = good;
    bad[at] ^= 0x10;
    EXPECT_NE(verify(bad), Status::kValid) << at;
  }
}

TEST_F(CertificateTest, SeveralAuthorities) {
  EXPECT_TRUE(trust_.add_authority(other_authority_.verify_key()));
  EXPECT_EQ(verify(sign()), Status::kValid);
  EXPECT_EQ(verify(sign_certificate(certificate_, other_authority_)), Status::kValid);
  EXPECT_TRUE(trust_.add_authority(authority_.verify_key())) << "again";
  EXPECT_EQ(trust_.authority_count(), 2u);
}

TEST_F(CertificateTest, AuthoritiesHaveALimit) {
  VerifyKey key;
  while (trust_.authority_count() < TrustStore::kAuthoritiesMax) {
    ++key.bytes[0];
    ASSERT_TRUE(trust_.add_authority(key));
  }
  ++key.bytes[0];
  EXPECT_FALSE(trust_.add_authority(key));
  EXPECT_EQ(trust_.authority_count(), TrustStore::kAuthoritiesMax);
}

TEST_F(CertificateTest, ValidSignaturesAreRememberedButNotTimes) {
  const auto encoded = sign();
  EXPECT_EQ(verify(encoded), Status::kValid);
  EXPECT_EQ(verify(encoded), Status::kValid);
  EXPECT_EQ(trust_.signature_checks(), 1u);
  EXPECT_EQ(verify(encoded, kNow + 200'000), Status::kExpired);
  auto forged = encoded;
  forged.back() ^= 1;
  EXPECT_EQ(verify(forged), Status::kWrongSignature);
  EXPECT_EQ(verify(forged), Status::kWrongSignature);
  EXPECT_EQ(trust_.signature_checks(), 3u) << "a wrong one is not remembered";
}

TEST_F(CertificateTest, MemoryOfSignaturesHasALimit) {
  const auto first = sign();
  EXPECT_EQ(verify(first), Status::kValid);
  std::vector<std::uint8_t> last;
  for (std::size_t i = 0; i < TrustStore::kVerifiedMax; ++i) {
    ++certificate_.serial;
    last = sign();
    ASSERT_EQ(verify(last), Status::kValid);
  }
  const std::uint64_t checks = trust_.signature_checks();
  EXPECT_EQ(verify(last), Status::kValid);
  EXPECT_EQ(trust_.signature_checks(), checks) << "the newest is held";
  EXPECT_EQ(verify(first), Status::kValid);
  EXPECT_EQ(trust_.signature_checks(), checks + 1) << "the oldest has gone";
}

}  // namespace
}  // namespace whimbrel
