// A peer that has the keys of its session and means harm: frames of its choice, properly sealed.
#include <gtest/gtest.h>
#include <whimbrel/send_flags.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "path/sent_packets.h"
#include "session/session.h"

namespace whimbrel {
namespace {

Secret secret() {
  std::array<std::uint8_t, 32> bytes;
  bytes.fill(7);
  return Secret(bytes);
}

class HostilePeer : public testing::Test {
 protected:
  HostilePeer() { begin(packet_key_limits(AeadSuite::kAesGcm)); }

  void begin(const PacketKeyLimits& limits) {
    Establishment with;
    with.keys = PacketKeys(AeadSuite::kAesGcm, secret(), secret(), limits);
    with.local_index = 1;
    with.remote_index = 2;
    with.remote = kAddress;
    with.peer = {{1 << 20, 1000, 1 << 20, 1000}, milliseconds(25), 1472};
    with.address_proof = AddressProof::kGiven;
    session =
        std::make_unique<Session>(SessionOptions(), std::move(with), random, counters, slabs, now);
  }

  std::vector<std::uint8_t> seal(Bytes frames, std::uint64_t with_number) {
    std::vector<std::uint8_t> packet(kDataHeaderSizeMax + frames.size() + kTagSize);
    const std::size_t head =
        write_data_header(packet.data(), false, 1, PacketNumber{with_number}, 4);
    std::copy(frames.begin(), frames.end(), packet.begin() + static_cast<std::ptrdiff_t>(head));
    key.seal(0, with_number, Bytes(packet).first(head), packet.data() + head, frames.size());
    return packet;
  }
  void say(Bytes frames) { say_again(frames, number++); }
  void say_again(Bytes frames, std::uint64_t with_number) {
    std::vector<std::uint8_t> packet = seal(frames, with_number);
    session->receive(from, *read_data_header(packet), packet, now, received);
    session->advance(now);
    while (session->poll_transmit(buffer, now)) ++packets_out;
  }

  // Acknowledges all that has come.
  void acknowledge() {
    const std::uint64_t sent = session->path_stats().packets_sent;
    ASSERT_GT(sent, 0u);
    AckFrame ack;
    ack.count = 1;
    ack.ranges[0] = {0, sent};
    std::array<std::uint8_t, 64> frame;
    ByteWriter out(frame);
    write_ack(out, ack);
    say(Bytes(frame).first(out.size()));
  }
  void send_reliable(std::size_t size) {
    const std::vector<std::uint8_t> payload(size);
    session->send(0, SharedBytes::copy(payload), kSendReliable, now);
  }

  static void write_stream_byte(ByteWriter& out, std::uint64_t offset) {
    out.u8(static_cast<std::uint8_t>(FrameType::kStream));
    out.varint(zigzag(0));
    out.varint(offset);
    out.varint(1);
    out.u8(9);
  }

  static inline const IpAddress kAddress = IpAddress::v4(192, 0, 2, 1, 9);
  FastRandom random{1};
  Counters counters;
  SlabAllocator slabs;
  Instant now{};
  std::unique_ptr<Session> session;
  AeadKey key{AeadSuite::kAesGcm, secret()};
  std::uint64_t number = 0;
  std::vector<ReceivedMessage> received;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(65536);
  std::uint64_t packets_out = 0;
  IpAddress from = kAddress;
};

// Each answer is a packet that we remember until the peer acknowledges it.
TEST_F(HostilePeer, WhoAsksForPathResponsesAndAcknowledgesNothingIsAnsweredToALimit) {
  const std::array<std::uint8_t, 9> challenge{
      static_cast<std::uint8_t>(FrameType::kPathChallenge), 1, 2, 3, 4, 5, 6, 7, 8};
  for (int i = 0; i < 150'000 && session->phase() == SessionPhase::kUp; ++i) {
    now += microseconds(10);
    say(challenge);
  }
  EXPECT_LE(packets_out, kTrackedPacketsMax + 16);  // and the probes of a few timeouts
}

// Each new address is challenged, and the challenge remembered.
TEST_F(HostilePeer, WhoMovesAllTheTimeAndAcknowledgesNothingIsChallengedToALimit) {
  const std::array<std::uint8_t, 1> ping{static_cast<std::uint8_t>(FrameType::kPing)};
  for (int i = 0; i < 150'000 && session->phase() == SessionPhase::kUp; ++i) {
    now += microseconds(10);
    from.port = static_cast<std::uint16_t>(1 + i % 60'000);
    say(ping);
  }
  EXPECT_LE(packets_out, kTrackedPacketsMax + 16);
}

// The packet is refused because of its second frame; its first was taken.
TEST_F(HostilePeer, ARefusedPacketDeliversNothingTwice) {
  std::array<std::uint8_t, 1300> frames;
  for (std::uint64_t piece = 0; piece < 16'384;) {
    ByteWriter out(frames);
    for (int i = 0; i < 64; ++i, ++piece) write_stream_byte(out, 1000 + 2 * piece);
    now += milliseconds(1);
    say(Bytes(frames).first(out.size()));
  }
  ByteWriter out(frames);
  out.u8(static_cast<std::uint8_t>(FrameType::kMessage));
  out.varint(zigzag(0));
  out.varint(0);
  out.varint(2);
  out.bytes(as_bytes("hi"));
  write_stream_byte(out, 1000 + 2 * 16'400);
  const Bytes both = Bytes(frames).first(out.size());
  for (int i = 0; i < 3; ++i) say_again(both, number);
  EXPECT_EQ(received.size(), 1u);
  EXPECT_GE(counters[Count::kDroppedRefusedByLimit], 1u);
  // Its number is not acknowledged, so the peer sends the content again under another one.
  EXPECT_EQ(session->phase(), SessionPhase::kUp);
}

// It is heard all the time, and what we have sent to it must be kept until it says that it has it.
TEST_F(HostilePeer, WhoAcknowledgesNothingIsGivenUp) {
  const std::array<std::uint8_t, 1> ping{static_cast<std::uint8_t>(FrameType::kPing)};
  send_reliable(1000);
  const Instant begin = now;
  while (!session->end() && now < begin + seconds(60)) {
    now += milliseconds(100);
    say(ping);
  }
  ASSERT_TRUE(session->end());
  EXPECT_EQ(session->end()->kind, SessionEnd::Kind::kTimedOut);
  EXPECT_EQ(session->end()->waited, seconds(10));
  EXPECT_GE(now, begin + seconds(10));
  EXPECT_LE(now, begin + seconds(21));
}

TEST_F(HostilePeer, WhoAcknowledgesLateLives) {
  const std::array<std::uint8_t, 1> ping{static_cast<std::uint8_t>(FrameType::kPing)};
  for (int i = 0; i < 10 * 60; ++i) {
    if (i % 80 == 0) send_reliable(1000);
    now += milliseconds(100);
    say(ping);
    if (i % 80 == 79) acknowledge();
  }
  EXPECT_FALSE(session->end());
}

TEST_F(HostilePeer, AUsedUpKeySealsNoMtuProbe) {
  PacketKeyLimits limits = packet_key_limits(AeadSuite::kAesGcm);
  limits.seals = 4;
  begin(limits);
  send_reliable(100);
  while (session->poll_transmit(buffer, now)) {
  }
  for (int i = 0; i < 3; ++i) send_reliable(100'000);
  now += milliseconds(20);
  acknowledge();
  // The first key's, and those of the one after it, which cannot be changed so soon.
  EXPECT_EQ(session->path_stats().packets_sent, 8u);
}

}  // namespace
}  // namespace whimbrel
