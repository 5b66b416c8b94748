// The state that a relay keeps for one client, laid out by cache lines: a forwarded packet touches
// three lines of its source and one of its destination.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"
#include "crypto/replay_window.h"
#include "relay/leg_keys.h"

namespace whimbrel::relay {

inline constexpr std::size_t kCacheLine = 64;

// Where a handle leads: to a slot whose owner made a grant.
struct Binding {
  SlotId slot{};
  std::uint8_t epoch = 0;
  bool used = false;
};

// Two token buckets that are filled together: bytes and packets per second, each with a burst of a
// quarter of a second. Levels are exact to 10^-7 of the burst.
class SlotRates {
 public:
  SlotRates() = default;
  // Full at first.
  SlotRates(std::uint32_t bytes_per_second, std::uint32_t packets_per_second, Instant now)
      : filled_(now), bytes_per_second_(bytes_per_second), packets_per_second_(packets_per_second) {
    bytes_ = bytes_max();
    packets_ = packets_max();
  }
  // Takes one packet. False, and nothing changes, if there is no room for it. `now` never runs
  // backwards.
  bool take(std::size_t bytes, Instant now) {
    if (now - filled_ >= kFillInterval) fill(now);
    const auto size = static_cast<float>(bytes);
    if (packets_ < 1 || bytes_ < size) return false;
    packets_ -= 1;
    bytes_ -= size;
    return true;
  }
  // When take() succeeded last; at most kFillInterval too early.
  Instant taken_at() const { return filled_; }

  // Not for every packet: what is added would be lost by rounding.
  static constexpr Duration kFillInterval = milliseconds(1);

 private:
  static constexpr float kBurst = 0.25;
  static constexpr float kBytesLeast = 65536;
  static constexpr float kPacketsLeast = 64;

  float bytes_max() const {
    return std::max(static_cast<float>(bytes_per_second_) * kBurst, kBytesLeast);
  }
  float packets_max() const {
    return std::max(static_cast<float>(packets_per_second_) * kBurst, kPacketsLeast);
  }
  void fill(Instant now);

  Instant filled_{};
  std::uint32_t bytes_per_second_ = 0;
  std::uint32_t packets_per_second_ = 0;
  float bytes_ = 0;
  float packets_ = 0;
};

struct Slot {
  static constexpr std::size_t kInlineBindings = 8;
  static constexpr std::size_t kBindingsMax = 1024;
  static constexpr std::uint32_t kNoPlace = ~std::uint32_t{0};

  enum class State : std::uint8_t {
    kFree,
    kOpening,  // the client has not confirmed our Opened yet
    kOpen,
  };

  // All that is needed of a destination, and to check a source's tag.
  alignas(kCacheLine) State state = State::kFree;
  std::uint8_t grant_epoch = 0;
  std::uint16_t generation = 0;
  std::uint32_t down_sequence = 0;
  SipKey up{};
  SipKey down{};
  IpAddress address;
  bool drain_told = false;

  // Needed of a source.
  alignas(kCacheLine) BasicReplayWindow<256> window;
  SlotRates rates;
  alignas(kCacheLine) std::array<Binding, kInlineBindings> bindings;

  // Not needed to forward a packet, except for handles beyond the inline ones.
  alignas(kCacheLine) std::unique_ptr<std::vector<Binding>> more_bindings;
  Instant expires{};
  Instant challenged{};
  std::uint64_t challenge = 0;
  IpAddress new_address;  // being challenged, unless empty
  std::uint32_t app_id = 0;
  std::uint32_t next_of_identity = kNoPlace;
  IdentityHash identity{};
  Nonce nonce{};
  Nonce relay_nonce{};
  Secret grant_key;

  // Null if nothing is bound to the handle.
  const Binding* binding(std::uint16_t handle) const {
    if (handle < kInlineBindings) return bindings[handle].used ? &bindings[handle] : nullptr;
    const std::size_t place = handle - kInlineBindings;
    if (more_bindings == nullptr || place >= more_bindings->size()) return nullptr;
    return (*more_bindings)[place].used ? &(*more_bindings)[place] : nullptr;
  }
  // The handle that already leads to `slot`, or a free one; kBindingsMax if there is none.
  std::uint16_t handle_for(SlotId slot);
  Binding& binding_at(std::uint16_t handle);  // `handle` is from handle_for()
  void unbind(std::uint16_t handle);
};

static_assert(sizeof(Slot) <= 512, "the design's bound for the state of a session");
static_assert(sizeof(Slot) == 6 * kCacheLine, "one line of identity, two of a source, three cold");

}  // namespace whimbrel::relay
