#include "crypto/secure_random.h"

#include <gtest/gtest.h>

#include "crypto/test_hex.h"

namespace whimbrel {
namespace {

std::vector<std::uint8_t> draw(SecureRandom& random, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  random.fill(bytes);
  return bytes;
}

// RFC 8439 A.1, test vector 1, is the keystream of the zero key. Its first 32 bytes become the next
// key, so what is handed out starts with the second half.
TEST(SecureRandom, IsTheChaCha20Keystream) {
  SecureRandom random{Secret()};
  EXPECT_EQ(draw(random, 32),
            hex("da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"));
}

TEST(SecureRandom, NextBlockComesFromTheErasedKey) {
  SecureRandom random{Secret()};
  draw(random, 512 - 32);
  SecureRandom next(
      Secret(hex32("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7")));
  EXPECT_EQ(draw(random, 700), draw(next, 700));
}

TEST(SecureRandom, SameBytesInWhateverPieces) {
  SecureRandom whole{Secret()};
  SecureRandom pieces{Secret()};
  const auto expected = draw(whole, 3000);
  std::vector<std::uint8_t> got;
  for (std::size_t size = 1; got.size() < expected.size(); ++size) {
    const auto piece = draw(pieces, std::min(size, expected.size() - got.size()));
    got.insert(got.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(got, expected);
}

TEST(SecureRandom, OtherSeedOtherBytes) {
  Secret seed;
  seed.bytes[31] = 1;
  SecureRandom one{Secret()};
  SecureRandom other(seed);
  EXPECT_NE(draw(one, 32), draw(other, 32));
  EXPECT_NE(draw(one, 32), draw(one, 32));
}

}  // namespace
}  // namespace whimbrel
