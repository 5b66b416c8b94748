#include "session/session.h"

#include "session/test_peer.h"

namespace whimbrel {
namespace {

using SessionTest = SessionPeer;

// It is idle when nothing is owed any more: a peer that says little may still be about to
// acknowledge.
TEST_F(SessionTest, DoesNotIdleOutWhileAMessageIsNotAcknowledged) {
  SessionOptions options;
  options.idle_timeout = seconds(2);
  begin(packet_key_limits(AeadSuite::kAesGcm), options);
  send_reliable(1000);
  const Instant start = now;
  for (advance(); now < start + seconds(8); advance()) {
    ASSERT_FALSE(session->end()) << to_milliseconds(now - start) << " ms: " << session->end()->text;
    now += milliseconds(100);
  }
  acknowledge();
  for (; now < start + seconds(12) && !session->end(); advance()) now += milliseconds(100);
  ASSERT_TRUE(session->end());
  EXPECT_EQ(session->end()->kind, SessionEnd::Kind::kIdle);
  EXPECT_FALSE(session->end()->lost_reliable);
}

class NewAddress : public SessionPeer {
 protected:
  // A round trip that is known makes the pauses short.
  NewAddress() {
    send_reliable(100);
    advance();
    now += milliseconds(20);
    acknowledge();
  }
  // The peer says something from another address, and more that came from there allows more
  // answers.
  void move() {
    const std::array<std::uint8_t, 1> ping{static_cast<std::uint8_t>(FrameType::kPing)};
    from = IpAddress::v4(192, 0, 2, 77, 9);
    for (int i = 0; i < 8; ++i) say(ping);
  }
  // Nothing but challenges goes there before one is answered.
  void on_sent(const RemoteTransmit& out) override {
    if (out.to != from || session->remote() == from) return;
    const MutableBytes datagram = MutableBytes(buffer).first(out.size);
    const auto header = read_data_header(datagram);
    ASSERT_TRUE(header);
    const Bytes head = datagram.first(header->size());
    const MutableBytes sealed = datagram.subspan(header->size());
    ASSERT_TRUE(key.open(0, header->truncated_number, head, sealed));
    ByteReader in(Bytes(sealed).first(sealed.size() - kTagSize));
    ASSERT_EQ(in.u8(), static_cast<std::uint8_t>(FrameType::kPathChallenge));
    ASSERT_TRUE(read_path_data(in, challenge));
    challenged_at.push_back(now);
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    while (!session->end() && session->next_deadline() <= end) {
      now = std::max(now + microseconds(1), session->next_deadline());
      advance();
    }
    now = end;
  }
  void answer() {
    std::array<std::uint8_t, 16> frame;
    ByteWriter out(frame);
    write_path_data(out, FrameType::kPathResponse, challenge);
    say(Bytes(frame).first(out.size()));
  }

  PathData challenge{};
  std::vector<Instant> challenged_at;
};

TEST_F(NewAddress, AChallengeThatWasLostIsRepeated) {
  move();
  ASSERT_EQ(challenged_at.size(), 1u);
  run_for(milliseconds(200));
  ASSERT_GE(challenged_at.size(), 2u);
  EXPECT_EQ(session->remote(), kAddress);
  answer();
  EXPECT_EQ(session->remote(), from);
}

TEST_F(NewAddress, ThatNeverAnswersIsGivenUpAfterAFewChallenges) {
  move();
  run_for(seconds(4));
  EXPECT_EQ(challenged_at.size(), 4u);
  for (std::size_t i = 2; i < challenged_at.size(); ++i) {
    EXPECT_GT(challenged_at[i] - challenged_at[i - 1], challenged_at[i - 1] - challenged_at[i - 2]);
  }
  EXPECT_EQ(session->remote(), kAddress);
  EXPECT_EQ(counters[Count::kDroppedSpoofedAddress], 1u);
}

}  // namespace
}  // namespace whimbrel
