// More channels than a session has places: an idle one gives its place to a new one.
#include "message/test_link.h"

namespace whimbrel {
namespace {

constexpr std::size_t kFragmentSize = 1150;

// One message on each of so many channels, one after another; nobody reads meanwhile.
TEST(ChannelNames, AnIdleChannelGivesItsPlaceToANewOne) {
  for (const Delivery delivery :
       {Delivery::kReliable, Delivery::kUnreliable, Delivery::kReliableUnordered}) {
    TestLink link;
    for (ChannelId channel = 1000; channel < 1600; ++channel) {
      ASSERT_TRUE(link.a.can_send(channel));
      const auto seed = static_cast<std::uint64_t>(channel);
      link.a.send(channel, delivery, test_payload(9, seed), kFragmentSize);
      link.a.send(channel, delivery, test_payload(7, seed), kFragmentSize);
      link.run();
      ASSERT_EQ(link.at_b.size(), 2u) << channel;
      for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(link.at_b[i].channel, channel);
        EXPECT_EQ(link.at_b[i].number, i + 1);
        EXPECT_TRUE(is_test_payload(link.at_b[i].payload, i == 0 ? 9 : 7, seed));
      }
      TestLink::consume(link.b, link.at_b);
    }
    EXPECT_TRUE(link.a.flushed());
    EXPECT_EQ(link.b.receive_held(), 0u);
  }
}

// 256 channels, all idle.
struct ManyChannels : TestLink {
  ManyChannels() {
    for (ChannelId channel = 1000; channel < 1256; ++channel) {
      a.send(channel, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
      a.send(channel, Delivery::kUnreliable, test_payload(1, 2), kFragmentSize);
    }
    run();
    consume(b, at_b);
  }
};

TEST(ChannelNames, NothingLeavesUnderANewNameBeforeThePeerKnowsIt) {
  ManyChannels link;
  link.a.send(5000, Delivery::kReliable, test_payload(10, 3), kFragmentSize);
  link.a.send(5000, Delivery::kUnreliable, test_payload(10, 4), kFragmentSize);
  const TestPacket name = TestLink::produce(link.a);
  EXPECT_EQ(name.records.size(), 1u);
  EXPECT_FALSE(link.a.has_frames());
  EXPECT_FALSE(link.a.flushed());
  TestLink::lose(link.a, name);  // and comes nevertheless, later
  const TestPacket again = TestLink::produce(link.a);
  ASSERT_EQ(receive_packet(link.b, again.bytes, Instant{}, link.at_b), FrameVerdict::kTaken);
  TestLink::acknowledge(link.a, again);
  link.run();
  ASSERT_EQ(receive_packet(link.b, name.bytes, Instant{}, link.at_b), FrameVerdict::kTaken);
  TestLink::acknowledge(link.a, name);
  ASSERT_EQ(link.at_b.size(), 2u);
  for (const ReceivedMessage& message : link.at_b) {
    EXPECT_EQ(message.channel, 5000);
    EXPECT_EQ(message.number, 1u);
  }
  EXPECT_TRUE(link.a.flushed());
}

TEST(ChannelNames, WhatComesLateUnderTheFormerNameIsNotTakenForNew) {
  ManyChannels link;
  // One more on each: the packets come twice, the second time after the channels were given away.
  for (ChannelId channel = 1000; channel < 1256; ++channel) {
    link.a.send(channel, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
    link.a.send(channel, Delivery::kUnreliable, test_payload(1, 2), kFragmentSize);
  }
  std::vector<TestPacket> late;
  while (link.a.has_frames()) {
    late.push_back(TestLink::produce(link.a));
    TestLink::lose(link.a, late.back());
    const TestPacket again = TestLink::produce(link.a);
    ASSERT_EQ(receive_packet(link.b, again.bytes, Instant{}, link.at_b), FrameVerdict::kTaken);
    TestLink::acknowledge(link.a, again);
  }
  TestLink::consume(link.b, link.at_b);
  link.run();
  TestLink::consume(link.b, link.at_b);
  ASSERT_TRUE(link.a.flushed());
  for (ChannelId channel = 2000; channel < 2256; ++channel) {
    link.a.send(channel, Delivery::kReliable, test_payload(3, 1), kFragmentSize);
  }
  link.run();
  EXPECT_EQ(link.at_b.size(), 256u);
  TestLink::consume(link.b, link.at_b);
  for (const TestPacket& packet : late) {
    ASSERT_EQ(receive_packet(link.b, packet.bytes, Instant{}, link.at_b), FrameVerdict::kTaken);
  }
  EXPECT_TRUE(link.at_b.empty());
  // The first names again, now at other places.
  for (ChannelId channel = 1000; channel < 1256; ++channel) {
    link.a.send(channel, Delivery::kReliable, test_payload(5, 1), kFragmentSize);
  }
  link.run();
  for (const TestPacket& packet : late) {
    ASSERT_EQ(receive_packet(link.b, packet.bytes, Instant{}, link.at_b), FrameVerdict::kTaken);
  }
  ASSERT_EQ(link.at_b.size(), 256u);
  for (const ReceivedMessage& message : link.at_b) {
    EXPECT_EQ(message.payload.size(), 5u);
    EXPECT_EQ(message.number, 1u);
  }
}

// A channel that is used is not given away while others are idle.
TEST(ChannelNames, ThePlaceOfAChannelThatIsUsedIsKept) {
  ManyChannels link;
  for (ChannelId channel = 5000; channel < 6000; ++channel) {
    link.a.send(1007, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
    link.a.send(channel, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
    link.run();
    TestLink::consume(link.b, link.at_b);
  }
  link.a.send(1007, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
  link.run();
  ASSERT_EQ(link.at_b.size(), 1u);
  EXPECT_EQ(link.at_b[0].number, 1002u);
}

// So that a queue of messages for them need not ask whether there is a place.
TEST(ChannelNames, TheLowestNumbersKeepTheirPlace) {
  TestLink link;
  link.a.send(63, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
  link.run();
  TestLink::consume(link.b, link.at_b);
  for (ChannelId channel = 5000; channel < 6000; ++channel) {
    link.a.send(channel, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
    link.run();
    TestLink::consume(link.b, link.at_b);
  }
  link.a.send(63, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
  link.run();
  ASSERT_EQ(link.at_b.size(), 1u);
  EXPECT_EQ(link.at_b[0].number, 2u);
}

// A channel that nobody reads keeps its place, and its share of the credit with it.
TEST(ChannelNames, ANewChannelDoesNotWaitForWhatNobodyReadsOnAnother) {
  TestLink link;
  while (link.a.flushed()) {
    link.a.send(1000, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
    link.run();
  }
  TestLink unread;
  const std::size_t sent = link.at_b.size();
  for (std::size_t i = 0; i < sent; ++i) {
    unread.a.send(1000, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
    unread.run();
  }
  ASSERT_TRUE(unread.a.flushed());
  unread.at_b.clear();
  for (ChannelId channel = 2000; channel < 2900; ++channel) {
    ASSERT_TRUE(unread.a.can_send(channel));
    for (int i = 0; i < 20; ++i) {
      unread.a.send(channel, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
    }
    unread.run();
    ASSERT_TRUE(unread.a.flushed()) << channel << ": " << unread.at_b.size() << " of 20 came";
    TestLink::consume(unread.b, unread.at_b);
  }
}

TEST(ChannelNames, CreditGoesOnUnderANewName) {
  ManyChannels link;
  for (int round = 0; round < 600; ++round) {
    link.a.send(3000 + round, Delivery::kReliable, test_payload(60000, 1), kFragmentSize);
    link.run();
    ASSERT_EQ(link.at_b.size(), 1u) << round;
    TestLink::consume(link.b, link.at_b);
  }
}

TEST(ChannelNames, OpenUntilClosedAlsoWithoutAPlace) {
  ManyChannels link;
  EXPECT_TRUE(link.b.close_channel(1003));
  EXPECT_FALSE(link.b.close_channel(1003));
  EXPECT_FALSE(link.b.close_channel(4));
  for (ChannelId channel = 2000; channel < 2256; ++channel) {
    link.a.send(channel, Delivery::kReliable, test_payload(3, 1), kFragmentSize);
  }
  link.run();
  // One comes back, at another place.
  link.a.send(1005, Delivery::kReliable, test_payload(3, 1), kFragmentSize);
  link.run();
  for (ChannelId channel = 1000; channel < 1256; ++channel) {
    EXPECT_EQ(link.b.close_channel(channel), channel != 1003) << channel;
  }
  for (ChannelId channel = 2000; channel < 2256; ++channel) {
    EXPECT_TRUE(link.b.has_open_channels());
    EXPECT_TRUE(link.b.close_channel(channel));
  }
  EXPECT_FALSE(link.b.has_open_channels());
}

// CHANNEL_NAME of the former place is late.
TEST(ChannelNames, ANameAtTwoPlacesForAMomentIsOpenOnce) {
  TestLink link;
  for (ChannelId channel = 1000; channel < 1256; ++channel) {
    link.a.send(channel, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
  }
  link.run();
  TestLink::consume(link.b, link.at_b);
  link.a.send(5000, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
  const TestPacket first = TestLink::produce(link.a);
  ByteReader in(first.bytes);
  ASSERT_EQ(static_cast<FrameType>(in.u8()), FrameType::kChannelName);
  ChannelNameFrame frame;
  ASSERT_TRUE(read_channel_name(in, frame));
  const ChannelId victim = frame.channel;
  TestLink::lose(link.a, first);
  // The victim is used again and gets another place: both names leave in turn, the second one comes
  // first.
  link.a.send(victim, Delivery::kReliable, test_payload(2, 1), kFragmentSize);
  const TestPacket both = TestLink::produce(link.a);
  TestLink::lose(link.a, both);
  // As if two packets: names are written by place, so pick the second by hand.
  ByteReader again(both.bytes);
  std::vector<ChannelNameFrame> names;
  while (!again.empty()) {
    const auto type = static_cast<FrameType>(again.u8());
    if (type != FrameType::kChannelName) break;
    ChannelNameFrame one;
    ASSERT_TRUE(read_channel_name(again, one));
    names.push_back(one);
  }
  ASSERT_EQ(names.size(), 2u);
  const ChannelNameFrame& second = names[0].name == victim ? names[0] : names[1];
  ASSERT_EQ(second.name, victim);
  // The packet with `second` came and is acknowledged; the message under it comes as well.
  ASSERT_EQ(link.b.on_channel_name(second), FrameVerdict::kTaken);
  for (const SentFrame& record : both.records) {
    if (record.slot == static_cast<std::uint32_t>(second.channel - 1000))
      link.a.on_frame_acked(record);
  }
  const TestPacket third = TestLink::produce(link.a);  // the first name again, and the message
  // The message overtakes: deliver the stream frame only.
  ByteReader rest(third.bytes);
  std::vector<ChannelNameFrame> late;
  while (!rest.empty()) {
    const auto type = static_cast<FrameType>(rest.u8());
    if (type == FrameType::kChannelName) {
      ChannelNameFrame one;
      ASSERT_TRUE(read_channel_name(rest, one));
      late.push_back(one);
    } else if (type == FrameType::kStream || type == FrameType::kStreamToEnd) {
      StreamFrame stream;
      ASSERT_TRUE(read_stream(rest, type, stream));
      ASSERT_EQ(link.b.on_stream(stream, Instant{}, link.at_b), FrameVerdict::kTaken);
    }
  }
  ASSERT_EQ(late.size(), 1u);
  ASSERT_EQ(link.b.on_channel_name(late[0]), FrameVerdict::kTaken);
  TestLink::acknowledge(link.a, third);
  link.run();
  TestLink::consume(link.b, link.at_b);
  ASSERT_TRUE(link.a.flushed());
  for (ChannelId channel = 1000; channel < 1256; ++channel)
    EXPECT_TRUE(link.b.close_channel(channel));
  EXPECT_TRUE(link.b.close_channel(5000));
  EXPECT_FALSE(link.b.close_channel(victim)) << "closed already";
  EXPECT_FALSE(link.b.has_open_channels());
}

TEST(ChannelNames, WhatWouldWaitForAName) {
  ManyChannels link;
  EXPECT_FALSE(link.a.waits_for_name(1007));
  EXPECT_TRUE(link.a.waits_for_name(5000));
  link.a.send(5000, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
  EXPECT_TRUE(link.a.waits_for_name(5000));
  link.run();
  EXPECT_FALSE(link.a.waits_for_name(5000));
}

}  // namespace
}  // namespace whimbrel
