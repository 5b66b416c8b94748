// The contract of the calls, one case for each row: what send_message_to_user answers and does.
#include <algorithm>
#include <cstring>

#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

// A bob who takes any text, by hand.
struct ByHand : Duo {
  explicit ByHand(Keys keys = Keys::kKnown, const SessionOptions& a_options = {},
                  const SessionOptions& b_options = {})
      : Duo(keys, line(), a_options, b_options) {
    for (Host* host : {&a, &b}) {
      host->checked = false;
      host->reading = Reading::kByHand;
    }
  }
  std::string texts(Host& host, ChannelId channel = 0) {
    std::string all;
    for (const InboxMessage& message : host.receive(channel)) all += message.text() + ";";
    return all;
  }
  void settle() { world.run_for(milliseconds(200)); }
};

TEST(ApiSend, InvalidIdentityIsRefusedAndNothingIsCreated) {
  ByHand duo;
  EXPECT_EQ(duo.a.send(Identity{}, "hello"), Result::kInvalidParam);
  EXPECT_EQ(duo.a.endpoint().session_count(), 0u);
}

TEST(ApiSend, TooLargeIsRefusedAndNothingIsCreated) {
  SessionOptions large;
  large.send_bytes_max = 10 << 20;
  ByHand duo(Keys::kKnown, large);
  const std::vector<std::uint8_t> bytes(524289);
  EXPECT_EQ(duo.a.send(duo.b.identity(), bytes), Result::kInvalidParam);
  EXPECT_EQ(duo.a.endpoint().session_count(), 0u);
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
}

TEST(ApiSend, UnknownFlagBitsAreRefusedAndNothingIsCreated) {
  ByHand duo;
  for (const int flags : {2, 64, 128, 1 << 20, -1}) {
    EXPECT_EQ(duo.a.send(duo.b.identity(), "hello", flags), Result::kInvalidParam) << flags;
  }
  EXPECT_EQ(duo.a.endpoint().session_count(), 0u);
}

TEST(ApiSend, WithoutASessionItStartsOneAndWaits) {
  ByHand duo;
  EXPECT_EQ(duo.a.send(duo.b.identity(), "hello"), Result::kOk);
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kConnecting);
  duo.settle();
  EXPECT_EQ(duo.texts(duo.b), "hello;");
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kConnected);
}

TEST(ApiSend, WhatWaitsGoesOutReliablyAndInOrderWhateverItsFlags) {
  ByHand duo(Keys::kUnknown);
  duo.b.on_request = OnRequest::kIgnore;
  for (const int flags : {0, 8, 1, 9, 0, 8}) {
    EXPECT_EQ(duo.a.send(duo.b.identity(), std::to_string(flags), flags), Result::kOk);
  }
  duo.settle();
  duo.b.accept(duo.a);
  duo.world.set_lines({.delay = milliseconds(5), .loss = 0.2});
  duo.world.run_for(seconds(9));
  EXPECT_EQ(duo.texts(duo.b), "0;8;1;9;0;8;");
}

TEST(ApiSend, NoDelayIsIgnoredUntilThePeerHasAcceptedAndTheSessionIsMadeAllTheSame) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    ByHand duo(keys);
    duo.b.on_request = OnRequest::kIgnore;
    for (int i = 0; i < 180; ++i) {
      ASSERT_EQ(duo.a.send(duo.b.identity(), "position", kSendUnreliable | kSendNoDelay),
                Result::kIgnored);
      duo.world.run_for(microseconds(16667));
    }
    ASSERT_FALSE(duo.b.requests().empty());
    duo.b.accept(duo.a);
    duo.world.run_for(seconds(2));
    EXPECT_EQ(duo.b.unread(), 0u);
    EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kConnected);
    EXPECT_EQ(duo.a.send(duo.b.identity(), "here", kSendUnreliable | kSendNoDelay), Result::kOk);
    duo.settle();
    const auto messages = duo.b.receive(0);
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages[0].message.number, 1u) << "what was ignored has no number";
    EXPECT_FALSE(messages[0].message.reliable);
  }
}

TEST(ApiSend, NoDelayToSomebodyWhoAskedIsIgnoredAndAccepts) {
  ByHand duo;
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "knock");
  duo.settle();
  EXPECT_EQ(duo.b.send(duo.a.identity(), "now", kSendNoDelay), Result::kIgnored);
  duo.world.run_for(seconds(2));
  EXPECT_EQ(duo.texts(duo.a), "");
  EXPECT_EQ(duo.texts(duo.b), "knock;");
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kConnected);
}

TEST(ApiSend, UnreliableMessagesThatWaitedFiveSecondsAreNotSent) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    ByHand duo(keys);
    duo.b.on_request = OnRequest::kIgnore;
    duo.a.send(duo.b.identity(), "first");
    for (int i = 0; i < 80; ++i) {
      duo.a.send(duo.b.identity(), std::to_string(i), kSendUnreliable);
      duo.world.run_for(milliseconds(100));
    }
    EXPECT_GE(duo.a.status(duo.b).unreliable_expired, 28);
    EXPECT_LE(duo.a.status(duo.b).unreliable_expired, 32);
    duo.b.accept(duo.a);
    duo.world.run_for(seconds(2));
    const auto waited = duo.b.receive(0);
    ASSERT_GE(waited.size(), 40u);
    EXPECT_LE(waited.size(), 51u);
    EXPECT_EQ(waited.front().text(), "first");
    for (std::size_t i = 1; i < waited.size(); ++i) {
      EXPECT_EQ(waited[i].text(), std::to_string(80 - waited.size() + i)) << "in order";
      EXPECT_TRUE(waited[i].message.reliable);
    }
    const auto dropped = 81 - waited.size();
    EXPECT_EQ(static_cast<std::size_t>(duo.a.status(duo.b).unreliable_expired), dropped);
    EXPECT_EQ(duo.a.count(Count::kUnreliableDroppedAge), dropped);
    duo.a.send(duo.b.identity(), "now", kSendUnreliable);
    duo.settle();
    const auto next = duo.b.receive(0);
    ASSERT_EQ(next.size(), 1u);
    EXPECT_EQ(next[0].message.number, dropped + 1) << "the number tells what was lost";
  }
}

TEST(ApiSend, WhatIsTooOldBeforeTheSessionMakesRoomByItself) {
  SessionOptions small;
  small.send_bytes_max = 20'000;
  ByHand duo(Keys::kKnown, small);
  duo.b.on_request = OnRequest::kIgnore;
  const std::vector<std::uint8_t> bytes(1000);
  for (int i = 0; i < 20; ++i) duo.a.send(duo.b.identity(), bytes, kSendUnreliable);
  EXPECT_EQ(duo.a.send(duo.b.identity(), bytes, kSendUnreliable), Result::kLimitExceeded);
  duo.world.run_for(milliseconds(5100));
  EXPECT_EQ(duo.a.status(duo.b).pending_reliable, 0);
  EXPECT_EQ(duo.a.send(duo.b.identity(), bytes, kSendUnreliable), Result::kOk);
}

TEST(ApiSend, ToSomebodyWhoAskedIsAnImplicitAccept) {
  ByHand duo;
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "knock");
  duo.settle();
  ASSERT_EQ(duo.b.requests().size(), 1u);
  EXPECT_EQ(duo.b.send(duo.a.identity(), "come in"), Result::kOk);
  duo.world.run_for(seconds(2));
  EXPECT_EQ(duo.texts(duo.a), "come in;");
  EXPECT_EQ(duo.texts(duo.b), "knock;");
  EXPECT_TRUE(duo.a.requests().empty());
}

TEST(ApiSend, OverTheSendBufferNothingIsQueuedAndALaterTryWorks) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.texts(duo.b);
  const std::vector<std::uint8_t> bytes(100'000);
  int taken = 0;
  while (duo.a.send(duo.b.identity(), bytes) == Result::kOk) ++taken;
  EXPECT_EQ(taken, 5);
  EXPECT_EQ(duo.a.send(duo.b.identity(), bytes), Result::kLimitExceeded);
  duo.world.run_for(seconds(1));
  EXPECT_EQ(duo.b.unread(), 5u) << "the refused ones were not queued";
  EXPECT_EQ(duo.a.send(duo.b.identity(), bytes), Result::kOk);
}

TEST(ApiSend, EmptyMessagesFillTheSendBufferToo) {
  SessionOptions small;
  small.send_bytes_max = 1000;
  ByHand duo(Keys::kKnown, small);
  ASSERT_TRUE(duo.connect());
  duo.texts(duo.b);
  for (const int flags : {kSendReliable, kSendUnreliable}) {
    int taken = 0;
    while (taken < 2000 && duo.a.send(duo.b.identity(), "", flags) == Result::kOk) ++taken;
    EXPECT_LE(taken, 1000);
    duo.world.run_for(seconds(5));
    duo.b.receive_all();
    duo.world.run_for(seconds(5));
    EXPECT_EQ(duo.a.send(duo.b.identity(), "", flags), Result::kOk);
  }
}

TEST(ApiSend, OverTheSendBufferWithoutASessionNothingIsCreated) {
  SessionOptions small;
  small.send_bytes_max = 10'000;
  ByHand duo(Keys::kKnown, small);
  const std::vector<std::uint8_t> bytes(20'000);
  EXPECT_EQ(duo.a.send(duo.b.identity(), bytes), Result::kLimitExceeded);
  EXPECT_EQ(duo.a.endpoint().session_count(), 0u);
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
}

TEST(ApiSend, TheLargestMessageFitsAnEmptyBuffer) {
  ByHand duo;
  std::vector<std::uint8_t> bytes(524288);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7);
  EXPECT_EQ(duo.a.send(duo.b.identity(), bytes), Result::kOk);
  duo.world.run_for(seconds(2));
  const auto messages = duo.b.receive(0);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_TRUE(equal(messages[0].message.payload.view(), bytes));
  EXPECT_EQ(duo.a.send(duo.b.identity(), bytes), Result::kOk);
}

TEST(ApiSend, UnreliableIsSentOnce) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.texts(duo.b);
  EXPECT_EQ(duo.a.send(duo.b.identity(), "one", kSendUnreliable), Result::kOk);
  duo.settle();
  const auto messages = duo.b.receive(0);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_FALSE(messages[0].message.reliable);
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  EXPECT_EQ(duo.a.send(duo.b.identity(), "two", kSendUnreliable), Result::kOk);
  duo.world.run_for(milliseconds(100));
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), false);
  duo.world.run_for(seconds(3));
  EXPECT_EQ(duo.texts(duo.b), "");
}

TEST(ApiSend, UnreliableInFragmentsIsWholeOrGone) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.texts(duo.b);
  const std::vector<std::uint8_t> bytes(15'000, 7);
  ASSERT_EQ(duo.a.send(duo.b.identity(), bytes, kSendUnreliable), Result::kOk);
  duo.settle();
  const auto messages = duo.b.receive(0);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_TRUE(equal(messages[0].message.payload.view(), bytes));
  EXPECT_FALSE(messages[0].message.reliable);
  duo.simulation().set_filter([lost = false, id = duo.a.id()](const PacketView& packet) mutable {
    if (lost || packet.sender != id || packet.bytes.size() < 1000) return Fate{};
    lost = true;
    return Fate{0, {}};
  });
  ASSERT_EQ(duo.a.send(duo.b.identity(), bytes, kSendUnreliable), Result::kOk);
  duo.world.run_for(seconds(3));
  EXPECT_TRUE(duo.b.receive(0).empty());
}

TEST(ApiSend, UnreliableOverSixteenFragmentsArrivesInSpiteOfLoss) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.texts(duo.b);
  duo.simulation().set_filter([lost = 0, id = duo.a.id()](const PacketView& packet) mutable {
    return packet.sender == id && packet.bytes.size() > 1000 && lost++ < 3 ? Fate{0, {}} : Fate{};
  });
  const std::vector<std::uint8_t> bytes(40'000, 7);
  ASSERT_EQ(duo.a.send(duo.b.identity(), bytes, kSendUnreliable), Result::kOk);
  duo.world.run_for(seconds(3));
  EXPECT_EQ(duo.b.receive(0).size(), 1u);
}

// Unreliable messages of the same channel leave before it.
TEST(ApiSend, NoDelayThatCannotLeaveNowIsDropped) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.texts(duo.b);
  duo.world.set_lines({.rate = 50'000, .delay = milliseconds(5)});
  const std::vector<std::uint8_t> bytes(1000);
  for (int i = 0; i < 200; ++i) duo.a.send(duo.b.identity(), bytes, kSendUnreliable, 1);
  duo.settle();
  EXPECT_EQ(duo.a.send(duo.b.identity(), "now or never", kSendNoDelay, 1), Result::kIgnored);
  EXPECT_EQ(duo.a.send(duo.b.identity(), "now", kSendNoDelay, 2), Result::kOk) << "another queue";
  duo.world.run_for(seconds(30));
  duo.b.receive(1);
  EXPECT_EQ(duo.texts(duo.b, 2), "now;");
  EXPECT_EQ(duo.a.send(duo.b.identity(), "again", kSendNoDelay, 1), Result::kOk);
  duo.settle();
  EXPECT_EQ(duo.texts(duo.b, 1), "again;");
}

// 60 messages a second of 1000 bytes over a line of 50 kB/s.
struct Positions : ByHand {
  explicit Positions(const SessionOptions& options = {}) : ByHand(Keys::kKnown, options) {
    b.reading = Reading::kAtOnce;
    b.on_message = [this](const InboxMessage& message) {
      Instant sent;
      std::memcpy(&sent, message.message.payload.data(), sizeof sent);
      oldest = std::max(oldest, world.now() - sent);
      ++arrived;
      last_number = message.message.number;
    };
  }
  void run(Duration time) {
    world.set_lines({.rate = 50'000, .delay = milliseconds(5)});
    for (Duration at{}; at < time; at += microseconds(16667)) {
      std::vector<std::uint8_t> bytes(1000);
      const Instant now = world.now();
      std::memcpy(bytes.data(), &now, sizeof now);
      refused += a.send(b.identity(), bytes, kSendUnreliable, 1) != Result::kOk;
      world.run_for(microseconds(16667));
    }
  }
  Duration oldest{};
  std::uint64_t arrived = 0, refused = 0, last_number = 0;
};

TEST(ApiSend, UnreliableMessagesDoNotGrowOld) {
  Positions duo;
  ASSERT_TRUE(duo.connect());
  duo.run(seconds(5));
  duo.oldest = Duration::zero();
  duo.run(seconds(30));
  EXPECT_LE(duo.oldest, milliseconds(1000)) << "half a second here, and what is queued on the line";
  EXPECT_EQ(duo.refused, 0u);
  EXPECT_GE(duo.arrived, 35u * 40);
  const auto expired = static_cast<std::uint64_t>(duo.a.status(duo.b).unreliable_expired);
  EXPECT_GE(expired, 200u);
  EXPECT_EQ(duo.a.count(Count::kUnreliableDroppedAge), expired);
  duo.world.run_for(seconds(3));
  EXPECT_GE(duo.last_number, duo.arrived + expired - 60) << "the numbers show what was lost";
}

TEST(ApiSend, WithoutAnAgeLimitUnreliableMessagesWait) {
  SessionOptions options;
  options.unreliable_age_max = Duration::zero();
  Positions duo(options);
  ASSERT_TRUE(duo.connect());
  duo.run(seconds(30));
  EXPECT_GE(duo.oldest, seconds(3));
  EXPECT_EQ(duo.a.status(duo.b).unreliable_expired, 0);
}

// Nothing leaves, and nothing is called: room comes back all the same.
TEST(ApiSend, WhatIsTooOldMakesRoomByItself) {
  SessionOptions small;
  small.send_bytes_max = 20'000;
  ByHand duo(Keys::kKnown, small);
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  const std::vector<std::uint8_t> bytes(1000);
  for (int i = 0; i < 100; ++i) duo.a.send(duo.b.identity(), bytes, kSendUnreliable);
  EXPECT_EQ(duo.a.send(duo.b.identity(), bytes, kSendUnreliable), Result::kLimitExceeded);
  duo.world.run_for(milliseconds(600));
  EXPECT_EQ(duo.a.status(duo.b).pending_unreliable, 0);
  EXPECT_EQ(duo.a.send(duo.b.identity(), bytes, kSendUnreliable), Result::kOk);
}

TEST(ApiSend, NoDelayDoesNotWaitForOtherChannels) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.texts(duo.b);
  duo.world.set_lines({.rate = 500'000, .delay = milliseconds(5)});
  const std::vector<std::uint8_t> bytes(500'000);
  ASSERT_EQ(duo.a.send(duo.b.identity(), bytes), Result::kOk);
  duo.settle();
  EXPECT_EQ(duo.a.send(duo.b.identity(), "voice", kSendNoDelay, 1), Result::kOk);
  duo.settle();
  EXPECT_EQ(duo.texts(duo.b, 1), "voice;");
  EXPECT_EQ(duo.b.receive(0).size(), 0u) << "the other one is still under way";
}

TEST(ApiSend, NoDelayIsDroppedWhileNothingComesThrough) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.texts(duo.b);
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  const std::vector<std::uint8_t> bytes(400'000);
  ASSERT_EQ(duo.a.send(duo.b.identity(), bytes), Result::kOk);
  duo.world.run_for(seconds(1));
  EXPECT_EQ(duo.a.send(duo.b.identity(), "now or never", kSendNoDelay, 1), Result::kIgnored);
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), false);
  duo.world.run_for(seconds(5));
  EXPECT_EQ(duo.texts(duo.b, 1), "");
}

TEST(ApiSend, AfterAFailureNoConnectionUntilClosed) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  duo.a.send(duo.b.identity(), "lost");
  duo.world.run_for(seconds(11));
  EXPECT_EQ(duo.a.send(duo.b.identity(), "no"), Result::kNoConnection);
  EXPECT_EQ(duo.a.send(duo.b.identity(), "no"), Result::kNoConnection);
  EXPECT_TRUE(duo.a.close_session(duo.b));
  EXPECT_EQ(duo.a.send(duo.b.identity(), "yes"), Result::kOk);
}

TEST(ApiSend, AfterAFailureAutoRestartBeginsAnew) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  duo.a.send(duo.b.identity(), "lost");
  duo.world.run_for(seconds(30));
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), false);
  duo.b.receive_all();
  EXPECT_EQ(duo.a.send(duo.b.identity(), "again", kSendReliable | kSendAutoRestartBrokenSession),
            Result::kOk);
  duo.settle();
  EXPECT_EQ(duo.texts(duo.b), "again;");
}

TEST(ApiSend, AfterAFailureThePeerMayStartANewSession) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  duo.a.send(duo.b.identity(), "lost");
  duo.world.run_for(seconds(30));
  ASSERT_EQ(duo.a.state(duo.b), ConnectionState::kProblemDetectedLocally);
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), false);
  EXPECT_EQ(duo.b.send(duo.a.identity(), "hi", kSendReliable | kSendAutoRestartBrokenSession),
            Result::kOk);
  duo.settle();
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kConnected);
  EXPECT_EQ(duo.a.send(duo.b.identity(), "hello"), Result::kOk);
}

TEST(ApiSend, AfterThePeerClosedNoConnectionUntilClosed) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.b.close_session(duo.a);
  duo.settle();
  EXPECT_EQ(duo.a.send(duo.b.identity(), "no"), Result::kNoConnection);
  EXPECT_TRUE(duo.a.close_session(duo.b));
  EXPECT_EQ(duo.a.send(duo.b.identity(), "yes"), Result::kOk);
}

TEST(ApiSend, AfterIdlingOutANewSessionStartsSilently) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.b.receive_all();
  duo.world.run_for(seconds(200));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  EXPECT_EQ(duo.a.send(duo.b.identity(), "hello again"), Result::kOk);
  duo.settle();
  EXPECT_EQ(duo.texts(duo.b), "hello again;");
  EXPECT_TRUE(duo.a.failures().empty());
}

TEST(ApiSend, ToAPeerThatHasVanishedIsOkAndFailsLater) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  EXPECT_EQ(duo.a.send(duo.b.identity(), "hello?"), Result::kOk);
  duo.world.run_for(seconds(11));
  EXPECT_EQ(duo.a.failures().size(), 1u) << "a reliable message is never silently lost";
}

TEST(ApiSend, ToOneselfIsLocal) {
  ByHand duo;
  EXPECT_EQ(duo.a.send(duo.a.identity(), "note", kSendReliable, 3), Result::kOk);
  duo.world.run_for(milliseconds(1));
  EXPECT_TRUE(duo.a.requests().empty());
  const auto messages = duo.a.receive(3);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].from, duo.a.identity());
  EXPECT_TRUE(duo.a.info(duo.a.identity()).flags & kInfoLoopbackBuffers);
  EXPECT_EQ(duo.simulation().trace().packets_sent(), 0u);
}

TEST(ApiSend, EmptyMessagesOnAnyChannel) {
  ByHand duo;
  const ChannelId channels[] = {0, 1, -1, INT32_MAX, INT32_MIN};
  for (const ChannelId channel : channels) {
    EXPECT_EQ(duo.a.send(duo.b.identity(), "", kSendReliable, channel), Result::kOk);
  }
  duo.settle();
  for (const ChannelId channel : channels) {
    EXPECT_EQ(duo.a.send(duo.b.identity(), "", kSendUnreliable, channel), Result::kOk);
  }
  duo.settle();
  for (const ChannelId channel : channels) {
    const auto messages = duo.b.receive(channel);
    ASSERT_EQ(messages.size(), 2u) << channel;
    EXPECT_EQ(messages[0].message.payload.size(), 0u);
    EXPECT_EQ(messages[0].message.channel, channel);
  }
}

TEST(ApiSend, NumbersCountFromOnePerChannelAndKind) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.texts(duo.b);
  for (int i = 0; i < 3; ++i) {
    duo.a.send(duo.b.identity(), "r", kSendReliable, 5);
    duo.a.send(duo.b.identity(), "u", kSendUnreliable, 5);
  }
  duo.settle();
  std::uint64_t reliable = 0, unreliable = 0;
  for (const InboxMessage& message : duo.b.receive(5)) {
    std::uint64_t& last = message.message.reliable ? reliable : unreliable;
    EXPECT_EQ(message.message.number, last + 1);
    last = message.message.number;
  }
  EXPECT_EQ(reliable, 3u);
  EXPECT_EQ(unreliable, 3u);
}

TEST(ApiSend, NoNagleLeavesAtOnceOnABusyLine) {
  ByHand duo;
  ASSERT_TRUE(duo.connect());
  duo.texts(duo.b);
  for (int i = 0; i < 5; ++i) {
    const std::vector<std::uint8_t> bytes(1400);
    duo.a.send(duo.b.identity(), bytes, kSendReliable | kSendNoNagle, 1);
  }
  duo.world.run_for(milliseconds(1));
  duo.a.send(duo.b.identity(), "quick", kSendReliable | kSendNoNagle, 2);
  duo.world.run_for(milliseconds(11));
  EXPECT_EQ(duo.texts(duo.b, 2), "quick;");
}

}  // namespace
}  // namespace whimbrel::sim
