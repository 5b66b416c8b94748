// A session on a line that changes in mid-flow comes to terms with it: two seconds or five round
// trips later the stream is as punctual as the new line allows, and a bulk transfer as fast as one
// that begins there. The grid is sim/line_changes.h; `./dev bench` has the numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <ostream>

#include "sim/line_changes.h"

namespace whimbrel::sim {
namespace {

struct Case {
  LineChange change;
  Traffic traffic;
};

// A transfer over the faster lines takes the time of many packets: here only where their speed
// makes a difference, bench has all.
bool is_affordable(const LineChange& change, Traffic traffic) {
  if (!has_bulk(traffic) || change.before.rate <= 2'500'000) return true;
  const bool far = change.after.delay > 10 * change.before.delay;
  return traffic == Traffic::kUnreliableStreamAndBulk &&
         (far || change.after.jitter > Duration::zero());
}

std::vector<Case> cases() {
  std::vector<Case> cases;
  for (const LineChange& change : line_changes()) {
    for (const Traffic traffic : kAllTraffic) {
      if (is_affordable(change, traffic)) cases.push_back({change, traffic});
    }
  }
  return cases;
}

std::string name_of(const Case& what) {
  std::string name = what.change.name + " " + to_string(what.traffic);
  std::erase_if(name, [](char c) { return c != ' ' && c != '/' && !std::isalnum(c); });
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

void PrintTo(const Case& what, std::ostream* out) { *out << name_of(what); }

void expect_settled(const Case& what, const LineChangeResult& result, const char* direction) {
  EXPECT_TRUE(is_settled(what.change, what.traffic, result))
      << direction << ": the worst message " << result.late_max_ms << " ms late, "
      << result.arrived * 100 << " % arrived, goodput " << result.goodput << " bytes/s, "
      << result.share() << " of a new session's";
}

class LineChanges : public testing::TestWithParam<Case> {};

TEST_P(LineChanges, IsFollowedThereAndBack) {
  const LineChangeResults results = run_line_change(GetParam().change, GetParam().traffic, 1);
  expect_settled(GetParam(), results.there, "there");
  expect_settled(GetParam(), results.back, "back");
}

INSTANTIATE_TEST_SUITE_P(Grid, LineChanges, testing::ValuesIn(cases()),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace whimbrel::sim
