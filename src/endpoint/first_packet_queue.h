// First packets of strangers that wait for their answer. An answer costs as much as twenty other
// packets; so a server gives some in each turn, after all that came from peers who are further:
// what was begun is finished, whatever is begun beside it.
//
// Not thread-safe.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/remote.h"
#include "endpoint/first_packets.h"
#include "endpoint/stranger.h"

namespace whimbrel {

struct WaitingFirstPacket {
  Remote from;
  EphemeralKey ephemeral;
  Standing standing;
  std::vector<std::uint8_t> datagram;
};

class FirstPacketQueue {
 public:
  // Of each standing.
  explicit FirstPacketQueue(std::size_t max) : max_(max) {}

  // False: there are too many; its sender says it again.
  bool add(const Remote& from, const EphemeralKey& ephemeral, Standing standing, Bytes datagram) {
    auto& queue = of(standing);
    if (queue.size() >= max_) return false;
    queue.push_back({from, ephemeral, standing, {datagram.begin(), datagram.end()}});
    all_.insert(ephemeral);
    return true;
  }
  bool contains(const EphemeralKey& ephemeral) const { return all_.contains(ephemeral); }
  // Those first whose answer is certain for their network.
  std::optional<WaitingFirstPacket> take() {
    for (const Standing standing : {Standing::kAssured, Standing::kCommon}) {
      auto& queue = of(standing);
      if (queue.empty()) continue;
      std::optional<WaitingFirstPacket> first(std::move(queue.front()));
      queue.pop_front();
      all_.erase(first->ephemeral);
      return first;
    }
    return std::nullopt;
  }
  std::size_t size() const { return queues_[0].size() + queues_[1].size(); }
  bool empty() const { return size() == 0; }
  // There is no room for anybody.
  bool full() const { return max_ > 0 && size() >= 2 * max_; }

 private:
  using Queue = std::deque<WaitingFirstPacket>;
  Queue& of(Standing standing) { return queues_[static_cast<std::size_t>(standing)]; }

  std::size_t max_;
  std::array<Queue, 2> queues_;
  std::set<EphemeralKey> all_;
};

}  // namespace whimbrel
