#include "network/network.h"

#include <algorithm>

#include "network/online.h"

namespace whimbrel {

Network::Network(EndpointConfig users, const std::optional<NetworkConfig>& server, Random& random,
                 Instant now, UnixMillis unix_now)
    : clock_(now, unix_now) {
  std::optional<OnlineConfig> online;
  if (server) {
    users.asks_routes = true;
    online = OnlineConfig{*server,   users.keys,      users.identity,           users.app_id,
                          users.log, users.log_level, users.trust.authorities()};
  }
  users_ = std::make_unique<Endpoint>(std::move(users), random, now, clock_);
  users_->set_awaits_login(online.has_value(), now);
  if (online) online_ = std::make_unique<Online>(*users_, *online, random, now, clock_);
}

Network::~Network() = default;

void Network::receive(const IpAddress& from, MutableBytes datagram, Instant now) {
  if (online_) return online_->receive(from, datagram, now);
  users_->receive(from, datagram, now);
}

void Network::on_unreachable(const IpAddress& to) {
  users_->on_unreachable(to);
  if (online_) online_->on_unreachable(to);
}

void Network::advance(Instant now) {
  users_->advance(now);
  if (online_) online_->advance(now);
}

void Network::set_wall_clock(Instant now, UnixMillis unix_now) {
  const bool jumped = clock_.set(now, unix_now);
  if (!online_) return;
  if (jumped) online_->on_clock_jump(now);
  if (jumped || clock_.may_have_slept()) online_->on_sleep(now);
}

std::optional<Transmit> Network::poll_transmit(MutableBytes buffer, Instant now) {
  if (online_) return online_->poll_transmit(buffer, now);
  const auto out = users_->poll_transmit(buffer, now);
  return out ? std::optional(out->by_udp()) : std::nullopt;
}

Instant Network::next_deadline() const {
  const Instant users = users_->next_deadline();
  return online_ ? std::min(users, online_->next_deadline()) : users;
}

void Network::set_login_token(std::string token, Instant now) {
  if (online_) online_->set_login_token(std::move(token), now);
}

void Network::set_servers(std::vector<IpAddress> servers, Instant now) {
  if (online_) online_->set_servers(std::move(servers), now);
}

bool Network::seeks_server() const { return online_ && online_->seeks_server(); }

Result Network::watch(const Identity& user, bool on, Instant now) {
  return online_ ? online_->watch(user, on, now) : Result::kNoConnection;
}

std::optional<Network::Presence> Network::poll_presence() {
  return online_ ? online_->poll_presence() : std::nullopt;
}

void Network::leave(Instant now) {
  if (online_) online_->leave(now);
}

bool Network::leaving() const { return online_ && online_->leaving(); }

NetworkStatus Network::status() const { return online_ ? online_->status() : NetworkStatus(); }

std::uint64_t Network::status_mark() const { return online_ ? online_->status_mark() : 0; }

namespace {
// As a point of presence is named elsewhere: at most four characters in a number.
std::uint32_t pop_of(const std::string& site) {
  std::uint32_t pop = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(site.size(), 4); ++i) {
    pop |= static_cast<std::uint32_t>(static_cast<unsigned char>(site[i])) << (8 * i);
  }
  return pop;
}
}  // namespace

ConnectionState Network::connection_info(const Identity& user, Instant now, ConnectionInfo* info,
                                         ConnectionStatus* status) const {
  const ConnectionState state = users_->connection_info(user, now, info, status);
  if (info == nullptr || (info->flags & kInfoRelayed) == 0) return state;
  const UserSites sites = sites_of(user);
  info->remote_pop = pop_of(sites.home);
  info->pop_relay = pop_of(sites.relay);
  if (state == ConnectionState::kConnected && !sites.relay.empty()) {
    info->debug_description += "; site " + sites.relay;
  }
  return state;
}

rendezvous::LobbyClient* Network::lobbies() { return online_ ? &online_->lobbies() : nullptr; }

UserSites Network::sites_of(const Identity& user) const {
  return online_ ? online_->sites_of(user) : UserSites();
}

}  // namespace whimbrel
