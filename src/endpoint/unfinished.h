// Handshakes that we have answered and the peer has not finished, in the order in which their
// places go to others.
//
// Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>

#include "endpoint/first_packets.h"

namespace whimbrel {

// `Id` grows with each one that is made.
template <typename Id>
class Unfinished {
 public:
  void add(Id id, Standing standing) { of(standing).insert(id); }
  bool erase(Id id) { return common_.erase(id) > 0 || assured_.erase(id) > 0; }
  // The one whose place goes first: the oldest of those that are one of many. Nothing: there is
  // none.
  std::optional<Id> first_to_go() const { return first_of(common_.empty() ? assured_ : common_); }
  // The oldest of all.
  std::optional<Id> oldest() const {
    const auto common = first_of(common_);
    const auto assured = first_of(assured_);
    return common && assured ? std::min(common, assured) : common ? common : assured;
  }
  std::size_t size() const { return common_.size() + assured_.size(); }
  bool empty() const { return size() == 0; }

 private:
  static std::optional<Id> first_of(const std::set<Id>& ids) {
    return ids.empty() ? std::nullopt : std::optional(*ids.begin());
  }
  std::set<Id>& of(Standing standing) { return standing == Standing::kCommon ? common_ : assured_; }

  std::set<Id> common_;
  std::set<Id> assured_;
};

}  // namespace whimbrel
