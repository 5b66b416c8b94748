#include "handshake/init_screener.h"

#include <gtest/gtest.h>

#include "handshake/test_peer.h"

namespace whimbrel {
namespace {

using Verdict = InitScreener::Verdict;

class InitScreenerTest : public testing::TestWithParam<NoisePattern> {
 protected:
  InitScreenerTest() { handshake_.write_init(); }

  InitScreener::Result check_under_load(std::string_view source, Instant now = Instant()) {
    return bob_.screener->check(handshake_.init, as_bytes(source), true, now);
  }
  // Does what an initiator does with the reply.
  HandshakeError obey(const InitScreener::Result& result) {
    return handshake_.initiator.read_cookie_reply(Bytes(result.reply).first(result.reply_size),
                                                  handshake_.init);
  }

  TestPeer alice_{1};
  TestPeer bob_{2};
  TestHandshake handshake_{GetParam(), alice_, bob_};
};

TEST_P(InitScreenerTest, NoCurveOperationHoweverItEnds) {
  const std::uint64_t before = x25519_count();
  EXPECT_EQ(bob_.screen(handshake_.init).verdict, Verdict::kPass);
  EXPECT_EQ(check_under_load("a").verdict, Verdict::kReply);
  handshake_.init[100] ^= 1;
  EXPECT_EQ(bob_.screen(handshake_.init).verdict, Verdict::kDrop);
  EXPECT_EQ(bob_.screen({}).error, HandshakeError::kMalformed);
  EXPECT_EQ(x25519_count(), before);
}

TEST_P(InitScreenerTest, CookieIsAskedForUnderLoad) {
  const auto asked = check_under_load("a");
  EXPECT_EQ(asked.verdict, Verdict::kReply);
  EXPECT_EQ(asked.error, HandshakeError::kNoCookie);
  EXPECT_EQ(asked.reply_size, kReplySize);
  ASSERT_EQ(obey(asked), HandshakeError::kNone);
  EXPECT_EQ(check_under_load("b").verdict, Verdict::kReply) << "a cookie is for one address";
  ASSERT_EQ(check_under_load("a").verdict, Verdict::kPass);

  // The rest of the handshake is what it would have been without the cookie.
  ASSERT_EQ(handshake_.read_init(), HandshakeError::kNone);
  handshake_.write_response();
  EXPECT_EQ(handshake_.read_response(), HandshakeError::kNone);
}

TEST_P(InitScreenerTest, CookieOfAnotherHandshakeDoesNotCount) {
  ASSERT_EQ(obey(check_under_load("a")), HandshakeError::kNone);
  const Packet with_cookie = handshake_.init;
  handshake_.write_init();
  std::copy_n(with_cookie.begin() + kInitCookieOffset, kCookieSize,
              handshake_.init.begin() + kInitCookieOffset);
  EXPECT_EQ(check_under_load("a").verdict, Verdict::kReply) << "other ephemeral key";
}

TEST_P(InitScreenerTest, CookieSecretsRotate) {
  ASSERT_EQ(obey(check_under_load("a")), HandshakeError::kNone);
  EXPECT_EQ(check_under_load("a", Instant(seconds(119))).verdict, Verdict::kPass);
  EXPECT_EQ(check_under_load("a", Instant(seconds(125))).verdict, Verdict::kPass) << "one before";
  EXPECT_EQ(check_under_load("a", Instant(seconds(244))).verdict, Verdict::kPass);
  EXPECT_EQ(check_under_load("a", Instant(seconds(246))).verdict, Verdict::kReply);
}

TEST_P(InitScreenerTest, LongPauseEndsAllCookies) {
  ASSERT_EQ(obey(check_under_load("a")), HandshakeError::kNone);
  EXPECT_EQ(check_under_load("a", Instant(seconds(240))).verdict, Verdict::kReply);
}

TEST_P(InitScreenerTest, CookieReplyOfAnotherHandshakeIsRefused) {
  auto asked = check_under_load("a");
  asked.reply[4] ^= 1;
  const Packet before = handshake_.init;
  EXPECT_EQ(obey(asked), HandshakeError::kUnexpected);
  asked.reply_size = kReplySize - 1;
  EXPECT_EQ(obey(asked), HandshakeError::kMalformed);
  EXPECT_EQ(handshake_.init, before);
}

TEST_P(InitScreenerTest, RepliesAreSmallerThanTheirCause) {
  EXPECT_LT(check_under_load("a").reply_size, handshake_.init.size());
  Packet shortest = {handshake_.init.begin(), handshake_.init.begin() + 8};
  shortest[1] = 99;  // a version that nobody speaks
  const auto answered = bob_.screen(shortest);
  EXPECT_EQ(answered.verdict, Verdict::kReply);
  EXPECT_LE(answered.reply_size, shortest.size());
}

INSTANTIATE_TEST_SUITE_P(Patterns, InitScreenerTest,
                         testing::Values(NoisePattern::kIk, NoisePattern::kXx));

// The mac1 covers the packet but for the cookie, which arrives later.
TEST(Mac1, CoversAllButCookieAndItself) {
  TestPeer alice(1), bob(2);
  TestHandshake handshake(NoisePattern::kIk, alice, bob);
  handshake.write_init();
  const Mac1Key key(bob.key());
  const Mac1 mac1 = compute_mac1(key, handshake.init);
  for (std::size_t byte = 0; byte < handshake.init.size(); ++byte) {
    const bool covered = byte < kInitCookieOffset || byte >= kInitIkHeaderSize;
    handshake.init[byte] ^= 0x80;
    EXPECT_EQ(compute_mac1(key, handshake.init) != mac1, covered) << byte;
    handshake.init[byte] ^= 0x80;
  }
  EXPECT_NE(compute_mac1(Mac1Key(alice.key()), handshake.init), mac1);
}

}  // namespace
}  // namespace whimbrel
