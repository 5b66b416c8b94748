// Published vectors are in tests/conformance/noise_vectors_test.cc.
#include "handshake/noise.h"

#include <gtest/gtest.h>

#include "crypto/secure_random.h"
#include "crypto/test_hex.h"
#include "handshake/test_peer.h"

namespace whimbrel {
namespace {

class NoiseTest : public testing::TestWithParam<NoisePattern> {
 protected:
  std::vector<std::uint8_t> write(NoiseHandshake& from) {
    std::vector<std::uint8_t> message(200);
    message.resize(from.write_message(random_, as_bytes("payload"), message));
    return message;
  }
  static bool read(NoiseHandshake& at, Bytes message) {
    std::array<std::uint8_t, 200> payload;
    std::size_t size = 0;
    return at.read_message(message, payload.data(), size) &&
           as_text(Bytes(payload).first(size)) == "payload";
  }

  SecureRandom random_{Secret()};
  KeyPair alice_key_ = generate_x25519(random_);
  KeyPair bob_key_ = generate_x25519(random_);
  NoiseHandshake alice_{GetParam(),           AeadSuite::kAesGcm, true,
                        as_bytes("prologue"), alice_key_,         bob_key_.public_key};
  NoiseHandshake bob_{GetParam(),           AeadSuite::kAesGcm, false,
                      as_bytes("prologue"), bob_key_,           PublicKey()};
};

TEST_P(NoiseTest, ForgedMessagesLeaveTheStateAsItWas) {
  NoiseHandshake* writer = &alice_;
  NoiseHandshake* reader = &bob_;
  for (bool first = true; !alice_.done(); first = false, std::swap(writer, reader)) {
    const auto message = write(*writer);
    // The first message of XX is not sealed: nothing in it can be told to be forged.
    const bool sealed = !first || GetParam() == NoisePattern::kIk;
    for (std::size_t at = 0; sealed && at < message.size(); at += 5) {
      auto forged = message;
      forged[at] ^= 4;
      EXPECT_FALSE(read(*reader, forged)) << at;
    }
    EXPECT_FALSE(read(*reader, Bytes(message).first(20)));
    ASSERT_TRUE(read(*reader, message));
  }
  EXPECT_TRUE(bob_.done());
  EXPECT_EQ(alice_.split().initiator_to_responder.bytes, bob_.split().initiator_to_responder.bytes);
}

TEST_P(NoiseTest, OtherPrologueFails) {
  NoiseHandshake other(GetParam(), AeadSuite::kAesGcm, false, as_bytes("prologuE"), bob_key_,
                       PublicKey());
  const auto first = write(alice_);
  if (GetParam() == NoisePattern::kIk) {
    EXPECT_FALSE(read(other, first));
    return;
  }
  ASSERT_TRUE(read(other, first));
  EXPECT_FALSE(read(alice_, write(other)));
}

// Noise 7.7: message 1 of IK already proves that its sender holds the static key.
TEST(NoiseIk, WhoHasNotTheSecretKeyIsFoundOutAtOnce) {
  SecureRandom random{Secret()};
  const KeyPair alice = generate_x25519(random);
  const KeyPair bob = generate_x25519(random);
  KeyPair impostor = generate_x25519(random);
  impostor.public_key = alice.public_key;
  for (const KeyPair* opener : std::initializer_list<const KeyPair*>{&impostor, &alice}) {
    NoiseHandshake from(NoisePattern::kIk, AeadSuite::kAesGcm, true, {}, *opener, bob.public_key);
    NoiseHandshake to(NoisePattern::kIk, AeadSuite::kAesGcm, false, {}, bob, PublicKey());
    std::array<std::uint8_t, 200> message, payload;
    const std::size_t message_size = from.write_message(random, as_bytes("it's me"), message);
    std::size_t size = 0;
    EXPECT_EQ(to.read_message(Bytes(message).first(message_size), payload.data(), size),
              opener == &alice);
  }
}

INSTANTIATE_TEST_SUITE_P(Patterns, NoiseTest,
                         testing::Values(NoisePattern::kIk, NoisePattern::kXx));

// What Whimbrel mixes in first, written out: "whimbrel/1", version, suite, app id, sender index.
TEST(NoisePrologue, IsAsSpecified) {
  TestPeer alice(1), bob(2);
  TestHandshake handshake(NoisePattern::kIk, alice, bob);
  handshake.write_init();
  const auto init = read_init(handshake.init);
  ASSERT_TRUE(init);
  const auto opens = [&](std::string_view prologue) {
    NoiseHandshake noise(NoisePattern::kIk, AeadSuite::kAesGcm, false, hex(prologue),
                         bob.config.static_key, PublicKey());
    Packet payload(kHandshakePacketSizeMax);
    std::size_t size = 0;
    return noise.read_message(init->noise, payload.data(), size);
  };
  EXPECT_TRUE(
      opens("7768696d6272656c2f31"
            "01"
            "01"
            "000001e0"
            "11223344"));
  EXPECT_FALSE(
      opens("7768696d6272656c2f31"
            "01"
            "01"
            "000001e0"
            "11223345"));
  EXPECT_FALSE(
      opens("7768696d6272656c2f31"
            "01"
            "02"
            "000001e0"
            "11223344"));
}

}  // namespace
}  // namespace whimbrel
