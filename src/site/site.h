// All parts of a server behind one UDP port: the relay, STUN, and the rendezvous with its sessions.
// Tells datagrams apart by their first byte, and hands each to its part.
//
// With several threads there is a Site for each shard of the relay. The other parts have a Site of
// their own, or are in the first one (SiteRole).
//
// Sans-I/O, one driver: the program in apps/whimbreld, the tests and the simulator drive the same.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"
#include "base/token_bucket.h"
#include "base/wall_clock.h"
#include "crypto/prefix_limits.h"
#include "endpoint/endpoint.h"
#include "relay/relay_server.h"
#include "site/client_book.h"
#include "site/site_config.h"
#include "site/site_control.h"

namespace whimbrel {

struct SiteCounters {
  std::uint64_t stun_answered = 0, dropped_stun = 0, dropped_unknown_type = 0, dropped_empty = 0;
  std::uint64_t handed_over = 0, dropped_handover = 0;  // what belongs to other shards
};

// Events since they were taken last, for an operator's log.
struct SiteEvents {
  EventRecord<rendezvous::RendezvousEvent>::Taken rendezvous;
  EventRecord<relay::SlotEvent>::Taken relay;
};

class Site {
 public:
  // `authority` may be null without rendezvous, `outlet` with one thread. They, `keys` and `random`
  // must outlive the site. `unix_now`: the wall clock at `now`.
  Site(const SiteConfig& config, rendezvous::Authority* authority, relay::SiteKeys& keys,
       Random& random, Instant now, UnixMillis unix_now, relay::HandoverOutlet* outlet = nullptr);
  ~Site();

  // See relay::RelayServer: for drivers with several datagrams at once. Any bytes.
  void prefetch_source(Bytes datagram) const {
    if (is_relayed(datagram)) relay_->prefetch_source(datagram);
  }
  void prefetch_destination(Bytes datagram) const {
    if (is_relayed(datagram)) relay_->prefetch_destination(datagram);
  }
  // Takes what another shard handed over. Returns where `bytes` go next, as receive() does.
  std::optional<IpAddress> take(const relay::Handover& handover, MutableBytes bytes, Instant now);
  void prefetch(const relay::Handover& handover) const {
    if (relay_) relay_->prefetch(handover);
  }
  // Takes one datagram. Returns where it goes next, if it is to be forwarded: with the same size,
  // in the same memory.
  std::optional<IpAddress> receive(const IpAddress& from, MutableBytes datagram, Instant now);
  void advance(Instant now);
  // Sets the addresses of a site (perhaps this one), for tickets from now on.
  void set_site_addresses(const std::string& site, const std::vector<IpAddress>& addresses);
  // Takes the limits of `config` (the relay's are those of all shards together) and its sites.
  // Clients that are here stay, with what they have. The rest of `config` must be unchanged.
  void reconfigure(const SiteConfig& config, Instant now);
  // What take_events() returns. Nothing is recorded at first.
  void record(Recorded what);
  SiteEvents take_events();
  // See Network.
  void set_wall_clock(Instant now, UnixMillis unix_now);
  // The next datagrams of its own. `buffer`: 64 KiB.
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now);
  Instant next_deadline() const;

  // Tells the clients to leave within `time`.
  void drain(Duration time, Instant now);

  // Null if that part is off.
  const relay::RelayServer* relay() const { return relay_.get(); }
  const SiteControl* control() const { return control_.get(); }
  const SiteCounters& counters() const { return counters_; }

 private:
  struct Answer {
    IpAddress to;
    std::uint8_t size = 0;
    std::array<std::uint8_t, 80> bytes;
  };
  bool is_relayed(Bytes datagram) const {
    return relay_ && !datagram.empty() && relay::is_relay_packet(datagram[0]);
  }
  bool plays(SiteRole one) const { return config_.role == SiteRole::kWhole || config_.role == one; }
  void hand_over(const IpAddress& from, Bytes datagram, std::uint32_t shard);
  void on_stun(const IpAddress& from, Bytes datagram, Instant now);

  SiteConfig config_;
  WallClock clock_;
  relay::HandoverOutlet* outlet_;
  std::unique_ptr<SiteControl> control_;
  std::unique_ptr<relay::RelayServer> relay_;
  TokenBucket stun_rate_;
  PrefixLimits stun_prefixes_;
  std::deque<Answer> stun_answers_;
  SiteCounters counters_;
};

}  // namespace whimbrel
