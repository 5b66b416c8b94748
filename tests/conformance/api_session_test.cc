// The contract of the calls, one case for each row: requests, accept, close, timeouts and failure.
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

struct Texts : Duo {
  explicit Texts(Keys keys = Keys::kKnown, const SessionOptions& a_options = {},
                 const SessionOptions& b_options = {})
      : Duo(keys, line(), a_options, b_options) {
    a.checked = b.checked = false;
    a.reading = b.reading = Reading::kByHand;
  }
  void settle() { world.run_for(milliseconds(200)); }
};

// --- request, accept, ignore ---------------------------------------------------------------------

TEST(ApiRequest, IsPostedOnceForTheFirstMessageOfAStranger) {
  Texts duo;
  duo.b.on_request = OnRequest::kIgnore;
  for (int i = 0; i < 5; ++i) duo.a.send(duo.b.identity(), "hello");
  duo.world.run_for(milliseconds(4900));
  ASSERT_EQ(duo.b.requests().size(), 1u);
  EXPECT_EQ(duo.b.requests()[0].from, duo.a.identity());
  EXPECT_EQ(duo.b.unread(), 0u);
}

TEST(ApiRequest, IsPostedAgainAfterFiveSeconds) {
  Texts duo;
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "hello");
  duo.world.run_for(milliseconds(6500));
  ASSERT_EQ(duo.b.requests().size(), 2u);
  EXPECT_GE(duo.b.requests()[1].at - duo.b.requests()[0].at, seconds(5));
}

TEST(ApiRequest, NothingIsRevealedBeforeAccept) {
  Texts duo;
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "hello");
  duo.world.run_for(seconds(9));
  EXPECT_EQ(duo.simulation().packets_from(duo.b.id()), 0u);
  EXPECT_EQ(duo.b.unread(), 0u);
}

TEST(ApiRequest, IgnoredSenderFailsWith5003AndTheReceiverGetsNothing) {
  Texts duo;
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "hello");
  duo.world.run_for(seconds(20));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, 5003);
  EXPECT_EQ(duo.a.failures()[0].at, Instant{} + seconds(10));
  EXPECT_EQ(duo.b.unread(), 0u);
}

TEST(ApiRequest, CloseRefusesIt) {
  Texts duo;
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "hello");
  duo.settle();
  EXPECT_TRUE(duo.b.close_session(duo.a));
  // With a known key the refusal answers the repetition of the first message at the latest.
  duo.world.run_for(milliseconds(1500));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.state, ConnectionState::kClosedByPeer);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, 1001);
  EXPECT_EQ(duo.b.unread(), 0u);
}

TEST(ApiRequest, AcceptIsFalseWhenThereIsNothingAndTrueWhenPendingOrActive) {
  Texts duo;
  EXPECT_FALSE(duo.b.accept(duo.a));
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "hello");
  duo.settle();
  EXPECT_TRUE(duo.b.accept(duo.a));
  EXPECT_TRUE(duo.b.accept(duo.a));
  duo.world.run_for(seconds(2));
  EXPECT_EQ(duo.b.receive(0).size(), 1u);
  EXPECT_TRUE(duo.b.accept(duo.a));
  EXPECT_TRUE(duo.a.accept(duo.b));
  duo.b.close_session(duo.a);
  EXPECT_FALSE(duo.b.accept(duo.a));
}

TEST(ApiRequest, BothSendAtTheSameTimeOneSessionNoRequest) {
  Texts duo;
  duo.a.on_request = duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "a");
  duo.b.send(duo.a.identity(), "b");
  duo.settle();
  EXPECT_TRUE(duo.a.requests().empty());
  EXPECT_TRUE(duo.b.requests().empty());
  EXPECT_EQ(duo.a.receive(0).size(), 1u);
  EXPECT_EQ(duo.b.receive(0).size(), 1u);
}

TEST(ApiRequest, PendingOnesAreBoundedOldestOut) {
  HostConfig config;
  config.limits.pending_requests_max = 3;
  World world(1);
  Host& b = world.add("str:bob", std::move(config));
  b.on_request = OnRequest::kIgnore;
  std::vector<Host*> callers;
  for (int i = 0; i < 4; ++i) {
    callers.push_back(&world.add("str:caller" + std::to_string(i)));
    callers.back()->knows(b, true);
    callers.back()->send(b.identity(), "hello");
    world.run_for(milliseconds(10));
  }
  EXPECT_EQ(b.endpoint().pending_request_count(), 3u);
  EXPECT_EQ(b.state(*callers[0]), ConnectionState::kNone);
  EXPECT_EQ(b.state(*callers[3]), ConnectionState::kConnecting);
}

// --- close ---------------------------------------------------------------------------------------

TEST(ApiClose, IsFalseWhenThereIsNothing) {
  Texts duo;
  EXPECT_FALSE(duo.a.close_session(duo.b));
}

TEST(ApiClose, PeerLearnsAtOnceAndOurStateIsNoneAtOnce) {
  Texts duo;
  ASSERT_TRUE(duo.connect());
  EXPECT_TRUE(duo.a.close_session(duo.b));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  duo.world.run_for(milliseconds(10));
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kClosedByPeer);
}

TEST(ApiClose, UnreadMessagesOfThatUserAreDropped) {
  Texts duo;
  Host& c = duo.world.add("str:carol");
  c.knows(duo.b, true);
  c.checked = false;
  ASSERT_TRUE(duo.connect());
  duo.b.receive_all();
  duo.a.send(duo.b.identity(), "dropped");
  duo.a.send(duo.b.identity(), "dropped", kSendReliable, 2);
  c.send(duo.b.identity(), "kept");
  duo.settle();
  ASSERT_EQ(duo.b.unread(), 3u);
  EXPECT_TRUE(duo.b.close_session(duo.a));
  EXPECT_EQ(duo.b.unread(), 1u);
  const auto messages = duo.b.receive(0);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].text(), "kept");
}

TEST(ApiClose, ReliableDataAlreadyTakenStillArrives) {
  Texts duo;
  ASSERT_TRUE(duo.connect());
  duo.b.receive_all();
  for (int i = 0; i < 50; ++i) duo.a.send(duo.b.identity(), std::string(1000, 'x'));
  duo.a.close_session(duo.b);
  duo.world.run_for(seconds(1));
  EXPECT_EQ(duo.b.receive(0).size(), 50u);
}

// As sendto() before close(): what the line takes has left.
TEST(ApiClose, UnreliableMessagesThatCanLeaveHaveLeft) {
  for (const bool beside_reliable : {false, true}) {
    Texts duo;
    ASSERT_TRUE(duo.connect());
    duo.b.receive_all();
    if (beside_reliable) duo.a.send(duo.b.identity(), std::string(50'000, 'x'), kSendReliable, 1);
    for (int i = 0; i < 5; ++i) duo.a.send(duo.b.identity(), "bye", kSendUnreliable);
    duo.a.send(duo.b.identity(), std::string(10'000, 'x'), kSendUnreliable);
    duo.a.close_session(duo.b);
    duo.world.run_for(beside_reliable ? milliseconds(500) : milliseconds(11));
    EXPECT_EQ(duo.b.receive(0).size(), 6u) << beside_reliable;
    EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kClosedByPeer) << "and it is told at once";
  }
}

// No longer than it may, though nothing comes through.
TEST(ApiClose, UnreliableMessagesThatCannotLeaveAreDropped) {
  Texts duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  for (int i = 0; i < 400; ++i)
    duo.a.send(duo.b.identity(), std::string(1000, 'x'), kSendUnreliable);
  duo.a.close_session(duo.b);
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  duo.world.run_for(milliseconds(1100));
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), false);
  duo.b.receive_all();
  duo.world.run_for(seconds(20));
  EXPECT_EQ(duo.b.receive(0).size(), 0u);
}

TEST(ApiClose, CleanCloseByThePeerPostsNothingAndReads1001UntilAcknowledged) {
  Texts duo;
  ASSERT_TRUE(duo.connect());
  duo.b.close_session(duo.a);
  duo.world.run_for(seconds(30));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kClosedByPeer);
  EXPECT_EQ(duo.a.info(duo.b).end_reason, 1001);
  EXPECT_TRUE(duo.a.close_session(duo.b));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
}

TEST(ApiClose, ByThePeerWithOurReliableDataUnderWayIsAFailure) {
  Texts duo;
  ASSERT_TRUE(duo.connect());
  duo.b.close_session(duo.a);
  duo.a.send(duo.b.identity(), "crosses the close");
  duo.world.run_for(seconds(5));
  ASSERT_EQ(duo.a.failures().size(), 1u) << "a reliable message is never silently lost";
  EXPECT_EQ(duo.a.failures()[0].info.state, ConnectionState::kClosedByPeer);
}

TEST(ApiCloseChannel, IsFalseWhenNothingWasReceivedOnIt) {
  Texts duo;
  ASSERT_TRUE(duo.connect());
  EXPECT_FALSE(duo.b.close_channel(duo.a, 7));
  duo.b.send(duo.a.identity(), "sending alone does not open it", kSendReliable, 7);
  duo.settle();
  EXPECT_FALSE(duo.b.close_channel(duo.a, 7));
  EXPECT_TRUE(duo.b.connected(duo.a));
}

TEST(ApiCloseChannel, DropsExactlyThatChannelsMessages) {
  Texts duo;
  ASSERT_TRUE(duo.connect());
  duo.b.receive_all();
  duo.a.send(duo.b.identity(), "one", kSendReliable, 1);
  duo.a.send(duo.b.identity(), "two", kSendReliable, 2);
  duo.settle();
  EXPECT_TRUE(duo.b.close_channel(duo.a, 1));
  EXPECT_TRUE(duo.b.receive(1).empty());
  EXPECT_EQ(duo.b.receive(2).size(), 1u);
  EXPECT_TRUE(duo.b.connected(duo.a));
  EXPECT_FALSE(duo.b.close_channel(duo.a, 1)) << "it is not open any more";
  duo.a.send(duo.b.identity(), "open again", kSendReliable, 1);
  duo.settle();
  EXPECT_EQ(duo.b.receive(1).size(), 1u);
  EXPECT_TRUE(duo.b.close_channel(duo.a, 1));
  EXPECT_TRUE(duo.b.connected(duo.a));
}

TEST(ApiCloseChannel, TheLastOpenOneClosesTheSession) {
  Texts duo;
  ASSERT_TRUE(duo.connect());  // on channel 0
  duo.a.send(duo.b.identity(), "two", kSendReliable, 2);
  duo.settle();
  EXPECT_TRUE(duo.b.close_channel(duo.a, 0));
  EXPECT_TRUE(duo.b.connected(duo.a));
  EXPECT_TRUE(duo.b.close_channel(duo.a, 2));
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kNone);
  duo.settle();
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kClosedByPeer);
}

TEST(ApiCloseChannel, GivesItsRoomBackToTheSender) {
  Texts duo;
  ASSERT_TRUE(duo.connect());
  duo.b.receive_all();
  for (int i = 0; i < 1200; ++i) duo.a.send(duo.b.identity(), "x", kSendReliable, 1);
  duo.settle();
  EXPECT_LE(duo.b.unread(), 1000u);
  EXPECT_TRUE(duo.b.close_channel(duo.a, 1));
  duo.a.send(duo.b.identity(), "y", kSendReliable, 2);
  duo.world.run_for(seconds(1));
  EXPECT_EQ(duo.b.receive(2).size(), 1u);
}

// --- timeouts and failure ------------------------------------------------------------------------

TEST(ApiTimeout, IdleBothSidesEndSilentlyKeepAlivesDoNotCount) {
  Texts duo;
  ASSERT_TRUE(duo.connect());
  duo.world.run_for(seconds(178));
  EXPECT_TRUE(duo.a.connected(duo.b));
  duo.world.run_for(seconds(4));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kNone);
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_TRUE(duo.b.failures().empty());
}

TEST(ApiTimeout, InitialIsConfigurable) {
  SessionOptions options;
  options.timeout_initial = seconds(3);
  Texts duo(Keys::kKnown, options);
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "hello");
  duo.world.run_for(seconds(4));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].at, Instant{} + seconds(3));
}

TEST(ApiTimeout, ConnectedIsConfigurable) {
  SessionOptions options;
  options.timeout_connected = seconds(3);
  Texts duo(Keys::kKnown, options);
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  duo.a.send(duo.b.identity(), "hello?");
  const Instant sent = duo.world.now();
  duo.world.run_for(seconds(5));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_LE(duo.a.failures()[0].at - sent, milliseconds(3100));
  EXPECT_GE(duo.a.failures()[0].at - sent, milliseconds(2900));
}

TEST(ApiFailure, IsPostedOnceWithAReasonAndAText) {
  Texts duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  duo.a.send(duo.b.identity(), "hello?");
  duo.world.run_for(seconds(60));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  const ConnectionInfo& info = duo.a.failures()[0].info;
  EXPECT_EQ(info.identity, duo.b.identity());
  EXPECT_EQ(info.state, ConnectionState::kProblemDetectedLocally);
  EXPECT_EQ(info.end_reason, 4001);
  EXPECT_NE(info.end_debug.find("str:bob"), std::string::npos) << info.end_debug;
  EXPECT_NE(info.end_debug.find("10 s"), std::string::npos) << info.end_debug;
}

TEST(ApiFailure, InfoStaysReadableForFiveMinutes) {
  Texts duo;
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "hello");
  duo.world.run_for(seconds(10 + 299));
  EXPECT_EQ(duo.a.info(duo.b).end_reason, 5003);
  duo.world.run_for(seconds(2));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
}

TEST(ApiFailure, InfoIsForgottenWhenClosed) {
  Texts duo;
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "hello");
  duo.world.run_for(seconds(11));
  EXPECT_TRUE(duo.a.close_session(duo.b));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  EXPECT_FALSE(duo.a.close_session(duo.b));
}

TEST(ApiFailure, WithoutAnAddressThereIsAReason) {
  Texts duo;
  const Identity nobody = *Identity::parse("str:nobody");
  EXPECT_EQ(duo.a.send(nobody, "hello"), Result::kOk);
  duo.settle();
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndMiscRendezvous);
}

// --- identities ----------------------------------------------------------------------------------

TEST(ApiIdentity, AnIpIdentityIsReachedDirectlyAndKeepsThatName) {
  World world(1);
  Host& a = world.add("str:alice");
  Host& b = world.add("str:bob");
  a.checked = b.checked = false;
  const Identity by_address = World::ip_identity(b.address());
  EXPECT_EQ(a.send(by_address, "hello"), Result::kOk);
  world.run_for(seconds(1));
  EXPECT_EQ(a.state(by_address), ConnectionState::kConnected);
  EXPECT_EQ(a.info(by_address).identity, by_address);
  EXPECT_EQ(a.info(by_address).alias, b.identity());
  EXPECT_EQ(a.state(b.identity()), ConnectionState::kConnected)
      << "the alias finds the same session";
  EXPECT_EQ(a.send(b.identity(), "same session"), Result::kOk);
  EXPECT_EQ(a.endpoint().session_count(), 1u);
  ASSERT_EQ(b.requests().size(), 1u);
  EXPECT_EQ(b.requests()[0].from, a.identity());
}

TEST(ApiIdentity, WithoutANameAPeerIsKnownByTheAddressItIsSeenAt) {
  World world(1);
  Host& a = world.add("");
  Host& b = world.add("str:bob");
  a.checked = b.checked = false;
  a.knows(b, false);
  a.send(b.identity(), "hello");
  world.run_for(seconds(1));
  ASSERT_EQ(b.requests().size(), 1u);
  EXPECT_EQ(b.requests()[0].from, World::ip_identity(a.address()));
  EXPECT_EQ(b.send(World::ip_identity(a.address()), "hello back"), Result::kOk);
  world.run_for(seconds(1));
  EXPECT_EQ(a.messages_received(), 1u);
  EXPECT_EQ(b.endpoint().session_count(), 1u);
}

TEST(ApiIdentity, TwoNamesOneKeyOneSession) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    Texts duo(keys);
    duo.a.reading = duo.b.reading = Reading::kAtOnce;
    ASSERT_TRUE(duo.connect());
    EXPECT_EQ(duo.a.send(World::ip_identity(duo.b.address()), "other name"), Result::kOk);
    duo.world.run_for(seconds(3));
    EXPECT_EQ(duo.b.messages_received(), 2u);
    EXPECT_EQ(duo.a.endpoint().session_count(), 1u);
    EXPECT_EQ(duo.b.endpoint().session_count(), 1u);
    EXPECT_EQ(duo.b.requests().size(), 1u);
    EXPECT_TRUE(duo.a.failures().empty());
  }
}

TEST(ApiIdentity, AnIpIdentityWithoutAPortCannotBeDialled) {
  World world(1);
  Host& a = world.add("str:alice");
  const Identity portless = *Identity::parse("ip:10.0.0.2");
  const Result result = a.send(portless, "hello");
  world.run_for(seconds(1));
  EXPECT_TRUE(result == Result::kInvalidParam || a.failures().size() == 1);
}

}  // namespace
}  // namespace whimbrel::sim
