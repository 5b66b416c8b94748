// Two flows on one line, a session's controller beside TCP's (CUBIC, RFC 9438), and what each gets:
// for the test and for the bench. 20 Mbit/s, 40 ms.
#pragma once

#include "tests/simulation/path_model.h"

namespace whimbrel::model {

struct LineShares {
  double of_session = 0;  // of both together
  double used = 0;        // of the line's rate
  Duration queue_p95{};
};

enum class ComesFirst : std::uint8_t { kTcp, kSession };

struct SharedLine {
  double buffer_products = 1;  // bandwidth-delay products
  static constexpr double kRate = 20e6 / 8;
  static constexpr Duration kOneWay = milliseconds(20);

  PathModel model(std::uint64_t seed) const {
    PathModel model(seed);
    model.bottleneck.options = {kRate, kOneWay, buffer_products * kRate * to_seconds(2 * kOneWay),
                                0,     {},      1500};
    return model;
  }
  static FlowOptions flow(ControllerKind controller) {
    FlowOptions options;
    options.path.controller = controller;
    options.delay_back = kOneWay;
    options.jitter_back = milliseconds(1);
    return options;
  }
};

// The second flow comes after 5 s, a little later with each seed; measured from 20 s to 80 s.
inline LineShares share_with_tcp(const SharedLine& line, ComesFirst first, std::uint64_t seed) {
  PathModel model = line.model(seed);
  const bool tcp_first = first == ComesFirst::kTcp;
  FlowOptions tcp = SharedLine::flow(ControllerKind::kCubic);
  FlowOptions session = SharedLine::flow(ControllerKind::kBbr);
  (tcp_first ? session : tcp).start = at(5 + 0.037 * static_cast<double>(seed % 100));
  Flow& a = model.add_flow(tcp_first ? tcp : session);
  Flow& b = model.add_flow(tcp_first ? session : tcp);
  model.run_until(at(20));
  const std::uint64_t a_before = a.bytes_received, b_before = b.bytes_received;
  model.bottleneck.forget_delays();
  model.run_until(at(80));
  const auto of_a = static_cast<double>(a.bytes_received - a_before);
  const auto of_b = static_cast<double>(b.bytes_received - b_before);
  return {(tcp_first ? of_b : of_a) / (of_a + of_b), (of_a + of_b) / (60 * SharedLine::kRate),
          model.bottleneck.queue_delay_percentile(0.95)};
}

inline Duration queue_p95_of_tcp_alone(const SharedLine& line) {
  PathModel model = line.model(1);
  model.add_flow(SharedLine::flow(ControllerKind::kCubic));
  model.run_until(at(20));
  model.bottleneck.forget_delays();
  model.run_until(at(80));
  return model.bottleneck.queue_delay_percentile(0.95);
}

}  // namespace whimbrel::model
