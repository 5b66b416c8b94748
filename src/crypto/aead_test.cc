#include "crypto/aead.h"

#include <gtest/gtest.h>

#include <utility>

#include "crypto/test_hex.h"

namespace whimbrel {
namespace {

struct Vector {
  AeadSuite suite;
  const char* key;
  std::uint32_t path_id;  // the first 4 bytes of the vector's nonce
  std::uint64_t counter;  // and the other 8, as the suite encodes them
  const char* associated_data;
  const char* plaintext;
  const char* sealed;  // ciphertext and tag
};

const Vector kVectors[] = {
    // The Galois/Counter Mode of Operation (McGrew and Viega), appendix B, test cases 13, 14, 16.
    {AeadSuite::kAesGcm, "0000000000000000000000000000000000000000000000000000000000000000", 0, 0,
     "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {AeadSuite::kAesGcm, "0000000000000000000000000000000000000000000000000000000000000000", 0, 0,
     "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {AeadSuite::kAesGcm, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     0xcafebabe, 0xfacedbaddecaf888, "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682"
     "8838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
    // RFC 8439 2.8.2.
    {AeadSuite::kChaChaPoly, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     0x07000000, 0x4746454443424140, "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a2049662049"
     "20636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c20"
     "73756e73637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92"
     "728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b"
     "4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"},
};

std::vector<std::uint8_t> with_room_for_tag(Bytes plaintext) {
  std::vector<std::uint8_t> buffer = to_vector(plaintext);
  buffer.resize(plaintext.size() + kAeadTagSize);
  return buffer;
}

// Each suite with each of the backends that can do it.
using SuiteAndBackend = std::pair<AeadSuite, AeadBackend>;

class AeadOfSuite : public testing::TestWithParam<SuiteAndBackend> {
 protected:
  void SetUp() override {
    if (backend() == AeadBackend::kIpsecMb && best_backend(suite()) != AeadBackend::kIpsecMb)
      GTEST_SKIP() << "intel-ipsec-mb is not built in, or not for this processor";
  }
  static AeadSuite suite() { return GetParam().first; }
  static AeadBackend backend() { return GetParam().second; }

  AeadKey key_{suite(), Secret(hex32(kVectors[2].key)), backend()};
  std::vector<std::uint8_t> header_ = hex("c001020304");
  std::vector<std::uint8_t> plaintext_ = hex("00112233445566778899aabbccddeeff0102030405060708");

  std::vector<std::uint8_t> sealed(std::uint32_t path_id, std::uint64_t counter) {
    auto buffer = with_room_for_tag(plaintext_);
    key_.seal(path_id, counter, header_, buffer.data(), plaintext_.size());
    return buffer;
  }
};

TEST_P(AeadOfSuite, PublishedVectors) {
  for (const Vector& vector : kVectors) {
    if (vector.suite != suite()) continue;
    const Secret secret(hex32(vector.key));
    const auto data = hex(vector.associated_data);
    const auto plaintext = hex(vector.plaintext);
    AeadKey key(vector.suite, secret, backend());
    for (int round = 0; round < 2; ++round) {  // a reused context has to give the same
      auto buffer = with_room_for_tag(plaintext);
      key.seal(vector.path_id, vector.counter, data, buffer.data(), plaintext.size());
      EXPECT_EQ(buffer, hex(vector.sealed));
      ASSERT_TRUE(key.open(vector.path_id, vector.counter, data, buffer));
      EXPECT_EQ(to_vector(Bytes(buffer).first(plaintext.size())), plaintext);
    }
    auto buffer = with_room_for_tag(plaintext);
    aead_seal_once(vector.suite, secret, vector.path_id, vector.counter, data, buffer.data(),
                   plaintext.size());
    EXPECT_EQ(buffer, hex(vector.sealed));
    EXPECT_TRUE(aead_open_once(vector.suite, secret, vector.path_id, vector.counter, data, buffer));
  }
}

TEST_P(AeadOfSuite, EveryBitIsAuthenticated) {
  const auto good = sealed(3, 70000);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    EXPECT_FALSE(key_.open(3, 70000, header_, bad)) << bit;
  }
  auto copy = good;
  EXPECT_TRUE(key_.open(3, 70000, header_, copy));
}

TEST_P(AeadOfSuite, NonceAndHeaderAreAuthenticated) {
  const auto good = sealed(3, 70000);
  const auto opens = [&](std::uint32_t path_id, std::uint64_t counter, Bytes header) {
    auto copy = good;
    return key_.open(path_id, counter, header, copy);
  };
  EXPECT_TRUE(opens(3, 70000, header_));
  EXPECT_FALSE(opens(2, 70000, header_));
  EXPECT_FALSE(opens(3, 70001, header_));
  EXPECT_FALSE(opens(3, 70000 + (std::uint64_t{1} << 32), header_));
  EXPECT_FALSE(opens(3, 70000, Bytes(header_).first(4)));
  EXPECT_FALSE(opens(3, 70000, {}));
}

TEST_P(AeadOfSuite, ShortInputDoesNotOpen) {
  const auto good = sealed(0, 0);
  for (std::size_t size = 0; size < good.size(); ++size) {
    std::vector<std::uint8_t> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(key_.open(0, 0, header_, cut)) << size;
  }
}

TEST_P(AeadOfSuite, WhatDoesNotOpenIsWiped) {
  auto bad = sealed(3, 4);
  const auto tag = to_vector(Bytes(bad).last(kAeadTagSize));
  bad[0] ^= 1;
  EXPECT_FALSE(key_.open(3, 4, header_, bad));
  EXPECT_EQ(to_vector(Bytes(bad).first(plaintext_.size())),
            std::vector<std::uint8_t>(plaintext_.size()));
  EXPECT_EQ(to_vector(Bytes(bad).last(kAeadTagSize)), tag);
}

TEST_P(AeadOfSuite, TrimAndMoveKeepTheKey) {
  const auto before = sealed(1, 2);
  key_.trim();
  EXPECT_EQ(sealed(1, 2), before);
  AeadKey moved(std::move(key_));
  EXPECT_FALSE(key_.valid());  // NOLINT: what is left is defined
  auto copy = before;
  EXPECT_TRUE(moved.open(1, 2, header_, copy));
  key_ = std::move(moved);
  EXPECT_FALSE(moved.valid());  // NOLINT
  EXPECT_EQ(sealed(1, 2), before);
}

INSTANTIATE_TEST_SUITE_P(
    Suites, AeadOfSuite,
    testing::Values(SuiteAndBackend{AeadSuite::kAesGcm, AeadBackend::kLibcrypto},
                    SuiteAndBackend{AeadSuite::kAesGcm, AeadBackend::kIpsecMb},
                    SuiteAndBackend{AeadSuite::kChaChaPoly, AeadBackend::kLibcrypto}));

}  // namespace
}  // namespace whimbrel
