#include "message/channels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "message/test_link.h"

namespace whimbrel {
namespace {

constexpr std::size_t kFragmentSize = 1150;

TEST(Channels, ReliableMessagesArriveInOrder) {
  TestLink link;
  for (std::uint64_t i = 0; i < 200; ++i) {
    link.a.send(3, Delivery::kReliable, test_payload(i, i), kFragmentSize);
  }
  EXPECT_FALSE(link.a.flushed());
  link.run();
  ASSERT_EQ(link.at_b.size(), 200u);
  for (std::uint64_t i = 0; i < 200; ++i) {
    EXPECT_TRUE(is_test_payload(link.at_b[i].payload, i, i)) << i;
    EXPECT_EQ(link.at_b[i].number, i + 1);
    EXPECT_EQ(link.at_b[i].channel, 3);
    EXPECT_TRUE(link.at_b[i].reliable);
  }
  EXPECT_TRUE(link.a.flushed());
  EXPECT_EQ(link.a.held_bytes(), 0u);
  EXPECT_EQ(link.a.unacknowledged_reliable(), 0u);
}

TEST(Channels, UnreliableMessagesArriveWholeAndInFragments) {
  TestLink link;
  const std::size_t sizes[] = {0, 1, 64, 1149, 1150, 1195, 1196, 1197, 1198, 1200, 5000, 17000};
  for (const std::size_t size : sizes) {
    link.a.send(-5, Delivery::kUnreliable, test_payload(size, size), kFragmentSize);
  }
  link.run();
  ASSERT_EQ(link.at_b.size(), std::size(sizes));
  for (std::size_t i = 0; i < std::size(sizes); ++i) {
    EXPECT_TRUE(is_test_payload(link.at_b[i].payload, sizes[i], sizes[i])) << sizes[i];
    EXPECT_FALSE(link.at_b[i].reliable);
    EXPECT_EQ(link.at_b[i].number, i + 1);
  }
  EXPECT_EQ(link.a.held_bytes(), 0u);
}

TEST(Channels, LargeUnreliableMessagesAreSentAgain) {
  TestLink link;
  link.a.send(1, Delivery::kUnreliable, test_payload(30000, 1), kFragmentSize);
  EXPECT_EQ(link.a.pending_reliable(), 30000u);
  int lost = 0;
  while (true) {
    const TestPacket packet = TestLink::produce(link.a);
    if (packet.bytes.empty()) break;
    if (lost++ % 2 == 0) {
      TestLink::lose(link.a, packet);
      continue;
    }
    EXPECT_EQ(receive_packet(link.b, packet.bytes, Instant{}, link.at_b), FrameVerdict::kTaken);
    TestLink::acknowledge(link.a, packet);
  }
  ASSERT_EQ(link.at_b.size(), 1u);
  EXPECT_TRUE(is_test_payload(link.at_b[0].payload, 30000, 1));
  EXPECT_TRUE(link.at_b[0].reliable);
  EXPECT_TRUE(link.a.flushed());
}

TEST(Channels, LargestMessages) {
  TestLink link;
  for (std::uint64_t i = 0; i < 3; ++i) {
    link.a.send(0, Delivery::kReliable, test_payload(kMessageSizeMax, i), kFragmentSize);
    link.a.send(1, Delivery::kReliable, test_payload(kMessageSizeMax, i + 3), kFragmentSize);
    link.a.send(2, Delivery::kUnreliable, test_payload(kMessageSizeMax, i + 6), kFragmentSize);
  }
  std::size_t received = 0;
  while (link.step()) {
    received += link.at_b.size();
    TestLink::consume(link.b, link.at_b);
  }
  EXPECT_EQ(received, 9u);
  EXPECT_TRUE(link.a.flushed());
  EXPECT_FALSE(link.a.has_frames());
  EXPECT_FALSE(link.b.has_frames());
}

TEST(Channels, CountsWhatWaits) {
  TestLink link;
  link.a.send(0, Delivery::kReliable, test_payload(3000, 1), kFragmentSize);
  link.a.send(0, Delivery::kUnreliable, test_payload(500, 1), kFragmentSize);
  link.a.send(0, Delivery::kReliable, {}, kFragmentSize);
  EXPECT_EQ(link.a.pending_reliable(), 3000u);
  EXPECT_EQ(link.a.pending_unreliable(), 500u);
  EXPECT_EQ(link.a.held_bytes(), 3501u) << "an empty one counts as a byte";
  const TestPacket first = TestLink::produce(link.a);
  const std::uint64_t in_first = 3000 - link.a.pending_reliable();
  EXPECT_GT(in_first, 1100u);
  EXPECT_EQ(link.a.unacknowledged_reliable(), in_first);
  const TestPacket second = TestLink::produce(link.a);
  const TestPacket third = TestLink::produce(link.a);
  EXPECT_EQ(link.a.pending_reliable() + link.a.pending_unreliable(), 0u);
  EXPECT_EQ(link.a.unacknowledged_reliable(), 3000u);
  EXPECT_EQ(link.a.held_bytes(), 3001u);
  TestLink::acknowledge(link.a, first);
  EXPECT_EQ(link.a.unacknowledged_reliable(), 3000 - in_first);
  EXPECT_EQ(link.a.held_bytes(), 3001u);
  TestLink::acknowledge(link.a, second);
  EXPECT_FALSE(link.a.flushed());
  TestLink::acknowledge(link.a, third);
  EXPECT_TRUE(link.a.flushed());
  EXPECT_EQ(link.a.held_bytes(), 0u);
}

TEST(Channels, AnEmptyMessageIsNotFlushedBeforeItIsAcknowledged) {
  TestLink link;
  link.a.send(0, Delivery::kReliable, {}, kFragmentSize);
  EXPECT_FALSE(link.a.flushed());
  EXPECT_TRUE(link.a.has_frames());
  const TestPacket packet = TestLink::produce(link.a);
  EXPECT_FALSE(link.a.flushed());
  TestLink::acknowledge(link.a, packet);
  EXPECT_TRUE(link.a.flushed());
}

TEST(Channels, EmptyUnorderedMessagesArrive) {
  TestLink link;
  link.a.send(0, Delivery::kReliableUnordered, {}, kFragmentSize);
  link.a.send(0, Delivery::kReliableUnordered, test_payload(5, 1), kFragmentSize);
  link.run();
  EXPECT_EQ(link.at_b.size(), 2u);
}

Instant at_ms(int ms) { return Instant(milliseconds(ms)); }

TEST(Channels, UnreliableMessagesThatWaitTooLongAreDropped) {
  TestLink link;
  link.a.set_unreliable_age_max(milliseconds(500));
  EXPECT_EQ(link.a.next_expiry(), kNever);
  for (int i = 0; i < 10; ++i) {
    link.a.send(i % 2, Delivery::kUnreliable, test_payload(1000, 1), kFragmentSize, at_ms(i * 100));
  }
  link.a.send(0, Delivery::kReliable, test_payload(1000, 1), kFragmentSize, at_ms(0));
  EXPECT_EQ(link.a.unreliable_expired(), 4u) << "each makes room for the next one of its channel";
  EXPECT_EQ(link.a.next_expiry(), at_ms(500)) << "or earlier than needed";
  link.a.expire(at_ms(950));
  EXPECT_EQ(link.a.unreliable_expired(), 5u);
  EXPECT_EQ(link.a.next_expiry(), at_ms(1000));
  EXPECT_EQ(link.a.pending_unreliable(), 5000u);
  EXPECT_EQ(link.a.held_bytes(), 6000u);
  std::vector<std::uint8_t> bytes(1200);
  std::vector<SentFrame> records;
  for (bool wrote = true; wrote;) {
    ByteWriter out(bytes);
    wrote = link.a.produce(out, records, at_ms(1150));
    receive_packet(link.b, out.written(), Instant{}, link.at_b);
  }
  EXPECT_EQ(link.a.unreliable_expired(), 7u) << "those of 500 and 600 ms, before they leave";
  EXPECT_EQ(link.at_b.size(), 4u);
  EXPECT_EQ(link.a.pending_unreliable(), 0u);
  EXPECT_EQ(link.a.next_expiry(), kNever);
}

TEST(Channels, WithoutAnAgeLimitUnreliableMessagesWait) {
  TestLink link;
  link.a.send(0, Delivery::kUnreliable, test_payload(10, 1), kFragmentSize, at_ms(0));
  EXPECT_EQ(link.a.next_expiry(), kNever);
  link.a.expire(at_ms(1'000'000));
  EXPECT_EQ(link.a.unreliable_expired(), 0u);
  link.run();
  EXPECT_EQ(link.at_b.size(), 1u);
}

TEST(Channels, DropsOnlyWhatIsUnreliable) {
  TestLink link;
  link.a.send(0, Delivery::kReliable, test_payload(10, 1), kFragmentSize);
  link.a.send(0, Delivery::kUnreliable, test_payload(20, 1), kFragmentSize);
  link.a.send(1, Delivery::kUnreliable, test_payload(40000, 1), kFragmentSize);
  link.a.drop_unreliable();
  EXPECT_EQ(link.a.pending_unreliable(), 0u);
  EXPECT_EQ(link.a.held_bytes(), 40010u);
  link.run();
  EXPECT_EQ(link.at_b.size(), 2u);
}

// A 64-byte message leaves in the next packet but one, however much waits on other channels.
TEST(Channels, SmallMessagesPassLargeOnes) {
  TestLink link;
  link.a.send(0, Delivery::kReliable, test_payload(kMessageSizeMax, 1), kFragmentSize);
  link.carry(link.a, link.b, link.at_b);
  link.a.send(1, Delivery::kReliable, test_payload(64, 1), kFragmentSize);
  link.a.send(2, Delivery::kUnreliable, test_payload(64, 1), kFragmentSize);
  for (int i = 0; i < 2; ++i) link.carry(link.a, link.b, link.at_b);
  EXPECT_EQ(link.at_b.size(), 2u);
}

TEST(Channels, TellsWhatLeavesBeforeAMessageOfAChannel) {
  constexpr std::size_t kTurn = 1200;
  TestLink link;
  EXPECT_EQ(link.a.bytes_before(1, kTurn), 0u);
  link.a.send(0, Delivery::kReliable, test_payload(400'000, 1), kFragmentSize);
  EXPECT_EQ(link.a.bytes_before(1, kTurn), 1200u) << "a turn of the other channel";
  EXPECT_GE(link.a.bytes_before(0, kTurn), 400'000u) << "its own";
  link.a.send(1, Delivery::kUnreliable, test_payload(3000, 1), kFragmentSize);
  EXPECT_EQ(link.a.bytes_before(1, kTurn), 3000u + 3 * 1200);
  EXPECT_EQ(link.a.bytes_before(2, kTurn), 2400u);
  link.a.send(3, Delivery::kReliable, test_payload(10, 1), kFragmentSize);
  EXPECT_EQ(link.a.bytes_before(2, kTurn), 3600u);
  EXPECT_GE(link.a.bytes_before_any(kTurn), 403'010u);
  const TestPacket packet = TestLink::produce(link.a);
  link.run();
  EXPECT_EQ(link.a.bytes_before(1, kTurn), 0u);
  TestLink::lose(link.a, packet);
  EXPECT_GT(link.a.bytes_before(1, kTurn), 1000u) << "what was lost goes first";
  link.run();
  EXPECT_EQ(link.a.bytes_before(1, kTurn), 0u);
}

TEST(Channels, BusyChannelsShareTheLine) {
  TestLink link;
  for (ChannelId channel = 0; channel < 3; ++channel) {
    const std::size_t size = channel == 0 ? 30000 : channel == 1 ? 1000 : 64;
    for (std::size_t sum = 0; sum < 250000; sum += size) {
      link.a.send(channel, Delivery::kReliable, test_payload(size, 1), kFragmentSize);
    }
  }
  std::array<std::uint64_t, 3> bytes{};
  for (int i = 0; i < 200; ++i) {
    const TestPacket packet = TestLink::produce(link.a);
    for (const SentFrame& frame : packet.records) bytes[frame.slot] += frame.length;
    std::vector<ReceivedMessage> out;
    receive_packet(link.b, packet.bytes, Instant{}, out);
    TestLink::acknowledge(link.a, packet);
    TestLink::consume(link.b, out);
    link.carry(link.b, link.a, link.at_a);
  }
  for (const std::uint64_t sum : bytes) EXPECT_NEAR(static_cast<double>(sum), 78000, 4000);
}

TEST(Channels, ManyLargeMessagesNeverWaitForOneAnother) {
  MessageLimits limits;
  limits.receive_bytes_max = kReceiveBytesMin;
  TestLink link(limits);
  for (ChannelId channel = 0; channel < 6; ++channel) {
    link.a.send(channel, Delivery::kReliable, test_payload(400000, 1), kFragmentSize);
    link.a.send(channel, Delivery::kReliableUnordered, test_payload(300000, 1), kFragmentSize);
  }
  std::size_t received = 0;
  while (link.step()) {
    EXPECT_LE(link.b.receive_held(), kReceiveBytesMin);
    received += link.at_b.size();
    TestLink::consume(link.b, link.at_b);
  }
  EXPECT_EQ(received, 12u);
}

TEST(Channels, AnUnreadChannelHoldsItsSenderBackAndNoOther) {
  TestLink link;
  for (int i = 0; i < 200; ++i) {
    link.a.send(0, Delivery::kReliable, test_payload(10000, 1), kFragmentSize);
  }
  link.run();
  const std::size_t unread = link.at_b.size();
  EXPECT_LT(unread * 10000, 1u << 20);
  EXPECT_GT(unread * 10000, 1u << 19);
  EXPECT_FALSE(link.a.has_frames());
  std::vector<ReceivedMessage> on_zero;
  std::swap(on_zero, link.at_b);
  for (int i = 0; i < 300; ++i) {
    link.a.send(1, Delivery::kReliable, test_payload(10000, 1), kFragmentSize);
    link.run();
    ASSERT_EQ(link.at_b.size(), 1u) << i;
    TestLink::consume(link.b, link.at_b);
  }
  TestLink::consume(link.b, on_zero);
  while (link.step()) TestLink::consume(link.b, link.at_b);
  EXPECT_TRUE(link.a.flushed());
}

// Small messages on channels that nobody reads, as many as may leave; then one after another on a
// channel that is read.
std::size_t arrive_beside_unread(int unread_channels, std::size_t size, Delivery delivery) {
  TestLink link;
  for (ChannelId channel = 1; channel <= unread_channels; ++channel) {
    for (int i = 0; i < 1000; ++i)
      link.a.send(channel, Delivery::kReliable, test_payload(8, 1), 1000);
  }
  link.run();
  link.at_b.clear();
  std::size_t read = 0;
  for (int i = 0; i < 300; ++i) {
    link.a.send(0, delivery, test_payload(size, 1), kFragmentSize);
    link.run();
    read += link.at_b.size();
    TestLink::consume(link.b, link.at_b);
  }
  return read;
}

TEST(Channels, SmallMessagesThatNobodyReadsStopOnlyTheirChannel) {
  for (const int unread : {1, 2, 5, 10, 16}) {
    EXPECT_EQ(arrive_beside_unread(unread, 8, Delivery::kReliable), 300u) << unread;
  }
  EXPECT_EQ(arrive_beside_unread(5, 30000, Delivery::kReliable), 300u);
  EXPECT_EQ(arrive_beside_unread(5, 30000, Delivery::kReliableUnordered), 300u);
}

// Credit for what was read on a channel before the others were filled, and was not worth a frame
// then.
TEST(Channels, WhatWasReadBeforeIsAnnouncedWhenItGetsTight) {
  TestLink link;
  for (int i = 0; i < 100; ++i) link.a.send(0, Delivery::kReliable, test_payload(8, 1), 1000);
  link.run();
  TestLink::consume(link.b, link.at_b);
  link.run();
  for (ChannelId channel = 1; channel <= 10; ++channel) {
    for (int i = 0; i < 500; ++i)
      link.a.send(channel, Delivery::kReliable, test_payload(8, 1), 1000);
  }
  link.run();
  link.at_b.clear();
  for (int i = 0; i < 100; ++i) link.a.send(0, Delivery::kReliable, test_payload(8, 1), 1000);
  std::size_t read = 0;
  while (link.step()) {
    for (const ReceivedMessage& m : link.at_b) {
      if (m.channel != 0) continue;
      link.b.on_consumed(0, true, m.payload.size(), 1);
      ++read;
    }
    link.at_b.clear();
  }
  EXPECT_EQ(read, 100u);
}

TEST(Channels, TheNumberOfMessagesIsLimited) {
  TestLink link;
  for (int i = 0; i < 1900; ++i) {
    link.a.send(0, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
  }
  link.run();
  // About three quarters of what is promised, 625: the rest is for other channels.
  EXPECT_EQ(link.at_b.size(), 483u);
  TestLink::consume(link.b, link.at_b);
  link.run();
  EXPECT_EQ(link.at_b.size(), 483u);
  // One by one, each frees room for one: credit comes in steps, and none is lost.
  std::size_t received = 0;
  for (int i = 0; i < 1000; ++i) {
    std::vector<ReceivedMessage> one(1, link.at_b.back());
    link.at_b.pop_back();
    TestLink::consume(link.b, one);
    link.run();
    received = std::max(received, link.at_b.size());
    ASSERT_LE(link.at_b.size(), 483u);
  }
  TestLink::consume(link.b, link.at_b);
  link.run();
  EXPECT_TRUE(link.a.flushed());
}

TEST(Channels, UnreliableOverTheMessageLimitIsDroppedAndCounted) {
  TestLink link;
  for (int i = 0; i < 1500; ++i) {
    link.a.send(0, Delivery::kUnreliable, test_payload(8, 1), kFragmentSize);
  }
  link.run();
  // Half is for unreliable ones, and of that three quarters for those of one channel.
  EXPECT_EQ(link.at_b.size(), 375u);
  EXPECT_EQ(link.b.stats().unreliable_dropped_receive_limit, 1125u);
  TestLink::consume(link.b, link.at_b);
  link.a.send(0, Delivery::kUnreliable, test_payload(8, 1), kFragmentSize);
  link.run();
  ASSERT_EQ(link.at_b.size(), 1u);
  EXPECT_EQ(link.at_b[0].number, 1501u);
}

TEST(Channels, UnreliableOverTheByteLimitIsDroppedAndCounted) {
  TestLink link;
  for (int i = 0; i < 300; ++i) {
    link.a.send(0, Delivery::kUnreliable, test_payload(1000, 1), kFragmentSize);
  }
  link.run();
  EXPECT_EQ(link.at_b.size(), 98u) << "three quarters of an eighth of 1 MiB";
  EXPECT_EQ(link.b.stats().unreliable_dropped_receive_limit, 300 - link.at_b.size());
}

// What is read gives its channel's share back, and no other's.
TEST(Channels, UnreliableOfAChannelHasAShare) {
  TestLink link;
  const auto send = [&](ChannelId channel, int count) {
    for (int i = 0; i < count; ++i)
      link.a.send(channel, Delivery::kUnreliable, test_payload(8, 1), kFragmentSize);
    link.run();
    return std::exchange(link.at_b, {});
  };
  auto unread = send(7, 600);
  EXPECT_EQ(unread.size(), 375u);
  for (int i = 0; i < 20; ++i) {
    auto read = send(0, 30);
    EXPECT_EQ(read.size(), 30u);
    TestLink::consume(link.b, read);
  }
  EXPECT_EQ(send(7, 1).size(), 0u);
  unread.resize(200);
  TestLink::consume(link.b, unread);
  EXPECT_EQ(send(7, 600).size(), 200u);
}

TEST(Channels, LostUnreliableMessagesAreCounted) {
  TestLink link;
  for (int i = 0; i < 3; ++i) {
    link.a.send(0, Delivery::kUnreliable, test_payload(8, 1), kFragmentSize);
  }
  TestLink::lose(link.a, TestLink::produce(link.a));
  EXPECT_EQ(link.a.stats().unreliable_lost, 3u);
  EXPECT_FALSE(link.a.has_frames());
}

TEST(Channels, TooManyChannelsInUse) {
  TestLink link;
  for (ChannelId channel = 0; channel < 256; ++channel) {
    ASSERT_TRUE(link.a.can_send(-channel));
    link.a.send(-channel, Delivery::kUnreliable, test_payload(1, 1), kFragmentSize);
  }
  EXPECT_FALSE(link.a.can_send(1));
  EXPECT_TRUE(link.a.can_send(-255));
  link.run();
  EXPECT_EQ(link.at_b.size(), 256u);
  const std::vector<std::uint8_t> byte(1);
  EXPECT_EQ(link.b.on_message({1, 0, byte}, Instant{}, link.at_b), FrameVerdict::kViolation);
  EXPECT_EQ(link.b.on_stream({1, 0, byte}, Instant{}, link.at_b), FrameVerdict::kViolation);
  EXPECT_EQ(link.b.on_channel_name({1, 2, 1, 0}), FrameVerdict::kViolation);
  EXPECT_EQ(link.b.on_fragment({false, 1, 0, 0, 2, byte}, Instant{}, link.at_b),
            FrameVerdict::kViolation);
  EXPECT_EQ(link.b.on_fragment({true, 1, 0, 0, 2, byte}, Instant{}, link.at_b),
            FrameVerdict::kViolation);
  EXPECT_EQ(link.b.on_message({-255, 1, byte}, Instant{}, link.at_b), FrameVerdict::kTaken);
}

TEST(Channels, CreditForAChannelNeverSentOnIsAViolation) {
  TestLink link;
  EXPECT_EQ(link.a.on_channel_credit({5, 1, 1}), FrameVerdict::kViolation);
}

TEST(Channels, LostCreditIsSentAgainWithTheNewestValue) {
  TestLink link;
  const auto send_and_consume = [&](std::size_t size) {
    link.a.send(0, Delivery::kReliable, test_payload(size, 1), kFragmentSize);
    while (link.carry(link.a, link.b, link.at_b)) {
    }
    TestLink::consume(link.b, link.at_b);
    return TestLink::produce(link.b);
  };
  const TestPacket first = send_and_consume(300000);
  const TestPacket second = send_and_consume(300000);
  ASSERT_FALSE(first.bytes.empty());
  ASSERT_FALSE(second.bytes.empty());
  TestLink::lose(link.b, first);  // a newer one is under way
  EXPECT_FALSE(link.b.has_frames());
  TestLink::lose(link.b, second);
  EXPECT_TRUE(link.b.has_frames());
  EXPECT_EQ(TestLink::produce(link.b).bytes, second.bytes);
}

TEST(Channels, NothingLeavesWithoutCredit) {
  Channels alone((MessageLimits()));
  alone.send(0, Delivery::kReliable, test_payload(5, 1), kFragmentSize);
  alone.send(0, Delivery::kReliableUnordered, test_payload(5, 1), kFragmentSize);
  EXPECT_FALSE(alone.has_frames());
  alone.set_initial_credit({1 << 20, 1000, 0, 1000});
  EXPECT_FALSE(alone.has_frames()) << "none for the channel";
  EXPECT_EQ(alone.on_channel_credit({0, 6, 1000}), FrameVerdict::kTaken);
  EXPECT_TRUE(alone.has_frames());
  EXPECT_EQ(TestLink::produce(alone).records.size(), 1u);
  EXPECT_FALSE(alone.has_frames());
  EXPECT_EQ(alone.on_channel_credit({0, 11, 1000}), FrameVerdict::kTaken);
  EXPECT_TRUE(alone.has_frames());
}

TEST(Channels, SharedSlabs) {
  SlabAllocator slabs;
  std::vector<ReceivedMessage> out;
  const std::vector<std::uint8_t> bytes(10, 1);
  {
    Channels first(MessageLimits(), &slabs);
    Channels second(MessageLimits(), &slabs);
    first.on_message({0, 0, bytes}, Instant{}, out);
    second.on_message({0, 0, bytes}, Instant{}, out);
  }
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1].payload.data(), out[0].payload.data() + 10);
}

TEST(ChannelsDeathTest, MistakesOfTheCaller) {
  TestLink link;
  EXPECT_DEATH(link.b.on_consumed(0, true, 1, 1), "assertion failed");
  EXPECT_DEATH(link.b.on_consumed(0, false, 1, 1), "assertion failed");
  EXPECT_DEATH(link.a.send(0, Delivery::kReliable, test_payload(kMessageSizeMax + 1, 1), 1000),
               "assertion failed");
}

// --- the limit on messages, for both kinds together ---------------------------------------------

struct Counts {
  std::size_t reliable = 0, unreliable = 0;
  std::size_t sum() const { return reliable + unreliable; }
};

Counts count(const std::vector<ReceivedMessage>& messages) {
  Counts counts;
  for (const ReceivedMessage& m : messages) ++(m.reliable ? counts.reliable : counts.unreliable);
  return counts;
}

MessageLimits hundred_messages() {
  MessageLimits limits;
  limits.receive_messages_max = 100;
  return limits;
}

void send(TestLink& link, Delivery delivery, int times) {
  for (int i = 0; i < times; ++i) link.a.send(0, delivery, test_payload(10, 1), 1000);
}

TEST(MessageLimit, UnreliableFirst) {
  TestLink link(hundred_messages());
  send(link, Delivery::kUnreliable, 300);
  link.run();
  EXPECT_EQ(count(link.at_b).unreliable, 37u) << "three quarters of half";
  send(link, Delivery::kReliable, 300);
  link.run();
  EXPECT_EQ(count(link.at_b).unreliable, 37u);
  EXPECT_EQ(count(link.at_b).reliable, 37u) << "three quarters of the rest";
  EXPECT_EQ(link.b.stats().unreliable_dropped_receive_limit, 263u);
}

TEST(MessageLimit, ReliableFirst) {
  TestLink link(hundred_messages());
  send(link, Delivery::kReliable, 300);
  link.run();
  // Nothing unreliable has come: five eighths, and of these three quarters for one channel.
  EXPECT_EQ(count(link.at_b).reliable, 48u);
  send(link, Delivery::kUnreliable, 300);
  link.run();
  EXPECT_EQ(count(link.at_b).unreliable, 27u) << "three quarters of the rest";
}

TEST(MessageLimit, NeitherFloodStarvesTheOther) {
  TestLink link(hundred_messages());
  Counts read;
  for (int round = 0; round < 20; ++round) {
    send(link, Delivery::kReliable, 100);
    send(link, Delivery::kUnreliable, 100);
    link.run();
    ASSERT_LE(link.at_b.size(), 100u);
    const Counts now = count(link.at_b);
    read.reliable += now.reliable;
    read.unreliable += now.unreliable;
    TestLink::consume(link.b, link.at_b);
  }
  EXPECT_GE(read.reliable, 700u);
  EXPECT_GE(read.unreliable, 500u);
  for (int i = 0; i < 100; ++i) {
    link.run();
    read.reliable += count(link.at_b).reliable;
    TestLink::consume(link.b, link.at_b);
  }
  EXPECT_EQ(read.reliable, 2000u);
}

TEST(MessageLimit, OfOneIsForReliableOnes) {
  MessageLimits limits;
  limits.receive_messages_max = 1;
  TestLink link(limits);
  send(link, Delivery::kUnreliable, 3);
  send(link, Delivery::kReliable, 3);
  for (std::size_t i = 0; i < 3; ++i) {
    link.run();
    ASSERT_EQ(link.at_b.size(), 1u);
    EXPECT_TRUE(link.at_b[0].reliable);
    TestLink::consume(link.b, link.at_b);
  }
}

}  // namespace
}  // namespace whimbrel
