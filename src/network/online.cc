#include "network/online.h"

#include <algorithm>
#include <utility>

#include "handshake/revocations.h"

namespace whimbrel {

namespace {

constexpr ChannelId kControlChannel = 0;
// A server that was lost is tried again at once, then after this, doubled each time, up to the
// second; give or take a quarter, so that a thousand clients do not come as one.
constexpr Duration kRetryFirst = milliseconds(250);
constexpr Duration kRetryMax = seconds(15);
// Relay tickets last ten minutes.
constexpr Duration kTicketInterval = seconds(240);
constexpr Duration kTicketRetry = seconds(5);
// How long a list of revocations of a date to come is put away at most. Seconds.
constexpr std::int64_t kRevocationsLookMax = 3600;
// The relay went silent, so the rendezvous may have, too: it lives in the same program.
constexpr Duration kSuspicion = milliseconds(500);
// It answers again, so an answer takes three round trips at most, or this.
constexpr Duration kReopened = milliseconds(60);
constexpr Duration kDialSlack = milliseconds(5);
// A login that is younger may be one at a server that was started again just now.
constexpr Duration kFreshLogin = seconds(3);

const Identity& server_name() {
  static const Identity name = Identity::generic_string(rendezvous::kServerName);
  return name;
}

EndpointConfig control_config(const OnlineConfig& users) {
  EndpointConfig config;
  config.keys = users.keys;
  config.tells_ends = true;
  config.log = users.log;
  config.log_level = users.log_level;
  config.limits.sessions_max = 4;
  config.session.idle_timeout = seconds(24 * 3600);
  config.session.timeout_initial = seconds(3);
  config.session.timeout_connected = seconds(5);
  config.session.linger = Duration::zero();
  config.session.keep_alive = Duration::zero();  // the rendezvous client pings
  return config;
}

// Of each site the addresses of this family first; they stand one after the other.
void prefer_family(std::vector<SiteTicket>& tickets, bool v4) {
  for (auto at = tickets.begin(); at != tickets.end();) {
    const auto end = std::find_if(
        at, tickets.end(), [name = at->name](const SiteTicket& one) { return one.name != name; });
    std::stable_partition(at, end,
                          [v4](const SiteTicket& one) { return one.ticket.relay.is_v4() == v4; });
    at = end;
  }
}

rendezvous::ClientConfig client_config(const OnlineConfig& users) {
  rendezvous::ClientConfig made;
  made.app_id = users.app_id;
  if (users.identity.valid()) made.identity = users.identity.text();
  made.token = users.network.token;
  return made;
}

// The session's text, with the server called by what it is to a person.
std::string plain_end(std::string text) {
  const std::string name = server_name().text();
  const std::size_t at = text.find(name);
  return at == std::string::npos ? "the server: " + text
                                 : text.replace(at, name.size(), "the server");
}

}  // namespace

Network::Online::Online(Endpoint& users, const OnlineConfig& config, Random& random, Instant now,
                        const WallClock& clock)
    : users_(users),
      config_(config.network),
      app_id_(config.app_id),
      authority_given_(!config.authorities.empty()),
      random_(random),
      clock_(clock),
      control_(control_config(config), random, now, clock),
      client_(client_config(config)),
      router_(users, config.app_id, random, now, clock) {
  timers_.set(Timer::kConnect, now);
  for (const VerifyKey& authority : config.authorities) trust_.add_authority(authority);
  if (config_.servers.empty()) {
    timers_.clear(Timer::kConnect);
    say(config_.not_found);
  } else {
    set_server_route();
  }
}

void Network::Online::say(const std::string& text) {
  if (text_ != text) ++texts_;
  text_ = text;
}

// --- the connection ------------------------------------------------------------------------------

bool Network::Online::is_server(const IpAddress& address) const {
  const auto& all = config_.servers;
  return std::find(all.begin(), all.end(), address) != all.end();
}

std::optional<IpAddress> Network::Online::server_in_use(Instant now) const {
  ConnectionInfo info;
  control_.connection_info(server_name(), now, &info, nullptr);
  return IpAddress::parse(info.remote_address);
}

// RFC 8305 section 4: who keeps a history prefers the addresses that were used before. One that
// answers and does not log us in (large packets may be lost on that way) comes last.
void Network::Online::rank_server(const std::optional<IpAddress>& used, bool good) {
  auto& all = config_.servers;
  const auto place = used ? std::find(all.begin(), all.end(), *used) : all.end();
  if (place == all.end()) return;
  if (good) {
    std::rotate(all.begin(), place, place + 1);
  } else {
    std::rotate(place, place + 1, all.end());
  }
  set_server_route();
}

void Network::Online::set_server_route() {
  control_.set_route(server_name(), config_.servers,
                     config_.server_key ? config_.server_key : server_key_);
}

void Network::Online::connect(Instant now) {
  timers_.clear(Timer::kConnect);
  if (config_.servers.empty()) return;  // set_servers() goes on
  connected_ = true;
  connected_at_ = now;
  client_.on_connected(now);
}

void Network::Online::lose(const std::string& why, bool at_once, Instant now) {
  say(why);
  timers_.clear(Timer::kTicket);
  if (connected_) {
    connected_ = false;
    // It may have another key now.
    if (logging_in() && std::exchange(server_key_, std::nullopt)) set_server_route();
    client_.on_disconnected(now);
    control_.close_session(server_name(), now);
    router_.suspect(server(), false, now);
  }
  if (leaving_ || client_.state() == rendezvous::Client::State::kRefused) return;
  Duration wait = at_once && tries_ == 0 ? Duration::zero() : kRetryFirst;
  for (unsigned i = 1; i < std::min(tries_, 10u); ++i) wait *= 2;
  wait = std::min(wait, kRetryMax);
  ++tries_;
  const double spread = 0.75 + 0.5 * random_.unit();
  timers_.set(
      Timer::kConnect,
      now + Duration(static_cast<std::int64_t>(static_cast<double>(wait.count()) * spread)));
}

// Two programs under one name would throw each other out for ever: the later one stays.
void Network::Online::give_way(Instant now) {
  const Identity& name = users_.identity();
  const std::string why =
      "logged in elsewhere" + (name.valid() ? " as " + name.text() : std::string());
  client_.give_way(why);
  lose(why, false, now);
}

void Network::Online::set_login_token(std::string token, Instant now) {
  client_.set_token(std::move(token));
  if (connected_ || leaving_) return;
  // Whatever kept us out may be over.
  tries_ = 0;
  timers_.set(Timer::kConnect, now);
}

bool Network::Online::seeks_server() const {
  return !leaving_ && client_.state() != rendezvous::Client::State::kOnline &&
         client_.state() != rendezvous::Client::State::kRefused;
}

void Network::Online::set_servers(std::vector<IpAddress> servers, Instant now) {
  const auto sorted = [](std::vector<IpAddress> all) {
    std::sort(all.begin(), all.end());
    return all;
  };
  if (!seeks_server() || servers.empty()) return;
  if (sorted(servers) == sorted(config_.servers)) return;
  config_.servers = std::move(servers);
  set_server_route();
  connect_again(now);
}

void Network::Online::leave(Instant now) {
  timers_.clear(Timer::kConnect);
  timers_.clear(Timer::kTicket);
  router_.leave();
  leaving_ = true;
  client_.logout();
  settle(now);
}

Result Network::Online::watch(const Identity& user, bool on, Instant now) {
  if (!client_.watch(user, on, now)) return Result::kLimitExceeded;
  if (!on) std::erase_if(presence_, [&](const Presence& one) { return one.user == user; });
  return Result::kOk;
}

std::optional<Network::Presence> Network::Online::poll_presence() {
  if (presence_.empty()) return std::nullopt;
  const Presence first = presence_.front();
  presence_.pop_front();
  return first;
}

void Network::Online::take_control(Instant now) {
  while (auto event = control_.poll_event()) {
    if (const auto* failed = std::get_if<SessionFailedEvent>(&*event)) {
      if (connected_ && failed->info.end_reason == kEndRemoteElsewhere) {
        give_way(now);
      } else if (connected_) {
        if (logging_in()) rank_server(IpAddress::parse(failed->info.remote_address), false);
        if (failed->info.end_reason == kEndMiscPeerSentNoConnection)
          router_.suspect(server(), true, now);
        lose(plain_end(failed->info.end_debug), true, now);
      }
    } else {
      control_.close_session(std::get<SessionRequestEvent>(*event).identity, now);
    }
  }
  control_.take_messages(delivered_);
  for (const DeliveredMessage& delivered : delivered_) {
    const ReceivedMessage& message = delivered.message;
    if (message.channel == kControlChannel) client_.on_message(message.payload, now);
    control_.consumed(delivered.session, message.place, message.reliable, message.payload.size(), 1,
                      now);
  }
  delivered_.clear();
  while (auto message = client_.poll_output()) {
    const Result result =
        control_.send(server_name(), SharedBytes::copy(*message),
                      kSendReliable | kSendAutoRestartBrokenSession, kControlChannel, now);
    if (result != Result::kOk) return lose("the server takes nothing", false, now);
  }
}

// --- the rendezvous ------------------------------------------------------------------------------

void Network::Online::take_client_events(Instant now) {
  while (auto event = client_.poll_event()) {
    std::visit([&](const auto& one) { on(one, now); }, *event);
  }
}

// Where none was given, the server's word counts: for as long as it says so. One that somebody else
// brought must not stay.
void Network::Online::trust(const VerifyKey& authority) {
  if (trusted_ == authority) return;
  if (trusted_) {
    trust_.remove_authority(*trusted_);
    users_.remove_authority(*trusted_);
  }
  trusted_ = authority;
  trust_.add_authority(authority);
  users_.add_authority(authority);
}

void Network::Online::on(const rendezvous::OnlineEvent& event, Instant now) {
  if (!authority_given_) trust(event.authority);
  // The name that counts is the one that was signed.
  const std::string name = event.identity.text();
  const CertificateClaim claim{app_id_, name, users_.public_key()};
  const CertificateStatus status = trust_.verify(event.certificate, claim, clock_.at(now));
  if (status != CertificateStatus::kValid) {
    const bool dated =
        status == CertificateStatus::kExpired || status == CertificateStatus::kNotYetValid;
    return lose(std::string("the certificate that the server gives is not accepted: ") +
                    to_string(status) +
                    (dated ? "; look at this computer's clock, and at the server's" : ""),
                false, now);
  }
  // Peers know us by the first name that we had.
  if (users_.identity().valid() && users_.identity() != event.identity) {
    return lose("the server gives us another name than before: " + event.identity.text(), false,
                now);
  }
  tries_ = 0;
  online_since_ = now;
  server_key_ = control_.key_of(server_name());
  rank_server(server_in_use(now), true);
  say("online as " + event.identity.text());
  users_.set_identity(event.identity);
  users_.set_certificate(event.certificate);
  users_.set_awaits_login(false, now);
  if (config_.require_certificates) users_.set_require_certificate(true);
  client_.want_ticket();
  timers_.set(Timer::kTicket, now + kTicketRetry);
  router_.set_pace(event.requests_per_second, now);
  router_.on_online(now);
}

void Network::Online::on(const rendezvous::LoginRefusedEvent& event, Instant now) {
  if (!event.again) users_.set_awaits_login(false, now);
  lose("the server refuses: " + event.text, false, now);
}

void Network::Online::on(const rendezvous::CertificateEvent& event, Instant) {
  users_.set_certificate(event.certificate);
}

void Network::Online::on(const rendezvous::FoundEvent& event, Instant now) {
  if (!event.online) {
    // The server does not say whether somebody is there under another app id: that is nobody else's
    // business.
    return router_.on_not_found(event.user, kEndMiscRendezvous,
                                event.user.text() + " is not online (app id " +
                                    std::to_string(app_id_) +
                                    "; a user with another app id is not found)",
                                now);
  }
  const auto certificate = decode_certificate(event.certificate);
  if (!certificate) {
    return router_.on_not_found(event.user, kEndRemoteBadCert,
                                "the server's answer about " + event.user.text() + " is malformed",
                                now);
  }
  const std::string name = event.user.text();
  const CertificateStatus status =
      trust_.verify(event.certificate, {app_id_, name, certificate->static_key}, clock_.at(now));
  if (status != CertificateStatus::kValid) {
    return router_.on_not_found(
        event.user, kEndRemoteBadCert,
        "the certificate of " + name + " is not accepted: " + to_string(status), now);
  }
  router_.on_found(event.user, certificate->static_key, now);
}

void Network::Online::on(const rendezvous::LookupFailedEvent& event, Instant now) {
  router_.on_not_found(event.user, kEndMiscRendezvous,
                       "can't find " + event.user.text() + ": " + event.text, now);
}

void Network::Online::on(const rendezvous::SignalEvent& event, Instant now) {
  router_.on_signal(event.from, event.body, now);
}

// The dial goes on: whoever went may come back before its time is over.
void Network::Online::on(const rendezvous::UndeliveredEvent& event, Instant) {
  router_.on_undelivered(event.to, event.again);
}

void Network::Online::on(const rendezvous::NoRelayEvent& event, Instant) {
  if (no_relay_ != event.text) ++texts_;
  no_relay_ = event.text;
}

void Network::Online::on(const rendezvous::TicketsEvent& event, Instant now) {
  no_relay_.clear();
  std::vector<SiteTicket> tickets;
  for (const rendezvous::RelayTicket& given : event.relays) {
    SiteTicket& site = tickets.emplace_back();
    site.name = given.site;
    site.ticket.relay.bytes = given.address;
    site.ticket.relay.port = given.port;
    if (site.ticket.relay.empty()) site.ticket.relay = server();
    site.ticket.token = given.token;
    site.ticket.secret.bytes = given.secret;
  }
  // The family that the server was reached over has shown that it works.
  const bool v4 = server_in_use(now).value_or(server()).is_v4();
  prefer_family(tickets, v4);
  timers_.set(Timer::kTicket, now + kTicketInterval);
  router_.on_tickets(tickets, now);
}

void Network::Online::on(const rendezvous::RevocationsEvent& event, Instant now) {
  revocations_ = event.list;
  apply_revocations(now);
}

// A list of a date to come is refused; it counts when the clock says so, be it set or not.
void Network::Online::apply_revocations(Instant now) {
  timers_.clear(Timer::kRevocations);
  const auto list = decode_revocations(revocations_);
  if (!list) return;
  const std::int64_t latest = clock_.seconds_at(now) + kNotBeforeLeewaySeconds;
  if (list->issued > latest) {
    const bool soon = list->issued < latest + kRevocationsLookMax;
    timers_.set(Timer::kRevocations,
                now + seconds(soon ? list->issued - latest : kRevocationsLookMax));
    return;
  }
  trust_.set_revocations(revocations_, clock_.at(now));
  users_.set_revocations(revocations_, now);
}

void Network::Online::on(const rendezvous::PresenceEvent& event, Instant) {
  std::erase_if(presence_, [&](const Presence& one) { return one.user == event.user; });
  presence_.push_back({event.user, event.online});
}

void Network::Online::on(const rendezvous::SilentEvent&, Instant now) {
  const IpAddress used = server_in_use(now).value_or(server());
  if (logging_in()) rank_server(used, false);
  lose("the server at " + used.text() + " went silent", true, now);
}

void Network::Online::on(const rendezvous::FarewellEvent& event, Instant now) {
  if (event.replaced) return give_way(now);
  say("the server is about to stop");
}

// --- moving --------------------------------------------------------------------------------------

void Network::Online::take_router(Instant now) {
  while (auto request = router_.poll_request(now)) {
    if (const auto* lookup = std::get_if<LookupRequest>(&*request)) {
      client_.lookup(lookup->user, now);
    } else {
      auto& signal = std::get<SignalRequest>(*request);
      client_.signal(signal.user, std::move(signal.body));
    }
  }
  while (const auto lost = router_.poll_leg_lost()) {
    if (lost->why == relay::LegLost::Why::kNoToken) client_.want_ticket();
    if (lost->why == relay::LegLost::Why::kSilence) {
      client_.check_server(kSuspicion, now);
      suspicious_ = true;
    }
  }
  on_reached(router_.take_reopened(config_.servers), now);
}

// The relay at the same address is there again: if the rendezvous does not answer as soon, it is
// another one than before. One that was started again knows nothing of us, so no answer is waited
// for, unless our login is so new that it may be the new life's.
void Network::Online::on_reached(Router::Reached reached, Instant now) {
  if (reached == Router::Reached::kNothingNew) return;
  const Duration round_trip = status().relay_rtt;
  const bool forgotten = reached == Router::Reached::kForgotten;
  const bool doubts = std::exchange(suspicious_, false) || forgotten;
  switch (client_.state()) {
    case rendezvous::Client::State::kOnline:
      if (forgotten && now - online_since_ >= kFreshLogin) return connect_again(now);
      if (doubts) client_.check_server(std::max(kReopened, 3 * round_trip), now);
      return;
    case rendezvous::Client::State::kLoggingIn:
      // A dial that left no earlier than what was answered here is answered, too.
      if (now - connected_at_ < round_trip * 3 / 2 + kDialSlack) return;
      return connect_again(now);
    case rendezvous::Client::State::kOffline:
      return connect_again(now);
    case rendezvous::Client::State::kRefused:
      return;
  }
}

// Something answers at the server's address: a dial that waits for its next try, or for an answer
// to an old packet, begins anew.
void Network::Online::connect_again(Instant now) {
  if (leaving_) return;
  if (connected_) {
    client_.on_disconnected(now);
    control_.close_session(server_name(), now);
  }
  tries_ = 0;
  connect(now);
}

void Network::Online::settle(Instant now) {
  take_router(now);
  take_control(now);
  take_client_events(now);
  // What was answered may ask for more, once.
  take_router(now);
  take_control(now);
}

void Network::Online::receive(const IpAddress& from, MutableBytes datagram, Instant now) {
  // What follows from it waits for poll_transmit(): relayed packets are many.
  if (router_.receive(from, datagram, now)) return;
  if (!is_server(from)) return users_.receive(from, datagram, now);
  control_.receive(from, datagram, now);
  settle(now);
}

void Network::Online::advance(Instant now) {
  timers_.fire(now, [&](Timer timer) { on_timer(timer, now); });
  client_.advance(now);
  control_.advance(now);
  router_.advance(now);
  settle(now);
}

void Network::Online::on_timer(Timer timer, Instant now) {
  switch (timer) {
    case Timer::kConnect:
      return connect(now);
    case Timer::kTicket:
      timers_.set(Timer::kTicket, now + kTicketRetry);
      return client_.want_ticket();
    case Timer::kRevocations:
      return apply_revocations(now);
    case Timer::kCount:
      return;
  }
}

void Network::Online::on_clock_jump(Instant now) {
  apply_revocations(now);
  router_.tell_all();
}

void Network::Online::on_sleep(Instant now) {
  client_.check_server(rendezvous::Client::kPongTime, now);
  if (timers_.due(Timer::kConnect) == kNever) return;
  tries_ = 0;
  timers_.set(Timer::kConnect, now);
}

std::optional<Transmit> Network::Online::poll_transmit(MutableBytes buffer, Instant now) {
  settle(now);
  if (auto out = control_.poll_transmit(buffer, now)) return out->by_udp();
  auto out = router_.poll_transmit(buffer, now);
  if (out) return out;
  // Signals that the endpoint's handshake packets have become.
  settle(now);
  const auto signals = control_.poll_transmit(buffer, now);
  return signals ? std::optional(signals->by_udp()) : std::nullopt;
}

Instant Network::Online::next_deadline() const {
  return std::min(
      {timers_.next(), client_.next_deadline(), control_.next_deadline(), router_.next_deadline()});
}

std::uint64_t Network::Online::status_mark() const {
  const Relays& relays = router_.relays();
  std::uint64_t mark = texts_ << 2 | static_cast<std::uint64_t>(client_.state());
  for (const auto& site : relays.sites()) {
    const bool home = site.get() == relays.home();
    const bool backup = site.get() == relays.backup();
    mark = mark * 31 + site->id + (site->open() ? 1 : 0) + (home ? 2 : 0) + (backup ? 4 : 0) +
           (site->fault.empty() ? 0 : 8);
  }
  return mark;
}

NetworkStatus Network::Online::status() const {
  NetworkStatus status;
  using State = rendezvous::Client::State;
  status.state = client_.state() == State::kOnline    ? NetworkStatus::State::kOnline
                 : client_.state() == State::kRefused ? NetworkStatus::State::kRefused
                                                      : NetworkStatus::State::kConnecting;
  for (const auto& site : router_.relays().sites()) {
    RelayStatus& relay = status.relays.emplace_back();
    relay.site = site->name;
    relay.address = site->ticket.relay;
    relay.open = site->open();
    relay.home = site.get() == router_.relays().home();
    relay.backup = site.get() == router_.relays().backup();
    relay.rtt = site->open() && site->leg->rtt() != Duration::zero()
                    ? site->leg->rtt()
                    : site->rtt.value_or(Duration::zero());
    if (relay.open) status.relay = true;
    if (!site->fault.empty()) status.text = text_ + "; " + site->fault;
    if (!relay.home) continue;
    status.relay_rtt = relay.rtt;
    status.site = site->name;
    if (relay.open) status.observed = site->leg->observed();
  }
  if (status.text.empty()) status.text = text_;
  if (status.state == NetworkStatus::State::kOnline && !no_relay_.empty())
    status.text += "; " + no_relay_;
  return status;
}

}  // namespace whimbrel
