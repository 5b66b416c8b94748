// Every bit of every handshake packet: changed, it must not pass, and the right packet must still
// do afterwards.
#include <gtest/gtest.h>

#include "handshake/test_peer.h"

namespace whimbrel {
namespace {

class Tamper : public testing::TestWithParam<NoisePattern> {
 protected:
  TestPeer alice_{1};
  TestPeer bob_{2};
  TestHandshake handshake_{GetParam(), alice_, bob_};
};

// Calls `read` with each bit of `packet` flipped in turn. Key agreements are slow, so of the long
// sealed part only one bit in each byte is tried.
template <typename Read>
void flip_each_bit(Packet& packet, Read read) {
  constexpr std::size_t kEveryBitUpTo = 48;
  for (std::size_t byte = 0; byte < packet.size(); ++byte) {
    for (unsigned bit = 0; bit < (byte < kEveryBitUpTo ? 8u : 1u); ++bit) {
      const auto mask = static_cast<std::uint8_t>(1u << (byte < kEveryBitUpTo ? bit : byte % 8));
      packet[byte] ^= mask;
      read(byte);
      packet[byte] ^= mask;
    }
  }
}

TEST_P(Tamper, Init) {
  handshake_.write_init();
  flip_each_bit(handshake_.init, [&](std::size_t byte) {
    const bool in_cookie = byte >= kInitCookieOffset && byte < kInitCookieOffset + kCookieSize;
    handshake_.responder = Responder(bob_.config);
    const HandshakeError error = handshake_.read_init();
    if (in_cookie) {  // not protected, and not looked at without load
      EXPECT_EQ(error, HandshakeError::kNone) << byte;
      return;
    }
    if (error != HandshakeError::kNone) return;
    // Message 1 of XX holds nothing secret; what was changed shows up in message 2.
    ASSERT_EQ(GetParam(), NoisePattern::kXx) << byte;
    handshake_.write_response();
    EXPECT_NE(handshake_.read_response(), HandshakeError::kNone) << byte;
  });
  handshake_.responder = Responder(bob_.config);
  EXPECT_EQ(handshake_.read_init(), HandshakeError::kNone);
}

TEST_P(Tamper, Response) {
  handshake_.write_init();
  ASSERT_EQ(handshake_.read_init(), HandshakeError::kNone);
  handshake_.write_response();
  flip_each_bit(handshake_.response, [&](std::size_t byte) {
    EXPECT_NE(handshake_.read_response(), HandshakeError::kNone) << byte;
    EXPECT_FALSE(handshake_.initiator.peer_known());
  });
  EXPECT_EQ(handshake_.read_response(), HandshakeError::kNone);
}

TEST_P(Tamper, Finish) {
  if (GetParam() == NoisePattern::kIk) return;
  handshake_.write_init();
  ASSERT_EQ(handshake_.read_init(), HandshakeError::kNone);
  handshake_.write_response();
  ASSERT_EQ(handshake_.read_response(), HandshakeError::kNone);
  handshake_.write_finish();
  flip_each_bit(handshake_.finish, [&](std::size_t byte) {
    EXPECT_NE(handshake_.read_finish(), HandshakeError::kNone) << byte;
    EXPECT_FALSE(handshake_.responder.done());
  });
  EXPECT_EQ(handshake_.read_finish(), HandshakeError::kNone);
}

TEST_P(Tamper, TruncatedAndLengthened) {
  handshake_.write_init();
  const Packet init = handshake_.init;
  for (std::size_t size = 0; size < init.size(); size += 13) {
    handshake_.init.assign(init.begin(), init.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_NE(handshake_.read_init(), HandshakeError::kNone) << size;
  }
  handshake_.init = init;
  handshake_.init.push_back(0);
  EXPECT_NE(handshake_.read_init(), HandshakeError::kNone);
  handshake_.init = init;
  ASSERT_EQ(handshake_.read_init(), HandshakeError::kNone);

  handshake_.write_response();
  const Packet response = handshake_.response;
  for (std::size_t size = 0; size < response.size(); size += 7) {
    handshake_.response.assign(response.begin(),
                               response.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_NE(handshake_.read_response(), HandshakeError::kNone) << size;
  }
  handshake_.response = response;
  handshake_.response.push_back(0);
  EXPECT_NE(handshake_.read_response(), HandshakeError::kNone);
}

INSTANTIATE_TEST_SUITE_P(Patterns, Tamper, testing::Values(NoisePattern::kIk, NoisePattern::kXx));

// The responder's index stands in the clear and in no prologue; only the payload protects it.
TEST(TamperXx, OtherIndexInFinishIsUnexpected) {
  TestPeer alice(1), bob(2);
  TestHandshake handshake(NoisePattern::kXx, alice, bob);
  ASSERT_EQ(handshake.run(), HandshakeError::kNone);
  TestHandshake second(NoisePattern::kXx, alice, bob);
  second.write_init();
  ASSERT_EQ(second.read_init(), HandshakeError::kNone);
  second.write_response();
  second.finish = handshake.finish;
  EXPECT_EQ(second.read_finish(), HandshakeError::kDecryptFailed) << "of another handshake";
}

}  // namespace
}  // namespace whimbrel
