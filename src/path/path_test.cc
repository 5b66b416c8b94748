#include "path/path.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <vector>

#include "path/sent_packets.h"

namespace {
// Counts what the tests of memory allocate; the tests of this program run on one thread.
std::size_t allocations = 0;
std::size_t allocated_bytes = 0;
}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  allocated_bytes += size;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace whimbrel {
namespace {

constexpr Duration kRtt = milliseconds(40);

class PathTest : public ::testing::Test, public FrameSink {
 protected:
  PathTest() {
    path.set_address_validated();
    path.on_handshake_rtt(kRtt);
  }
  void on_frame_acked(const SentFrame&) override { ++frames_acked; }
  void on_frame_lost(const SentFrame&) override { ++frames_lost; }

  void send(std::size_t bytes = 1200, bool eliciting = true) {
    const SentFrame frame{FrameType::kStream, 1000, 0, 0, 0};
    path.on_packet_sent(now, bytes, eliciting, PacketPurpose::kNormal,
                        std::span<const SentFrame>(&frame, eliciting ? 1 : 0));
  }
  void send_probes(std::size_t bytes = 1200) {
    const SentFrame frame{FrameType::kStream, 1000, 0, 0, 0};
    while (path.probes_owed() > 0)
      path.on_packet_sent(now, bytes, true, PacketPurpose::kPtoProbe, {&frame, 1});
  }
  void fill_window() {
    while (path.send_allowance(now) > 0) send();
  }
  bool acknowledge(std::uint64_t begin, std::uint64_t end) {
    AckFrame ack;
    ack.count = 1;
    ack.ranges[0] = {begin, end};
    return path.on_ack_received(ack, now, *this);
  }
  void acknowledge_all() { acknowledge(0, value(path.next_packet_number())); }
  void receive(std::uint64_t number, bool eliciting = true) {
    path.on_packet_received(PacketNumber{number}, 1200, eliciting, now);
  }

  Instant now{seconds(1)};
  PathConfig config;
  Path path{PathId{7}, config, now};
  int frames_acked = 0;
  int frames_lost = 0;
};

TEST_F(PathTest, SendsTheInitialWindowAtOnceThenWaits) {
  EXPECT_EQ(value(path.id()), 7u);
  fill_window();
  EXPECT_EQ(path.bytes_in_flight(), 12000u);
  EXPECT_EQ(value(path.next_packet_number()), 10u);
  EXPECT_FALSE(path.idle());
  now += kRtt;
  ASSERT_TRUE(acknowledge(0, 10));
  EXPECT_EQ(frames_acked, 10);
  EXPECT_TRUE(path.idle());
  EXPECT_EQ(path.stats().window_bytes, 24000u);
  EXPECT_EQ(path.stats().rtt_smoothed, kRtt);
}

TEST_F(PathTest, PacingHasADeadlineOnlyWhileSomethingWaits) {
  fill_window();
  now += kRtt;
  acknowledge_all();
  fill_window();
  ASSERT_LT(path.bytes_in_flight(), path.stats().window_bytes);  // held by the pacer
  const Instant quiet = path.next_deadline();
  path.set_waiting(true);
  const Instant paced = path.next_deadline();
  EXPECT_LT(paced, quiet);
  EXPECT_GT(paced, now);
  EXPECT_LT(paced, now + kRtt);
  now = paced;
  path.on_deadline(now, *this);
  EXPECT_GT(path.send_allowance(now), 0u);
  // Nobody uses it: the deadline does not come again and again.
  EXPECT_GT(path.next_deadline(), now);
}

TEST_F(PathTest, NoPacketWithoutRoomForAFullOne) {
  send(11000);
  EXPECT_EQ(path.send_allowance(now), 0u);
}

// RFC 9000 8.1.
TEST(PathAmplification, ThreeTimesWhatCame) {
  const Instant now{};
  Path path(PathId{0}, PathConfig{}, now);
  EXPECT_EQ(path.amplification_allowance(), 0u);
  EXPECT_EQ(path.send_allowance(now), 0u);
  path.on_unvalidated_bytes(1000);
  EXPECT_EQ(path.amplification_allowance(), 3000u);
  EXPECT_EQ(path.send_allowance(now), 3000u);
  path.on_packet_sent(now, 1200, true, PacketPurpose::kNormal, {});
  path.on_packet_sent(now, 1200, false, PacketPurpose::kNormal, {});
  EXPECT_EQ(path.amplification_allowance(), 600u);
  path.on_packet_sent(now, 600, true, PacketPurpose::kNormal, {});
  EXPECT_EQ(path.amplification_allowance(), 0u);
  path.set_address_validated();
  EXPECT_EQ(path.amplification_allowance(), SIZE_MAX);
}

TEST_F(PathTest, TimersMoveOnAlsoWhenNothingCanBeSent) {
  send();
  receive(0);
  Instant last = now;
  for (int i = 0; i < 50; ++i) {
    const Instant next = path.next_deadline();
    ASSERT_NE(next, kNever);
    ASSERT_GT(next, last);
    now = last = next;
    path.on_deadline(now, *this);
  }
}

TEST_F(PathTest, ProbesAreOwedAfterATimeoutAndMayExceedTheWindow) {
  fill_window();
  const Instant deadline = path.next_deadline();
  EXPECT_EQ(deadline, now + path.probe_timeout());
  now = deadline;
  path.on_deadline(now, *this);
  EXPECT_EQ(path.probes_owed(), 2u);
  EXPECT_EQ(frames_lost, 2);
  EXPECT_EQ(path.send_allowance(now), 0u);
  path.on_packet_sent(now, 1200, true, PacketPurpose::kPtoProbe, {});
  path.on_packet_sent(now, 1200, true, PacketPurpose::kPtoProbe, {});
  EXPECT_EQ(path.probes_owed(), 0u);
  EXPECT_EQ(path.stats().pto_count_total, 1u);
  EXPECT_EQ(path.oldest_unacked_time(), Instant{seconds(1)});
}

TEST_F(PathTest, AcknowledgesAndStopsRepeatingWhatThePeerKnows) {
  for (const std::uint64_t n : {0, 2, 4, 6}) receive(n);
  EXPECT_EQ(path.expected_number(), 7u);
  AckFrame ack;
  path.make_ack(ack, now);
  EXPECT_EQ(ack.count, 4u);
  path.on_ack_written(now);
  send();  // carries it
  EXPECT_FALSE(path.has_ack());
  now += kRtt;
  acknowledge_all();
  receive(7);
  path.make_ack(ack, now);
  ASSERT_EQ(ack.count, 1u);
  EXPECT_EQ(ack.ranges[0], (Range{6, 8}));
}

// RFC 9000 13.2.4.
TEST_F(PathTest, AReceiverAsksForAnAcknowledgementNowAndThen) {
  int pings = 0;
  for (std::uint64_t n = 0; n < 1000; ++n) {
    receive(n);
    const bool ping = path.wants_ping_with_ack(now);
    path.on_ack_written(now);
    send(60, ping);
    if (!ping) continue;
    ++pings;
    EXPECT_FALSE(path.wants_ping_with_ack(now));
    now += kRtt;
    acknowledge_all();
  }
  EXPECT_GE(pings, 20);
  EXPECT_LE(pings, 40);
}

TEST_F(PathTest, DuplicatesAreNotCounted) {
  receive(3);
  EXPECT_TRUE(path.is_duplicate(PacketNumber{3}));
  receive(3);
  EXPECT_EQ(path.stats().packets_received, 1u);
  EXPECT_DOUBLE_EQ(path.arrival_share(now), 0.25);
}

TEST_F(PathTest, RejectsAnAckOfTheFuture) {
  send();
  EXPECT_FALSE(acknowledge(0, 2));
  EXPECT_EQ(frames_acked, 0);
}

TEST_F(PathTest, MtuProbeRaisesTheDatagramSize) {
  const auto size = path.mtu_probe_size(now);
  ASSERT_EQ(size, kDatagramSizeEthernet);
  path.on_packet_sent(now, *size, true, PacketPurpose::kMtuProbe, {});
  EXPECT_FALSE(path.mtu_probe_size(now));
  now += kRtt;
  acknowledge_all();
  EXPECT_EQ(path.datagram_size(), kDatagramSizeEthernet);
  EXPECT_EQ(path.stats().window_bytes, 10 * kDatagramSizeEthernet);
}

TEST_F(PathTest, LostMtuProbesCostNoWindow) {
  const std::uint64_t window = path.stats().window_bytes;
  for (int i = 0; i < 3; ++i) {
    const auto size = path.mtu_probe_size(now);
    ASSERT_EQ(size, kDatagramSizeEthernet);
    path.on_packet_sent(now, *size, true, PacketPurpose::kMtuProbe, {});
    const std::uint64_t first = value(path.next_packet_number());
    for (int k = 0; k < 3; ++k) send(100);
    now += kRtt;
    acknowledge(first, first + 3);
  }
  EXPECT_EQ(path.mtu_probe_size(now), 1452u);
  EXPECT_GE(path.stats().window_bytes, window);
  EXPECT_EQ(path.stats().packets_lost, 0u);
  EXPECT_EQ(path.datagram_size(), 1200u);
}

// RFC 8899 4.3.
TEST_F(PathTest, ABlackHoleBringsTheBaseBack) {
  path.on_packet_sent(now, 1472, true, PacketPurpose::kMtuProbe, {});
  now += kRtt;
  acknowledge_all();
  ASSERT_EQ(path.datagram_size(), 1472u);
  fill_window();
  while (path.datagram_size() == 1472) {
    now = path.next_deadline();
    ASSERT_LT(now, Instant{seconds(10)});
    path.on_deadline(now, *this);
  }
  EXPECT_EQ(path.datagram_size(), 1200u);
  EXPECT_EQ(path.stats().pto_count_total, 3u);
}

// Full datagrams of ours vanish while those of the peer come, 60 a second.
TEST_F(PathTest, ABlackHoleIsFoundWhileThePeerSpeaks) {
  path.on_packet_sent(now, 1472, true, PacketPurpose::kMtuProbe, {});
  now += kRtt;
  acknowledge_all();
  ASSERT_EQ(path.datagram_size(), 1472u);
  fill_window();
  for (std::uint64_t number = 0; path.datagram_size() == 1472; ++number) {
    ASSERT_LT(now, Instant{seconds(5)});
    now += milliseconds(16);
    receive(number);
    path.on_sign_of_life(now, *this);
    path.on_deadline(now, *this);
    send_probes(1472);
  }
  EXPECT_EQ(path.datagram_size(), 1200u);
}

// After an outage the peer is heard first, and does not know what it missed.
TEST_F(PathTest, ASignOfLifeEndsTheBackOff) {
  fill_window();
  for (int i = 0; i < 6; ++i) {
    now = path.next_deadline();
    path.on_deadline(now, *this);
    send_probes();
  }
  ASSERT_GE(path.next_deadline() - now, seconds(2));
  // Its answer to our last packet may still be under way: that one has its time, and no more.
  path.on_sign_of_life(now + kRtt / 2, *this);
  EXPECT_EQ(path.probes_owed(), 0u);
  EXPECT_LE(path.next_deadline() - now, 4 * kRtt);
}

TEST_F(PathTest, ASignOfLifeAfterTheTimeOfAnAnswerOwesAProbe) {
  fill_window();
  now = path.next_deadline();
  path.on_deadline(now, *this);
  send_probes();
  path.on_sign_of_life(now + 2 * kRtt, *this);
  EXPECT_EQ(path.probes_owed(), 1u);
}

// RFC 9000 9.4.
TEST_F(PathTest, ANewRouteStartsAfresh) {
  fill_window();
  now += kRtt;
  acknowledge_all();
  fill_window();
  const std::uint64_t number = value(path.next_packet_number());
  path.reset_for_new_route(now);
  EXPECT_EQ(value(path.next_packet_number()), number);
  EXPECT_EQ(path.bytes_in_flight(), 0u);
  EXPECT_EQ(path.stats().window_bytes, 12000u);
  EXPECT_FALSE(path.stats().has_rtt);
  EXPECT_TRUE(path.address_validated());
  EXPECT_GT(path.send_allowance(now), 0u);
}

TEST_F(PathTest, AbandonGivesEveryFrameBack) {
  fill_window();
  path.abandon(*this);
  EXPECT_EQ(frames_lost, 10);
  EXPECT_TRUE(path.idle());
  EXPECT_EQ(path.next_deadline(), kNever);
}

TEST_F(PathTest, RateIsClampedFromAbove) {
  path.set_send_rate(0, 100000);
  double bytes = 0;
  const Instant end = now + seconds(5);
  while (now < end) {
    while (path.send_allowance(now) > 0) {
      send();
      bytes += 1200;
    }
    now += milliseconds(1);
    acknowledge_all();
  }
  EXPECT_NEAR(bytes / 5, 100000, 5000);
  EXPECT_EQ(path.stats().send_rate, 100000u);
}

TEST_F(PathTest, RateIsClampedFromBelow) {
  // 1 MB/s over 40 ms needs 40 kB in flight: more than the initial window.
  path.set_send_rate(1000000, 0);
  double bytes = 0;
  const Instant end = now + kRtt;
  while (now < end) {
    while (path.send_allowance(now) > 0) {
      send();
      bytes += 1200;
    }
    now += milliseconds(1);
  }
  EXPECT_GT(bytes, 36000);
}

TEST_F(PathTest, NothingLeavesAtTheLimitOfTrackedPackets) {
  path.set_send_rate(std::uint64_t{1} << 40, 0);
  for (std::size_t i = 0; i + 1 < kTrackedPacketsMax; ++i) send(60);
  now += milliseconds(1);
  receive(1);
  EXPECT_GT(path.send_allowance(now), 0u);
  EXPECT_TRUE(path.ack_due(now));
  send(60);
  EXPECT_EQ(path.send_allowance(now), 0u);
  EXPECT_FALSE(path.ack_due(now));
  acknowledge_all();
  EXPECT_GT(path.send_allowance(now), 0u);
}

TEST_F(PathTest, AnIdlePathIsSmall) {
  const std::size_t before = allocated_bytes;
  const Path small(PathId{1}, PathConfig{}, now);
  EXPECT_LT(allocated_bytes - before, 2560u);
}

TEST_F(PathTest, NoAllocationPerPacket) {
  std::uint64_t received = 0;
  const auto work = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      for (int k = 0; k < 8 && path.send_allowance(now) > 0; ++k) send();
      now += milliseconds(5);
      receive(received += 2);
      path.on_ack_written(now);
      acknowledge_all();
    }
  };
  work(300);
  const std::size_t before = allocations;
  work(1000);
  EXPECT_EQ(allocations, before);
}

TEST_F(PathTest, GivesMemoryBackAfterABusyTime) {
  path.set_send_rate(std::uint64_t{1} << 40, 0);
  for (int i = 0; i < 1000; ++i) send();
  now += kRtt;
  acknowledge_all();
  const Instant deadline = path.next_deadline();
  EXPECT_EQ(deadline, now + seconds(1));
  path.on_deadline(deadline, *this);
  EXPECT_EQ(path.next_deadline(), kNever);
  const std::size_t before = allocations;
  send();
  EXPECT_GT(allocations, before);  // the rings begin anew
}

}  // namespace
}  // namespace whimbrel
