// What a server's site is made of.
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
  rendezvous::RendezvousLimits rendezvous_limits;
  rendezvous::LobbyLimits lobby_limits;  // lobbies_max 0: there are none
  relay::RelayConfig relay_config;
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

}  // namespace whimbrel
