// Scenarios: messages over lines that lose, reorder, duplicate, corrupt, are slow or narrow.
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

constexpr std::uint64_t kMegabit = 125'000;

// Loses the next `count` datagrams that `host` sends.
void lose_next(Duo& duo, const Host& host, unsigned count) {
  duo.simulation().set_filter([left = count, id = host.id()](const PacketView& packet) mutable {
    if (packet.sender != id || left == 0) return Fate{};
    --left;
    return Fate{0, {}};
  });
}

TEST(Delivery, TailLossIsNoticedWithinAFewRoundTrips) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  lose_next(duo, duo.a, 1);
  duo.a.say(duo.b);
  // RFC 9002 6.2: a probe after the round trip, four times its variation and the ack delay.
  EXPECT_TRUE(duo.world.run_until_complete(milliseconds(150)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Delivery, LossOfThreeProbesInARowIsSurvived) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  lose_next(duo, duo.a, 4);
  duo.a.say(duo.b);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Delivery, LossInTheMiddleIsRepairedWithoutAProbe) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  lose_next(duo, duo.a, 1);
  for (int i = 0; i < 8; ++i) duo.a.say(duo.b, 1000, kSendReliable | kSendNoNagle);
  // One way, an acknowledgement back, and the repair: three half round trips, and little more.
  EXPECT_TRUE(duo.world.run_until_complete(milliseconds(60)));
  EXPECT_EQ(duo.world.finish(), "");
}

struct Noise {
  const char* name;
  LinkConfig line;
  Duration time_max;
};

class Noisy : public testing::TestWithParam<Noise> {};

TEST_P(Noisy, EverythingArrivesOnceAndInOrder) {
  Duo duo(Keys::kUnknown);
  duo.world.set_lines(GetParam().line);
  FastRandom random(9);
  int taken = 0;
  const bool done = duo.world.run_until(
      [&] {
        while (taken < 1500) {
          Host& from = taken % 3 == 0 ? duo.b : duo.a;
          Host& to = taken % 3 == 0 ? duo.a : duo.b;
          const auto channel = static_cast<ChannelId>(taken % 5);
          const int flags = taken % 7 == 0 ? kSendUnreliable : kSendReliable;
          if (from.say(to, 32 + random.below(4000), flags, channel) != Result::kOk) break;
          ++taken;
        }
        return taken == 1500 && duo.world.complete();
      },
      GetParam().time_max);
  EXPECT_TRUE(done) << taken << " taken, " << duo.world.ledger().delivered() << " delivered";
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_TRUE(duo.b.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

INSTANTIATE_TEST_SUITE_P(
    Delivery, Noisy,
    testing::Values(
        Noise{"Clean", line(), seconds(5)},
        // Each packet passes two lines: the loss of a way is about twice that of a line.
        Noise{"TwoPercentLoss", {.delay = milliseconds(5), .loss = 0.01}, seconds(20)},
        Noise{"TwentyPercentLoss", {.delay = milliseconds(5), .loss = 0.1}, seconds(120)},
        Noise{"Bursts",
              {.delay = milliseconds(5), .bursts = {.to_bad = 0.01, .to_good = 0.2}},
              seconds(60)},
        Noise{"Jitter", {.delay = milliseconds(5), .jitter = milliseconds(20)}, seconds(20)},
        Noise{"Disorder",
              {.delay = milliseconds(5), .jitter = milliseconds(20), .jitter_reorders = true},
              seconds(60)},
        Noise{"Stragglers",
              {.delay = milliseconds(5), .reorder = 0.1, .reorder_delay = milliseconds(50)},
              seconds(60)},
        Noise{"Duplicates", {.delay = milliseconds(5), .duplicate = 0.9}, seconds(20)},
        Noise{"Corruption", {.delay = milliseconds(5), .corrupt = 0.05}, seconds(60)},
        Noise{"Everything",
              {.delay = milliseconds(5),
               .jitter = milliseconds(5),
               .jitter_reorders = true,
               .loss = 0.03,
               .duplicate = 0.05,
               .reorder = 0.05,
               .corrupt = 0.02},
              seconds(90)},
        Noise{"Narrow",
              {.rate = 8 * kMegabit, .delay = milliseconds(5), .queue_bytes_max = 20'000},
              seconds(60)},
        Noise{"LongWay", line(milliseconds(150)), seconds(30)}),
    [](const auto& one) { return one.param.name; });

SessionOptions large_buffers() {
  SessionOptions options;
  options.send_bytes_max = 8 << 20;
  options.receive_bytes_max = 8 << 20;
  options.receive_messages_max = 100'000;
  return options;
}

TEST(Delivery, SmallMessagesPassALargeOneOnAnotherChannel) {
  const LinkConfig narrow{
      .rate = 8 * kMegabit, .delay = milliseconds(5), .queue_bytes_max = 30'000};
  Duo duo(Keys::kKnown, narrow, large_buffers(), large_buffers());
  ASSERT_TRUE(duo.connect());
  ASSERT_EQ(duo.a.say(duo.b, kMessageSizeMax, kSendReliable, 1), Result::kOk);
  duo.world.run_for(milliseconds(20));
  for (std::uint64_t i = 1; i <= 5; ++i) {
    ASSERT_EQ(duo.a.say(duo.b, 64, kSendReliable, 2), Result::kOk);
    const Instant sent = duo.world.now();
    const auto arrived = [&] {
      return duo.world.ledger().delivered(duo.a.life(), duo.b.id(), 2, true) == i;
    };
    ASSERT_TRUE(duo.world.run_until(arrived, milliseconds(400)));
    // The queue of the line holds 30 ms; a loss in it costs a round trip more.
    EXPECT_LE(duo.world.now() - sent, milliseconds(120));
  }
  EXPECT_EQ(duo.world.ledger().delivered(duo.a.life(), duo.b.id(), 1, true), 0u)
      << "the large message must not have arrived yet, or this shows nothing";
  EXPECT_TRUE(duo.world.run_until_complete(seconds(3)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Delivery, BulkFillsALineWithATailDropQueue) {
  const LinkConfig narrow{
      .rate = 20 * kMegabit, .delay = milliseconds(10), .queue_bytes_max = 100'000};
  Duo duo(Keys::kKnown, narrow, large_buffers(), large_buffers());
  ASSERT_TRUE(duo.connect());
  const Instant start = duo.world.now();
  EXPECT_TRUE(duo.pump(duo.a, duo.b, 150, 65536, kSendReliable, 0, seconds(10)));
  const double goodput = 150.0 * 65536 / to_seconds(duo.world.now() - start);
  EXPECT_GE(goodput, 0.8 * 20 * kMegabit);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Delivery, BothDirectionsAtOnce) {
  Duo duo(Keys::kKnown, {.rate = 20 * kMegabit, .delay = milliseconds(10), .loss = 0.005});
  ASSERT_TRUE(duo.connect());
  int left = 400;
  const bool done = duo.world.run_until(
      [&] {
        while (left > 0 && duo.a.say(duo.b, 5000) == Result::kOk &&
               duo.b.say(duo.a, 5000) == Result::kOk) {
          --left;
        }
        return left == 0 && duo.world.complete();
      },
      seconds(20));
  EXPECT_TRUE(done);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Delivery, ManyChannelsAtOnce) {
  Duo duo(Keys::kKnown, {.delay = milliseconds(5), .loss = 0.02});
  for (int round = 0; round < 3; ++round) {
    for (ChannelId channel = -100; channel < 100; ++channel) {
      ASSERT_EQ(duo.a.say(duo.b, 200, kSendReliable, channel * 1000), Result::kOk);
    }
  }
  EXPECT_TRUE(duo.world.run_until_complete(seconds(10)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Delivery, LostChannelDoesNotHoldUpAnother) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  lose_next(duo, duo.a, 1);
  duo.a.say(duo.b, 64, kSendReliable | kSendNoNagle, 1);
  duo.world.run_for(microseconds(100));
  duo.a.say(duo.b, 64, kSendReliable | kSendNoNagle, 2);
  duo.world.run_for(milliseconds(11));
  EXPECT_EQ(duo.world.ledger().delivered(duo.a.life(), duo.b.id(), 1, true), 0u);
  EXPECT_EQ(duo.world.ledger().delivered(duo.a.life(), duo.b.id(), 2, true), 1u);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1)));
}

// --- flow control --------------------------------------------------------------------------------

TEST(FlowControl, ReaderThatStopsHoldsTheSenderBack) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.b.reading = Reading::kByHand;
  int taken = 0;
  duo.world.run_until(
      [&] {
        while (duo.a.say(duo.b, 20'000) == Result::kOk) ++taken;
        return false;
      },
      seconds(30));
  EXPECT_EQ(duo.a.say(duo.b, 20'000), Result::kLimitExceeded);
  // What the receiver may hold and what the sender may hold, and not more.
  EXPECT_GE(taken, 60);
  EXPECT_LE(taken, ((1 << 20) + 524288) / 20'000 + 1);
  EXPECT_LE(duo.b.unread_bytes(), std::uint64_t{1} << 20);
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_TRUE(duo.a.connected(duo.b));
  duo.b.reading = Reading::kAtOnce;
  duo.b.receive_all();
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(FlowControl, ReaderThatStopsForAMinuteCostsFewPackets) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.b.reading = Reading::kByHand;
  duo.pump(duo.a, duo.b, 100, 20'000, kSendReliable, 0, seconds(5));
  const QuietMeter a(duo.simulation(), duo.a.id()), b(duo.simulation(), duo.b.id());
  duo.world.run_for(seconds(60));
  EXPECT_LE(a.packets_per_second(), 1);
  EXPECT_LE(b.packets_per_second(), 1);
  EXPECT_TRUE(duo.a.connected(duo.b));
  EXPECT_TRUE(duo.b.connected(duo.a));
}

TEST(FlowControl, SmallMessagesAreCountedToo) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.b.reading = Reading::kByHand;
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(duo.a.say(duo.b, 40), Result::kOk);
  duo.world.run_for(seconds(10));
  EXPECT_LE(duo.b.unread(), 1000u);
  // Three eighths are kept for unreliable ones, and of the rest about a quarter for other channels.
  EXPECT_EQ(duo.b.unread(), 482u);
  duo.b.reading = Reading::kAtOnce;
  duo.b.receive_all();
  EXPECT_TRUE(duo.world.run_until_complete(seconds(5)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(FlowControl, SlowReaderGetsEverything) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.b.reading = Reading::kByHand;
  // 100 messages of 10 kB a second are read, as many as there are.
  int taken = 0;
  for (int tick = 0; tick < 400; ++tick) {
    while (taken < 3000 && duo.a.say(duo.b, 10'000) == Result::kOk) ++taken;
    duo.b.receive(0, 10);
    duo.world.run_for(milliseconds(100));
  }
  EXPECT_EQ(taken, 3000);
  EXPECT_LE(duo.world.ledger().missing(), 0u);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(FlowControl, ReaderStoppedOnOneChannelReadsAnother) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.b.reading = Reading::kByHand;
  for (int i = 0; i < 20; ++i) ASSERT_EQ(duo.a.say(duo.b, 10'000, kSendReliable, 1), Result::kOk);
  duo.world.run_for(seconds(1));
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(duo.a.say(duo.b, 1000, kSendReliable, 2), Result::kOk);
    duo.world.run_for(milliseconds(50));
    EXPECT_EQ(duo.b.receive(2).size(), 1u);
  }
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(FlowControl, UnreliableMessagesBeyondTheLimitAreDroppedAndCounted) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.b.reading = Reading::kByHand;
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(duo.a.say(duo.b, 100, kSendUnreliable), Result::kOk);
    if (i % 100 == 0) duo.world.run_for(milliseconds(10));
  }
  duo.world.run_for(seconds(1));
  EXPECT_LE(duo.b.unread(), 1000u);
  // Half is promised to reliable ones, and a quarter of the rest is for other channels.
  EXPECT_GE(duo.b.unread(), 375u);
  EXPECT_GE(duo.b.count(Count::kUnreliableDroppedReceiveLimit), 900u);
  EXPECT_EQ(duo.world.finish(), "");
}

// --- sending limits ------------------------------------------------------------------------------

TEST(SendLimit, IsKeptAndRoomComesBack) {
  SessionOptions options;
  options.send_bytes_max = 100'000;
  Duo duo(Keys::kKnown, {.rate = 8 * kMegabit, .delay = milliseconds(5)}, options);
  ASSERT_TRUE(duo.connect());
  int taken = 0;
  while (duo.a.say(duo.b, 10'000) == Result::kOk) ++taken;
  EXPECT_EQ(taken, 10);
  EXPECT_EQ(duo.a.say(duo.b, 10'000), Result::kLimitExceeded);
  EXPECT_TRUE(duo.world.run_until([&] { return duo.a.say(duo.b, 10'000) == Result::kOk; },
                                  milliseconds(200)));
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(SendLimit, NoDelayIsIgnoredOnABusyLine) {
  Duo duo(Keys::kKnown, {.rate = kMegabit, .delay = milliseconds(5)});
  ASSERT_TRUE(duo.connect());
  EXPECT_EQ(duo.a.say(duo.b, 100, kSendNoDelay), Result::kOk);
  duo.world.run_for(milliseconds(100));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(duo.a.say(duo.b, 20'000), Result::kOk);
  duo.world.run_for(milliseconds(50));
  EXPECT_EQ(duo.a.say(duo.b, 100, kSendNoDelay), Result::kIgnored);
  EXPECT_EQ(duo.a.say(duo.b, 100, kSendNoDelay | kSendReliable), Result::kIgnored);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(20)));
  EXPECT_EQ(duo.a.say(duo.b, 100, kSendNoDelay), Result::kOk);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(SendLimit, BytesInFlightStayWithinTheWindow) {
  Duo duo(Keys::kKnown, {.delay = milliseconds(10), .loss = 0.005}, large_buffers(),
          large_buffers());
  ASSERT_TRUE(duo.connect());
  // Two probes of a timeout, an MTU probe and acknowledgements.
  FlightChecker checker(duo.simulation(), duo.a.id(), milliseconds(40), 4 * 1500);
  duo.simulation().observe(checker);
  int left = 100;
  const bool done = duo.world.run_until(
      [&] {
        while (left > 0 && duo.a.say(duo.b, 50'000) == Result::kOk) --left;
        checker.on_window(static_cast<std::uint64_t>(duo.a.status(duo.b).window_bytes));
        return left == 0 && duo.world.complete();
      },
      seconds(30));
  EXPECT_TRUE(done);
  EXPECT_GT(checker.peak_bytes(), 50'000u);
  EXPECT_EQ(duo.world.finish(), "");
}

// Losses among the first packets, when a round is a handful of them, say nothing of the line.
TEST(SendLimit, ATransferThatBeginsWithLossesGetsGoing) {
  Duo duo(Keys::kKnown, line(milliseconds(25)), large_buffers(), large_buffers());
  ASSERT_TRUE(duo.connect());
  int packets = 0;
  duo.simulation().set_filter([&](const PacketView& packet) {
    const bool early = packet.sender == duo.a.id() && packet.bytes.size() > 1000 && ++packets <= 80;
    return Fate{.copies = early && packets % 8 == 0 ? 0u : 1u};
  });
  EXPECT_TRUE(duo.pump(duo.a, duo.b, 64, 65'536, kSendReliable, 0, seconds(2)));
  EXPECT_EQ(duo.world.finish(), "");
}

// --- unreliable ----------------------------------------------------------------------------------

TEST(Unreliable, FragmentsUnderLossLoseWholeMessagesOnly) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.world.set_lines({.delay = milliseconds(5), .loss = 0.02});
  for (int i = 0; i < 400; ++i) {
    ASSERT_EQ(duo.a.say(duo.b, 8000, kSendUnreliable), Result::kOk);
    duo.world.run_for(milliseconds(20));
  }
  duo.world.run_for(seconds(1));
  const std::uint64_t arrived = duo.world.ledger().delivered(duo.a.life(), duo.b.id(), 0, false);
  // Six or seven fragments at 4 % each: about three quarters survive.
  EXPECT_GE(arrived, 250u);
  EXPECT_LE(arrived, 380u);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Unreliable, OverSixteenFragmentsArrivesInSpiteOfLoss) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.world.set_lines({.delay = milliseconds(5), .loss = 0.02});
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(duo.a.say(duo.b, 60'000, kSendUnreliable), Result::kOk);
    duo.world.run_for(milliseconds(200));
  }
  duo.world.run_for(seconds(5));
  EXPECT_EQ(duo.world.ledger().delivered(duo.a.life(), duo.b.id(), 0, false), 50u);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Unreliable, IsNeverSentTwice) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  const std::uint64_t before = duo.simulation().bytes_from(duo.a.id());
  lose_next(duo, duo.a, 1);
  ASSERT_EQ(duo.a.say(duo.b, 1000, kSendUnreliable), Result::kOk);
  duo.world.run_for(seconds(3));
  // The lost kilobyte, and afterwards only acknowledgements and probes without payload.
  EXPECT_LE(duo.simulation().bytes_from(duo.a.id()) - before, 1600u);
  EXPECT_EQ(duo.world.ledger().delivered(duo.a.life(), duo.b.id(), 0, false), 0u);
}

// Four times what the line carries, for ten seconds: the reliable messages have their share.
TEST(Unreliable, TooMuchOfItDoesNotStarveWhatIsReliable) {
  for (const ChannelId channel : {0, 1}) {
    Duo duo(Keys::kKnown, {.rate = kMegabit, .delay = milliseconds(20)});
    ASSERT_TRUE(duo.connect());
    std::size_t refused = 0;
    for (int i = 0; i < 5000; ++i) {
      duo.a.say(duo.b, 1000, kSendUnreliable);
      if (i % 25 == 0) refused += duo.a.say(duo.b, 100, kSendReliable, channel) != Result::kOk;
      duo.world.run_for(milliseconds(2));
    }
    const auto& ledger = duo.world.ledger();
    const std::uint64_t taken = ledger.taken(duo.a.life(), duo.b.id(), channel, true);
    EXPECT_LE(refused, 2u);
    EXPECT_GE(ledger.delivered(duo.a.life(), duo.b.id(), channel, true) + 20, taken)
        << "no more than a second late";
    EXPECT_TRUE(duo.a.failures().empty());
    duo.world.run_for(seconds(10));
    EXPECT_EQ(duo.world.finish(), "");
  }
}

// --- the size of a datagram ----------------------------------------------------------------------

TEST(Mtu, TwelveHundredBytesAreEnough) {
  Duo duo(Keys::kUnknown, {.delay = milliseconds(5), .mtu = 1200});
  ASSERT_TRUE(duo.connect());
  EXPECT_TRUE(duo.pump(duo.a, duo.b, 40, 50'000, kSendReliable, 0, seconds(10)));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Mtu, LargerDatagramsAreFound) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  EXPECT_TRUE(duo.pump(duo.a, duo.b, 60, 50'000, kSendReliable, 0, seconds(10)));
  std::size_t largest = 0;
  duo.simulation().set_filter([&](const PacketView& packet) {
    largest = std::max(largest, packet.bytes.size());
    return Fate{};
  });
  EXPECT_TRUE(duo.pump(duo.a, duo.b, 1, 50'000, kSendReliable, 0, seconds(1)));
  EXPECT_EQ(largest, kDatagramSizeEthernet);
}

TEST(Mtu, BlackHoleThatOpensLaterIsSurvived) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  EXPECT_TRUE(duo.pump(duo.a, duo.b, 60, 50'000, kSendReliable, 0, seconds(10)));
  // RFC 8899 4.3: full packets vanish from now on, without a word.
  duo.world.set_lines({.delay = milliseconds(5), .mtu = 1250});
  EXPECT_TRUE(duo.pump(duo.a, duo.b, 20, 50'000, kSendReliable, 0, seconds(9)));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

// --- key update ----------------------------------------------------------------------------------

TEST(KeyUpdate, LongTransferGoesThroughManyKeys) {
  for (const double loss : {0.0, 0.002}) {
    // Slow enough that a key is updated before it is used up: that takes a round trip and three
    // probe timeouts.
    const LinkConfig narrow{.rate = 80 * kMegabit, .delay = milliseconds(5), .loss = loss};
    Duo duo(Keys::kKnown, narrow);
    for (Host* host : {&duo.a, &duo.b}) {
      host->config().limits.key_packets_max = 8000;
      host->restart(true);
    }
    unsigned updates = 0;
    bool phase = false;
    duo.simulation().set_filter([&](const PacketView& packet) {
      const auto header = read_data_header(packet.bytes);
      if (header && packet.sender == duo.a.id() && header->key_phase != phase) {
        phase = !phase;
        ++updates;
      }
      return Fate{};
    });
    EXPECT_TRUE(duo.pump(duo.a, duo.b, 1500, 20'000, kSendReliable, 0, seconds(30)));
    EXPECT_GE(updates, 3u);
    EXPECT_TRUE(duo.a.failures().empty());
    EXPECT_EQ(duo.world.finish(), "");
  }
}

// --- small things --------------------------------------------------------------------------------

TEST(Coalescing, ManySmallMessagesShareFewPackets) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  const std::uint64_t before = duo.simulation().packets_from(duo.a.id());
  EXPECT_TRUE(duo.pump(duo.a, duo.b, 2000, 64, kSendReliable, 0, seconds(2)));
  // Seventeen or more to a packet.
  EXPECT_LE(duo.simulation().packets_from(duo.a.id()) - before, 2000u / 15);
}

TEST(Coalescing, LoneMessageLeavesAtOnce) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  const Instant sent = duo.world.now();
  duo.a.say(duo.b);
  ASSERT_TRUE(duo.world.run_until_complete(seconds(1)));
  EXPECT_EQ(duo.world.now() - sent, milliseconds(10));
}

TEST(Coalescing, SmallMessageOnABusyLineWaitsFiveMillisecondsAtMost) {
  Duo duo(Keys::kKnown, line(milliseconds(50)));
  ASSERT_TRUE(duo.connect());
  for (int i = 0; i < 8; ++i) duo.a.say(duo.b, 1400, kSendReliable | kSendNoNagle);
  duo.world.run_for(microseconds(10));
  duo.a.say(duo.b, 64, kSendReliable, 3);
  const Instant sent = duo.world.now();
  const auto arrived = [&] {
    return duo.world.ledger().delivered(duo.a.life(), duo.b.id(), 3, true) == 1;
  };
  ASSERT_TRUE(duo.world.run_until(arrived, seconds(1)));
  // Two lines one way, and the time that pacing of the eight before it adds.
  EXPECT_LE(duo.world.now() - sent, milliseconds(100 + 5 + 60));
}

TEST(Loopback, ToOneselfNeedsNoNetwork) {
  World world(1);
  Host& a = world.add("str:alice");
  EXPECT_EQ(a.say(a, 1000), Result::kOk);
  EXPECT_EQ(a.say(a, 1000, kSendUnreliable, 5), Result::kOk);
  EXPECT_TRUE(world.run_until_complete(milliseconds(1)));
  EXPECT_EQ(a.messages_received(), 2u);
  EXPECT_TRUE(a.requests().empty());
  EXPECT_EQ(world.simulation().trace().packets_sent(), 0u);
  EXPECT_EQ(a.state(a), ConnectionState::kConnected);
  EXPECT_NE(a.info(a).flags & kInfoLoopbackBuffers, 0);
  EXPECT_EQ(world.finish(), "");
}

TEST(Determinism, SameSeedSamePackets) {
  const auto run = [](std::uint64_t seed) {
    Duo duo(Keys::kUnknown,
            {.delay = milliseconds(5), .jitter = milliseconds(3), .loss = 0.05, .duplicate = 0.05},
            {}, {}, seed);
    duo.pump(duo.a, duo.b, 100, 3000, kSendReliable, 0, seconds(20));
    return duo.simulation().trace().hash();
  };
  EXPECT_EQ(run(3), run(3));
  EXPECT_NE(run(3), run(4));
}

}  // namespace
}  // namespace whimbrel::sim
