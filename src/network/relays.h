// The relays that the rendezvous gives tickets for: how far each one is, a leg to the best, a warm
// one to the next, and to whichever else a peer is reached over.
//
// Sans-I/O, one driver, as everything below io.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"
#include "base/transmit.h"
#include "relay/leg.h"
#include "rendezvous/messages.h"
#include "traversal/stun_probes.h"

namespace whimbrel {

// The number of a site (relay::site_id()) is what grants and slots know its relay by.
using SiteId = std::uint32_t;

// A site has one for each of its addresses.
struct SiteTicket {
  std::string name;  // 1 to 16 bytes
  relay::Ticket ticket;
};

struct RelaysEvent {
  SiteId site = 0;
  relay::LegEvent event;
};

class Relays {
 public:
  // Further ones are not looked at.
  static constexpr std::size_t kSitesMax = rendezvous::kRelaySitesMax;
  static constexpr std::size_t kAddressesMax = rendezvous::kSiteAddressesMax;  // of one site

  explicit Relays(Random& random) : random_(random), probes_(random) {}

  // All sites that there are, with all their addresses; the first one is taken where nothing speaks
  // for another.
  void on_tickets(const std::vector<SiteTicket>& tickets, Instant now);
  // Keeps a leg to this site for the next minute. False: it is none of ours.
  bool want(SiteId site, Instant now);

  bool owns(const IpAddress& from, Bytes datagram) const;
  struct Received {
    SiteId site = 0;
    relay::SlotId from;
    MutableBytes payload;  // within the datagram
  };
  // Something only if it brings a payload.
  std::optional<Received> receive(const IpAddress& from, MutableBytes datagram, Instant now);
  void advance(Instant now);
  // Packets of our own: opening, asking, probing.
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now);
  std::optional<RelaysEvent> poll_event();
  Instant next_deadline() const;
  // Tells the relays that we go, as far as one packet does. No way back.
  void leave();

  struct Site {
    SiteId id = 0;
    std::string name;
    relay::Ticket ticket;              // to the address that is used, or tried first
    std::vector<IpAddress> addresses;  // all of its own
    bool offered = false;              // in the last tickets
    std::string fault;                 // why it can't be used, for a person
    std::optional<Duration> rtt;       // of the last probes that were answered
    Instant wanted_until{};            // by peers
    Instant avoid_until{};             // it was silent, refused us or is about to stop
    std::unique_ptr<relay::Leg> leg;
    bool has(const IpAddress& address) const {
      return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
    }
    bool open() const { return leg && leg->state() == relay::Leg::State::kOpen; }
  };
  const std::vector<std::unique_ptr<Site>>& sites() const { return sites_; }
  // Null: not ours.
  Site* find(SiteId id);
  const Site* find(SiteId id) const;
  // Null before there is one.
  const Site* home() const { return home_; }
  const Site* backup() const { return backup_; }
  // How far a site is, as well as we know; nothing: unknown.
  std::optional<Duration> rtt(const Site& site) const;

 private:
  Site& site_for(const SiteTicket& ticket);
  void take_addresses(Site& site, std::span<const SiteTicket> tickets);
  bool has_choice() const;
  void probe(Instant now);
  // No sooner than the pause after the last round.
  void probe_soon(Instant now);
  void on_answer(Instant now);
  void on_round_done(Instant now);
  void prefer_answering(Site& site, Instant now);
  void race(Instant now);
  // Of the address that is used.
  std::optional<Duration> score(const Site& site) const;
  // Whether `a` is to be taken rather than `b`, at the first look.
  bool better(const Site& a, const Site& b, Instant now) const;
  // Whether `a` is so much better than `b` that it is worth to move.
  bool worth_a_move(const Site& a, const Site& b, Instant now) const;
  void choose(Instant now);
  Site* best(const Site* except, Instant now);
  void settle_on(Site* home, Instant now);
  void open(Site& site, Instant now);
  void close_idle(Instant now);
  void take_events(Site& site, Instant now);
  void post(SiteId site, const relay::LegEvent& event);

  Random& random_;
  StunProbes probes_;
  struct Probed {
    SiteId site = 0;
    IpAddress address;
  };
  std::vector<Probed> probed_;  // in the order of the round
  std::vector<std::unique_ptr<Site>> sites_;
  Site* home_ = nullptr;
  Site* backup_ = nullptr;
  Instant next_round_ = kNever;
  Instant last_round_{};
  Instant race_at_ = kNever;
  Instant next_idle_check_ = kNever;
  std::deque<RelaysEvent> events_;
};

}  // namespace whimbrel
