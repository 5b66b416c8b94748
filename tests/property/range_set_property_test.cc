// RangeSet beside std::set.
#include "base/range_set.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <tuple>
#include <vector>

#include "message/range_gaps.h"

namespace whimbrel {
namespace {

constexpr std::uint64_t kSpan = 60;

std::vector<std::uint64_t> numbers(const RangeSet& set) {
  std::vector<std::uint64_t> all;
  for (const Range& range : set.ranges()) {
    for (std::uint64_t n = range.begin; n < range.end; ++n) all.push_back(n);
  }
  return all;
}

RC_GTEST_PROP(RangeSetProperty, AgreesWithASet,
              (const std::vector<std::tuple<bool, std::uint8_t, std::uint8_t>>& steps)) {
  RangeSet set;
  std::set<std::uint64_t> model;
  for (const auto& [adds, at, size] : steps) {
    const std::uint64_t begin = at % kSpan;
    const std::uint64_t end = begin + size % 16;
    std::uint64_t changed = 0;
    for (std::uint64_t n = begin; n < end; ++n) {
      changed += adds ? (model.insert(n).second ? 1 : 0) : model.erase(n);
    }
    RC_ASSERT((adds ? set.add(begin, end) : set.remove(begin, end)) == changed);
    RC_ASSERT(numbers(set) == std::vector<std::uint64_t>(model.begin(), model.end()));
    for (std::size_t i = 0; i < set.count(); ++i) {
      RC_ASSERT(set.ranges()[i].size() > 0u);
      RC_ASSERT((i == 0 || set.ranges()[i - 1].end < set.ranges()[i].begin));
    }
    bool covered = true;
    for (std::uint64_t n = begin; n < end; ++n) covered = covered && model.contains(n);
    RC_ASSERT(set.covers(begin, end) == covered);
    RC_ASSERT(set.contains(begin) == model.contains(begin));
  }
}

RC_GTEST_PROP(RangeSetProperty, GapsAreWhatTheSetLacks,
              (const std::vector<std::pair<std::uint8_t, std::uint8_t>>& ranges, std::uint8_t from,
               std::uint8_t size)) {
  RangeSet set;
  for (const auto& [begin, count] : ranges) set.add(begin % kSpan, begin % kSpan + count % 8);
  const std::uint64_t begin = from % kSpan;
  const std::uint64_t end = begin + size % kSpan;
  std::vector<std::uint64_t> expected;
  for (std::uint64_t n = begin; n < end; ++n) {
    if (!set.contains(n)) expected.push_back(n);
  }
  std::vector<std::uint64_t> found;
  for_each_gap(set, begin, end, [&](std::uint64_t low, std::uint64_t high) {
    RC_ASSERT(low < high);
    for (std::uint64_t n = low; n < high; ++n) found.push_back(n);
  });
  RC_ASSERT(found == expected);
}

}  // namespace
}  // namespace whimbrel
