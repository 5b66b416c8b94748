#include "base/range_set.h"

#include <algorithm>

namespace whimbrel {

std::size_t RangeSet::first_ending_after(std::uint64_t value) const {
  const auto it = std::partition_point(ranges_.begin(), ranges_.end(),
                                       [value](const Range& r) { return r.end <= value; });
  return static_cast<std::size_t>(it - ranges_.begin());
}

bool RangeSet::contains(std::uint64_t value) const { return covers(value, value + 1); }

bool RangeSet::covers(std::uint64_t begin, std::uint64_t end) const {
  if (begin >= end) return true;
  const std::size_t i = first_ending_after(begin);
  return i < ranges_.size() && ranges_[i].begin <= begin && end <= ranges_[i].end;
}

std::uint64_t RangeSet::add(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return 0;
  if (ranges_.empty() || begin > ranges_.back().end) {
    ranges_.push_back({begin, end});
    return end - begin;
  }
  if (begin == ranges_.back().end) {
    ranges_.back().end = end;
    return end - begin;
  }
  // The first range that overlaps or touches, and one past the last that does.
  std::size_t first = begin == 0 ? 0 : first_ending_after(begin - 1);
  std::size_t last = first;
  Range merged{begin, end};
  std::uint64_t known = 0;
  while (last < ranges_.size() && ranges_[last].begin <= end) {
    const Range& old = ranges_[last];
    const std::uint64_t low = std::max(old.begin, begin);
    const std::uint64_t high = std::min(old.end, end);
    if (low < high) known += high - low;
    merged.begin = std::min(merged.begin, old.begin);
    merged.end = std::max(merged.end, old.end);
    ++last;
  }
  const auto at = ranges_.begin() + static_cast<std::ptrdiff_t>(first);
  if (first == last) {
    ranges_.insert(at, merged);
  } else {
    *at = merged;
    ranges_.erase(at + 1, ranges_.begin() + static_cast<std::ptrdiff_t>(last));
  }
  return end - begin - known;
}

std::uint64_t RangeSet::remove(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return 0;
  std::size_t i = first_ending_after(begin);
  std::uint64_t removed = 0;
  while (i < ranges_.size() && ranges_[i].begin < end) {
    Range& old = ranges_[i];
    const std::uint64_t low = std::max(old.begin, begin);
    const std::uint64_t high = std::min(old.end, end);
    removed += high - low;
    const Range left{old.begin, low};
    const Range right{high, old.end};
    if (left.size() > 0 && right.size() > 0) {
      old = left;
      ranges_.insert(ranges_.begin() + static_cast<std::ptrdiff_t>(i) + 1, right);
      return removed;
    }
    if (left.size() > 0) {
      old = left;
      ++i;
    } else if (right.size() > 0) {
      old = right;
      ++i;
    } else {
      ranges_.erase(ranges_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return removed;
}

}  // namespace whimbrel
