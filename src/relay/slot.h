// What a relay keeps for one client: all that a packet needs, side by side.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"
#include "base/token_bucket.h"
#include "crypto/replay_window.h"
#include "relay/leg_keys.h"

namespace whimbrel::relay {

// Where a handle leads: a slot whose owner has granted it.
struct Binding {
  SlotId slot{};
  std::uint8_t epoch = 0;
  bool used = false;
};

struct Slot {
  static constexpr std::size_t kInlineBindings = 8;
  static constexpr std::size_t kBindingsMax = 256;

  enum class State : std::uint8_t {
    kFree,
    kOpening,  // the client has not shown yet that it has our answer
    kOpen,
  };

  State state = State::kFree;
  std::uint8_t grant_epoch = 0;
  bool drain_told = false;
  std::uint32_t generation = 0;
  std::uint32_t down_sequence = 0;
  SipKey up{};
  SipKey down{};
  IpAddress address;
  BasicReplayWindow<256> window;
  TokenBucket bytes;
  TokenBucket packets;
  std::array<Binding, kInlineBindings> bindings;
  std::unique_ptr<std::vector<Binding>> more_bindings;
  Instant heard{};
  Instant expires{};

  IpAddress new_address;  // challenged, unless empty
  std::uint64_t challenge = 0;
  Instant challenged{};

  Secret grant_key;
  IdentityHash identity{};
  std::uint32_t app_id = 0;
  Nonce nonce{};
  Nonce relay_nonce{};

  // Null: nothing is bound to it.
  const Binding* binding(std::uint16_t handle) const {
    if (handle < kInlineBindings) return bindings[handle].used ? &bindings[handle] : nullptr;
    const std::size_t place = handle - kInlineBindings;
    if (more_bindings == nullptr || place >= more_bindings->size()) return nullptr;
    return (*more_bindings)[place].used ? &(*more_bindings)[place] : nullptr;
  }
  // The handle that leads to `slot` already, or a free one; kBindingsMax if there is none.
  std::uint16_t handle_for(SlotId slot);
  Binding& binding_at(std::uint16_t handle);  // handle_for() named it
  void unbind(std::uint16_t handle);
};

static_assert(sizeof(Slot) <= 512, "the design's bound for the hot state of a session");

}  // namespace whimbrel::relay
