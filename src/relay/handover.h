// What one shard of a relay passes to another. Each shard has its own slots, thread and socket, and
// reads nothing that belongs to another.
#pragma once

#include <array>
#include <cstdint>

#include "base/ip_address.h"
#include "relay/framing.h"
#include "relay/token.h"

namespace whimbrel::relay {

inline constexpr std::uint32_t kShardsMax = 8;
// The number of the thread that gets what does not belong to the relay.
inline constexpr std::uint32_t kControlShard = kShardsMax;

// The shard of a slot is slot.index() % shards.
inline std::uint32_t shard_of(SlotId slot, std::uint32_t shards) { return slot.index() % shards; }
// The shard that a datagram from a client is for. An Open goes by its nonce, so that its
// repetitions reach the same shard. What has no slot, or is too short, goes to shard 0. The packet
// filter in server/shared_port.cc follows the same rule.
std::uint32_t shard_of(Bytes datagram, std::uint32_t shards);

struct Handover {
  enum class Kind : std::uint8_t {
    kForward,  // bytes: a Send from `source`, checked, to `destination`, granted in `epoch`
    kGone,     // the answer to a kForward whose destination is gone
    // Bytes: a grant of `destination` that `source` binds; with the identity and app id of
    // `source`.
    kBind,
    kBound,     // the answer to kBind: result, and the grant's epoch
    kDatagram,  // bytes: a datagram that reached the wrong shard, as `from` sent it
  };
  Kind kind{};
  std::uint8_t epoch = 0;
  BindResult result{};
  std::uint16_t handle = 0;  // of kForward and kGone
  SlotId source{};
  SlotId destination{};
  std::uint32_t app_id = 0;
  IdentityHash identity{};
  IpAddress from{};
};

// How a shard passes something to another one.
class HandoverOutlet {
 public:
  virtual ~HandoverOutlet() = default;
  // False: there is no room. `bytes` are copied.
  virtual bool hand_over(std::uint32_t shard, const Handover& handover, Bytes bytes) = 0;
};

}  // namespace whimbrel::relay
