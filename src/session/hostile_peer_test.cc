// A peer that has the keys of its session and means harm: frames of its choice, properly sealed.
#include "path/sent_packets.h"
#include "session/test_peer.h"

namespace whimbrel {
namespace {

using HostilePeer = SessionPeer;

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
  // The first key's, those of the one after it, which cannot be changed so soon, and CLOSE.
  EXPECT_EQ(session->path_stats().packets_sent, 9u);
  EXPECT_EQ(session->phase(), SessionPhase::kClosing);
}

}  // namespace
}  // namespace whimbrel
