#include "relay/token.h"

#include <gtest/gtest.h>

namespace whimbrel::relay {
namespace {

constexpr std::int64_t kUnixStart = 1'800'000'000;
constexpr std::int64_t kLifetime = SiteKeys::kLifetime / seconds(1);

Secret secret_of(std::uint8_t fill) {
  Secret secret;
  secret.bytes.fill(fill);  // a test key
  return secret;
}

Token some_token() {
  Token token;
  token.id.fill(3);
  token.identity = identity_hash(5, "str:alice");
  token.app_id = 5;
  token.not_after = 1'800'000'600;
  token.bytes_per_second = 1000;
  token.packets_per_second = 10;
  token.secret = secret_of(9);
  return token;
}

TEST(RelayToken, OpensAsItWasSealed) {
  FastRandom random(1);
  SiteKeys keys(secret_of(1));
  const auto opened = keys.open(keys.seal(some_token(), random, kUnixStart), kUnixStart);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->id, some_token().id);
  EXPECT_EQ(opened->identity, some_token().identity);
  EXPECT_EQ(opened->app_id, 5u);
  EXPECT_EQ(opened->not_after, 1'800'000'600);
  EXPECT_EQ(opened->bytes_per_second, 1000u);
  EXPECT_EQ(opened->packets_per_second, 10u);
  EXPECT_EQ(opened->secret.bytes, some_token().secret.bytes);
}

TEST(RelayToken, AnyChangedBitIsSeen) {
  FastRandom random(1);
  SiteKeys keys(secret_of(1));
  const SealedToken sealed = keys.seal(some_token(), random, kUnixStart);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    SealedToken changed = sealed;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(keys.open(changed, kUnixStart).has_value()) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(keys.open(Bytes(sealed).first(size), kUnixStart).has_value());
  }
}

TEST(RelayToken, LivesOneToTwoHours) {
  FastRandom random(1);
  SiteKeys keys(secret_of(1));
  const SealedToken sealed = keys.seal(some_token(), random, kUnixStart);
  EXPECT_TRUE(keys.open(sealed, kUnixStart + kLifetime).has_value());
  EXPECT_FALSE(keys.open(sealed, kUnixStart + 2 * kLifetime).has_value());
  EXPECT_FALSE(keys.open(sealed, kUnixStart + 256 * kLifetime).has_value())
      << "the epoch's byte comes around";
}

// A relay whose clock starts in 1970 still reads what anybody sends.
TEST(RelayToken, TheFirstHourOf1970IsAnEpochLikeAnyOther) {
  FastRandom random(1);
  SiteKeys keys(secret_of(1));
  SealedToken sealed = keys.seal(some_token(), random, 5);
  EXPECT_TRUE(keys.open(sealed, 5).has_value());
  sealed[0] = 0xff;  // the hour before
  EXPECT_FALSE(keys.open(sealed, 5).has_value());
}

TEST(RelayToken, AllWhoShareTheMasterAgree) {
  FastRandom random(1);
  SiteKeys one(secret_of(1));
  SiteKeys other(secret_of(1));
  SiteKeys stranger(secret_of(2));
  const SealedToken sealed = one.seal(some_token(), random, kUnixStart);
  EXPECT_TRUE(other.open(sealed, kUnixStart + 5).has_value());
  EXPECT_FALSE(stranger.open(sealed, kUnixStart).has_value());
}

TEST(RelayToken, HashesTellAppsAndNamesApart) {
  EXPECT_EQ(identity_hash(1, "str:a"), identity_hash(1, "str:a"));
  EXPECT_NE(identity_hash(1, "str:a"), identity_hash(2, "str:a"));
  EXPECT_NE(identity_hash(1, "str:a"), identity_hash(1, "str:b"));
}

}  // namespace
}  // namespace whimbrel::relay
