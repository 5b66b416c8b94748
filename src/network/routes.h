// The relays over which one peer can be reached, and which of them carries what we send.
//
// Both ends choose by the same sums, so they choose the same relay; where they don't agree, one of them follows the other. What
// is in doubt is sent over two relays at once: the receiver drops what it has (by packet number), so that costs bytes only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "network/relays.h"
#include "network/signal.h"

namespace whimbrel {

class Routes {
 public:
  // Further slots of a peer are not looked at.
  static constexpr std::size_t kMax = kSignalSlotsMax;
  // So many are kept ready: one that is used and one for when it is lost.
  static constexpr std::size_t kReady = 2;

  struct Route {
    PeerSlot slot;
    Instant heard{};  // from the peer over it, while it is the active one

    SiteId site() const { return slot.grant.relay_id; }
  };

  // Replaces all. Returns those that are not there any more.
  std::vector<PeerSlot> learn(const std::vector<PeerSlot>& slots, Instant now);
  // The peer is not there any more. True if it was a route.
  bool forget(SiteId site, relay::SlotId slot);
  const std::vector<Route>& all() const { return routes_; }
  bool empty() const { return routes_.empty(); }

  // Those worth to be kept ready, best first.
  std::vector<Route> ready(const Relays& relays) const;
  // Of the two ends we are the one that gives way where they don't agree.
  void set_follows(bool follows) { follows_ = follows; }
  // Looks again which to use: after anything happened to a leg, a grant, or a route, and at next_deadline().
  void choose(const Relays& relays, Instant now);
  void on_heard(SiteId site, relay::SlotId slot, const Relays& relays, Instant now);
  Instant next_deadline() const { return move_at_; }

  // Null: none can be used now.
  const Route* active() const { return place(active_); }
  // What goes over the active one goes over this one, too. Usually null.
  const Route* also() const { return place(also_); }

 private:
  static constexpr std::size_t kNone = kMax;

  const Route* place(std::size_t at) const { return at < routes_.size() ? &routes_[at] : nullptr; }
  std::size_t find(SiteId site, relay::SlotId slot) const;
  std::size_t best(const Relays& relays, std::size_t except) const;
  void use(std::size_t at, Instant now);
  void move_if_better(const Relays& relays, Instant now);

  bool follows_ = false;
  std::vector<Route> routes_;
  std::size_t active_ = kNone;
  std::size_t also_ = kNone;
  bool answered_ = false;     // the peer was heard over the active one since it is that
  bool doubled_ = false;      // because the peer is heard over the other
  Instant move_at_ = kNever;  // a better one is taken then
  SiteId move_to_ = 0;
};

}  // namespace whimbrel
