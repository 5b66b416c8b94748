// The configuration of a server's site.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "crypto/keys.h"
#include "endpoint/first_packets.h"
#include "relay/relay_server.h"
#include "rendezvous/rendezvous_server.h"
#include "site/client_book.h"

namespace whimbrel {

// A relay at another site, for which clients get tickets.
struct OtherSite {
  std::string name;  // unique among the sites; 1 to 16 bytes
  // Told to clients; they all lead to the same relay. At most rendezvous::kSiteAddressesMax are
  // told; none: not known yet.
  std::vector<IpAddress> addresses;
  Secret master;  // its tokens are sealed with it: the relay has the same
};

// Which parts of a server a thread runs. They are apart so that a flood of one does not delay the
// other.
enum class SiteRole : std::uint8_t {
  kWhole,       // all parts that are on
  kRelayShard,  // only a shard of the relay: the rest is handed over
  kControl,     // all but the relay, whose packets are handed over
};

struct SiteConfig {
  SiteRole role = SiteRole::kWhole;
  bool rendezvous = true;
  bool relay = true;
  bool stun = true;
  KeyPair keys;  // of the server: clients know it by the public key
  rendezvous::RendezvousLimits rendezvous_limits;
  rendezvous::LobbyLimits lobby_limits;  // lobbies_max 0: there are none
  relay::RelayConfig relay_config;
  // Told to clients with their tickets, see OtherSite; none: where they reached this server.
  std::vector<IpAddress> relay_addresses;
  std::string site_name = "home";      // also names the relay in grants
  std::vector<OtherSite> other_sites;  // at most rendezvous::kRelaySitesMax - 1
  std::int64_t ticket_seconds = 600;
  ClientBook* clients = nullptr;  // must outlive the site; null: clients are not noted
  // Limits of first packets. A handshake with its login costs a core a quarter of a millisecond:
  // one network gets at most half of a core, and all networks together get all of it.
  FirstPacketLimits first_packets = {.per_100ms_max = 50,
                                     .unfinished_max = 256,
                                     .looks_of_network = 8000,
                                     .answers_of_network = 20,
                                     .answers = 2000,
                                     .answers_of_networks = 2000};
  // Questions after sessions of the last life; further ones are dropped. Each costs half a
  // microsecond.
  std::uint32_t questions_per_second = 40'000;
  // STUN answers per second: in all, and to one /24 of IPv4 or /48 of IPv6; further requests are
  // dropped. An answer may be 24 bytes larger than its request, which may come from a made-up
  // address.
  std::uint32_t stun_answers_per_second = 10'000;
  std::uint32_t stun_answers_of_prefix = 200;
};

}  // namespace whimbrel
