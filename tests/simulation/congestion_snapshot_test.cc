// The window over time in fixed scenarios, compared with text files in tests/simulation/snapshots.
// A change of a curve shows as a difference to read. WHIMBREL_UPDATE_SNAPSHOTS=1 writes the files
// anew.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "path_model.h"

namespace whimbrel::model {
namespace {

struct Scenario {
  const char* name;
  ControllerKind controller;
  LinkOptions line;
  double loss_back = 0;
  // The line carries nothing in this time, in seconds.
  double outage_begin = 0, outage_end = 0;
  // Bytes per second that the application has; 0: more than the line carries.
  double application_rate = 0;
  double length = 10;  // seconds
};

constexpr double kMegabit = 1e6 / 8;

LinkOptions line(double megabits, std::int64_t one_way_ms, std::int64_t buffer_ms, double loss) {
  const double rate = megabits * kMegabit;
  return {rate, milliseconds(one_way_ms), rate * to_seconds(milliseconds(buffer_ms)), loss, {},
          1500};
}

std::string row(Instant now, const PathStats& stats) {
  char text[128];
  std::snprintf(text, sizeof text, "%6lld %8llu %8llu %7.1f %6llu\n",
                static_cast<long long>(to_milliseconds(now.time_since_epoch())),
                static_cast<unsigned long long>(stats.window_bytes / 1000),
                static_cast<unsigned long long>(stats.bytes_in_flight / 1000),
                to_seconds(stats.rtt_smoothed) * 1e3,
                static_cast<unsigned long long>(stats.packets_lost));
  return text;
}

std::string run(const Scenario& scenario) {
  PathModel model(1);
  model.bottleneck.options = scenario.line;
  FlowOptions options;
  options.path.controller = scenario.controller;
  options.delay_back = scenario.line.delay;
  options.loss_back = scenario.loss_back;
  if (scenario.application_rate > 0) {
    options.produced = [rate = scenario.application_rate](Instant now) {
      return static_cast<std::uint64_t>(to_seconds(now.time_since_epoch()) * rate);
    };
  }
  Flow& flow = model.add_flow(options);
  std::string text = "#   ms window_kB flight_kB rtt_ms   lost\n";
  model.sample_every(milliseconds(250),
                     [&](Instant now) { text += row(now, flow.sender.stats()); });
  if (scenario.outage_end > 0) {
    model.run_until(at(scenario.outage_begin));
    model.bottleneck.options.size_max = 0;
    model.run_until(at(scenario.outage_end));
    model.bottleneck.options.size_max = scenario.line.size_max;
  }
  model.run_until(at(scenario.length));
  return text;
}

std::string read_file(const std::string& name) {
  std::ifstream file(name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class CongestionSnapshot : public ::testing::TestWithParam<Scenario> {};

TEST_P(CongestionSnapshot, WindowOverTime) {
  const std::string file =
      std::string(WHIMBREL_SOURCE_DIR) + "/tests/simulation/snapshots/" + GetParam().name + ".txt";
  const std::string now = run(GetParam());
  if (std::getenv("WHIMBREL_UPDATE_SNAPSHOTS") != nullptr) std::ofstream(file) << now;
  EXPECT_EQ(now, read_file(file)) << "if this is meant, run again with WHIMBREL_UPDATE_SNAPSHOTS=1";
}

constexpr auto kCubic = ControllerKind::kCubic;
constexpr auto kBbr = ControllerKind::kBbr;

const Scenario kScenarios[] = {
    {.name = "cubic_clean_line", .controller = kCubic, .line = line(100, 10, 20, 0)},
    {.name = "cubic_deep_buffer", .controller = kCubic, .line = line(20, 25, 200, 0)},
    {.name = "cubic_random_loss",
     .controller = kCubic,
     .line = line(20, 25, 50, 0.01),
     .loss_back = 0.01},
    {.name = "cubic_long_line", .controller = kCubic, .line = line(50, 100, 100, 0), .length = 20},
    {.name = "cubic_outage",
     .controller = kCubic,
     .line = line(20, 25, 50, 0),
     .outage_begin = 3,
     .outage_end = 5},
    {.name = "cubic_app_limited",
     .controller = kCubic,
     .line = line(100, 10, 20, 0),
     .application_rate = 250000,
     .length = 5},
    {.name = "bbr_clean_line", .controller = kBbr, .line = line(100, 10, 20, 0)},
    {.name = "bbr_deep_buffer", .controller = kBbr, .line = line(20, 25, 200, 0)},
    {.name = "bbr_random_loss",
     .controller = kBbr,
     .line = line(20, 25, 50, 0.01),
     .loss_back = 0.01},
    {.name = "bbr_long_line", .controller = kBbr, .line = line(50, 100, 100, 0), .length = 20},
    {.name = "bbr_outage",
     .controller = kBbr,
     .line = line(20, 25, 50, 0),
     .outage_begin = 3,
     .outage_end = 5},
    {.name = "bbr_app_limited",
     .controller = kBbr,
     .line = line(100, 10, 20, 0),
     .application_rate = 250000,
     .length = 5},
};

INSTANTIATE_TEST_SUITE_P(Controllers, CongestionSnapshot, ::testing::ValuesIn(kScenarios),
                         [](const auto& scenario) { return std::string(scenario.param.name); });

}  // namespace
}  // namespace whimbrel::model
