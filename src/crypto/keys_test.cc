#include "crypto/keys.h"

#include <gtest/gtest.h>

#include "crypto/secure_random.h"
#include "crypto/test_hex.h"

namespace whimbrel {
namespace {

SecretKey secret_of(const char* digits) { return SecretKey(hex32(digits)); }
PublicKey public_of(const char* digits) { return PublicKey{hex32(digits)}; }

Secret agree(const SecretKey& secret, const PublicKey& peer) {
  Secret out;
  EXPECT_TRUE(x25519(secret, peer, out));
  return out;
}

// RFC 7748 5.2.
TEST(X25519, ScalarMultiplicationVectors) {
  EXPECT_EQ(agree(secret_of("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                  public_of("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"))
                .bytes,
            hex32("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
  EXPECT_EQ(agree(secret_of("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d"),
                  public_of("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"))
                .bytes,
            hex32("95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"));
}

// RFC 7748 5.2: k and u start as 9; each round k becomes the result and u the old k.
TEST(X25519, ThousandIterations) {
  SecretKey k;
  k.bytes[0] = 9;
  PublicKey u{k.bytes};
  for (int round = 0; round < 1000; ++round) {
    const Secret result = agree(k, u);
    u.bytes = k.bytes;
    k.bytes = result.bytes;
    if (round == 0) {
      EXPECT_EQ(k.bytes, hex32("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"));
    }
  }
  EXPECT_EQ(k.bytes, hex32("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
}

// RFC 7748 6.1.
TEST(X25519, DiffieHellmanVector) {
  const SecretKey a = secret_of("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const SecretKey b = secret_of("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  EXPECT_EQ(x25519_public(a),
            public_of("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
  EXPECT_EQ(x25519_public(b),
            public_of("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
  const auto shared = hex32("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  EXPECT_EQ(agree(a, x25519_public(b)).bytes, shared);
  EXPECT_EQ(agree(b, x25519_public(a)).bytes, shared);
}

// RFC 7748 6.1 and 7: points of order 1, 2, 4 and 8, and their non-canonical encodings.
TEST(X25519, RefusesLowOrderPoints) {
  const char* const points[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };
  SecureRandom random{Secret()};
  const KeyPair pair = generate_x25519(random);
  for (const char* point : points) {
    Secret out(pair.public_key.bytes);
    EXPECT_FALSE(x25519(pair.secret, public_of(point), out)) << point;
    EXPECT_EQ(out.bytes, Secret().bytes);
  }
}

TEST(X25519, GeneratesFromTheRandomGiven) {
  SecureRandom one{Secret()};
  SecureRandom other{Secret()};
  const KeyPair a = generate_x25519(one);
  EXPECT_EQ(a.public_key, generate_x25519(other).public_key);
  EXPECT_NE(a.public_key, generate_x25519(one).public_key);
  EXPECT_EQ(a.public_key, x25519_public(a.secret));
}

TEST(X25519, CountsMultiplications) {
  SecureRandom random{Secret()};
  const std::uint64_t before = x25519_count();
  const KeyPair pair = generate_x25519(random);
  EXPECT_EQ(x25519_count(), before + 1);
  agree(pair.secret, pair.public_key);
  EXPECT_EQ(x25519_count(), before + 2);
}

TEST(PublicKey, ComparesBytewise) {
  PublicKey a, b;
  a.bytes[0] = 1;
  b.bytes[31] = 255;
  EXPECT_GT(a, b);
  EXPECT_FALSE(public_key_from(Bytes(a.bytes).first(31)).has_value());
  EXPECT_EQ(public_key_from(a.bytes), a);
}

struct Ed25519Vector {
  const char* seed;
  const char* public_key;
  const char* message;
  const char* signature;
};

// RFC 8032 7.1, tests 1 to 3.
TEST(Ed25519, Vectors) {
  const Ed25519Vector vectors[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
       "f9b46bd25bf5f0595bbe24655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
       "f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
       "4dc6594a7c15e9716ed28dc027beceea1ec40a"},
  };
  for (const Ed25519Vector& vector : vectors) {
    const SigningKey key = SigningKey::from_seed(Secret(hex32(vector.seed)));
    EXPECT_EQ(key.verify_key().bytes, hex32(vector.public_key));
    const auto message = hex(vector.message);
    EXPECT_EQ(to_vector(key.sign(message)), hex(vector.signature));
    EXPECT_TRUE(verify_signature(key.verify_key(), message, hex(vector.signature)));
  }
}

TEST(Ed25519, RefusesWhatIsNotTheSignature) {
  SecureRandom random{Secret()};
  const SigningKey key = SigningKey::generate(random);
  const SigningKey other = SigningKey::generate(random);
  const Bytes message = as_bytes("a message");
  Signature signature = key.sign(message);
  EXPECT_TRUE(verify_signature(key.verify_key(), message, signature));
  EXPECT_FALSE(verify_signature(other.verify_key(), message, signature));
  EXPECT_FALSE(verify_signature(key.verify_key(), as_bytes("a massage"), signature));
  EXPECT_FALSE(verify_signature(key.verify_key(), message, Bytes(signature).first(63)));
  EXPECT_FALSE(verify_signature(key.verify_key(), message, {}));
  for (std::size_t i = 0; i < signature.size(); i += 7) {
    signature[i] ^= 1;
    EXPECT_FALSE(verify_signature(key.verify_key(), message, signature)) << i;
    signature[i] ^= 1;
  }
  // A public key that is no point of the curve.
  VerifyKey no_point;
  no_point.bytes.fill(0xff);
  EXPECT_FALSE(verify_signature(no_point, message, signature));
}

}  // namespace
}  // namespace whimbrel
