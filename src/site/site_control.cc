#include "site/site_control.h"

#include <algorithm>

#include "crypto/hash.h"
#include "site/site_config.h"

namespace whimbrel {

namespace {

// Clients speak on this channel; what comes on another is dropped.
constexpr ChannelId kControlChannel = 0;

// 64 more for sessions that the rendezvous does not know yet, or no more.
std::size_t sessions_max(const rendezvous::RendezvousLimits& limits) {
  return limits.clients_max + limits.waiting_max + 64;
}
constexpr std::size_t kPendingRequestsMax = 1024;
// For each class of first packets: as many as are answered in a quarter of a second, or in a second
// by a busy server. A client gives up after three seconds.
constexpr std::size_t kFirstPacketsWaitingMax = 512;

EndpointConfig endpoint_config(const SiteConfig& config) {
  EndpointConfig made;
  made.identity = Identity::generic_string(rendezvous::kServerName);
  made.keys = config.keys;
  made.names_by_key = true;
  made.tells_ends = true;
  made.limits.sessions_max = sessions_max(config.rendezvous_limits);
  made.limits.pending_requests_max = kPendingRequestsMax;
  made.limits.unconfirmed_max = 2048;
  made.limits.half_open_max = 2048;
  // Of each of both its first packet may come again, where our answer was lost.
  made.limits.recent_first_packets_max = made.limits.unconfirmed_max + made.limits.half_open_max;
  made.limits.first_packets = config.first_packets;
  made.limits.first_packets_waiting_max = kFirstPacketsWaitingMax;
  made.limits.resets_per_second = config.questions_per_second;
  // A client may be silent while nobody asks it anything; it pings.
  made.session.idle_timeout = seconds(24 * 3600);
  made.session.keep_alive = Duration::zero();  // clients ping
  return made;
}

// Made from the server's key: it is the same after a restart, and different at every other server.
Secret lobby_key(const KeyPair& server) {
  Secret key;
  hkdf_expand(hkdf_extract({}, server.secret.view()).view(), as_bytes("whimbrel lobbies"),
              key.bytes);
  return key;
}

}  // namespace

// --- tickets ------------------------------------------------------------------------------------

RelayTicketIssuer::RelayTicketIssuer(const SiteConfig& config, relay::SiteKeys& keys,
                                     Random& random)
    : config_(config), keys_(keys), random_(random) {
  set_sites(config.relay_addresses, config.other_sites);
}

void RelayTicketIssuer::set_sites(const std::vector<IpAddress>& own,
                                  const std::vector<OtherSite>& others) {
  own_addresses_ = own;
  others_.clear();
  for (const OtherSite& site : others) {
    others_.push_back({site.name, site.addresses, relay::SiteKeys(site.master)});
  }
}

// Each relay gets a secret of its own: a relay that is broken into learns nothing about the legs to
// others.
rendezvous::RelayTicket RelayTicketIssuer::seal(relay::Token token, relay::SiteKeys& keys,
                                                std::int64_t unix_seconds) {
  random_.fill(token.id);
  random_.fill(token.secret.bytes);
  const relay::SealedToken sealed = keys.seal(token, random_, unix_seconds);
  rendezvous::RelayTicket ticket;
  ticket.token.assign(sealed.begin(), sealed.end());
  ticket.secret = token.secret.bytes;
  ticket.not_after = token.not_after;
  return ticket;
}

std::vector<rendezvous::RelayTicket> RelayTicketIssuer::issue(const Identity& identity,
                                                              std::uint32_t app_id,
                                                              std::int64_t unix_seconds) {
  relay::Token token;
  token.identity = relay::identity_hash(app_id, identity.text());
  token.app_id = app_id;
  token.not_after = unix_seconds + config_.ticket_seconds;
  std::vector<rendezvous::RelayTicket> tickets;
  std::size_t kept = others_.size();  // for the sites that follow, one each
  const auto add = [&](const std::string& site, const std::vector<IpAddress>& addresses,
                       relay::SiteKeys& keys) {
    rendezvous::RelayTicket ticket = seal(token, keys, unix_seconds);
    ticket.site = site;
    const std::size_t count = std::min({addresses.size(), rendezvous::kSiteAddressesMax,
                                        rendezvous::kRelayTicketsMax - tickets.size() - kept});
    for (std::size_t i = 0; i < count; ++i) {
      ticket.address = addresses[i].bytes;
      ticket.port = addresses[i].port;
      tickets.push_back(ticket);
    }
  };
  if (!own_addresses_.empty()) {
    add(config_.site_name, own_addresses_, keys_);
  } else if (config_.relay) {
    add(config_.site_name, {IpAddress()}, keys_);
  }
  for (Other& other : others_) {
    --kept;
    add(other.name, other.addresses, other.keys);
  }
  return tickets;
}

void RelayTicketIssuer::set_addresses(const std::string& site,
                                      const std::vector<IpAddress>& addresses) {
  if (site == config_.site_name) own_addresses_ = addresses;
  for (Other& other : others_) {
    if (other.name == site) other.addresses = addresses;
  }
}

// --- sessions -----------------------------------------------------------------------------------

SiteControl::SiteControl(const SiteConfig& config, rendezvous::Authority& authority,
                         relay::SiteKeys& keys, Random& random, Instant now, const WallClock& clock)
    : endpoint_(endpoint_config(config), random, now, clock),
      tickets_(config, keys, random),
      server_(config.rendezvous_limits, authority, &tickets_, now, clock),
      book_(config.clients),
      reconnects_(last_clients(), now) {
  if (config.lobby_limits.lobbies_max > 0)
    server_.enable_lobbies(config.lobby_limits, lobby_key(config.keys), random);
}

std::vector<SessionLine> SiteControl::last_clients() {
  if (book_ == nullptr) return {};
  std::vector<SessionLine> last = book_->take_last();
  for (const SessionLine& line : last) book_->note(places_++, line);
  return last;
}

void SiteControl::set_limits(const rendezvous::RendezvousLimits& limits,
                             const rendezvous::LobbyLimits& lobbies) {
  endpoint_.set_limits(sessions_max(limits), kPendingRequestsMax);
  server_.set_limits(limits, lobbies);
}

void SiteControl::receive(const IpAddress& from, MutableBytes datagram, Instant now) {
  endpoint_.receive(from, datagram, now);
  take_events(now);
  take_messages(now);
  give_outputs(now);
}

void SiteControl::advance(Instant now) {
  endpoint_.advance(now);
  take_events(now);
  server_.advance(now);
  call_back(now);
  give_outputs(now);
}

void SiteControl::on_clock_jump(Instant now) {
  server_.on_clock_jump(now);
  give_outputs(now);
}

void SiteControl::take_events(Instant now) {
  while (auto event = endpoint_.poll_event()) {
    if (const auto* request = std::get_if<SessionRequestEvent>(&*event)) {
      welcome(request->identity, now);
    } else {
      dismiss(std::get<SessionFailedEvent>(*event).info.identity, now);
    }
  }
}

void SiteControl::welcome(const Identity& user, Instant now) {
  dismiss(user, now);  // a new session of the same client: the old one has ended
  endpoint_.accept(user, now);
}

// A peer that has only begun a handshake is no client yet: that takes a message under the session's
// keys.
std::optional<rendezvous::ClientId> SiteControl::client_of(const Identity& user, Instant now) {
  const auto at = by_user_.find(user);
  if (at != by_user_.end()) {
    note(by_client_.at(at->second));
    return at->second;
  }
  const auto key = public_key_from(user.bytes());
  const auto state = endpoint_.connection_info(user, now, nullptr, nullptr);
  if (!key || state != ConnectionState::kConnected) return std::nullopt;
  const rendezvous::ClientId id{next_client_++};
  by_user_[user] = id;
  Client& client = by_client_[id];
  client.user = user;
  if (free_places_.empty()) {
    client.place = places_++;
  } else {
    client.place = free_places_.back();
    free_places_.pop_back();
  }
  note(client);
  reconnects_.on_login(client.noted.remote);
  server_.on_connected(id, *key, client.noted.remote, now);
  return id;
}

void SiteControl::note(Client& client) {
  const auto line = endpoint_.line_of(client.user);
  if (!line || *line == client.noted) return;
  client.noted = *line;
  if (book_ != nullptr) book_->note(client.place, *line);
}

void SiteControl::call_back(Instant now) {
  while (const auto next = reconnects_.next(now)) {
    if (!next->is_here) endpoint_.tell_forgotten(next->line);
    places_due_.emplace_back(now + ReconnectQueue::kPatience, called_back_++);
  }
  while (!places_due_.empty() && places_due_.front().first <= now) {
    free_place(places_due_.front().second);
    places_due_.pop_front();
  }
}

void SiteControl::free_place(std::size_t place) {
  free_places_.push_back(place);
  if (book_ != nullptr) book_->erase(place);
}

void SiteControl::dismiss(const Identity& user, Instant now) {
  const auto at = by_user_.find(user);
  if (at == by_user_.end()) return;
  server_.on_disconnected(at->second, now);
  free_place(by_client_.at(at->second).place);
  by_client_.erase(at->second);
  by_user_.erase(at);
}

void SiteControl::take_messages(Instant now) {
  endpoint_.take_messages(delivered_);
  for (const DeliveredMessage& delivered : delivered_) {
    const ReceivedMessage& message = delivered.message;
    if (message.channel == kControlChannel) {
      const auto client = client_of(endpoint_.user_of(delivered.session), now);
      if (client) server_.on_message(*client, message.payload, now);
    }
    endpoint_.consumed(delivered.session, message.place, message.reliable, message.payload.size(),
                       1, now);
  }
  delivered_.clear();
}

void SiteControl::give_outputs(Instant now) {
  while (auto output = server_.poll_output()) {
    const auto at = by_client_.find(output->to);
    if (at == by_client_.end()) continue;
    const Identity user = at->second.user;
    const bool sent = !output->message.empty() &&
                      endpoint_.send(user, SharedBytes::copy(output->message), kSendReliable,
                                     kControlChannel, now) == Result::kOk;
    if (sent) continue;
    if (rendezvous::may_be_lost(output->message)) {
      server_.on_not_taken(output->to, output->message, now);
      continue;
    }
    // The server asked for it, or the client does not take an answer.
    dismiss(user, now);
    endpoint_.close_session(user, now);
  }
}

std::optional<Transmit> SiteControl::poll_transmit(MutableBytes buffer, Instant now) {
  if (const auto out = endpoint_.poll_transmit(buffer, now)) return out->by_udp();
  take_events(now);
  return std::nullopt;
}

Instant SiteControl::next_deadline() const {
  const Instant place = places_due_.empty() ? kNever : places_due_.front().first;
  return std::min(
      {endpoint_.next_deadline(), server_.next_deadline(), reconnects_.next_deadline(), place});
}

}  // namespace whimbrel
