// What may become of a leg, each state with what belongs to it.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"
#include "crypto/replay_window.h"
#include "relay/leg_bindings.h"
#include "relay/leg_keys.h"
#include "relay/leg_silence.h"

namespace whimbrel::relay {

// What the rendezvous gives a client for one relay.
struct Ticket {
  IpAddress relay;
  std::vector<std::uint8_t> token;
  Secret secret;
};

// Our place on the relay, as we know it. It outlives a silence.
struct LegSlot {
  SlotId id;
  std::uint32_t relay_id = 0;
  IpAddress observed;  // where the relay sees us
  Nonce nonce{};       // of the Open that it was opened with
  Nonce relay_nonce{};
  std::vector<Nonce> former;  // the relay's, of all that was opened with `nonce`
  LegKeys keys;
  std::uint8_t epoch = 0;  // of our grants
  std::uint32_t sequence = 0;
  BasicReplayWindow<1024> window;
  LegBindings bindings;
};

// The Opens that may still be answered.
struct SentOpens {
  RelayCookie cookie{};
  unsigned count = 0;
};

// After a silence: the relay may still have the slot that we had.
struct KeptSlot {
  LegSlot slot;
  Instant until;
  Instant ask_at;             // the next Ping
  bool renewal_owed = false;  // the slot has to hear of a newer token
};

// Not wanted.
struct LegClosed {};

// A slot is asked for.
struct LegOpening {
  // Nothing is known of what the relay says to that.
  struct Asking {};
  // It has said no since we ask.
  struct Refused {};

  Nonce nonce{};
  Instant open_at;  // the next Open; kNever: nothing helps but another ticket
  Duration wait{};  // after that one
  std::variant<Asking, KeptSlot, Refused> outlook;
  SentOpens opens = {};

  KeptSlot* kept() { return std::get_if<KeptSlot>(&outlook); }
  const KeptSlot* kept() const { return std::get_if<KeptSlot>(&outlook); }
  bool refused() const { return std::holds_alternative<Refused>(outlook); }
};

// There is a slot.
struct LegOpen {
  LegSlot slot;
  LegSilence silence;
  bool draining = false;
  SentOpens opens = {};
  // Waits until no answer to an Open is awaited: that has a MAC of the older one.
  std::optional<Ticket> newer_ticket = {};
};

using LegState = std::variant<LegClosed, LegOpening, LegOpen>;

}  // namespace whimbrel::relay
