#include "crypto/hash.h"

#include <gtest/gtest.h>

#include <numeric>

#include "crypto/test_hex.h"

namespace whimbrel {
namespace {

std::vector<std::uint8_t> counting(std::uint8_t first, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

// FIPS 180-2, B.1.
TEST(Hash, Sha256OfAbc) {
  const auto expected = hex32("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({as_bytes("abc")}), expected);
  EXPECT_EQ(sha256({as_bytes("a"), {}, as_bytes("bc")}), expected);
}

// RFC 4231 4.2, 4.3 and 4.7.
TEST(Hash, HmacVectors) {
  const std::vector<std::uint8_t> short_key(20, 0x0b);
  EXPECT_EQ(hmac_sha256(short_key, {as_bytes("Hi There")}),
            hex32("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
  EXPECT_EQ(hmac_sha256(as_bytes("Jefe"), {as_bytes("what do ya want "), as_bytes("for nothing?")}),
            hex32("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
  const std::vector<std::uint8_t> long_key(131, 0xaa);
  EXPECT_EQ(
      hmac_sha256(long_key, {as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")}),
      hex32("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
}

struct HkdfVector {
  std::vector<std::uint8_t> input_key, salt, info;
  const char* pseudorandom_key;
  const char* output;
};

// RFC 5869 A.1 to A.3.
TEST(Hash, HkdfVectors) {
  const HkdfVector vectors[] = {
      {std::vector<std::uint8_t>(22, 0x0b), counting(0, 13), counting(0xf0, 10),
       "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
      {counting(0, 80), counting(0x60, 80), counting(0xb0, 80),
       "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
       "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
       "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
       "cc30c58179ec3e87c14c01d5c1f3434f1d87"},
      {std::vector<std::uint8_t>(22, 0x0b),
       {},
       {},
       "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
  };
  for (const HkdfVector& vector : vectors) {
    const Secret key = hkdf_extract(vector.salt, vector.input_key);
    EXPECT_EQ(key.bytes, hex32(vector.pseudorandom_key));
    const auto expected = hex(vector.output);
    std::vector<std::uint8_t> out(expected.size());
    hkdf_expand(key.view(), vector.info, out);
    EXPECT_EQ(out, expected);
  }
}

// Noise 4.3 is HKDF of RFC 5869 without info; so the general function must give the same.
TEST(Hash, NoiseHkdfIsHkdfCutInPieces) {
  const Secret chaining_key(sha256({as_bytes("chaining key")}));
  const Digest input = sha256({as_bytes("input")});
  std::array<std::uint8_t, 96> expected;
  hkdf_expand(hkdf_extract(chaining_key.view(), input).view(), {}, expected);
  const auto piece = [&](std::size_t i) { return to_vector(Bytes(expected).subspan(32 * i, 32)); };

  const NoiseHkdf3 three = noise_hkdf3(chaining_key, input);
  EXPECT_EQ(to_vector(three.first.view()), piece(0));
  EXPECT_EQ(to_vector(three.second.view()), piece(1));
  EXPECT_EQ(to_vector(three.third.view()), piece(2));
  const NoiseHkdf2 two = noise_hkdf2(chaining_key, input);
  EXPECT_EQ(two.first.bytes, three.first.bytes);
  EXPECT_EQ(two.second.bytes, three.second.bytes);
}

TEST(SecureMemory, ComparesAndWipes) {
  std::array<std::uint8_t, 4> a{1, 2, 3, 4};
  const std::array<std::uint8_t, 4> b{1, 2, 3, 5};
  EXPECT_TRUE(constant_time_equal(a, a));
  EXPECT_FALSE(constant_time_equal(a, b));
  EXPECT_FALSE(constant_time_equal(a, Bytes(a).first(3)));
  EXPECT_TRUE(constant_time_equal({}, {}));
  secure_wipe(a);
  EXPECT_EQ(a, (std::array<std::uint8_t, 4>{}));
}

}  // namespace
}  // namespace whimbrel
