#include "crypto/packet_keys.h"

#include <gtest/gtest.h>

#include "crypto/test_hex.h"

namespace whimbrel {
namespace {

using OpenResult = PacketKeys::OpenResult;

Secret key_number(std::uint8_t n) {
  Secret key;
  key.bytes.fill(n);
  return key;
}

// Two ends of a session, and packets between them.
class PacketKeysTest : public testing::TestWithParam<AeadSuite> {
 protected:
  struct Packet {
    bool phase;
    std::uint64_t number;
    std::vector<std::uint8_t> bytes;
  };

  Packet seal(PacketKeys& keys) {
    Packet packet{keys.phase(), next_number_++, std::vector<std::uint8_t>(40 + kAeadTagSize, 7)};
    keys.seal(1, packet.number, as_bytes("header"), packet.bytes.data(), 40);
    return packet;
  }
  OpenResult open(PacketKeys& keys, Packet packet) {
    return keys.open(packet.phase, 1, packet.number, as_bytes("header"), packet.bytes);
  }

  PacketKeys alice_{GetParam(), key_number(1), key_number(2)};
  PacketKeys bob_{GetParam(), key_number(2), key_number(1)};
  std::uint64_t next_number_ = 0;
};

TEST_P(PacketKeysTest, BothDirectionsHaveTheirOwnKey) {
  EXPECT_EQ(open(bob_, seal(alice_)), OpenResult::kOpened);
  EXPECT_EQ(open(alice_, seal(bob_)), OpenResult::kOpened);
  EXPECT_EQ(open(alice_, seal(alice_)), OpenResult::kFailed);
}

TEST_P(PacketKeysTest, UpdateStepsBothSides) {
  const Packet late = seal(alice_);
  alice_.update();
  EXPECT_TRUE(alice_.phase());
  const Packet first_of_new = seal(alice_);
  EXPECT_EQ(open(bob_, first_of_new), OpenResult::kOpenedAndStepped);
  EXPECT_TRUE(bob_.phase());
  EXPECT_EQ(open(bob_, late), OpenResult::kOpened) << "the old key is kept for overtaken packets";
  EXPECT_EQ(open(bob_, seal(alice_)), OpenResult::kOpened);
  EXPECT_EQ(open(alice_, seal(bob_)), OpenResult::kOpened);

  bob_.drop_old_key();
  EXPECT_EQ(open(bob_, late), OpenResult::kFailed);
  EXPECT_TRUE(bob_.phase()) << "an old packet must not look like an update";
}

TEST_P(PacketKeysTest, ManyUpdatesFromEitherSide) {
  for (int i = 0; i < 10; ++i) {
    PacketKeys& first = i % 3 == 0 ? bob_ : alice_;
    PacketKeys& second = i % 3 == 0 ? alice_ : bob_;
    first.update();
    EXPECT_EQ(open(second, seal(first)), OpenResult::kOpenedAndStepped);
    EXPECT_EQ(open(first, seal(second)), OpenResult::kOpened);
    first.drop_old_key();
    second.drop_old_key();
  }
}

// Its three probe timeouts are shorter than ours.
TEST_P(PacketKeysTest, ThePeerMayUpdateAgainWhileWeKeepTheOldKey) {
  const Packet late = seal(alice_);
  alice_.update();
  EXPECT_EQ(open(bob_, seal(alice_)), OpenResult::kOpenedAndStepped);
  EXPECT_EQ(open(bob_, late), OpenResult::kOpened);
  alice_.drop_old_key();
  ASSERT_TRUE(bob_.has_old_key());
  const Packet middle = seal(alice_);
  alice_.update();
  EXPECT_EQ(open(bob_, seal(alice_)), OpenResult::kOpenedAndStepped);
  EXPECT_EQ(open(bob_, middle), OpenResult::kOpened);
  EXPECT_EQ(open(alice_, seal(bob_)), OpenResult::kOpened);
  EXPECT_EQ(open(bob_, late), OpenResult::kFailed) << "of two phases ago";
}

TEST_P(PacketKeysTest, ForgedPhaseBitChangesNothing) {
  Packet forged = seal(alice_);
  forged.phase = !forged.phase;
  EXPECT_EQ(open(bob_, forged), OpenResult::kFailed);
  EXPECT_FALSE(bob_.phase());
  EXPECT_FALSE(bob_.has_old_key());
  EXPECT_EQ(open(bob_, seal(alice_)), OpenResult::kOpened);
}

TEST_P(PacketKeysTest, TrimKeepsTheKeys) {
  for (int i = 0; i < AeadKey::kBriefUses; ++i) {
    EXPECT_EQ(open(bob_, seal(alice_)), OpenResult::kOpened);
    EXPECT_FALSE(alice_.has_schedules() || bob_.has_schedules()) << "kept when used often";
  }
  EXPECT_EQ(open(bob_, seal(alice_)), OpenResult::kOpened);
  EXPECT_TRUE(alice_.has_schedules() && bob_.has_schedules());
  alice_.trim();
  EXPECT_FALSE(alice_.has_schedules());
  bob_.trim();
  EXPECT_EQ(open(bob_, seal(alice_)), OpenResult::kOpened);
}

TEST_P(PacketKeysTest, NextKeyIsAnotherAndAlwaysTheSame) {
  EXPECT_EQ(next_packet_key(key_number(1)).bytes, next_packet_key(key_number(1)).bytes);
  EXPECT_NE(next_packet_key(key_number(1)).bytes, key_number(1).bytes);
  EXPECT_NE(next_packet_key(key_number(1)).bytes, next_packet_key(key_number(2)).bytes);
}

INSTANTIATE_TEST_SUITE_P(Suites, PacketKeysTest,
                         testing::Values(AeadSuite::kAesGcm, AeadSuite::kChaChaPoly));

TEST(PacketKeysLimit, LimitsOfRfc9001) {
  EXPECT_EQ(packet_key_limits(AeadSuite::kAesGcm).seals, 8388608u);
  EXPECT_EQ(packet_key_limits(AeadSuite::kAesGcm).open_failures, 4503599627370496u);
  EXPECT_EQ(packet_key_limits(AeadSuite::kChaChaPoly).open_failures, 68719476736u);
}

TEST(PacketKeysLimit, SealsRunOutUntilTheNextUpdate) {
  PacketKeys keys(AeadSuite::kAesGcm, key_number(1), key_number(2),
                  {.seals = 8, .open_failures = 3});
  std::array<std::uint8_t, kAeadTagSize> packet;
  for (std::uint64_t number = 0; number < 8; ++number) {
    EXPECT_EQ(keys.update_due(), number >= 6);
    EXPECT_FALSE(keys.exhausted());
    keys.seal(0, number, {}, packet.data(), 0);
  }
  EXPECT_TRUE(keys.exhausted());
  keys.update();
  EXPECT_FALSE(keys.exhausted());
  EXPECT_FALSE(keys.update_due());
}

TEST(PacketKeysLimit, FailuresCountOverTheWholeSession) {
  PacketKeys keys(AeadSuite::kAesGcm, key_number(1), key_number(2),
                  {.seals = 8, .open_failures = 3});
  std::array<std::uint8_t, kAeadTagSize> packet{};
  EXPECT_EQ(keys.open(false, 0, 0, {}, packet), OpenResult::kFailed);
  EXPECT_EQ(keys.open(true, 0, 0, {}, packet), OpenResult::kFailed);
  keys.update();
  EXPECT_FALSE(keys.exhausted());
  EXPECT_EQ(keys.open(true, 0, 0, {}, packet), OpenResult::kFailed);
  EXPECT_TRUE(keys.exhausted());
}

}  // namespace
}  // namespace whimbrel
