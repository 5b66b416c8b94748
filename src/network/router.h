// Finds the way to users that have no address of their own: handshake packets go as signals through
// the rendezvous, everything else over a relay, each with the grants that let the peer answer.
//
// Stands between an endpoint and the sockets. For the endpoint such a user is a SignalRemote; the
// router turns that into what is on the wire, and back. Sans-I/O, one driver, as everything below
// io.
#pragma once

#include <whimbrel/identity.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "base/token_bucket.h"
#include "endpoint/endpoint.h"
#include "network/relays.h"
#include "network/signal.h"
#include "network/user_sites.h"

namespace whimbrel {

// A place in the router's table: the user of a SignalRemote. 1 or more.
enum class ContactId : std::uint32_t {};
constexpr std::uint32_t value(ContactId id) { return static_cast<std::uint32_t>(id); }

// What happens at each limit stands beside it.
struct RouterLimits {
  std::size_t contacts_max =
      4096;  // signals of further strangers are dropped, further users not dialled
  // For the rendezvous: a signal is dropped, as a packet may be; a lookup waits in the endpoint.
  std::size_t requests_max = 4096;
  // Further ones wait. Until the rendezvous says what it takes (set_pace()); and as many at once.
  std::uint32_t requests_per_second = 150;
  std::uint32_t requests_per_second_max = 600;  // whatever it says
};

// What the rendezvous is asked to do.
struct LookupRequest {
  Identity user;
};
struct SignalRequest {
  Identity user;
  std::vector<std::uint8_t> body;  // at most kSignalSizeMax bytes
};
using RouterRequest = std::variant<LookupRequest, SignalRequest>;

struct RouterStats {
  std::uint64_t packets_in = 0, packets_out = 0;  // over the relay
  std::uint64_t signals_in = 0, signals_out = 0;
  std::uint64_t dropped_unknown_slot = 0, dropped_malformed = 0, dropped_full = 0;
};

class Router {
 public:
  // `users`, `random` and `clock` must outlive it.
  Router(Endpoint& users, std::uint32_t app_id, Random& random, Instant now, const WallClock& clock,
         const RouterLimits& limits = {});

  // --- inputs: from the rendezvous ---------------------------------------------------------------
  // The answer to a lookup: where there is a key, the user may be dialled.
  void on_found(const Identity& user, const PublicKey& key, Instant now);
  void on_not_found(const Identity& user, int reason, const std::string& text, Instant now);
  // `user` is who the rendezvous says it is; what the packet inside proves is the endpoint's to
  // see.
  void on_signal(const Identity& user, Bytes body, Instant now);
  // What the user was told last did not reach it; `again`: the rendezvous had no time, so it is
  // said once more.
  void on_undelivered(const Identity& user, bool again);
  // The rendezvous takes so many requests a second, lobbies' and all; 0: it does not say.
  void set_pace(std::uint32_t requests_per_second, Instant now);
  // Everybody whom we have a session with gets new grants: those that they have are dated by
  // another clock.
  void tell_all();
  // The rendezvous carries signals again: what may have been lost is said once more.
  void on_online(Instant now);
  // Where the relays are, and what opens them.
  void on_tickets(const std::vector<SiteTicket>& tickets, Instant now);

  // --- inputs: from the sockets ------------------------------------------------------------------
  // True if the datagram was the router's.
  bool receive(const IpAddress& from, MutableBytes datagram, Instant now);
  void advance(Instant now);

  // --- outputs -----------------------------------------------------------------------------------
  // What the endpoint and the relay legs have to send, as it goes onto the wire. `buffer`: 64 KiB.
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now);
  // First what a dial waits for, then grants that are told to sessions that are up.
  std::optional<RouterRequest> poll_request(Instant now);
  // A leg was lost: others may want to look after what they have there.
  std::optional<relay::LegLost> poll_leg_lost();
  // What has become of the legs to these addresses since the last call.
  enum class Reached : std::uint8_t {
    kNothingNew,
    kOpened,     // one was opened: whoever lives there was reached just now
    kForgotten,  // and knew nothing of the slot that we had: it was started again
  };
  Reached take_reopened(const std::vector<IpAddress>& relays);
  // Something at this address is silent, or was started again: so may be the relay.
  void suspect(const IpAddress& relay, bool restarted, Instant now);
  Instant next_deadline() const;

  // As Relays::leave().
  void leave() { relays_.leave(); }
  const Relays& relays() const { return relays_; }
  UserSites sites_of(const Identity& user) const;
  const RouterStats& stats() const { return stats_; }
  std::size_t contact_count() const { return contacts_.size(); }

 private:
  // What a contact is to be told.
  enum class Notice : std::uint8_t {
    kNone,
    kSlots,  // our slots
    kAsk,    // the same, and that we need its own
  };
  struct Contact {
    ContactId id{};
    Identity user;
    relay::IdentityHash hash{};
    std::vector<PeerSlot> claims;  // its slots, as it says
    std::vector<PeerSlot> slots;   // those of them that are nobody else's
    Instant used{};
    Instant sent{};                 // the last packet to it
    std::optional<Instant> asked;   // for a grant
    Instant told{};                 // our slots
    Instant tell_at = kNever;       // it has asked for them soon after
    Notice notice = Notice::kNone;  // that waits
    bool missed = false;            // what it was told last did not reach it
  };

  static std::uint64_t slot_key(SiteId site, relay::SlotId slot) {
    return std::uint64_t{site} << 32 | slot.value;
  }
  Contact* find(const Identity& user);
  Contact* find(ContactId id);
  // Null when there are too many.
  Contact* contact_for(const Identity& user, bool stranger, Instant now);
  std::vector<PeerSlot> our_slots(const Contact& contact, Instant now) const;
  void learn_slots(Contact& contact, Instant now);
  void learn_from_others(SiteId site, relay::SlotId slot, Instant now);
  void forget_slot(const Contact& contact, const PeerSlot& slot);
  void on_slot_gone(SiteId site, relay::SlotId slot, Instant now);
  // The slots that are worth to be kept bound, best first.
  std::vector<PeerSlot> best_slots(const Contact& contact) const;
  // Legs and bindings of these.
  void make_ready(Contact& contact, Instant now);
  RelayCarrier carrier_of(const PeerSlot& slot) const;
  // Tells the endpoint over which relays the user can be reached.
  void tell_carriers(const Contact& contact, Instant now);
  void make_room(SiteId site, Contact& wants, Instant now);
  void ask_grant(Contact& contact, Instant now);
  void signal(Contact& contact, Bytes packet, bool with_slots, Instant now);
  void owe(Contact& contact, bool ask);
  void tell_due(Instant now);
  std::optional<RouterRequest> next_notice(Instant now);

  // Something waits for a relay to this user.
  void on_cut_off(Contact& contact, Instant now);
  void hurry(const Contact& contact, Instant now);
  std::optional<Transmit> carry_batch(const RemoteTransmit& batch, MutableBytes buffer,
                                      Instant now);
  std::optional<Transmit> wrap_batch(const RelayRemote& to, const RemoteTransmit& batch,
                                     MutableBytes buffer, Instant now);

  void take_leg_events(Instant now);
  void on_leg(SiteId site, const relay::LegOpened& event, Instant now);
  void on_leg(SiteId site, const relay::LegResumed& event, Instant now);
  void on_leg(SiteId site, const relay::LegLost& event, Instant now);
  void on_leg(SiteId site, const relay::LegBound& event, Instant now);
  void on_leg(SiteId site, const relay::LegPeerGone& event, Instant now);
  void on_leg(SiteId site, const relay::LegDraining& event, Instant now);
  void on_leg(SiteId site, const relay::LegSuspected& event, Instant now);
  void on_leg(SiteId site, const relay::LegHeard& event, Instant now);
  void tell_carriers_at(SiteId site, Instant now);
  void sweep(Instant now);
  static bool has_slot_at(const Contact& contact, SiteId site);
  static bool is_at(const PeerSlot& slot, SiteId site) { return slot.grant.relay_id == site; }
  static bool is(const PeerSlot& one, SiteId site, relay::SlotId slot) {
    return is_at(one, site) && one.grant.slot == slot;
  }
  bool has_session(const Identity& user) const { return endpoint_.has_peer(user); }

  Endpoint& endpoint_;
  std::uint32_t app_id_;
  RouterLimits limits_;
  const WallClock& clock_;
  Relays relays_;
  std::map<ContactId, Contact> contacts_;
  std::map<Identity, ContactId> by_user_;
  std::unordered_map<std::uint64_t, ContactId> by_slot_;  // site and slot
  std::uint32_t next_id_ = 1;
  std::deque<RouterRequest> requests_;
  std::deque<ContactId> notices_;  // each once
  TokenBucket pace_;               // of both
  std::deque<relay::LegLost> legs_lost_;
  std::map<SiteId, Reached> reopened_;
  std::vector<std::uint8_t> scratch_;
  Instant next_sweep_ = kNever;
  Instant next_tell_ = kNever;
  RouterStats stats_;
};

}  // namespace whimbrel
