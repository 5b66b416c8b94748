#include "path/congestion/bbr.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <utility>

namespace whimbrel {
namespace {

constexpr std::size_t kDatagram = 1200;
constexpr Duration kRtt = milliseconds(50);

// One flow that always has data over a line of `rate` bytes/s: packets leave at the pacing rate
// within the window, wait in the queue of the line, and are acknowledged a round trip later, one
// ACK each.
class Line {
 public:
  explicit Line(double line_rate) : rate(line_rate) {}

  void run(Duration length) {
    const Instant end = now + length;
    while (now < end) {
      while (flight + kDatagram <= bbr.window() && next_send <= now) send();
      Instant next = packets.empty() ? next_send : packets.front().acked;
      if (flight + kDatagram <= bbr.window()) next = std::min(next, next_send);
      now = std::max(now, next);
      if (!packets.empty() && packets.front().acked <= now) acknowledge();
    }
  }

  double rate;
  Duration round_trip = kRtt;
  Bbr bbr{kDatagram};
  RttEstimator rtt{milliseconds(333)};
  Instant now{seconds(1)};
  std::uint64_t flight = 0;
  std::uint64_t delivered = 0;
  Duration queue_max{};
  // Every so many packets one is lost; 0: none.
  unsigned lose_every = 0;

 private:
  struct Packet {
    Instant sent, acked;
    std::uint64_t delivered_prior;
    Instant delivered_time;
    bool lost;
  };

  void send() {
    line_free = std::max(line_free, now);
    queue_max = std::max(queue_max, line_free - now);
    line_free += Duration(static_cast<std::int64_t>(kDatagram / rate * 1e9));
    if (flight == 0) delivered_time = now;
    const bool lost = lose_every > 0 && ++count % lose_every == 0;
    packets.push_back({now, line_free + round_trip, delivered, delivered_time, lost});
    flight += kDatagram;
    const std::uint64_t pace = bbr.pacing_rate(rtt);
    next_send =
        pace == 0
            ? now
            : std::max(next_send, now - milliseconds(1)) +
                  Duration(static_cast<std::int64_t>(1e9 * kDatagram / static_cast<double>(pace)));
  }
  void acknowledge() {
    const Packet packet = packets.front();
    packets.pop_front();
    const std::uint64_t before = flight;
    flight -= kDatagram;
    if (packet.lost) {
      LossSample loss;
      loss.now = now;
      loss.bytes_lost = kDatagram;
      loss.packets_lost = 1;
      bbr.on_lost(loss);
      return;
    }
    delivered += kDatagram;
    rtt.on_sample(now - packet.sent, {}, milliseconds(25), now);
    AckSample sample;
    sample.now = now;
    sample.bytes_acked = kDatagram;
    sample.sent_time = packet.sent;
    sample.bytes_in_flight_before = before;
    sample.bytes_in_flight = flight;
    sample.has_rtt_sample = true;
    sample.delivered = delivered;
    sample.delivered_prior = packet.delivered_prior;
    sample.interval = now - packet.delivered_time;
    delivered_time = now;
    bbr.on_acked(sample, rtt);
  }

  std::deque<Packet> packets;
  Instant line_free{};
  Instant next_send{};
  Instant delivered_time{};
  unsigned count = 0;
};

TEST(Bbr, BeginsWithTenPackets) {
  const Bbr bbr(kDatagram);
  EXPECT_EQ(bbr.window(), 10 * kDatagram);
  EXPECT_TRUE(bbr.in_slow_start());
  EXPECT_EQ(bbr.slow_start_threshold(), UINT64_MAX);
}

TEST(Bbr, FindsTheBandwidthAndTheRoundTrip) {
  for (const double rate : {250e3, 2.5e6, 25e6}) {
    Line line(rate);
    line.run(seconds(2));
    EXPECT_NE(line.bbr.mode(), Bbr::Mode::kStartup);
    EXPECT_NEAR(line.bbr.bandwidth(), rate, 0.05 * rate);
    EXPECT_GE(line.bbr.min_rtt(), kRtt);
    EXPECT_LE(line.bbr.min_rtt(), kRtt + milliseconds(6));
  }
}

// A limit that the user has set is taken away: each of some forty probes finds more, and lasts
// twice as long as the one before.
TEST(Bbr, FindsALineThatIsManyThousandTimesAsFast) {
  Line line(20e3);
  line.run(seconds(5));
  line.rate = 1e9;
  for (int i = 0; i < 60 && line.bbr.bandwidth() < 0.9 * line.rate; ++i)
    line.run(milliseconds(100));
  EXPECT_GE(line.bbr.bandwidth(), 0.9 * line.rate);
}

TEST(Bbr, KeepsTheQueueShortAndTheLineFull) {
  Line line(2.5e6);
  line.run(seconds(3));
  line.queue_max = {};
  const std::uint64_t before = line.delivered;
  line.run(seconds(10));
  EXPECT_GE(static_cast<double>(line.delivered - before), 0.95 * 2.5e6 * 10);
  EXPECT_LE(line.queue_max, milliseconds(25));
}

TEST(Bbr, RandomLossDoesNotSlowItDown) {
  Line line(2.5e6);
  line.lose_every = 20;
  line.run(seconds(3));
  const std::uint64_t before = line.delivered;
  line.run(seconds(10));
  EXPECT_GE(static_cast<double>(line.delivered - before), 0.90 * 0.95 * 2.5e6 * 10);
}

TEST(Bbr, FollowsALineThatBecomesFaster) {
  Line line(0.5e6);
  line.run(seconds(3));
  line.rate = 25e6;
  line.run(seconds(2));
  EXPECT_NEAR(line.bbr.bandwidth(), 25e6, 2.5e6);
}

TEST(Bbr, FollowsALineThatBecomesSlower) {
  Line line(8e6);
  line.run(seconds(3));
  line.rate = 1e6;
  line.run(seconds(5));
  EXPECT_NEAR(line.bbr.bandwidth(), 1e6, 0.2e6);
  line.queue_max = {};
  line.run(seconds(3));
  EXPECT_LE(line.queue_max, milliseconds(40));
}

TEST(Bbr, LooksAtTheRoundTripAgainWhenItHasBecomeLonger) {
  Line line(2.5e6);
  line.run(seconds(3));
  line.round_trip = milliseconds(120);
  line.run(seconds(15));
  EXPECT_GE(line.bbr.min_rtt(), milliseconds(120));
  const std::uint64_t before = line.delivered;
  line.run(seconds(5));
  EXPECT_GE(static_cast<double>(line.delivered - before), 0.95 * 2.5e6 * 5);
}

// Half the flight does not shorten it, so it is no queue: five of the new round trips are enough.
TEST(Bbr, TakesUpARoundTripThatHasBecomeManyTimesLonger) {
  for (const int times : {2, 5, 10}) {
    Line line(2.5e6);
    line.run(seconds(3));
    line.round_trip = kRtt * times;
    line.run(std::max<Duration>(seconds(2), 5 * line.round_trip));
    EXPECT_GE(line.bbr.min_rtt(), line.round_trip) << times;
    const std::uint64_t before = line.delivered;
    line.run(seconds(4));
    EXPECT_GE(static_cast<double>(line.delivered - before), 0.8 * 2.5e6 * 4) << times;
  }
}

TEST(Bbr, TakesUpARoundTripThatHasBecomeShorter) {
  Line line(2.5e6);
  line.round_trip = 10 * kRtt;
  line.run(seconds(8));
  // The last acknowledgements of the long way and the first of the short one come together and look
  // like a fast line.
  line.round_trip = kRtt;
  line.run(seconds(4));
  EXPECT_LE(line.bbr.min_rtt(), kRtt + milliseconds(1));
  line.queue_max = {};
  line.run(seconds(3));
  EXPECT_LE(line.queue_max, milliseconds(40));
}

// The queue of a line that is slower by so much looks like a longer way, until the flight is
// halved.
TEST(Bbr, DoesNotTakeItsOwnQueueForALongerWay) {
  for (const double part : {0.5, 0.25, 0.1}) {
    Line line(8e6);
    line.run(seconds(3));
    line.rate = 8e6 * part;
    line.run(seconds(4));
    EXPECT_LE(line.bbr.min_rtt(), kRtt + milliseconds(6)) << part;
    EXPECT_NEAR(line.bbr.bandwidth(), line.rate, 0.2 * line.rate) << part;
  }
}

AckSample one_packet(Instant now, std::uint64_t delivered) {
  AckSample sample;
  sample.now = now;
  sample.bytes_acked = sample.bytes_in_flight_before = kDatagram;
  sample.has_rtt_sample = true;
  sample.delivered = delivered;
  sample.delivered_prior = delivered - kDatagram;
  sample.interval = kRtt;
  return sample;
}

// A game's small messages, each acknowledged only when the peer's delay runs out, are no sign of a
// full line.
TEST(Bbr, TheDelayOfAcknowledgementsIsNoQueue) {
  Bbr bbr(kDatagram);
  RttEstimator rtt(milliseconds(333));
  Instant now{seconds(1)};
  rtt.on_sample(kRtt, {}, milliseconds(25), now);
  bbr.on_acked(one_packet(now, kDatagram), rtt);
  for (std::uint64_t i = 2; i < 100; ++i) {
    now += milliseconds(100);
    AckSample sample = one_packet(now, i * kDatagram);
    sample.app_limited = true;
    // Within one round, so that there are samples enough to judge the delay by.
    if (i > 2 && i < 50) sample.delivered_prior = 0;
    rtt.on_sample(kRtt + milliseconds(25), milliseconds(25), milliseconds(25), now);
    bbr.on_acked(sample, rtt);
  }
  EXPECT_TRUE(bbr.in_slow_start());
}

TEST(Bbr, AFewLossesInASmallRoundDoNotEndTheStart) {
  Bbr bbr(kDatagram);
  RttEstimator rtt(milliseconds(333));
  Instant now{seconds(1)};
  std::uint64_t delivered = 0;
  for (std::uint64_t packets = 4; packets < 100; packets *= 2) {
    now += kRtt;
    rtt.on_sample(kRtt, {}, milliseconds(25), now);
    LossSample loss;
    loss.bytes_lost = 2 * kDatagram;
    loss.packets_lost = 2;
    bbr.on_lost(loss);
    AckSample sample = one_packet(now, delivered + packets * kDatagram);
    sample.delivered_prior = std::exchange(delivered, sample.delivered);
    bbr.on_acked(sample, rtt);
    EXPECT_TRUE(bbr.in_slow_start()) << packets;
  }
}

TEST(Bbr, PersistentCongestionBeginsWithFourPackets) {
  Line line(2.5e6);
  line.run(seconds(2));
  line.bbr.on_persistent_congestion();
  EXPECT_EQ(line.bbr.window(), 4 * kDatagram);
  line.run(seconds(2));
  EXPECT_GE(line.bbr.window(), static_cast<std::uint64_t>(2.5e6 * 0.05));
}

TEST(Bbr, NeverBelowFourPackets) {
  Line line(10e3);
  line.lose_every = 2;
  line.run(seconds(20));
  EXPECT_GE(line.bbr.window(), 4 * kDatagram);
}

}  // namespace
}  // namespace whimbrel
