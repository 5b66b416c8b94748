#include "endpoint/first_packet_queue.h"

#include <gtest/gtest.h>

#include "endpoint/endpoint_pair.h"

namespace whimbrel {
namespace {

EphemeralKey key(std::uint8_t number) { return EphemeralKey{number}; }

TEST(FirstPacketQueue, ThoseOfStandingComeFirstAndEachInItsTurn) {
  FirstPacketQueue queue(2);
  EXPECT_TRUE(queue.add({}, key(1), Standing::kCommon, as_bytes("one")));
  EXPECT_TRUE(queue.add({}, key(2), Standing::kAssured, as_bytes("two")));
  EXPECT_TRUE(queue.add({}, key(3), Standing::kCommon, as_bytes("three")));
  EXPECT_FALSE(queue.add({}, key(4), Standing::kCommon, as_bytes("four"))) << "too many";
  EXPECT_FALSE(queue.full());
  EXPECT_TRUE(queue.add({}, key(5), Standing::kAssured, as_bytes("five")));
  EXPECT_TRUE(queue.full());
  EXPECT_TRUE(queue.contains(key(3)));
  EXPECT_FALSE(queue.contains(key(4)));
  for (const std::uint8_t expected : std::vector<std::uint8_t>{2, 5, 1, 3}) {
    const auto one = queue.take();
    ASSERT_TRUE(one);
    EXPECT_EQ(one->ephemeral, key(expected));
    EXPECT_FALSE(queue.contains(key(expected)));
  }
  EXPECT_FALSE(queue.take());
  EXPECT_TRUE(queue.empty());
}

// A server that answers strangers in its own time.
class WaitingFirstPackets : public EndpointPair {
 protected:
  WaitingFirstPackets() {
    EndpointConfig config;
    config.identity = b.name();
    config.keys = generate_x25519(b.random);
    config.names_by_key = true;
    config.limits.first_packets_waiting_max = 8;
    b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kTestClock);
  }
  // Of a new stranger.
  std::vector<std::uint8_t> first_packet(bool with_key = true) {
    EndpointConfig config;
    config.keys = generate_x25519(a.random);
    Endpoint stranger(std::move(config), a.random, now, kTestClock);
    const auto key = with_key ? std::optional(b.endpoint->public_key()) : std::nullopt;
    stranger.set_route(b.name(), b.address, key);
    stranger.send(b.name(), SharedBytes::copy(as_bytes("hello")), kSendReliable, 0, now);
    std::vector<std::uint8_t> packet(65536);
    packet.resize(stranger.poll_transmit(packet, now)->size);
    return packet;
  }
  void give(std::vector<std::uint8_t> packet) { b.endpoint->receive(a.address, packet, now); }
  std::size_t requests() {
    std::size_t count = 0;
    while (b.endpoint->poll_event()) ++count;
    return count;
  }
};

TEST_F(WaitingFirstPackets, AreAnsweredSomeInATurn) {
  for (int i = 0; i < 6; ++i) give(first_packet());
  EXPECT_EQ(requests(), 0u);
  EXPECT_LE(b.endpoint->next_deadline(), now);
  b.endpoint->advance(now);
  EXPECT_EQ(requests(), 4u);
  EXPECT_LE(b.endpoint->next_deadline(), now);
  b.endpoint->advance(now);
  EXPECT_EQ(requests(), 2u);
  EXPECT_GT(b.endpoint->next_deadline(), now);
}

TEST_F(WaitingFirstPackets, AreAnsweredOneInATurnWhereMuchElseCame) {
  for (int i = 0; i < 6; ++i) give(first_packet());
  for (int i = 0; i < 50; ++i) give(std::vector<std::uint8_t>(100, 0xc0));
  b.endpoint->advance(now);
  EXPECT_EQ(requests(), 1u);
  b.endpoint->advance(now);
  EXPECT_EQ(requests(), 4u) << "nothing came meanwhile";
}

TEST_F(WaitingFirstPackets, ThatComeAgainWaitOnce) {
  const auto packet = first_packet();
  for (int i = 0; i < 5; ++i) give(packet);
  b.endpoint->advance(now);
  EXPECT_EQ(requests(), 1u);
  give(packet);
  b.endpoint->advance(now);
  EXPECT_LE(requests(), 1u) << "told again at most, it is the same request";
  EXPECT_EQ(b.endpoint->counters()[Count::kRequests], 1u);
}

TEST_F(WaitingFirstPackets, WithoutAKeyThatComeAgainAreAnsweredOnce) {
  const auto packet = first_packet(false);
  for (int i = 0; i < 5; ++i) give(packet);
  packets = 0;
  for (int i = 0; i < 3; ++i) b.endpoint->advance(now);
  drain(b);
  EXPECT_EQ(packets, 1);
  EXPECT_EQ(b.endpoint->index_count(), 1u);
}

TEST_F(WaitingFirstPackets, AreDroppedWhereTooManyWaitAndTakenWhenSaidAgain) {
  std::vector<std::vector<std::uint8_t>> packets;
  for (int i = 0; i < 12; ++i) packets.push_back(first_packet());
  for (const auto& packet : packets) give(packet);
  EXPECT_EQ(b.endpoint->counters()[Count::kDroppedHandshakeLoad], 4u);
  for (int i = 0; i < 2; ++i) b.endpoint->advance(now);
  EXPECT_EQ(requests(), 8u);
  for (std::size_t i = 8; i < packets.size(); ++i) give(packets[i]);
  b.endpoint->advance(now);
  EXPECT_EQ(b.endpoint->counters()[Count::kRequests], 12u);
}

}  // namespace
}  // namespace whimbrel
