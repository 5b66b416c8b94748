// Of a socket on all addresses of its machine: at which of them each peer reached it. What answers
// a peer leaves from there, for peers, firewalls and NATs take an answer from no other address.
// Without a word from us the kernel takes the one that its routes prefer.
//
// Only what the kernel might choose otherwise is kept: nothing on a machine that has one address.
// What is kept has a bound, and gives way to what comes later; a peer that is heard again is known
// again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ip_address.h"

namespace whimbrel {

class ReplySources {
 public:
  explicit ReplySources(bool v4);

  // `peer` reached us at `local`, whose port counts for nothing.
  void note(const IpAddress& peer, const IpAddress& local);
  // Null: as the kernel chooses.
  const IpAddress* find(const IpAddress& peer) const {
    return sets_.empty() ? nullptr : look_up(peer);
  }
  // Its address of ours has gone.
  void forget(const IpAddress& peer);

  static constexpr std::size_t kEntriesMax = 1 << 18;

 private:
  static constexpr std::size_t kWays = 8;
  struct Entry {
    IpAddress peer;  // empty: free
    IpAddress local;
  };

  const IpAddress* look_up(const IpAddress& peer) const;
  std::size_t place_of(const IpAddress& peer) const;  // of its set
  bool kernel_would(const IpAddress& local);
  void look_at_interfaces();

  bool v4_;
  std::uint64_t seed_ = 0;         // strangers choose their addresses, not where those fall
  std::optional<IpAddress> only_;  // the one address that peers elsewhere can reach
  std::int64_t looked_at_ = 0;     // in seconds
  std::size_t victim_ = 0;
  std::vector<Entry> sets_;  // kWays for each; made with the first entry
};

}  // namespace whimbrel
