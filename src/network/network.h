// One user's place in the world: the endpoint with its sessions, and, where a server is configured,
// the way to everybody whom that server knows: a session to its rendezvous, a leg to its relay, and
// the router between.
//
// Without a server it is the endpoint and nothing else. Sans-I/O, one driver, as everything below
// io.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "base/wall_clock.h"
#include "endpoint/endpoint.h"
#include "network/user_sites.h"
#include "rendezvous/lobby_client.h"

namespace whimbrel {

struct NetworkConfig {
  // Of one server: tried as RFC 8305 says, the one that has answered last first. At most
  // kDialAddressesMax; none where the name could not be looked up yet, and set_servers() follows.
  std::vector<IpAddress> servers;
  std::optional<PublicKey> server_key;  // known beforehand: nobody else is taken for the server
  std::string token;                    // of the game's backend, where the server wants one
  bool require_certificates = true;     // of peers, once logged in
  std::string not_found = {};           // why there are no addresses yet
};

struct RelayStatus {
  std::string site;
  IpAddress address;
  bool open = false;  // we have a slot there
  bool home = false, backup = false;
  Duration rtt{};  // zero: not known yet
};

struct NetworkStatus {
  enum class State : std::uint8_t {
    kNone,        // no server is configured
    kConnecting,  // or waiting to try again
    kOnline,
    // The server does not want us, or somebody has logged in in our place: no more tries.
    kRefused,
  };
  State state = State::kNone;
  bool relay = false;    // a slot is open, somewhere
  Duration relay_rtt{};  // to the home relay
  IpAddress observed;    // where it sees us
  std::string site;      // its name
  std::vector<RelayStatus> relays;
  std::string text;  // why not, for a person
};

class Network {
 public:
  // `unix_now`: the wall clock at `now`. `random` must outlive it.
  Network(EndpointConfig users, const std::optional<NetworkConfig>& server, Random& random,
          Instant now, UnixMillis unix_now);
  ~Network();

  // For commands, events, messages and getters. Its inputs and outputs are ours.
  Endpoint& endpoint() { return *users_; }
  const Endpoint& endpoint() const { return *users_; }

  // --- inputs ------------------------------------------------------------------------------------
  void receive(const IpAddress& from, MutableBytes datagram, Instant now);
  // As the endpoint's.
  bool several_have_packets() const { return users_->several_have_packets(); }
  void prefetch_receivers(std::span<const Bytes> datagrams) {
    users_->prefetch_receivers(datagrams);
  }
  // A datagram to this address was refused by the system: there is no way to it.
  void on_unreachable(const IpAddress& to);
  void advance(Instant now);
  // What the system's clock says `now`: as often as the driver looks at it, and soon after it was
  // set.
  void set_wall_clock(Instant now, UnixMillis unix_now);

  // --- outputs -----------------------------------------------------------------------------------
  // `buffer`: 64 KiB.
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now);
  Instant next_deadline() const;

  // For the next login; where the server has refused us, or cannot be reached, that is now. At most
  // rendezvous::kTokenTextMax bytes.
  void set_login_token(std::string token, Instant now);
  // The addresses of the server by a newer lookup; at least one. Without effect where they are the
  // same, or while it is reached.
  void set_servers(std::vector<IpAddress> servers, Instant now);
  // A server is configured, and not reached; it has not refused us either.
  bool seeks_server() const;
  // Whether a user is logged in at the server: poll_presence() tells the first answer, and each
  // change. Over the loss of the connection too: what has changed meanwhile is told after the next
  // login.
  //   kNoConnection: there is no server. kLimitExceeded: rendezvous::Watches::kMax others are watched.
  Result watch(const Identity& user, bool on, Instant now);
  struct Presence {
    Identity user;
    bool online = false;
  };
  // Of changes of one user that were not polled only the last is there.
  std::optional<Presence> poll_presence();
  // Logs out, and gives the relays their slots back. No way back: sessions that are to end in good
  // order come first.
  void leave(Instant now);
  // The server has not answered that yet.
  bool leaving() const;

  NetworkStatus status() const;
  UserSites sites_of(const Identity& user) const;
  // For commands, events and the mirror; null without a server. Its time and its messages are ours.
  rendezvous::LobbyClient* lobbies();
  // As the endpoint's, and by which relays.
  ConnectionState connection_info(const Identity& user, Instant now, ConnectionInfo* info,
                                  ConnectionStatus* status) const;
  // Another number whenever status() says something else, other than a round trip.
  std::uint64_t status_mark() const;

 private:
  class Online;

  WallClock clock_;
  std::unique_ptr<Endpoint> users_;
  std::unique_ptr<Online> online_;  // null without a server
};

}  // namespace whimbrel
