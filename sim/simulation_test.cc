// The simulator with nodes that are not endpoints: one that sends at an interval, one that echoes.
#include "sim/simulation.h"

#include <gtest/gtest.h>

#include "sim/checkers.h"

namespace whimbrel::sim {
namespace {

// Sends a datagram at an interval, counts what comes, sends back `echoes` copies of it.
class Stub : public Node {
 public:
  void receive(const IpAddress& from, MutableBytes datagram, Instant now) override {
    ++received;
    last_received = now;
    last_from = from;
    last_bytes.assign(datagram.begin(), datagram.end());
    for (unsigned i = 0; i < echoes; ++i) queue.push_back({from, last_bytes});
  }
  void advance(Instant now) override {
    ++advances;
    if (interval == Duration::zero() || now < next) return;
    queue.push_back({to, std::vector<std::uint8_t>(size, 0x55)});
    next = now + interval;
  }
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant) override {
    if (queue.empty()) return std::nullopt;
    const auto [address, bytes] = queue.front();
    queue.erase(queue.begin());
    std::copy(bytes.begin(), bytes.end(), buffer.begin());
    return Transmit{address, bytes.size(), bytes.size()};
  }
  Instant next_deadline() const override { return stubborn ? Instant{} : next; }

  IpAddress to, last_from;
  Duration interval{};
  std::size_t size = 100;
  unsigned echoes = 0;
  bool stubborn = false;
  Instant next = kNever;
  unsigned received = 0, advances = 0;
  Instant last_received;
  std::vector<std::uint8_t> last_bytes;
  std::vector<std::pair<IpAddress, std::vector<std::uint8_t>>> queue;
};

const IpAddress kA = IpAddress::v4(10, 0, 0, 1, 1);
const IpAddress kB = IpAddress::v4(10, 0, 0, 2, 1);

struct Pair {
  explicit Pair(std::uint64_t seed = 1, Nat* (*nat)(Simulation&) = nullptr) : simulation(seed) {
    a_id = simulation.attach(a, kA, nat != nullptr ? nat(simulation) : nullptr);
    b_id = simulation.attach(b, kB);
    a.to = kB;
  }
  void ping_every(Duration interval) {
    a.interval = interval;
    a.next = simulation.now();
    simulation.touch(a_id);
  }
  Simulation simulation;
  Stub a, b;
  NodeId a_id, b_id;
};

TEST(Simulation, CarriesPacketsAndCallsAtDeadlines) {
  Pair pair;
  pair.b.echoes = 1;
  pair.simulation.set_line(pair.a_id, {.delay = milliseconds(10)});
  pair.ping_every(milliseconds(100));
  pair.simulation.run_for(milliseconds(1000));
  EXPECT_EQ(pair.b.received, 10u);  // of eleven, the last is under way
  EXPECT_EQ(pair.a.received, 10u);
  EXPECT_EQ(pair.a.advances, 11u);
  EXPECT_EQ(pair.a.last_received, Instant{} + milliseconds(920));
  EXPECT_EQ(pair.simulation.now(), Instant{} + seconds(1));
}

std::uint64_t noisy_run(std::uint64_t seed) {
  Pair pair(seed);
  pair.b.echoes = 1;
  pair.simulation.set_line(pair.a_id, {.delay = milliseconds(5),
                                       .jitter = milliseconds(3),
                                       .jitter_reorders = true,
                                       .loss = 0.1,
                                       .duplicate = 0.1,
                                       .corrupt = 0.1});
  pair.ping_every(microseconds(700));
  pair.simulation.run_for(seconds(2));
  return pair.simulation.trace().hash();
}

TEST(Simulation, SameSeedSameTrace) {
  EXPECT_EQ(noisy_run(5), noisy_run(5));
  EXPECT_NE(noisy_run(5), noisy_run(6));
}

TEST(Simulation, FilterDecidesEachPacketsFate) {
  Pair pair;
  pair.simulation.set_filter([](const PacketView& packet) {
    if (packet.number == 1) return Fate{0, {}};
    if (packet.number == 2) return Fate{3, milliseconds(1)};
    return Fate{};
  });
  pair.ping_every(milliseconds(10));
  pair.simulation.run_for(milliseconds(25));
  EXPECT_EQ(pair.b.received, 1u + 0 + 3);
}

TEST(Simulation, MovedNodeIsFoundOnlyAtItsNewAddress) {
  Pair pair;
  pair.ping_every(milliseconds(10));
  pair.simulation.run_for(milliseconds(15));
  EXPECT_EQ(pair.b.received, 2u);
  const IpAddress elsewhere = IpAddress::v4(10, 9, 9, 9, 1);
  pair.simulation.move(pair.b_id, elsewhere);
  pair.simulation.run_for(milliseconds(20));
  EXPECT_EQ(pair.b.received, 2u);
  pair.a.to = elsewhere;
  pair.simulation.run_for(milliseconds(10));
  EXPECT_EQ(pair.b.received, 3u);
  pair.simulation.move(pair.a_id, kB);  // the old address, taken by another
  pair.simulation.run_for(milliseconds(10));
  EXPECT_EQ(pair.b.last_from, kB);
}

TEST(Simulation, BlockedPairHearsNothing) {
  Pair pair;
  pair.simulation.set_blocked(pair.b_id, pair.a_id, true);
  pair.ping_every(milliseconds(10));
  pair.simulation.run_for(milliseconds(15));
  EXPECT_EQ(pair.b.received, 0u);
  pair.simulation.set_blocked(pair.a_id, pair.b_id, false);
  pair.simulation.run_for(milliseconds(10));
  EXPECT_EQ(pair.b.received, 1u);
}

TEST(Simulation, SleeperHearsNothingAndItsClockMayStop) {
  Pair pair;
  pair.ping_every(milliseconds(10));
  pair.simulation.sleep(pair.b_id, true);
  pair.simulation.run_for(milliseconds(25));
  EXPECT_EQ(pair.b.received, 0u);
  pair.simulation.wake_up(pair.b_id);
  pair.simulation.run_for(milliseconds(10));
  EXPECT_EQ(pair.b.received, 1u);
  EXPECT_EQ(pair.b.last_received, Instant{} + milliseconds(5));
  EXPECT_EQ(pair.simulation.local_now(pair.a_id), Instant{} + milliseconds(35));
}

TEST(Simulation, InjectsFromAnyAddress) {
  Pair pair;
  const IpAddress nobody = IpAddress::v4(6, 6, 6, 6, 6);
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  pair.simulation.inject(nobody, kB, bytes);
  pair.b.echoes = 1;
  pair.simulation.run_for(milliseconds(1));
  EXPECT_EQ(pair.b.last_from, nobody);
  EXPECT_EQ(pair.b.last_bytes, bytes);
  EXPECT_EQ(pair.simulation.packets_unroutable(), 1u);
}

TEST(Simulation, CorruptionChangesBytes) {
  Pair pair;
  pair.simulation.set_line(pair.b_id, {.corrupt = 1});
  pair.ping_every(milliseconds(10));
  pair.simulation.run_for(milliseconds(5));
  EXPECT_EQ(pair.b.last_bytes.size(), 100u);
  EXPECT_NE(pair.b.last_bytes, std::vector<std::uint8_t>(100, 0x55));
}

TEST(Simulation, NatTranslatesBothWays) {
  Pair pair(1, [](Simulation& s) { return &s.add_nat({.outside = IpAddress::v4(1, 2, 3, 4, 0)}); });
  pair.b.echoes = 1;
  pair.ping_every(milliseconds(10));
  pair.simulation.run_for(milliseconds(5));
  EXPECT_EQ(pair.b.last_from.bytes, IpAddress::v4(1, 2, 3, 4, 0).bytes);
  EXPECT_EQ(pair.a.received, 1u);
  EXPECT_EQ(pair.a.last_from, kB);
}

TEST(Simulation, FindsANodeThatNeverRests) {
  Pair pair;
  pair.a.stubborn = true;
  pair.simulation.touch(pair.a_id);
  pair.simulation.run_for(milliseconds(1));
  EXPECT_EQ(pair.simulation.violations().size(), 1u);
}

TEST(Checkers, AmplificationOfASpoofedAddressIsFound) {
  Pair pair;
  AmplificationChecker checker(pair.simulation);
  pair.simulation.observe(checker);
  pair.b.echoes = 3;
  const std::vector<std::uint8_t> bytes(10);
  pair.simulation.inject(IpAddress::v4(6, 6, 6, 6, 6), kB, bytes);
  pair.simulation.run_for(milliseconds(1));
  EXPECT_TRUE(pair.simulation.violations().empty());
  pair.b.echoes = 4;
  pair.simulation.inject(IpAddress::v4(6, 6, 6, 6, 6), kB, bytes);
  pair.simulation.run_for(milliseconds(1));
  EXPECT_EQ(pair.simulation.violations().size(), 1u);
}

TEST(Checkers, AmplificationEndsWithAnAnswer) {
  Pair pair;
  AmplificationChecker checker(pair.simulation);
  pair.simulation.observe(checker);
  pair.b.echoes = 3;
  pair.ping_every(milliseconds(10));
  pair.simulation.run_for(milliseconds(5));
  pair.b.echoes = 50;  // the second ping came after an answer had reached the node
  pair.simulation.run_for(milliseconds(10));
  EXPECT_TRUE(pair.simulation.violations().empty());
}

TEST(Checkers, NonceUsedTwiceIsFound) {
  Pair pair;
  NonceChecker checker(pair.simulation);
  pair.simulation.observe(checker);
  auto send = [&](std::uint8_t number) {
    std::vector<std::uint8_t> packet(30);
    write_data_header(packet.data(), false, 77, PacketNumber{number}, 1);
    pair.a.queue.push_back({kB, packet});
    pair.simulation.touch(pair.a_id);
    pair.simulation.run_for(milliseconds(1));
  };
  send(0);
  send(1);
  send(5);
  EXPECT_TRUE(pair.simulation.violations().empty());
  send(5);
  EXPECT_EQ(pair.simulation.violations().size(), 1u);
  pair.simulation.restarted(pair.a_id);
  send(5);
  EXPECT_EQ(pair.simulation.violations().size(), 1u);
}

TEST(Checkers, FlightBeyondTheWindowIsFound) {
  Pair pair;
  FlightChecker checker(pair.simulation, pair.a_id, milliseconds(50), 0);
  pair.simulation.observe(checker);
  pair.a.size = 100;
  std::uint64_t window = 500;
  auto send = [&] {
    std::vector<std::uint8_t> packet(100);
    packet[0] = 0xc0;
    pair.a.queue.push_back({kB, packet});
    pair.simulation.touch(pair.a_id);
    pair.simulation.run_for(milliseconds(11));
    checker.on_window(window);
  };
  for (int i = 0; i < 20; ++i) send();
  EXPECT_TRUE(pair.simulation.violations().empty());
  window = 400;
  pair.simulation.run_for(milliseconds(60));
  for (int i = 0; i < 20; ++i) send();
  EXPECT_FALSE(pair.simulation.violations().empty());
}

}  // namespace
}  // namespace whimbrel::sim
