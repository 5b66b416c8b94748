// Walks over what a RangeSet lacks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/range_set.h"

namespace whimbrel {

// Calls visit(begin, end) for each part of [begin, end) that is not in `set`, in ascending order.
// O(log n) to find the first, then O(1) for each.
template <typename Visit>
void for_each_gap(const RangeSet& set, std::uint64_t begin, std::uint64_t end, Visit visit) {
  const auto& ranges = set.ranges();
  auto it = std::partition_point(ranges.begin(), ranges.end(),
                                 [begin](const Range& range) { return range.end <= begin; });
  for (; begin < end; ++it) {
    const std::uint64_t gap_end = it == ranges.end() ? end : std::min(it->begin, end);
    if (begin < gap_end) visit(begin, gap_end);
    if (it == ranges.end()) return;
    begin = std::max(begin, it->end);
  }
}

}  // namespace whimbrel
