#include "handshake/revocations.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace whimbrel {
namespace {

constexpr UnixMillis kNow = 1'900'000'000'000;

class RevocationsTest : public ::testing::Test {
 protected:
  RevocationsTest() { trust.add_authority(authority.verify_key()); }

  PublicKey key(std::uint8_t fill) {
    PublicKey made;
    made.bytes.fill(fill);
    return made;
  }
  std::vector<std::uint8_t> list(std::int64_t issued, std::vector<PublicKey> keys) {
    return sign_revocations({issued, {}, std::move(keys)}, authority);
  }

  FastRandom random{4};
  SigningKey authority = SigningKey::generate(random);
  TrustStore trust;
};

TEST_F(RevocationsTest, AreReadAsTheyWereWritten) {
  const auto bytes = list(1'800'000'000, {key(9), key(2), key(9)});
  const auto read = decode_revocations(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->issued, 1'800'000'000);
  EXPECT_EQ(read->keys, (std::vector<PublicKey>{key(2), key(9)}));
  EXPECT_TRUE(check_revocations(bytes, authority.verify_key()));
}

TEST_F(RevocationsTest, EveryChangedBitIsSeen) {
  const auto bytes = list(5, {key(1), key(2)});
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto changed = bytes;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(trust.set_revocations(changed, kNow)) << bit;
  }
  EXPECT_FALSE(trust.revoked(key(1)));
  EXPECT_TRUE(trust.set_revocations(bytes, kNow));
  EXPECT_TRUE(trust.revoked(key(1)));
  EXPECT_FALSE(trust.revoked(key(3)));
}

TEST_F(RevocationsTest, CutOrLengthenedOnesAreNone) {
  auto bytes = list(5, {key(1)});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_revocations(Bytes(bytes).first(size)).has_value());
  bytes.push_back(0);
  EXPECT_FALSE(decode_revocations(bytes).has_value());
}

TEST_F(RevocationsTest, AnOlderListTakesNothingBack) {
  ASSERT_TRUE(trust.set_revocations(list(1005, {key(1)}), kNow));
  EXPECT_FALSE(trust.set_revocations(list(1004 - kNotBeforeLeewaySeconds, {}), kNow));
  EXPECT_TRUE(trust.revoked(key(1)));
  EXPECT_TRUE(trust.set_revocations(list(1006, {key(2)}), kNow));
  EXPECT_FALSE(trust.revoked(key(1)));
}

// Its authority's clock was ahead by what clocks may differ, and has been set: the later one counts
// all the same.
TEST_F(RevocationsTest, OneThatIsOnlyDatedEarlierIsNotOlder) {
  const std::int64_t now_s = kNow / 1000;
  ASSERT_TRUE(trust.set_revocations(list(now_s + kNotBeforeLeewaySeconds, {key(1)}), kNow));
  EXPECT_TRUE(trust.set_revocations(list(now_s, {key(1), key(2)}), kNow));
  EXPECT_TRUE(trust.revoked(key(2)));
  EXPECT_FALSE(trust.set_revocations(list(INT64_MIN, {}), kNow));
}

TEST_F(RevocationsTest, OfAStrangerCountForNothing) {
  const SigningKey other = SigningKey::generate(random);
  EXPECT_FALSE(trust.set_revocations(sign_revocations({9, {}, {key(1)}}, other), kNow));
  EXPECT_FALSE(trust.revoked(key(1)));
}

TEST_F(RevocationsTest, OneOfTheFutureDoesNotHideWhatComesLater) {
  EXPECT_FALSE(trust.set_revocations(list(kNow / 1000 + 3600, {key(1)}), kNow));
  EXPECT_TRUE(trust.set_revocations(list(kNow / 1000 + 60, {key(2)}), kNow)) << "clocks differ";
  EXPECT_TRUE(trust.set_revocations(list(kNow / 1000 + 61, {key(3)}), kNow));
  EXPECT_TRUE(trust.revoked(key(3)));
}

// The clock went ahead, and so did the list; both are right now.
TEST_F(RevocationsTest, OneThatIsOfTheFutureByNowGivesWay) {
  const std::int64_t now_s = kNow / 1000;
  ASSERT_TRUE(trust.set_revocations(list(now_s + 3600, {key(1)}), kNow + 3'600'000));
  EXPECT_TRUE(trust.set_revocations(list(now_s, {key(2)}), kNow));
  EXPECT_TRUE(trust.revoked(key(2)));
  EXPECT_FALSE(trust.set_revocations(list(now_s - 1 - kNotBeforeLeewaySeconds, {key(1)}), kNow))
      << "older, as ever";
}

TEST_F(RevocationsTest, GoWithTheirAuthority) {
  ASSERT_TRUE(trust.set_revocations(list(5, {key(1)}), kNow));
  trust.remove_authority(authority.verify_key());
  EXPECT_FALSE(trust.revoked(key(1)));
  EXPECT_TRUE(trust.empty());
}

TEST_F(RevocationsTest, AListMayBeFull) {
  std::vector<PublicKey> keys(kRevokedKeysMax);
  for (PublicKey& one : keys) random.fill(one.bytes);
  const auto bytes = list(1, keys);
  EXPECT_EQ(bytes.size(), kRevocationsSizeMax);
  EXPECT_TRUE(trust.set_revocations(bytes, kNow));
  EXPECT_TRUE(trust.revoked(keys.back()));
}

}  // namespace
}  // namespace whimbrel
