// What the path layer must achieve on a line, in simulated time: goodput, queue, fairness, and to
// stay within the window. Every case is deterministic.
#include <gtest/gtest.h>

#include "line_shares.h"
#include "path_model.h"

namespace whimbrel::model {
namespace {

constexpr double kMegabit = 1e6 / 8;

LinkOptions line(double megabits, double one_way_ms, double buffer_ms, double loss) {
  const double rate = megabits * kMegabit;
  return {rate,
          microseconds(static_cast<std::int64_t>(one_way_ms * 1e3)),
          rate * buffer_ms / 1e3,
          loss,
          {},
          1500};
}

FlowOptions flow_options(ControllerKind controller, const LinkOptions& link) {
  FlowOptions options;
  options.path.controller = controller;
  options.delay_back = link.delay;
  options.loss_back = link.loss;
  options.jitter_back = milliseconds(1);
  return options;
}

// Goodput in bytes/s between two times, in seconds.
double goodput(PathModel& model, Flow& flow, double begin, double end) {
  model.run_until(at(begin));
  const std::uint64_t before = flow.bytes_received;
  model.bottleneck.forget_delays();
  model.run_until(at(end));
  return static_cast<double>(flow.bytes_received - before) / (end - begin);
}

double jain(double a, double b) { return (a + b) * (a + b) / (2 * (a * a + b * b)); }

TEST(CubicOnALine, FillsACleanLine) {
  PathModel model(1);
  model.bottleneck.options = line(100, 10, 20, 0);
  Flow& flow = model.add_flow(flow_options(ControllerKind::kCubic, model.bottleneck.options));
  EXPECT_GE(goodput(model, flow, 0, 20), 0.95 * 100 * kMegabit);
  EXPECT_EQ(flow.sender.datagram_size(), kDatagramSizeEthernet);
}

TEST(CubicOnALine, FillsALongLine) {
  PathModel model(1);
  model.bottleneck.options = line(50, 100, 100, 0);
  Flow& flow = model.add_flow(flow_options(ControllerKind::kCubic, model.bottleneck.options));
  EXPECT_GE(goodput(model, flow, 5, 30), 0.9 * 50 * kMegabit);
}

TEST(CubicOnALine, TwoFlowsShare) {
  PathModel model(1);
  model.bottleneck.options = line(20, 25, 50, 0);
  FlowOptions options = flow_options(ControllerKind::kCubic, model.bottleneck.options);
  Flow& first = model.add_flow(options);
  options.start = at(2);
  Flow& second = model.add_flow(options);
  model.run_until(at(20));
  const std::uint64_t before = second.bytes_received;
  const double of_first = goodput(model, first, 20, 80);
  const double of_second = static_cast<double>(second.bytes_received - before) / 60;
  EXPECT_GE(jain(of_first, of_second), 0.95);
  EXPECT_GE(of_first + of_second, 0.9 * 20 * kMegabit);
}

TEST(CubicOnALine, StaysWithinTheWindow) {
  PathModel model(3);
  model.bottleneck.options = line(20, 25, 50, 0.005);
  Flow& flow = model.add_flow(flow_options(ControllerKind::kCubic, model.bottleneck.options));
  std::uint64_t window_before = 0;
  model.sample_every(milliseconds(1), [&](Instant) {
    const PathStats stats = flow.sender.stats();
    // After a cut the flight drains; it never grows above the window but by probes.
    EXPECT_LE(stats.bytes_in_flight, std::max(stats.window_bytes, window_before) + 2 * 1472);
    window_before = std::max(stats.window_bytes, stats.bytes_in_flight);
  });
  model.run_until(at(10));
  EXPECT_GT(flow.bytes_received, 0u);
}

// The line is no bottleneck and the round trip below a millisecond: neither is the pacer.
TEST(CubicOnALine, LoopbackIsNotPaced) {
  PathModel model(1);
  model.bottleneck.options = {600e6, microseconds(20), 4e6, 0, {}, 65536};
  FlowOptions options = flow_options(ControllerKind::kCubic, model.bottleneck.options);
  Flow& flow = model.add_flow(options);
  EXPECT_GE(goodput(model, flow, 0.02, 0.2), 0.9 * 600e6);
  EXPECT_LT(flow.acks_sent * 2, value(flow.sender.next_packet_number()));
}

// The line is wide enough to be no limit: 60 MB/s.
TEST(BbrOnALine, RandomLossOnALongLine) {
  for (const auto& [loss, least] : {std::pair{0.01, 20e6}, std::pair{0.05, 10e6}}) {
    PathModel model(1);
    model.bottleneck.options = line(480, 50, 200, loss);
    Flow& flow = model.add_flow(flow_options(ControllerKind::kBbr, model.bottleneck.options));
    EXPECT_GE(goodput(model, flow, 0, 4), least) << loss;
  }
}

TEST(BbrOnALine, ShortQueueUnderRandomLoss) {
  PathModel model(1);
  model.bottleneck.options = line(20, 25, 50, 0.01);
  Flow& flow = model.add_flow(flow_options(ControllerKind::kBbr, model.bottleneck.options));
  EXPECT_GE(goodput(model, flow, 1, 30), 0.9 * 20 * kMegabit);
  EXPECT_LT(model.bottleneck.queue_delay_percentile(0.95), milliseconds(25));
}

TEST(BbrOnALine, ShortQueueInADeepBuffer) {
  PathModel model(1);
  model.bottleneck.options = line(20, 25, 1000, 0);
  Flow& flow = model.add_flow(flow_options(ControllerKind::kBbr, model.bottleneck.options));
  EXPECT_GE(goodput(model, flow, 1, 30), 0.9 * 20 * kMegabit);
  EXPECT_LT(model.bottleneck.queue_delay_percentile(0.95), milliseconds(25));
}

TEST(BbrOnALine, FillsACleanLine) {
  PathModel model(1);
  model.bottleneck.options = line(100, 10, 20, 0);
  Flow& flow = model.add_flow(flow_options(ControllerKind::kBbr, model.bottleneck.options));
  EXPECT_GE(goodput(model, flow, 0, 20), 0.95 * 100 * kMegabit);
}

TEST(BbrOnALine, ShallowBuffer) {
  PathModel model(1);
  model.bottleneck.options = line(20, 25, 5, 0);
  Flow& flow = model.add_flow(flow_options(ControllerKind::kBbr, model.bottleneck.options));
  EXPECT_GE(goodput(model, flow, 1, 20), 0.9 * 20 * kMegabit);
  const PathStats stats = flow.sender.stats();
  EXPECT_LT(stats.packets_lost * 20, stats.packets_sent);
}

// Shares of two flows from 20 s to 80 s; the second starts at 5 s.
std::pair<double, double> shares(ControllerKind first, ControllerKind second, double buffer_ms) {
  PathModel model(1);
  model.bottleneck.options = line(20, 25, buffer_ms, 0);
  FlowOptions options = flow_options(first, model.bottleneck.options);
  Flow& a = model.add_flow(options);
  options.path.controller = second;
  options.start = at(5);
  Flow& b = model.add_flow(options);
  model.run_until(at(20));
  const std::uint64_t before = b.bytes_received;
  const double of_a = goodput(model, a, 20, 80);
  return {of_a, static_cast<double>(b.bytes_received - before) / 60};
}

TEST(BbrOnALine, TwoFlowsShare) {
  for (const double buffer_ms : {50.0, 200.0}) {
    const auto [a, b] = shares(ControllerKind::kBbr, ControllerKind::kBbr, buffer_ms);
    EXPECT_GE(jain(a, b), 0.95) << buffer_ms;
    EXPECT_GE(a + b, 0.9 * 20 * kMegabit);
  }
}

TEST(BbrOnALine, NeitherStarvesCubicNorIsStarved) {
  for (const double buffer_ms : {50.0, 200.0}) {
    const auto [cubic, bbr] = shares(ControllerKind::kCubic, ControllerKind::kBbr, buffer_ms);
    EXPECT_GE(jain(cubic, bbr), 0.8) << buffer_ms << " ms: " << cubic << ' ' << bbr;
  }
}

// Whoever comes first and however much the line buffers; the queue is no longer than TCP makes it
// by itself.
TEST(BbrOnALine, SharesWithTcp) {
  for (const double products : {1.0, 4.0}) {
    const SharedLine line{products};
    const Duration queue_max = queue_p95_of_tcp_alone(line) + milliseconds(1);
    for (const ComesFirst first : {ComesFirst::kTcp, ComesFirst::kSession}) {
      for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        const LineShares shares = share_with_tcp(line, first, seed);
        const bool tcp_first = first == ComesFirst::kTcp;
        EXPECT_GE(shares.of_session, 0.25) << products << ' ' << tcp_first << ' ' << seed;
        EXPECT_LE(shares.of_session, 0.75) << products << ' ' << tcp_first << ' ' << seed;
        EXPECT_GE(shares.used, 0.95);
        EXPECT_LE(shares.queue_p95, queue_max);
      }
    }
  }
}

// Nobody takes the queue of the others for a longer way.
TEST(BbrOnALine, FourFlowsShareADeepBuffer) {
  const SharedLine line{20};
  PathModel model = line.model(1);
  std::vector<Flow*> flows;
  std::vector<std::uint64_t> before;
  for (int i = 0; i < 4; ++i) {
    FlowOptions options = SharedLine::flow(ControllerKind::kBbr);
    options.start = at(2.3 * i);
    flows.push_back(&model.add_flow(options));
  }
  model.run_until(at(20));
  for (const Flow* flow : flows) before.push_back(flow->bytes_received);
  model.bottleneck.forget_delays();
  model.run_until(at(60));
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < flows.size(); ++i) {
    const auto bytes = static_cast<double>(flows[i]->bytes_received - before[i]);
    sum += bytes;
    squares += bytes * bytes;
  }
  EXPECT_GE(sum * sum / (4 * squares), 0.95);
  EXPECT_LE(model.bottleneck.queue_delay_percentile(0.95), milliseconds(100));
}

TEST(BbrOnALine, LoopbackIsNotPaced) {
  PathModel model(1);
  model.bottleneck.options = {600e6, microseconds(20), 4e6, 0, {}, 65536};
  Flow& flow = model.add_flow(flow_options(ControllerKind::kBbr, model.bottleneck.options));
  EXPECT_GE(goodput(model, flow, 0.05, 0.2), 0.9 * 600e6);
}

TEST(PathOnALine, ReorderingIsLearned) {
  PathModel model(1);
  model.bottleneck.options = line(20, 25, 200, 0);
  model.bottleneck.options.jitter = milliseconds(5);
  Flow& flow = model.add_flow(flow_options(ControllerKind::kCubic, model.bottleneck.options));
  EXPECT_GE(goodput(model, flow, 0, 10), 0.85 * 20 * kMegabit);
  const PathStats stats = flow.sender.stats();
  EXPECT_GT(stats.spurious_losses, 0u);
  EXPECT_LT(stats.spurious_losses, stats.packets_sent / 50);
}

// A message's last packet is lost: the probe brings it within two probe timeouts.
TEST(PathOnALine, TailLossIsRepairedByTheProbe) {
  PathModel model(1);
  model.bottleneck.options = line(20, 25, 200, 0);
  FlowOptions options = flow_options(ControllerKind::kCubic, model.bottleneck.options);
  options.produced = [](Instant now) { return now < at(1) ? 20000u : 21000u; };
  Flow& flow = model.add_flow(options);
  // The model looks for new data when something happens: let it look every millisecond.
  model.sample_every(milliseconds(1), [](Instant) {});
  model.run_until(at(0.999));
  ASSERT_EQ(flow.bytes_received, 20000u);
  model.bottleneck.options.size_max = 0;
  model.run_until(at(1.01));
  model.bottleneck.options.size_max = 1500;
  model.run_until(at(1.01) + 2 * flow.sender.probe_timeout());
  EXPECT_EQ(flow.bytes_received, 21000u);
  EXPECT_EQ(flow.sender.stats().pto_count_total, 1u);
}

TEST(PathOnALine, RecoversFromAnOutage) {
  PathModel model(1);
  model.bottleneck.options = line(20, 25, 50, 0);
  Flow& flow = model.add_flow(flow_options(ControllerKind::kCubic, model.bottleneck.options));
  model.run_until(at(3));
  model.bottleneck.options.size_max = 0;
  model.run_until(at(33));
  model.bottleneck.options.size_max = 1500;
  // The timer is bounded: the flow is back within six seconds, and soon at full speed.
  EXPECT_GE(goodput(model, flow, 39, 41), 0.85 * 20 * kMegabit);
}

TEST(PathOnALine, MtuBlackHole) {
  PathModel model(1);
  model.bottleneck.options = line(20, 25, 50, 0);
  Flow& flow = model.add_flow(flow_options(ControllerKind::kCubic, model.bottleneck.options));
  model.run_until(at(2));
  ASSERT_EQ(flow.sender.datagram_size(), 1472u);
  model.bottleneck.options.size_max = 1300;
  model.run_until(at(5));
  EXPECT_EQ(flow.sender.datagram_size(), 1200u);
  // Later the search finds what the line carries now.
  EXPECT_GE(goodput(model, flow, 20, 22), 0.85 * 20 * kMegabit);
  EXPECT_GT(flow.sender.datagram_size(), 1280u);
  EXPECT_LE(flow.sender.datagram_size(), 1300u);
}

TEST(PathOnALine, SameSeedSameRun) {
  std::uint64_t received[2];
  for (std::uint64_t& bytes : received) {
    PathModel model(42);
    model.bottleneck.options = line(20, 25, 50, 0.02);
    model.bottleneck.options.jitter = milliseconds(2);
    Flow& flow = model.add_flow(flow_options(ControllerKind::kCubic, model.bottleneck.options));
    model.run_until(at(3));
    bytes = flow.bytes_received * 1000003 + value(flow.sender.next_packet_number());
  }
  EXPECT_EQ(received[0], received[1]);
}

}  // namespace
}  // namespace whimbrel::model
