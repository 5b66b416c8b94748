// How sessions have failed, by user: what the application can still read after the end. Bounded;
// each is forgotten in time.
#pragma once

#include <whimbrel/connection_info.h>
#include <whimbrel/identity.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "base/time.h"

namespace whimbrel {

class FailureRecords {
 public:
  // Long enough to be read after the fact; whoever talks to many new users keeps few of them.
  static constexpr Duration kLife = seconds(300);

  // After a dial that failed the next one waits for so long; doubled with each one in a row, up to
  // the second.
  static constexpr Duration kDialAgainFirst = milliseconds(250);
  static constexpr Duration kDialAgainMax = seconds(5);

  // In place of an earlier record of the same user, if there is one; otherwise the oldest go until
  // there are no more than `records_max`, which is not 0. `failed_dials`: in a row; 0 where the
  // session had come up.
  void put(const ConnectionInfo& info, Instant now, std::size_t records_max,
           unsigned failed_dials) {
    erase(info.identity);
    while (!order_.empty() && records_.size() >= records_max) erase(Identity(oldest()));
    order_.emplace_hint(order_.end(), next_, info.identity);
    // Who was put out by a newer login stays out until it is told to come back.
    const bool for_good = info.end_reason == kEndRemoteElsewhere;
    const Instant dial_at = for_good            ? kNever
                            : failed_dials == 0 ? now
                                                : now + dial_again(failed_dials);
    const Instant forget_at = for_good ? kNever : now + kLife;
    records_.emplace(info.identity, Record{info, forget_at, next_, dial_at, failed_dials});
    ++next_;
  }

  // False when there is none.
  bool erase(const Identity& user) {
    const auto it = records_.find(user);
    if (it == records_.end()) return false;
    order_.erase(it->second.number);
    records_.erase(it);
    return true;
  }

  // Null when there is none, or it is too old.
  const ConnectionInfo* find(const Identity& user, Instant now) const {
    const auto it = records_.find(user);
    return it == records_.end() || now >= it->second.forget_at ? nullptr : &it->second.info;
  }

  // A send that restarts broken sessions may dial again; true where there is no record.
  bool may_dial(const Identity& user, Instant now) const {
    const auto it = records_.find(user);
    return it == records_.end() || now >= it->second.dial_at;
  }
  // No send dials: somebody newer has put us out.
  bool stays_out(const Identity& user) const {
    const auto it = records_.find(user);
    return it != records_.end() && it->second.dial_at == kNever;
  }
  unsigned failed_dials(const Identity& user) const {
    const auto it = records_.find(user);
    return it == records_.end() ? 0 : it->second.failed_dials;
  }

  std::size_t size() const { return records_.size(); }

 private:
  struct Record {
    ConnectionInfo info;
    Instant forget_at;
    std::uint64_t number;  // in the order
    Instant dial_at;
    unsigned failed_dials;
  };

  static Duration dial_again(unsigned failed_dials) {
    Duration wait = kDialAgainFirst;
    for (unsigned i = 1; i < failed_dials && wait < kDialAgainMax; ++i) wait *= 2;
    return std::min(wait, kDialAgainMax);
  }

  const Identity& oldest() const { return order_.begin()->second; }

  std::map<Identity, Record> records_;
  std::map<std::uint64_t, Identity> order_;  // exactly those above, the oldest first
  std::uint64_t next_ = 0;
};

}  // namespace whimbrel
