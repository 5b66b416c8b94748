// How a session ends, and what it says and takes until then.
#include "session/test_paths.h"

namespace whimbrel {
namespace {

class Closing : public PathsTest {
 protected:
  Closing() { source = kAddress; }
  std::size_t closes_said() const {
    return static_cast<std::size_t>(std::count_if(
        said.begin(), said.end(), [](const Said& one) { return one.has(FrameType::kClose); }));
  }
  // Whether a packet of the peer has been acknowledged.
  bool acknowledged(std::uint64_t with_number) const {
    return std::any_of(said.begin(), said.end(), [&](const Said& one) {
      if (!one.ack) return false;
      const auto ranges = std::span(one.ack->ranges).first(one.ack->count);
      return std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) {
        return range.begin <= with_number && with_number < range.end;
      });
    });
  }
  void say_stream_byte() {
    say_frame([](ByteWriter& out) { write_stream_byte(out, 0); });
  }
};

// Nobody acknowledges CLOSE, and one may be lost.
TEST_F(Closing, CloseIsSaidThreeTimesByItself) {
  session->close(1001, "closed", false, now);
  run();
  EXPECT_EQ(closes_said(), 1u);
  run_for(seconds(10));
  EXPECT_EQ(closes_said(), 3u);
  EXPECT_EQ(session->phase(), SessionPhase::kEnded);
}

// RFC 9000 10.2.1: ever more rarely, or two sides that close would never fall silent.
TEST_F(Closing, PacketsThatStillComeAreAnsweredMoreAndMoreRarely) {
  session->close(1001, "closed", false, now);
  run();
  for (int i = 0; i < 64; ++i) ping();
  EXPECT_EQ(closes_said(), 8u);  // the first one, and for packets 1, 2, 4, 8, 16, 32 and 64
}

TEST_F(Closing, LingeringEndsWhenWhatWasTakenIsAcknowledged) {
  send_reliable(100);
  run();
  session->close(1001, "closed", true, now);
  run_for(session->options().linger / 2);
  EXPECT_EQ(session->phase(), SessionPhase::kLingering);
  EXPECT_EQ(closes_said(), 0u);
  acknowledge_on(0, 1, kAddress);
  EXPECT_EQ(session->phase(), SessionPhase::kClosing);
  EXPECT_EQ(closes_said(), 1u);
}

TEST_F(Closing, LingeringEndsWithItsTime) {
  send_reliable(100);
  run();
  session->close(1001, "closed", true, now);
  run_for(session->options().linger - milliseconds(1));
  EXPECT_EQ(session->phase(), SessionPhase::kLingering);
  run_for(milliseconds(2));
  EXPECT_EQ(session->phase(), SessionPhase::kClosing);
  EXPECT_EQ(closes_said(), 1u);
}

// The other side must not take for lost what was delivered.
TEST_F(Closing, CloseAcknowledgesWhatCameOnOtherPaths) {
  open_second();
  say_stream_byte();
  carriers({is(kFra, CarrierState::kDown), up(kAms, 40)});
  said.clear();
  session->close(1001, "closed", false, now);
  run();
  const Said* close = find(FrameType::kClose);
  ASSERT_NE(close, nullptr);
  EXPECT_EQ(close->to, Remote(kAms));
  EXPECT_EQ(close->path_ack, PathId{0});
}

// As all that the path in use carries.
TEST_F(Closing, WhileItsPathIsInDoubtCloseLeavesOnAnotherOneAsWell) {
  open_second();
  carriers({is(kFra, CarrierState::kDoubted), up(kAms, 40)});
  said.clear();
  session->close(1001, "closed", false, now);
  run();
  std::vector<Remote> to;
  for (const Said& one : said) {
    if (one.has(FrameType::kClose)) to.push_back(one.to);
  }
  EXPECT_EQ(to, (std::vector<Remote>{kFra, kAms}));
}

// The path in use may have died unnoticed, and the peer have left it.
TEST_F(Closing, WhatStillComesIsAnsweredOnItsPath) {
  open_second();
  session->close(1001, "closed", false, now);
  run();
  said.clear();
  const std::array<std::uint8_t, 1> ping{1};
  say_on(1, last_index, kAms, ping);
  const Said* close = find(FrameType::kClose);
  ASSERT_NE(close, nullptr);
  EXPECT_EQ(close->to, Remote(kAms));
}

TEST_F(Closing, ACloseBehindAcknowledgementsOfSeveralPathsEndsTheClosing) {
  open_second();
  session->close(1001, "closed", false, now);
  run();
  EXPECT_EQ(session->phase(), SessionPhase::kClosing);
  AckFrame ack;
  ack.count = 1;
  ack.ranges[0] = {0, 1};
  say_frame([&](ByteWriter& out) {
    write_ack(out, ack);
    write_path_ack(out, PathId{1}, ack);
    write_close(out, {1001, {}});
  });
  EXPECT_EQ(session->phase(), SessionPhase::kEnded);
}

// Its sender would take it for delivered.
TEST_F(Closing, WhatALingeringSessionRefusesIsNotAcknowledged) {
  send_reliable(100);
  run();
  session->close(1001, "closed", true, now);
  say_stream_byte();  // packet 0
  ping();             // packet 1
  run_for(milliseconds(100));
  EXPECT_TRUE(received.empty());
  EXPECT_TRUE(acknowledged(1));
  EXPECT_FALSE(acknowledged(0));
}

// RFC 9001 6.5: it serves packets that were overtaken, and no later ones.
TEST_F(Closing, TheOldKeyIsKeptForThreeProbeTimeouts) {
  const auto keys = [] {
    return PacketKeys(AeadSuite::kAesGcm, session_secret(), session_secret(),
                      packet_key_limits(AeadSuite::kAesGcm));
  };
  PacketKeys before = keys();
  PacketKeys after = keys();
  after.update();
  const auto say_under = [&](PacketKeys& peer, std::uint64_t with_number) {
    std::vector<std::uint8_t> packet(kDataHeaderSizeMax + 1 + kTagSize);
    const std::size_t head =
        write_data_header(packet.data(), peer.phase(), 1, PacketNumber{with_number}, 4);
    packet[head] = static_cast<std::uint8_t>(FrameType::kPing);
    peer.seal(0, with_number, Bytes(packet).first(head), packet.data() + head, 1);
    packet.resize(head + 1 + kTagSize);
    session->receive(kAddress, *read_data_header(packet), packet, now, received);
    session->advance(now);
    while (session->poll_transmit(buffer, now)) ++packets_out;
  };
  say_under(before, 0);
  say_under(after, 3);
  say_under(before, 1);
  EXPECT_EQ(counters[Count::kDroppedBadSeal], 0u);
  for (int i = 0; i < 40; ++i) {
    now += milliseconds(100);
    session->advance(now);
    while (session->poll_transmit(buffer, now)) ++packets_out;
    EXPECT_GT(session->next_deadline(), now);
  }
  say_under(before, 2);
  EXPECT_EQ(counters[Count::kDroppedBadSeal], 1u);
}

}  // namespace
}  // namespace whimbrel
