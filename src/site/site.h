// All server parts behind one UDP port: the relay, STUN, and whatever speaks sessions. Tells datagrams apart by their first
// byte and hands each to its part.
//
// With several threads there is a site for each shard of the relay; the first one plays all other parts too.
//
// Sans-I/O, one driver, as everything below io: the program in apps/whimbreld, the tests and the simulator drive the same.
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
  std::uint64_t handed_over = 0, dropped_handover = 0;  // what is not the relay's, at other shards
};

// Since they were taken the last time, for an operator's log.
struct SiteEvents {
  EventRecord<rendezvous::RendezvousEvent>::Taken rendezvous;
  EventRecord<relay::SlotEvent>::Taken relay;
};

class Site {
 public:
  // `authority` may be null where rendezvous is off, `outlet` where there is one thread; they, `keys` and `random` must outlive
  // the site. `unix_now`: the wall clock at `now`.
  Site(const SiteConfig& config, rendezvous::Authority* authority, relay::SiteKeys& keys,
       Random& random, Instant now, UnixMillis unix_now, relay::HandoverOutlet* outlet = nullptr);
  ~Site();

  // As of relay::RelayServer: for whoever has several datagrams at once. Any bytes.
  void prefetch_source(Bytes datagram) const {
    if (is_relayed(datagram)) relay_->prefetch_source(datagram);
  }
  void prefetch_destination(Bytes datagram) const {
    if (is_relayed(datagram)) relay_->prefetch_destination(datagram);
  }
  // What another shard handed over. As receive(), for `bytes`.
  std::optional<IpAddress> take(const relay::Handover& handover, MutableBytes bytes, Instant now);
  void prefetch(const relay::Handover& handover) const {
    if (relay_) relay_->prefetch(handover);
  }
  // One datagram as it came. Where it goes next, if it is forwarded: the same memory, the same size, another header.
  std::optional<IpAddress> receive(const IpAddress& from, MutableBytes datagram, Instant now);
  void advance(Instant now);
  // Other addresses of a site, also of this one, for the tickets to come.
  void set_site_addresses(const std::string& site, const std::vector<IpAddress>& addresses);
  // Other limits of `config` from now on (the relay's are of all shards together), and other sites: who is here stays, with what he
  // has. The rest of `config` is what it was.
  void reconfigure(const SiteConfig& config, Instant now);
  // Nothing at first.
  void record(Recorded what);
  SiteEvents take_events();
  // As of Network.
  void set_wall_clock(Instant now, UnixMillis unix_now);
  // Everything that is not forwarded. `buffer`: 64 KiB.
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now);
  Instant next_deadline() const;

  // Tells clients of the relay to be gone in `time`.
  void drain(Duration time, Instant now);

  // Null where that part is off.
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
