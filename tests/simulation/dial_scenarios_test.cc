// Scenarios: a dial, and answers to it that are false. Whoever sees first messages may answer them,
// faster than the peer; what the peer itself says he cannot keep away.
#include "handshake/handshake.h"
#include "handshake/init_screener.h"
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

class BothDials : public testing::TestWithParam<Keys> {};

using Datagram = std::vector<std::uint8_t>;

const IpAddress kForger = IpAddress::v4(9, 9, 9, 9, 9);

bool is_init(Bytes packet) {
  const auto kind = handshake_kind(packet);
  return kind == HandshakeKind::kInitIk || kind == HandshakeKind::kInitXx;
}

// That there is nothing between these versions and these suites (as bits).
Datagram version_reply(Bytes init, std::uint8_t lowest, std::uint8_t highest, std::uint8_t suites) {
  return {0xe6, lowest, highest, suites, init[4], init[5], init[6], init[7]};
}

// Answers to each first message of alice, before bob sees it.
void answer_inits(Duo& duo, const std::function<Datagram(Bytes)>& answer, bool bob_hears = true) {
  duo.simulation().set_filter([&duo, answer, bob_hears](const PacketView& packet) {
    if (packet.sender != duo.a.id() || !is_init(packet.bytes)) return Fate{};
    const Datagram forged = answer(packet.bytes);
    if (!forged.empty()) duo.simulation().inject(kForger, duo.a.address(), forged);
    return bob_hears ? Fate{} : Fate{0, {}};
  });
}

Datagram unknown_version(Bytes init) { return version_reply(init, 2, 2, 3); }

TEST_P(BothDials, AForgedVersionReplyEndsNoDial) {
  Duo duo(GetParam());
  answer_inits(duo, unknown_version);
  duo.a.say(duo.b);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1))) << duo.a.info(duo.b).end_debug;
  EXPECT_GE(duo.a.count(Count::kDroppedBadVersion), 1u);
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Dials, ForgedVersionRepliesEndNoneWhileThePeerThinksItOver) {
  Duo duo;
  duo.b.on_request = OnRequest::kIgnore;
  answer_inits(duo, unknown_version);
  duo.a.say(duo.b);
  duo.world.run_for(seconds(8));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_TRUE(duo.b.accept(duo.a));
  EXPECT_TRUE(duo.world.run_until_complete(milliseconds(1500)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(BothDials, AForgedVersionReplyLeadsNoDialAstray) {
  Duo duo(GetParam());
  // Of the two suites only the worse; and the first of the first messages is lost.
  bool first = true;
  duo.simulation().set_filter([&](const PacketView& packet) {
    if (packet.sender != duo.a.id() || !is_init(packet.bytes)) return Fate{};
    duo.simulation().inject(kForger, duo.a.address(), version_reply(packet.bytes, 1, 1, 2));
    return std::exchange(first, false) ? Fate{0, {}} : Fate{};
  });
  duo.a.say(duo.b);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2))) << duo.a.info(duo.b).end_debug;
  duo.b.say(duo.a);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1)));
  EXPECT_EQ(duo.b.requests().size(), 1u);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(BothDials, AVersionReplyThatIsTrueIsBelievedInTheEnd) {
  Duo duo(GetParam());
  answer_inits(duo, unknown_version, false);
  duo.a.say(duo.b);
  // Without a key whoever is there answers at once, and nothing better came in four times. With one
  // he may wait for his application.
  const bool known = GetParam() == Keys::kKnown;
  duo.world.run_for(milliseconds(known ? 9900 : 1300));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kConnecting);
  duo.world.run_for(milliseconds(300));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndRemoteBadVersion);
  EXPECT_NE(duo.a.failures()[0].info.end_debug.find("version"), std::string::npos);
}

TEST(Dials, OneForgedAnswerAmongLostOnesIsNotBelievedEarly) {
  Duo duo(Keys::kUnknown);
  int answers = 0;
  answer_inits(
      duo, [&](Bytes init) { return ++answers == 1 ? unknown_version(init) : Datagram(); }, false);
  duo.a.say(duo.b);
  duo.world.run_for(milliseconds(9900));
  EXPECT_TRUE(duo.a.failures().empty());
  duo.world.run_for(milliseconds(300));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndRemoteBadVersion);
}

// One who answers a first message without keys as himself.
struct Impostor {
  Impostor() {
    config.static_key = generate_x25519(random);
    config.identity = "str:mallory";
  }
  Datagram operator()(Bytes init) {
    InitScreener screener(config, random);
    const auto screened = screener.check(init, as_bytes("source"), false, Instant());
    Responder responder(config);
    EXPECT_EQ(responder.read_init(screened.init, kUnixStart), HandshakeError::kNone);
    Datagram answer(kHandshakePacketSizeMax);
    answer.resize(responder.write_response(77, kUnixStart, random, answer));
    return answer;
  }
  FastRandom random{99};
  HandshakeConfig config;
};

TEST(Dials, AnImpostorWhoIsFasterEndsNone) {
  Duo duo(Keys::kUnknown);
  Impostor impostor;
  answer_inits(duo, std::ref(impostor));
  duo.a.say(duo.b);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1))) << duo.a.info(duo.b).end_debug;
  EXPECT_GE(duo.a.count(Count::kDroppedBadCertificate), 1u);
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Dials, OurOwnAnswerToACopyOfOurMessageEndsNone) {
  Duo duo(Keys::kUnknown);
  bool reflected = false;
  duo.simulation().set_filter([&](const PacketView& packet) {
    if (packet.sender != duo.a.id()) return Fate{};
    const auto kind = handshake_kind(packet.bytes);
    if (kind == HandshakeKind::kInitXx) {
      const bool first = !std::exchange(reflected, true);
      if (first) duo.simulation().inject(kForger, duo.a.address(), packet.bytes);
      return first ? Fate{0, {}} : Fate{};
    }
    if (kind == HandshakeKind::kRespXx && packet.to == kForger) {
      duo.simulation().inject(kForger, duo.a.address(), packet.bytes);
    }
    return Fate{};
  });
  duo.a.say(duo.b);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1))) << duo.a.info(duo.b).end_debug;
  EXPECT_TRUE(reflected);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Dials, SomebodyElseAtTheAddressIsToldAfterAFewAnswers) {
  Duo duo(Keys::kUnknown);
  Host& carol = duo.world.add("str:carol");
  duo.a.endpoint().set_route(duo.b.identity(), carol.address(), std::nullopt);
  duo.a.say(duo.b);
  duo.world.run_for(seconds(2));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndRemoteBadCert);
  EXPECT_NE(duo.a.failures()[0].info.end_debug.find("str:carol"), std::string::npos);
}

// Nobody else can answer for the key that was given.
TEST(Dials, AnotherNameUnderTheGivenKeyIsToldAtOnce) {
  Duo duo;
  const Identity carol = *Identity::parse("str:carol");
  duo.a.endpoint().set_route(carol, duo.b.address(), duo.b.key());
  duo.a.send(carol, "hello");
  duo.world.run_for(milliseconds(100));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndRemoteBadCert);
}

INSTANTIATE_TEST_SUITE_P(Dials, BothDials, testing::Values(Keys::kKnown, Keys::kUnknown),
                         keys_name);

}  // namespace
}  // namespace whimbrel::sim
