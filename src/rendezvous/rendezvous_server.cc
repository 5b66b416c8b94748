#include "rendezvous/rendezvous_server.h"

#include <algorithm>

#include "handshake/revocations.h"

namespace whimbrel::rendezvous {

namespace {

// How soon a revocation is noticed, and how many clients are told at a time.
constexpr Duration kLookInterval = seconds(1);
constexpr std::size_t kToldAtOnce = 64;
// When a client that could not take the presence of the users it watches is told again.
constexpr Duration kTellInterval = seconds(1);
constexpr double kRenewalsAtOnce = 4;

std::uint32_t request_of(const ClientMessage& message) {
  if (const auto* lookup = std::get_if<Lookup>(&message)) return lookup->request;
  if (const auto* signal = std::get_if<Signal>(&message)) return signal->request;
  if (const auto* want = std::get_if<WantRelayTicket>(&message)) return want->request;
  return 0;
}

}  // namespace

RendezvousServer::RendezvousServer(const RendezvousLimits& limits, Authority& authority,
                                   TicketIssuer* tickets, Instant now, const WallClock& clock)
    : limits_(limits),
      authority_(authority),
      tickets_(tickets),
      start_(now),
      clock_(clock),
      next_look_(now) {}

void RendezvousServer::enable_lobbies(const LobbyLimits& limits, const Secret& key,
                                      Random& random) {
  ASSERT(clients_.empty());
  const LobbyOrigin origin{key, start_, clock_};
  lobbies_ = std::make_unique<LobbyServer>(
      limits, random, origin,
      [this](const LobbyUser& to, Bytes message) {
        const auto at = by_user_.find(to);
        if (at != by_user_.end()) push(at->second, {message.begin(), message.end()});
      },
      [this](const LobbyUser& user) { doubt(user); });
}

void RendezvousServer::set_limits(const RendezvousLimits& limits, const LobbyLimits& lobbies) {
  limits_ = limits;
  if (lobbies_) lobbies_->set_limits(lobbies);
}

// --- clients come and go ------------------------------------------------------------------------

void RendezvousServer::on_connected(ClientId id, const PublicKey& key, const IpAddress& from,
                                    Instant now) {
  make_room_to_log_in(now);
  Client& client = clients_[id];
  client.key = key;
  client.from = from;
  client.requests_per_second = limits_.requests_per_second;
  client.requests = TokenBucket(client.requests_per_second, client.requests_per_second, now);
  client.renewals = TokenBucket(limits_.renewals_per_second, kRenewalsAtOnce, now);
  client.signals_in =
      TokenBucket(limits_.signal_bytes_per_second, limits_.signal_bytes_per_second, now);
  client.heard = now;
  logins_due_.emplace_back(now + limits_.login_time, id);
  looks_due_.emplace_back(now + kSilenceInterval, id);
}

// Clients that are not logged in have a limit of their own, so that they keep nobody from logging
// in.
void RendezvousServer::make_room_to_log_in(Instant now) {
  while (clients_.size() - by_user_.size() >= limits_.waiting_max && !logins_due_.empty()) {
    const ClientId oldest = logins_due_.front().second;
    logins_due_.pop_front();
    const auto at = clients_.find(oldest);
    if (at == clients_.end() || at->second.user) continue;
    ++counters_.late;
    close(oldest, now);
  }
}

void RendezvousServer::on_disconnected(ClientId id, Instant now) {
  const auto at = clients_.find(id);
  if (at == clients_.end()) return;
  leave(id, at->second, now);
  clients_.erase(at);
}

void RendezvousServer::leave(ClientId id, Client& client, Instant now) {
  forget_watches(id, client);
  if (!client.user) return;
  const User user = *client.user;
  client.user.reset();
  const auto at = by_user_.find(user);
  if (at == by_user_.end() || at->second != id) return;
  by_user_.erase(at);
  if (lobbies_) lobbies_->on_offline(user, now);
  tell_watchers(user, false);
}

void RendezvousServer::close(ClientId id, Instant now) {
  const auto at = clients_.find(id);
  if (at != clients_.end()) {
    leave(id, at->second, now);
    clients_.erase(at);
  }
  outputs_.push_back({id, {}});
}

void RendezvousServer::advance(Instant now) {
  while (!cut_off_.empty() && outputs_.empty()) {
    const ClientId id = *cut_off_.begin();
    cut_off_.erase(cut_off_.begin());
    if (clients_.contains(id)) put_out(id, PutOut::kTooSlow, now);
  }
  if (lobbies_) lobbies_->advance(now);
  if (now >= next_look_) look_at_revocations(now);
  // A list is long, and there are many clients: the next part follows when the last one has left.
  if (tell_from_ && outputs_.empty()) tell_revocations(now);
  if (renew_from_ && outputs_.empty()) renew_some(now);
  if (now >= tell_again_at_ && outputs_.empty()) tell_again();
  close_late(now);
  close_silent(now);
  close_unanswered(now);
}

void RendezvousServer::close_late(Instant now) {
  while (!logins_due_.empty() && logins_due_.front().first <= now) {
    const ClientId id = logins_due_.front().second;
    logins_due_.pop_front();
    const auto at = clients_.find(id);
    if (at == clients_.end() || at->second.user) continue;
    ++counters_.late;
    refuse(id, 0, RefusalCode::kNotLoggedIn, "no login came in time");
    close(id, now);
  }
}

Instant RendezvousServer::next_deadline() const {
  if (!outputs_.empty()) return kNow;
  if (tell_from_ || renew_from_ || !cut_off_.empty()) return kNow;
  const Instant login = logins_due_.empty() ? kNever : logins_due_.front().first;
  const Instant look = looks_due_.empty() ? kNever : looks_due_.front().first;
  const Instant answer = answers_due_.empty() ? kNever : answers_due_.front().first;
  const Instant next = std::min({login, look, answer, next_look_, tell_again_at_});
  return lobbies_ ? std::min(next, lobbies_->next_deadline()) : next;
}

void RendezvousServer::farewell(Duration left) {
  const auto whole = static_cast<std::uint16_t>(to_milliseconds(left) / 1000);
  // Even beyond outputs_max: a client that is not told would run into a timeout.
  for (const auto& [id, client] : clients_)
    outputs_.push_back({id, encode(Farewell{false, whole})});
}

// --- revocations --------------------------------------------------------------------------------

void RendezvousServer::look_at_revocations(Instant now) {
  next_look_ = now + kLookInterval;
  const std::int64_t version = authority_.registry_version();
  if (version == registry_version_) return;
  auto list = authority_.revocations(clock_.seconds_at(now));
  if (!list) return;  // tried again at the next look
  registry_version_ = version;
  // Each list is newly signed: compared by its keys.
  const auto keys_of = [](const std::vector<std::uint8_t>& bytes) {
    const auto decoded = decode_revocations(bytes);
    return decoded ? decoded->keys : std::vector<PublicKey>();
  };
  note_revoked(keys_of(*list));
  if (keys_of(*list) == keys_of(revocations_)) return;
  revocations_ = std::move(*list);
  if (!clients_.empty()) tell_from_ = clients_.begin()->first;
}

void RendezvousServer::tell_revocations(Instant now) {
  auto at = clients_.lower_bound(*tell_from_);
  for (std::size_t i = 0; i < kToldAtOnce && at != clients_.end(); ++i) {
    const ClientId id = at->first;
    const Client& client = at->second;
    ++at;
    if (!client.user) continue;
    if (authority_.revoked(client.key)) {
      refuse(id, 0, RefusalCode::kRevoked, kRevokedText);
      put_out(id, PutOut::kRevoked, now);
    } else if (!revocations_.empty()) {
      send(id, Revocations{revocations_});
    }
  }
  tell_from_ = at == clients_.end() ? std::nullopt : std::optional(at->first);
}

// --- for an operator's log ----------------------------------------------------------------------

void RendezvousServer::put_out(ClientId id, PutOut why, Instant now) {
  const auto at = clients_.find(id);
  if (at != clients_.end() && events_.wants(Recorded::kTrouble)) {
    const Client& client = at->second;
    RendezvousEvent event{
        RendezvousEvent::Kind::kPutOut, client.from, {}, 0, "", "", client.key, why};
    if (client.user) event.app_id = client.user->first;
    if (client.user) event.identity = client.user->second.text();
    events_.add(std::move(event));
  }
  close(id, now);
}

void RendezvousServer::note_refused(const Client& client, const Login& login,
                                    const Rejection& why) {
  if (!events_.wants(Recorded::kTrouble)) return;
  events_.add({RendezvousEvent::Kind::kLoginRefused, client.from, why.code, login.app_id,
               login.identity, why.text, client.key});
}

// What was revoked before the start is not an event.
void RendezvousServer::note_revoked(const std::vector<PublicKey>& keys) {
  std::set<PublicKey> now(keys.begin(), keys.end());
  if (noted_revoked_ && events_.wants(Recorded::kTrouble)) {
    for (const PublicKey& key : now) {
      if (!noted_revoked_->contains(key))
        events_.add({RendezvousEvent::Kind::kRevoked, {}, {}, 0, "", "", key});
    }
  }
  noted_revoked_ = std::move(now);
}

// --- the wall clock -----------------------------------------------------------------------------

void RendezvousServer::on_clock_jump(Instant now) {
  // Sign the same keys again with the right date: a list dated in the future would hide the next
  // one.
  registry_version_ = -1;
  revocations_.clear();
  next_look_ = now;
  if (!clients_.empty()) renew_from_ = clients_.begin()->first;
}

void RendezvousServer::renew_some(Instant now) {
  const std::int64_t unix_seconds = clock_.seconds_at(now);
  auto at = clients_.lower_bound(*renew_from_);
  for (std::size_t i = 0; i < kToldAtOnce && at != clients_.end(); ++i, ++at) {
    auto& [id, client] = *at;
    if (!client.user) continue;
    const auto& [app_id, identity] = *client.user;
    auto renewed = renew(client, now);
    // If it cannot be made now, the client will ask for it later.
    auto* certificate = std::get_if<std::vector<std::uint8_t>>(&renewed);
    if (certificate == nullptr) continue;
    client.certificate = std::move(*certificate);
    send(id, Renewed{client.certificate});
    if (tickets_ == nullptr) continue;
    RelayTickets tickets{0, tickets_->issue(identity, app_id, unix_seconds)};
    if (!tickets.relays.empty()) send(id, tickets);
  }
  renew_from_ = at == clients_.end() ? std::nullopt : std::optional(at->first);
}

// --- messages -----------------------------------------------------------------------------------

void RendezvousServer::on_message(ClientId id, Bytes bytes, Instant now) {
  const auto at = clients_.find(id);
  if (at == clients_.end()) return;
  Client& client = at->second;
  client.heard = now_ = now;
  if (!client.user && ++client.before_login > kBeforeLoginMax) return close(id, now);
  if (is_lobby_request(bytes)) return on_lobby_message(id, client, bytes, now);
  const auto message = decode_client_message(bytes);
  if (!message) {
    ++counters_.malformed;
    return refuse(id, 0, RefusalCode::kMalformed, "this is no message that the server knows");
  }
  const bool is_login = std::holds_alternative<Login>(*message);
  if (!client.user && !is_login) {
    ++counters_.not_logged_in;
    return refuse(id, request_of(*message), RefusalCode::kNotLoggedIn, "log in first");
  }
  if (!take(client, *message, now)) {
    ++counters_.rate_limited;
    return refuse(id, request_of(*message), RefusalCode::kTooOften, "too many requests a second");
  }
  std::visit([&](const auto& one) { on(id, client, one, now); }, *message);
}

bool RendezvousServer::take(Client& client, const ClientMessage& message, Instant now) const {
  // Pings are always answered: clients take silence for our end.
  if (std::holds_alternative<Ping>(message)) return true;
  // Renewals have a rate of their own: a busy client must not lose its certificate.
  if (std::holds_alternative<Renew>(message)) return client.renewals.take(1, now);
  return client.requests.take(1, now);
}

void RendezvousServer::on_lobby_message(ClientId id, Client& client, Bytes bytes, Instant now) {
  const auto request = decode_lobby_request(bytes);
  if (!request) {
    ++counters_.malformed;
    return refuse(id, 0, RefusalCode::kMalformed, "this is no message that the server knows");
  }
  LobbyResult fault = LobbyResult::kOk;
  if (!client.user) {
    ++counters_.not_logged_in;
    fault = LobbyResult::kNotLoggedIn;
  } else if (!client.requests.take(1, now)) {
    ++counters_.rate_limited;
    fault = LobbyResult::kTooOften;
  } else if (!lobbies_) {
    fault = LobbyResult::kUnsupported;
  }
  if (fault == LobbyResult::kOk) return lobbies_->on_request(*client.user, *request, now);
  push(
      id,
      encode(LobbyNotice(LobbyAnswer{request_of(*request), fault, std::string(to_string(fault))})));
}

void RendezvousServer::on(ClientId id, Client& client, const Login& login, Instant now) {
  if (client.user) return refuse(id, 0, RefusalCode::kMalformed, "logged in already");
  auto result = authority_.admit(login, client.key, client.from, clock_.seconds_at(now));
  if (auto* rejection = std::get_if<Rejection>(&result)) {
    ++counters_.logins_refused;
    note_refused(client, login, *rejection);
    refuse(id, 0, rejection->code, rejection->text);
    return close(id, now);
  }
  auto& admission = std::get<Admission>(result);
  const User user{login.app_id, admission.identity};
  if (is_full_for(user)) {
    ++counters_.logins_refused;
    note_refused(client, login, {RefusalCode::kFull, "the server is full"});
    refuse(id, 0, RefusalCode::kFull, "the server is full: try again later");
    return close(id, now);
  }
  replace_older(user, id, now);
  client.user = user;
  client.certificate = admission.certificate;
  if (admission.renewable_seconds < Admission::kForever)
    client.renewable_until = now + seconds(admission.renewable_seconds);
  by_user_[user] = id;
  ++counters_.logins;
  if (events_.wants(Recorded::kAll)) {
    events_.add({RendezvousEvent::Kind::kLogin,
                 client.from,
                 {},
                 user.first,
                 user.second.text(),
                 "",
                 client.key});
  }
  LoggedIn answer;
  answer.identity = admission.identity.text();
  answer.certificate = std::move(admission.certificate);
  answer.authority = authority_.public_key().bytes;
  answer.unix_ms = clock_.at(now);
  answer.requests_per_second = client.requests_per_second;
  send(id, answer);
  if (!revocations_.empty()) send(id, Revocations{revocations_});
  if (lobbies_) lobbies_->on_online(user, now);
  tell_watchers(user, true);
}

// The same user logs in again: the older session is dead, or belongs to another program of theirs.
void RendezvousServer::replace_older(const User& user, ClientId newer, Instant /*now*/) {
  const auto at = by_user_.find(user);
  if (at == by_user_.end() || at->second == newer) return;
  const ClientId older = at->second;
  Client& client = clients_.at(older);
  forget_watches(older, client);  // nobody is told that the user left: they did not
  send(older, Farewell{true, 0});
  clients_.erase(older);
  outputs_.push_back({older, {}});
}

std::variant<std::vector<std::uint8_t>, Rejection> RendezvousServer::renew(const Client& client,
                                                                           Instant now) {
  const std::int64_t left = client.renewable_until == kNever
                                ? Admission::kForever
                                : to_milliseconds(client.renewable_until - now) / 1000;
  return authority_.renew(client.user->second, client.user->first, client.key,
                          clock_.seconds_at(now), left);
}

void RendezvousServer::on(ClientId id, Client& client, const Renew&, Instant now) {
  auto renewed = renew(client, now);
  if (const auto* rejection = std::get_if<Rejection>(&renewed)) {
    refuse(id, 0, rejection->code, rejection->text);
    if (rejection->code == RefusalCode::kRevoked) put_out(id, PutOut::kRevoked, now);
    return;
  }
  client.certificate = std::get<std::vector<std::uint8_t>>(std::move(renewed));
  send(id, Renewed{client.certificate});
}

const RendezvousServer::Client* RendezvousServer::find(const User& user, ClientId* id) const {
  const auto at = by_user_.find(user);
  if (at == by_user_.end()) return nullptr;
  if (id != nullptr) *id = at->second;
  return &clients_.at(at->second);
}

void RendezvousServer::on(ClientId id, Client& client, const Lookup& lookup, Instant) {
  ++counters_.lookups;
  Found answer;
  answer.request = lookup.request;
  answer.identity = lookup.identity;
  const auto identity = Identity::parse(lookup.identity);
  const Client* other = identity ? find({client.user->first, *identity}) : nullptr;
  if (other != nullptr) {
    answer.online = true;
    answer.certificate = other->certificate;
  } else {
    ++counters_.lookups_offline;
  }
  send(id, answer);
}

void RendezvousServer::on(ClientId id, Client& client, const Signal& signal, Instant now) {
  ++counters_.signals;
  const auto identity = Identity::parse(signal.to);
  ClientId to{};
  const bool online = identity && find({client.user->first, *identity}, &to) != nullptr;
  if (!online) ++counters_.signals_offline;
  // Senders must not fill the line of the user who gets the signals.
  const bool fits =
      online && clients_.at(to).signals_in.take(static_cast<double>(signal.body.size()), now);
  if (fits) {
    send(to, Signalled{client.user->second.text(), signal.body});
  } else if (online) {
    ++counters_.signals_dropped;
  }
  send(id, SignalDone{signal.request, fits});
}

void RendezvousServer::on(ClientId id, Client& client, const WantRelayTicket& want, Instant now) {
  RelayTickets tickets{want.request, {}};
  if (tickets_ != nullptr)
    tickets.relays =
        tickets_->issue(client.user->second, client.user->first, clock_.seconds_at(now));
  if (tickets.relays.empty()) {
    return refuse(id, want.request, RefusalCode::kNoRelay,
                  "this server has no relay, so users who know only each other's names can't talk");
  }
  ++counters_.tickets;
  send(id, tickets);
}

void RendezvousServer::on(ClientId id, Client& client, const Watch& watch, Instant) {
  const auto identity = Identity::parse(watch.identity);
  if (!identity || !identity->valid()) {
    return refuse(id, 0, RefusalCode::kBadIdentity, "to watch, name an identity");
  }
  const User user{client.user->first, *identity};
  if (!watch.on) {
    client.watches.erase(*identity);
    const auto at = watchers_.find(user);
    if (at != watchers_.end() && at->second.erase(id) > 0 && at->second.empty()) {
      watchers_.erase(at);
    }
    return;
  }
  if (!client.watches.contains(*identity) && client.watches.size() >= limits_.watches_max) {
    return refuse(id, 0, RefusalCode::kFull, "too many users are watched");
  }
  const auto watched = watchers_.find(user);
  if (watched != watchers_.end() && watched->second.size() >= limits_.watchers_max &&
      !watched->second.contains(id)) {
    return refuse(id, 0, RefusalCode::kFull, "too many watch that user");
  }
  client.watches.insert(*identity);
  watchers_[user].insert(id);
  send(id, Presence{identity->text(), find(user) != nullptr});
}

void RendezvousServer::on(ClientId id, Client& client, const Logout&, Instant now) {
  if (lobbies_) lobbies_->on_left(*client.user);
  close(id, now);
}

void RendezvousServer::tell_watchers(const User& user, bool online) {
  const auto at = watchers_.find(user);
  if (at == watchers_.end()) return;
  for (const ClientId id : at->second) send(id, Presence{user.second.text(), online});
}

void RendezvousServer::tell_later(ClientId id, Instant when) {
  untold_.insert(id);
  tell_again_at_ = std::min(tell_again_at_, when);
}

void RendezvousServer::on_not_taken(ClientId id, Bytes message, Instant now) {
  if (is_presence(message)) tell_later(id, now + kTellInterval);
}

// Tells clients the present state of all users whom they watch.
void RendezvousServer::tell_again() {
  tell_again_at_ = kNever;
  for (std::size_t i = 0; i < kToldAtOnce && !untold_.empty(); ++i) {
    const ClientId id = *untold_.begin();
    untold_.erase(untold_.begin());
    const auto at = clients_.find(id);
    if (at == clients_.end() || !at->second.user) continue;
    for (const Identity& watched : at->second.watches) {
      const bool online = find({at->second.user->first, watched}) != nullptr;
      send(id, Presence{watched.text(), online});
    }
  }
  if (!untold_.empty()) tell_again_at_ = kNow;
}

void RendezvousServer::forget_watches(ClientId id, Client& client) {
  if (!client.user) return;
  for (const Identity& watched : client.watches) {
    const auto at = watchers_.find({client.user->first, watched});
    if (at != watchers_.end() && at->second.erase(id) > 0 && at->second.empty()) {
      watchers_.erase(at);
    }
  }
  client.watches.clear();
}

// --- outputs ------------------------------------------------------------------------------------

void RendezvousServer::push(ClientId to, std::vector<std::uint8_t> message) {
  if (outputs_.size() >= limits_.outputs_max) {
    ++counters_.dropped_outputs;
    if (is_presence(message)) tell_later(to, kNow);
    if (!may_be_lost(message) && clients_.contains(to)) cut_off_.insert(to);
    return;
  }
  outputs_.push_back({to, std::move(message)});
}

void RendezvousServer::refuse(ClientId to, std::uint32_t request, RefusalCode code,
                              std::string text) {
  if (text.size() > kTextMax) text.resize(kTextMax);
  send(to, Refused{request, code, std::move(text)});
}

std::optional<RendezvousServer::Output> RendezvousServer::poll_output() {
  if (outputs_.empty()) return std::nullopt;
  Output output = std::move(outputs_.front());
  outputs_.pop_front();
  return output;
}

}  // namespace whimbrel::rendezvous
