// How sessions have failed, by user: what the application can still read after the end. Bounded; each is forgotten in time.
#pragma once

#include <whimbrel/connection_info.h>
#include <whimbrel/identity.h>

#include <cstdint>
#include <map>
#include <utility>

#include "base/time.h"

namespace whimbrel {

class FailureRecords {
 public:
  // Long enough to be read after the fact; whoever talks to many new users keeps few of them.
  static constexpr Duration kLife = seconds(300);

  // In place of an earlier record of the same user, if there is one; otherwise the oldest go until there are no more than
  // `records_max`, which is not 0.
  void put(const ConnectionInfo& info, Instant now, std::size_t records_max) {
    erase(info.identity);
    while (!order_.empty() && records_.size() >= records_max) erase(Identity(oldest()));
    order_.emplace_hint(order_.end(), next_, info.identity);
    records_.emplace(info.identity, Record{info, now + kLife, next_});
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

  std::size_t size() const { return records_.size(); }

 private:
  struct Record {
    ConnectionInfo info;
    Instant forget_at;
    std::uint64_t number;  // in the order
  };

  const Identity& oldest() const { return order_.begin()->second; }

  std::map<Identity, Record> records_;
  std::map<std::uint64_t, Identity> order_;  // exactly those above, the oldest first
  std::uint64_t next_ = 0;
};

}  // namespace whimbrel
