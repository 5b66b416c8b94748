// A set of integers kept as disjoint half-open ranges [begin, end), in ascending order, never
// touching. Adding at the back (the usual case: packet numbers arrive in order) costs O(1);
// elsewhere O(log n + moved).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace whimbrel {

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // one past the last
  std::uint64_t size() const { return end - begin; }
  friend bool operator==(const Range&, const Range&) = default;
};

class RangeSet {
 public:
  bool empty() const { return ranges_.empty(); }
  // Number of ranges, not of integers.
  std::size_t count() const { return ranges_.size(); }
  const std::vector<Range>& ranges() const { return ranges_; }
  const Range& front() const { return ranges_.front(); }
  const Range& back() const { return ranges_.back(); }

  bool contains(std::uint64_t value) const;
  // True when all of [begin, end) is in the set.
  bool covers(std::uint64_t begin, std::uint64_t end) const;
  // Adds [begin, end); returns how many integers were new. Empty ranges add nothing.
  std::uint64_t add(std::uint64_t begin, std::uint64_t end);
  bool add(std::uint64_t value) { return add(value, value + 1) != 0; }
  // Removes [begin, end); returns how many integers were there.
  std::uint64_t remove(std::uint64_t begin, std::uint64_t end);
  // Removes everything below `value`.
  void remove_below(std::uint64_t value) { remove(0, value); }
  void pop_front() { ranges_.erase(ranges_.begin()); }
  void clear() { ranges_.clear(); }

 private:
  // Index of the first range whose end is greater than `value`.
  std::size_t first_ending_after(std::uint64_t value) const;

  std::vector<Range> ranges_;
};

}  // namespace whimbrel
