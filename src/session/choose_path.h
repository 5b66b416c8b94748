// Which path of a session carries what it sends: a pure function of what is known of each path.
//
// Both ends decide. The leader (the larger static key) says by PATH_STATUS which path it uses. The
// follower uses that path too, unless it cannot; and it says which paths it cannot use.
#pragma once

#include <optional>
#include <span>

#include "base/time.h"
#include "wire/packet.h"

namespace whimbrel {

// What speaks for and against a path at the moment.
struct PathView {
  PathId id{};
  bool direct = false;  // no relay
  bool v6 = false;
  bool usable = false;   // validated, and its carrier can send
  bool doubted = false;  // it may be dead: its carrier hears nothing, or a probe timeout has passed
  bool dead = false;     // several probe timeouts have passed without a word
  bool draining = false;      // its relay is about to stop
  bool peer_standby = false;  // the peer does not want packets on it
  Duration rtt{};

  bool healthy() const { return usable && !doubted && !dead && !draining; }
};

struct PathPolicy {
  bool leads = true;
  // A direct path counts as so much shorter than a relayed one, IPv6 than IPv4.
  Duration direct_bonus = milliseconds(5);
  Duration v6_bonus =
      milliseconds(3);  // RFC 8305 section 8 prefers IPv6; 3 ms is a tenth of a usual round trip
  // Another path must be shorter by so much, and by a tenth, for so long.
  Duration move_margin = milliseconds(5);
  Duration move_time = seconds(5);
};

struct PathChoice {
  // None: no path can be used now.
  std::optional<PathId> active = std::nullopt;
  // Carries the same, because the active one is in doubt.
  std::optional<PathId> also = std::nullopt;
  // Is taken at `move_at`.
  std::optional<PathId> better = std::nullopt;
  Instant move_at = kNever;

  friend bool operator==(const PathChoice&, const PathChoice&) = default;
};

// `before`: the choice so far. Look again when a view changes, and at `move_at`.
PathChoice choose_path(std::span<const PathView> views, const PathPolicy& policy,
                       const PathChoice& before, Instant now);

}  // namespace whimbrel
