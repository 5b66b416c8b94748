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
#include "network/client_book.h"
#include "network/site_control.h"
#include "relay/server.h"

namespace whimbrel {

// A relay in another place that clients are given tickets for.
struct OtherSite {
  std::string name;  // other than every other site's; 1 to 16 bytes
  // Told to clients: all of them lead to the same relay. Further than rendezvous::kSiteAddressesMax are not told; none: not known yet.
  std::vector<IpAddress> addresses;
  Secret master;  // what its tokens are sealed with: the relay has the same
};

// Which parts this thread of a server plays. A flood of what the one gets does not delay the other.
enum class SiteRole : std::uint8_t {
  kWhole,       // all that are on
  kRelayShard,  // a shard of the relay alone: the rest is handed over
  kControl,     // all but the relay, whose packets are handed over
};

struct SiteConfig {
  SiteRole role = SiteRole::kWhole;
  bool rendezvous = true;
  bool relay = true;
  bool stun = true;
  KeyPair keys;  // of the server itself: who was told the public one knows the server by it
  rendezvous::ServerLimits rendezvous_limits;
  rendezvous::LobbyLimits lobby_limits;  // lobbies_max 0: there are none
  relay::ServerConfig relay_config;
  // Told to clients with their relay tickets, as of OtherSite; none: where they reached this server.
  std::vector<IpAddress> relay_addresses;
  std::string site_name = "home";      // also names the relay in grants
  std::vector<OtherSite> other_sites;  // at most rendezvous::kRelaySitesMax - 1
  std::int64_t ticket_seconds = 600;
  ClientBook* clients = nullptr;  // must outlive the site; null: the next life knows nobody
  // Of sessions with the server. A handshake and a login cost a core a quarter of a millisecond: one network gets half of it at most,
  // very many networks together all of it.
  FirstPacketLimits first_packets = {.per_100ms_max = 50,
                                     .unfinished_max = 256,
                                     .looks_of_network = 8000,
                                     .answers_of_network = 20,
                                     .answers = 2000,
                                     .answers_of_networks = 2000};
  // After sessions of the last life, which its clients ask in; each costs half a microsecond. Further ones are dropped.
  std::uint32_t questions_per_second = 40'000;
  // Answers to STUN: as many a second, and of those to one /24 of IPv4 or /48 of IPv6; further requests are dropped. An answer is
  // larger than its request by up to 24 bytes, and the request may come from a made-up address.
  std::uint32_t stun_answers_per_second = 10'000;
  std::uint32_t stun_answers_of_prefix = 200;
};

struct SiteCounters {
  std::uint64_t stun_answered = 0, dropped_stun = 0, dropped_unknown_type = 0, dropped_empty = 0;
  std::uint64_t handed_over = 0, dropped_handover = 0;  // what is not the relay's, at other shards
};

// Since they were taken the last time, for an operator's log.
struct SiteEvents {
  EventRecord<rendezvous::ServerEvent>::Taken rendezvous;
  EventRecord<relay::SlotEvent>::Taken relay;
};

class Site {
 public:
  // `authority` may be null where rendezvous is off, `outlet` where there is one thread; they, `keys` and `random` must outlive
  // the site. `unix_now`: the wall clock at `now`.
  Site(const SiteConfig& config, rendezvous::Authority* authority, relay::SiteKeys& keys,
       Random& random, Instant now, UnixMillis unix_now, relay::HandoverOutlet* outlet = nullptr);
  ~Site();

  // As of relay::Server: for whoever has several datagrams at once. Any bytes.
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
  const relay::Server* relay() const { return relay_.get(); }
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
  std::unique_ptr<relay::Server> relay_;
  TokenBucket stun_rate_;
  PrefixLimits stun_prefixes_;
  std::deque<Answer> stun_answers_;
  SiteCounters counters_;
};

}  // namespace whimbrel
