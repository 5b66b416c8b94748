// What one shard of a relay has for another: each shard has its own slots, its own thread and its own socket, and reads
// nothing of the others.
#pragma once

#include <array>
#include <cstdint>

#include "base/ip_address.h"
#include "relay/framing.h"
#include "relay/token.h"

namespace whimbrel::relay {

inline constexpr std::uint32_t kShardsMax = 8;
// Where a shard leaves what is not the relay's at all. It may be a thread of its own.
inline constexpr std::uint32_t kControlShard = kShardsMax;

// A slot is the shard's whose number its index leaves when divided by their count.
inline std::uint32_t shard_of(SlotId slot, std::uint32_t shards) { return slot.index() % shards; }
// The shard that a datagram from a client is for. An Open goes by its nonce, so that it is repeated to the same one; whatever
// has no slot, and whatever is too short, goes to the first. What the kernel is told to do follows the same rule.
std::uint32_t shard_of(Bytes datagram, std::uint32_t shards);

struct Handover {
  enum class Kind : std::uint8_t {
    kForward,  // bytes: a Send of `source`, checked, for `destination`, which granted it in `epoch`
    kGone,     // the answer to a forward that leads nowhere (any more)
    kBind,  // bytes: a grant of `destination`, which `source` wants to be bound to; identity and app id are its own
    kBound,     // the answer: result, and the grant's epoch
    kDatagram,  // bytes: as `from` sent it, for the shard that it is for
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

// Where a shard leaves what it has for others.
class HandoverOutlet {
 public:
  virtual ~HandoverOutlet() = default;
  // False: there is no room. `bytes` are copied.
  virtual bool hand_over(std::uint32_t shard, const Handover& handover, Bytes bytes) = 0;
};

}  // namespace whimbrel::relay
