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
    for (ChannelId channel = 0; channel < 256; ++channel) {
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
  for (ChannelId channel = 0; channel < 256; ++channel) {
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
  for (ChannelId channel = 256; channel < 512; ++channel) {
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
  for (ChannelId channel = 0; channel < 256; ++channel) {
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
  for (ChannelId channel = 1000; channel < 2000; ++channel) {
    link.a.send(7, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
    link.a.send(channel, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
    link.run();
    TestLink::consume(link.b, link.at_b);
  }
  link.a.send(7, Delivery::kReliable, test_payload(1, 1), kFragmentSize);
  link.run();
  ASSERT_EQ(link.at_b.size(), 1u);
  EXPECT_EQ(link.at_b[0].number, 1002u);
}

TEST(ChannelNames, CreditGoesOnUnderANewName) {
  ManyChannels link;
  for (int round = 0; round < 600; ++round) {
    link.a.send(300 + round, Delivery::kReliable, test_payload(60000, 1), kFragmentSize);
    link.run();
    ASSERT_EQ(link.at_b.size(), 1u) << round;
    TestLink::consume(link.b, link.at_b);
  }
}

TEST(ChannelNames, OpenUntilClosedAlsoWithoutAPlace) {
  ManyChannels link;
  EXPECT_TRUE(link.b.close_channel(3));
  EXPECT_FALSE(link.b.close_channel(3));
  EXPECT_FALSE(link.b.close_channel(4000));
  for (ChannelId channel = 256; channel < 512; ++channel) {
    link.a.send(channel, Delivery::kReliable, test_payload(3, 1), kFragmentSize);
  }
  link.run();
  // One comes back, at another place.
  link.a.send(5, Delivery::kReliable, test_payload(3, 1), kFragmentSize);
  link.run();
  for (ChannelId channel = 0; channel < 256; ++channel) {
    EXPECT_EQ(link.b.close_channel(channel), channel != 3) << channel;
  }
  for (ChannelId channel = 256; channel < 512; ++channel) {
    EXPECT_TRUE(link.b.has_open_channels());
    EXPECT_TRUE(link.b.close_channel(channel));
  }
  EXPECT_FALSE(link.b.has_open_channels());
}

}  // namespace
}  // namespace whimbrel
