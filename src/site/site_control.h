// The part of a site that speaks sessions: an endpoint whose peers are the clients, and the
// rendezvous that they talk to.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"
#include "endpoint/endpoint.h"
#include "relay/token.h"
#include "rendezvous/rendezvous_server.h"
#include "site/client_book.h"
#include "site/reconnect_queue.h"

namespace whimbrel {

struct SiteConfig;
struct OtherSite;

// Relay tickets, sealed with the site's key.
class RelayTicketIssuer final : public rendezvous::TicketIssuer {
 public:
  RelayTicketIssuer(const SiteConfig& config, relay::SiteKeys& keys, Random& random);

  std::vector<rendezvous::RelayTicket> issue(const Identity& identity, std::uint32_t app_id,
                                             std::int64_t unix_seconds) override;
  void set_addresses(const std::string& site, const std::vector<IpAddress>& addresses);
  // For tickets from now on; earlier ones stay valid.
  void set_sites(const std::vector<IpAddress>& own, const std::vector<OtherSite>& others);

 private:
  struct Other {
    std::string name;
    std::vector<IpAddress> addresses;
    relay::SiteKeys keys;
  };
  rendezvous::RelayTicket seal(relay::Token token, relay::SiteKeys& keys,
                               std::int64_t unix_seconds);

  const SiteConfig& config_;
  relay::SiteKeys& keys_;
  std::vector<IpAddress> own_addresses_;
  std::vector<Other> others_;
  Random& random_;
};

class SiteControl {
 public:
  // All arguments must outlive it, except `now`.
  SiteControl(const SiteConfig& config, rendezvous::Authority& authority, relay::SiteKeys& keys,
              Random& random, Instant now, const WallClock& clock);

  void receive(const IpAddress& from, MutableBytes datagram, Instant now);
  void advance(Instant now);
  // The wall clock has jumped.
  void on_clock_jump(Instant now);
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now);
  Instant next_deadline() const;
  void set_site_addresses(const std::string& site, const std::vector<IpAddress>& addresses) {
    tickets_.set_addresses(site, addresses);
  }
  void set_sites(const std::vector<IpAddress>& own, const std::vector<OtherSite>& others) {
    tickets_.set_sites(own, others);
  }
  void set_limits(const rendezvous::RendezvousLimits& limits,
                  const rendezvous::LobbyLimits& lobbies);
  void farewell(Duration left) { server_.farewell(left); }

  void record(Recorded what) { server_.record(what); }
  EventRecord<rendezvous::RendezvousEvent>::Taken take_events() { return server_.take_events(); }

  const Endpoint& endpoint() const { return endpoint_; }
  const rendezvous::RendezvousServer& server() const { return server_; }
  std::size_t client_count() const { return by_client_.size(); }

 private:
  struct Client {
    Identity user;
    std::size_t place = 0;  // in the book
    SessionLine noted;
  };

  void take_events(Instant now);
  void take_messages(Instant now);
  void give_outputs(Instant now);
  void welcome(const Identity& user, Instant now);
  std::optional<rendezvous::ClientId> client_of(const Identity& user, Instant now);
  void dismiss(const Identity& user, Instant now);
  // Notes the client's line in the book, if it has changed.
  void note(Client& client);
  void call_back(Instant now);
  void free_place(std::size_t place);
  std::vector<SessionLine> last_clients();

  Endpoint endpoint_;
  RelayTicketIssuer tickets_;
  rendezvous::RendezvousServer server_;
  std::map<Identity, rendezvous::ClientId> by_user_;  // the endpoint names clients by their keys
  std::map<rendezvous::ClientId, Client> by_client_;
  ClientBook* book_;
  std::size_t places_ = 0;                // given out so far
  std::vector<std::size_t> free_places_;  // those of them that are free
  ReconnectQueue reconnects_;
  // Clients of the last life stay in the book, at the first places, until they have had time to
  // come back: this life may be short.
  std::size_t called_back_ = 0;
  std::deque<std::pair<Instant, std::size_t>> places_due_;
  std::uint64_t next_client_ = 1;
  std::vector<DeliveredMessage> delivered_;  // scratch
};

}  // namespace whimbrel
