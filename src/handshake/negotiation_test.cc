// Versions and suites: the best that both have, and no way to talk them into less.
#include <gtest/gtest.h>

#include "handshake/test_peer.h"

namespace whimbrel {
namespace {

using Verdict = InitScreener::Verdict;

class Negotiation : public testing::TestWithParam<NoisePattern> {
 protected:
  Initiator initiator() {
    return GetParam() == NoisePattern::kIk ? Initiator(alice_.config, bob_.key())
                                           : Initiator(alice_.config);
  }
  Packet write_init(Initiator& from, std::uint32_t index = TestHandshake::kInitiatorIndex) {
    return written(
        [&](MutableBytes out) { return from.write_init(index, kTestNow, alice_.random, out); });
  }
  static Packet reply_of(const InitScreener::Result& result) {
    EXPECT_EQ(result.verdict, Verdict::kReply);
    return {result.reply.begin(),
            result.reply.begin() + static_cast<std::ptrdiff_t>(result.reply_size)};
  }
  static Packet version_reply(VersionRange versions, std::uint8_t suites,
                              std::uint32_t index = TestHandshake::kInitiatorIndex) {
    return written([&](MutableBytes out) {
      return write_version_reply({versions, suites, index}, out);
    });
  }

  TestPeer alice_{1};
  TestPeer bob_{2};
};

TEST_P(Negotiation, ResponderWithoutOurSuiteSaysSo) {
  bob_.config.suites = {AeadSuite::kChaChaPoly};
  Initiator alice = initiator();
  const auto screened = bob_.screen(write_init(alice));
  EXPECT_EQ(screened.error, HandshakeError::kUnsupportedSuite);
  ASSERT_EQ(alice.read_version_reply(reply_of(screened)), HandshakeError::kNone);
  const Packet again = write_init(alice);
  const auto passed = bob_.screen(again);
  ASSERT_EQ(passed.verdict, Verdict::kPass);
  EXPECT_EQ(passed.init.suite, AeadSuite::kChaChaPoly);

  Responder bob(bob_.config);
  ASSERT_EQ(bob.read_init(passed.init, kTestNow), HandshakeError::kNone);
  const Packet response = written([&](MutableBytes out) {
    return bob.write_response(TestHandshake::kResponderIndex, kTestNow, bob_.random, out);
  });
  EXPECT_EQ(alice.read_response(response, kTestNow), HandshakeError::kNone);
}

TEST_P(Negotiation, NothingInCommon) {
  alice_.config.suites = {AeadSuite::kAesGcm};
  bob_.config.suites = {AeadSuite::kChaChaPoly};
  Initiator alice = initiator();
  const Packet init = write_init(alice);
  EXPECT_EQ(alice.read_version_reply(reply_of(bob_.screen(init))),
            HandshakeError::kUnsupportedSuite);
  EXPECT_EQ(alice.read_version_reply(version_reply({3, 9}, 3)),
            HandshakeError::kUnsupportedVersion);
}

TEST_P(Negotiation, VersionOfTheFutureIsAnswered) {
  alice_.config.versions = {1, 2};
  Initiator alice = initiator();
  const Packet init = write_init(alice);
  EXPECT_EQ(init[1], 2);
  const auto screened = bob_.screen(init);
  EXPECT_EQ(screened.error, HandshakeError::kUnsupportedVersion);
  ASSERT_EQ(alice.read_version_reply(reply_of(screened)), HandshakeError::kNone);
  EXPECT_EQ(write_init(alice)[1], 1);
}

TEST_P(Negotiation, VersionReplyIsObeyedOnceAndOnlyIfOurs) {
  Initiator alice = initiator();
  EXPECT_EQ(alice.read_version_reply(version_reply({1, 1}, 2)), HandshakeError::kUnexpected)
      << "nothing sent yet";
  write_init(alice);
  EXPECT_EQ(alice.read_version_reply(version_reply({1, 1}, 2, 99)), HandshakeError::kUnexpected);
  EXPECT_EQ(alice.read_version_reply(version_reply({1, 1}, 3)), HandshakeError::kUnexpected)
      << "offers what was tried";
  EXPECT_EQ(alice.read_version_reply(version_reply({1, 1}, 2)), HandshakeError::kNone);
  write_init(alice);
  EXPECT_EQ(alice.read_version_reply(version_reply({1, 1}, 1)), HandshakeError::kUnexpected);
}

// A forged VersionReply makes the initiator take its second choice; the responder has the first.
TEST_P(Negotiation, SuiteDowngradeIsFoundOut) {
  TestHandshake handshake(GetParam(), alice_, bob_);
  handshake.write_init();
  ASSERT_EQ(handshake.initiator.read_version_reply(version_reply({1, 1}, 2)),
            HandshakeError::kNone);
  EXPECT_EQ(handshake.run(), HandshakeError::kDowngrade);
  EXPECT_FALSE(handshake.responder.done());
}

// Alice speaks versions 1 and 2, so does bob; somebody answers alice that bob has only 1.
TEST_P(Negotiation, VersionDowngradeIsFoundOut) {
  alice_.config.versions = {1, 2};
  bob_.config.versions = {1, 2};
  TestHandshake handshake(GetParam(), alice_, bob_);
  handshake.write_init();
  ASSERT_EQ(handshake.initiator.read_version_reply(version_reply({1, 1}, 3)),
            HandshakeError::kNone);
  EXPECT_EQ(handshake.run(), HandshakeError::kDowngrade);
}

// A responder that answers a worse choice than it has to is refused, too.
TEST_P(Negotiation, InitiatorChecksTheResponder) {
  alice_.config.suites = {AeadSuite::kChaChaPoly, AeadSuite::kAesGcm};
  TestHandshake handshake(GetParam(), alice_, bob_);
  handshake.write_init();
  ASSERT_EQ(handshake.read_init(), HandshakeError::kNone);
  bob_.config.suites = {AeadSuite::kAesGcm};  // claims now not to have what it uses
  handshake.write_response();
  EXPECT_EQ(handshake.read_response(), HandshakeError::kDowngrade);
}

INSTANTIATE_TEST_SUITE_P(Patterns, Negotiation,
                         testing::Values(NoisePattern::kIk, NoisePattern::kXx));

TEST(VersionRange, HighestCommon) {
  const VersionRange ours{2, 5};
  EXPECT_EQ(ours.highest_common({1, 9}), 5);
  EXPECT_EQ(ours.highest_common({1, 3}), 3);
  EXPECT_EQ(ours.highest_common({5, 5}), 5);
  EXPECT_EQ(ours.highest_common({6, 9}), std::nullopt);
  EXPECT_EQ(ours.highest_common({0, 1}), std::nullopt);
}

TEST(SuiteList, FirstCommonFollowsOurPreference) {
  SuiteList ours;
  for (int suite : {77, 2, 1}) ours.add(static_cast<std::uint8_t>(suite));
  SuiteList theirs;
  for (int suite : {1, 77, 2}) theirs.add(static_cast<std::uint8_t>(suite));
  EXPECT_EQ(ours.first_common(theirs), AeadSuite::kChaChaPoly) << "77 is no suite that we know";
  EXPECT_EQ(theirs.first_common(ours), AeadSuite::kAesGcm);
  EXPECT_EQ(ours.first_common(SuiteList()), std::nullopt);
  EXPECT_FALSE(ours.add(2)) << "held already";
  for (std::uint8_t suite = 100; ours.view().size() < SuiteList::kMax; ++suite)
    EXPECT_TRUE(ours.add(suite));
  EXPECT_FALSE(ours.add(200)) << "full";
}

}  // namespace
}  // namespace whimbrel
