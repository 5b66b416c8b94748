// When each session has to be looked at next: one ordered table, so that equal times come in the
// same order every time.
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "base/time.h"

namespace whimbrel {

class TimerTable {
 public:
  using Key = std::uint64_t;

  // Makes sure that `key` comes up at `when` or before. A busy session's deadline moves away with
  // every packet: it is left where it is, comes up once for nothing, and is then put right.
  // `*scheduled`: where it is; kNever: nowhere.
  void schedule(Key key, Instant when, Instant* scheduled) {
    if (when < *scheduled) move(key, when, scheduled);
  }
  // To `when` exactly; kNever takes it out.
  void move(Key key, Instant when, Instant* scheduled) {
    if (*scheduled == when) return;
    if (*scheduled != kNever) table_.erase({*scheduled, key});
    if (when != kNever) table_.insert({when, key});
    *scheduled = when;
  }
  Instant next() const { return table_.empty() ? kNever : table_.begin()->first; }
  // The key that is due first; only when next() <= now.
  Key first() const { return table_.begin()->second; }

 private:
  std::set<std::pair<Instant, Key>> table_;
};

}  // namespace whimbrel
