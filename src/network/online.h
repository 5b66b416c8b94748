// What a network is beyond its endpoint: the session to the server, and what hangs on it. The
// inside of network.h.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/timers.h"
#include "handshake/certificate.h"
#include "network/network.h"
#include "network/router.h"
#include "rendezvous/client.h"

namespace whimbrel {

// What it has to know of the endpoint's own configuration.
struct OnlineConfig {
  NetworkConfig network;
  KeyPair keys;
  Identity identity;  // invalid: the server says
  std::uint32_t app_id = 0;
  LogSink log;
  LogLevel log_level = LogLevel::kWarning;
  std::vector<VerifyKey> authorities;  // given beforehand: the server's must be one of these
};

class Network::Online {
 public:
  Online(Endpoint& users, const OnlineConfig& config, Random& random, Instant now,
         const WallClock& clock);

  void receive(const IpAddress& from, MutableBytes datagram, Instant now);
  void on_unreachable(const IpAddress& to) { control_.on_unreachable(to); }
  void advance(Instant now);
  // The wall clock is another one: what was refused because of the old one is tried again.
  void on_clock_jump(Instant now);
  // The machine may have been asleep: the server, or the way to it, may have put us out meanwhile.
  void on_sleep(Instant now);
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now);
  Instant next_deadline() const;
  void set_login_token(std::string token, Instant now);
  void set_servers(std::vector<IpAddress> servers, Instant now);
  bool seeks_server() const;
  void leave(Instant now);
  Result watch(const Identity& user, bool on, Instant now);
  std::optional<Presence> poll_presence();
  bool leaving() const { return client_.state() == rendezvous::Client::State::kOnline; }
  NetworkStatus status() const;
  std::uint64_t status_mark() const;
  UserSites sites_of(const Identity& user) const { return router_.sites_of(user); }
  rendezvous::LobbyClient& lobbies() { return client_.lobbies(); }

 private:
  // Moves everything between the parts until nothing moves.
  void settle(Instant now);
  void connect(Instant now);
  void connect_again(Instant now);
  // The one in use, or to be tried first.
  const IpAddress& server() const { return config_.servers.front(); }
  bool is_server(const IpAddress& address) const;
  std::optional<IpAddress> server_in_use(Instant now) const;
  void set_server_route();
  void rank_server(const std::optional<IpAddress>& used, bool good);
  bool logging_in() const { return client_.state() == rendezvous::Client::State::kLoggingIn; }
  // The session to the server is over; when to make another.
  void lose(const std::string& why, bool at_once, Instant now);
  void give_way(Instant now);
  void take_control(Instant now);
  void take_client_events(Instant now);
  void take_router(Instant now);
  void on_reached(Router::Reached reached, Instant now);

  void on(const rendezvous::OnlineEvent& event, Instant now);
  void on(const rendezvous::LoginRefusedEvent& event, Instant now);
  void on(const rendezvous::CertificateEvent& event, Instant now);
  void on(const rendezvous::FoundEvent& event, Instant now);
  void on(const rendezvous::LookupFailedEvent& event, Instant now);
  void on(const rendezvous::SignalEvent& event, Instant now);
  void on(const rendezvous::UndeliveredEvent& event, Instant now);
  void on(const rendezvous::TicketsEvent& event, Instant now);
  void on(const rendezvous::NoRelayEvent& event, Instant now);
  void on(const rendezvous::RevocationsEvent& event, Instant now);
  void on(const rendezvous::PresenceEvent& event, Instant now);
  void on(const rendezvous::SilentEvent& event, Instant now);
  void on(const rendezvous::FarewellEvent& event, Instant now);

  void say(const std::string& text);
  void trust(const VerifyKey& authority);
  void apply_revocations(Instant now);

  enum class Timer : std::uint8_t {
    kConnect,      // to the server, again
    kTicket,       // new ones for the relays are asked for
    kRevocations,  // the list that came is looked at again
    kCount
  };
  void on_timer(Timer timer, Instant now);

  Endpoint& users_;
  NetworkConfig config_;
  std::uint32_t app_id_;
  bool authority_given_;
  Random& random_;
  const WallClock& clock_;
  TrustStore trust_;
  // Of the server that we were logged in at last: with it a login takes one round trip less.
  std::optional<PublicKey> server_key_;
  std::optional<VerifyKey> trusted_;       // the server's, where none was given
  std::vector<std::uint8_t> revocations_;  // the latest that came, believed or not
  Endpoint control_;
  rendezvous::Client client_;
  Router router_;
  std::string text_ = "connecting";
  std::string no_relay_;     // why there is none, while there is none
  std::uint64_t texts_ = 0;  // that were said
  Timers<Timer> timers_;
  bool connected_ = false;
  bool leaving_ = false;
  bool suspicious_ = false;  // a relay was lost in silence
  unsigned tries_ = 0;
  Instant connected_at_{};  // when the last dial began
  Instant online_since_{};
  std::deque<Presence> presence_;            // at most one of each user
  std::vector<DeliveredMessage> delivered_;  // scratch
};

}  // namespace whimbrel
