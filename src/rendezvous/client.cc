#include "rendezvous/client.h"

#include <algorithm>

namespace whimbrel::rendezvous {

namespace {

// Signals that wait for an answer; beyond it the oldest is forgotten.
constexpr std::size_t kSignalsMax = 256;
// When a certificate that could not be renewed is asked for again.
constexpr Duration kRenewRetry = seconds(60);
// When a question that the server had no time for is asked again.
constexpr Duration kAskRetry = seconds(1);

}  // namespace

void Client::send(const ClientMessage& message) { outputs_.push_back(encode(message)); }

// --- the connection -----------------------------------------------------------------------------

void Client::on_connected(Instant now) {
  state_ = State::kLoggingIn;
  outputs_.clear();
  timers_.clear(Timer::kAnswer);
  timers_.set(Timer::kPing, now + ping_interval_);
  timers_.set(Timer::kLogin, now + kLoginTime);
  send(Login{kVersion, config_.app_id, config_.identity, config_.token, certificate_});
}

void Client::on_disconnected(Instant /*now*/) {
  if (state_ != State::kRefused) state_ = State::kOffline;
  outputs_.clear();
  lobbies_.on_offline();
  watches_.on_offline();
  signals_.clear();
  for (const Timer timer : {Timer::kPing, Timer::kAnswer, Timer::kRenew, Timer::kLogin})
    timers_.clear(timer);
}

void Client::on(const LoggedIn& message, Instant now) {
  const auto identity = Identity::parse(message.identity);
  if (state_ != State::kLoggingIn || !identity || !identity->valid()) return;
  state_ = State::kOnline;
  refusal_.clear();
  timers_.clear(Timer::kLogin);
  identity_ = *identity;
  lobbies_.on_online(identity_, now);
  OnlineEvent event{*identity, message.certificate, {}, message.requests_per_second};
  event.authority.bytes = message.authority;
  events_.emplace_back(std::move(event));
  take_certificate(message.certificate, message.unix_ms / 1000, now);
  timers_.clear(Timer::kAsk);
  for (auto& [request, question] : lookups_) {
    question.ask_at = kNever;
    send(Lookup{request, question.user.text()});
  }
  watches_.on_online(message.requests_per_second, now, ping_interval_);
  send_watches(now);
  if (ticket_wanted_) send(WantRelayTicket{next_request_++});
}

// It is renewed after half of the time that is left.
void Client::take_certificate(const std::vector<std::uint8_t>& encoded, std::int64_t unix_s,
                              Instant now) {
  const auto certificate = decode_certificate(encoded);
  if (!certificate) return;
  certificate_ = encoded;
  const std::int64_t left = unix_s > 0 ? certificate->not_after - unix_s
                                       : certificate->not_after - certificate->not_before;
  timers_.set(Timer::kRenew, now + seconds(std::clamp<std::int64_t>(left / 2, 30, 30 * 24 * 3600)));
}

// --- messages -----------------------------------------------------------------------------------

void Client::on_message(Bytes bytes, Instant now) {
  if (is_lobby_notice(bytes)) return lobbies_.on_message(bytes, now);
  const auto message = decode_server_message(bytes);
  if (!message) return;
  std::visit([&](const auto& one) { on(one, now); }, *message);
}

void Client::on(const Refused& message, Instant now) {
  if (message.request != 0 && message.code == RefusalCode::kTooOften)
    return postpone_question(message.request, now);
  if (message.code == RefusalCode::kNoRelay)
    return void(events_.emplace_back(NoRelayEvent{message.text}));
  if (message.request != 0) return fail_question(message.request, message.text);
  if (state_ != State::kLoggingIn) {
    if (message.code == RefusalCode::kRevoked) timers_.set(Timer::kRenew, now + kRenewRetry);
    return;
  }
  const bool again =
      message.code == RefusalCode::kFull || message.code == RefusalCode::kUnavailable ||
      message.code == RefusalCode::kTooOften || message.code == RefusalCode::kNotLoggedIn;
  state_ = again ? State::kOffline : State::kRefused;
  timers_.clear(Timer::kLogin);
  refusal_ = message.text;
  if (!again) fail_questions(message.text);
  events_.emplace_back(LoginRefusedEvent{message.code, message.text, again});
}

void Client::give_way(const std::string& why) {
  state_ = State::kRefused;
  timers_.clear(Timer::kLogin);
  fail_questions(why);
}

void Client::fail_questions(const std::string& why) {
  refusal_ = why;
  while (!lookups_.empty()) fail_question(lookups_.begin()->first, refusal_);
}

void Client::fail_question(std::uint32_t request, const std::string& text) {
  if (const auto signal = signals_.find(request); signal != signals_.end()) {
    events_.emplace_back(UndeliveredEvent{signal->second, false});
    signals_.erase(signal);
  }
  const auto lookup = lookups_.find(request);
  if (lookup == lookups_.end()) return;
  events_.emplace_back(LookupFailedEvent{lookup->second.user, text});
  lookups_.erase(lookup);
}

// The server is alive, but has too much to do.
void Client::postpone_question(std::uint32_t request, Instant now) {
  if (const auto signal = signals_.find(request); signal != signals_.end()) {
    events_.emplace_back(UndeliveredEvent{signal->second, true});
    signals_.erase(signal);
  }
  const auto lookup = lookups_.find(request);
  if (lookup == lookups_.end()) return;
  lookup->second.ask_at = now + kAskRetry;
  timers_.hasten(Timer::kAsk, lookup->second.ask_at);
}

// They get new numbers: the time for an answer counts from the last refusal, and questions fail in
// the order of their numbers.
void Client::ask_postponed(Instant now) {
  std::vector<Identity> due;
  for (auto at = lookups_.begin(); at != lookups_.end();) {
    if (at->second.ask_at <= now) {
      due.push_back(at->second.user);
      at = lookups_.erase(at);
      continue;
    }
    timers_.hasten(Timer::kAsk, at->second.ask_at);
    ++at;
  }
  for (const Identity& user : due) lookup(user, now);
}

void Client::on(const Found& message, Instant) {
  const auto at = lookups_.find(message.request);
  if (at == lookups_.end()) return;
  events_.emplace_back(FoundEvent{at->second.user, message.online, message.certificate});
  lookups_.erase(at);
}

void Client::on(const SignalDone& message, Instant) {
  const auto at = signals_.find(message.request);
  if (at == signals_.end()) return;
  if (!message.delivered) events_.emplace_back(UndeliveredEvent{at->second, false});
  signals_.erase(at);
}

void Client::on(const Signalled& message, Instant) {
  const auto from = Identity::parse(message.from);
  if (from && from->valid()) events_.emplace_back(SignalEvent{*from, message.body});
}

void Client::on(const Revocations& message, Instant) {
  events_.emplace_back(RevocationsEvent{message.list});
}

void Client::on(const RelayTickets& message, Instant) {
  ticket_wanted_ = false;
  if (!message.relays.empty()) events_.emplace_back(TicketsEvent{message.relays});
}

void Client::on(const Check&, Instant now) { check_server(kPongTime, now); }

void Client::on(const Pong& message, Instant now) {
  if (message.number != ping_number_) return;
  timers_.clear(Timer::kAnswer);
  // Kept for the time after a restart of the server, when it has most to do.
  ping_interval_ = std::clamp(Duration(seconds(message.seconds)), kPingInterval, kPingIntervalMax);
  timers_.set(Timer::kPing, now + ping_interval_);
}

void Client::on(const Presence& message, Instant now) {
  const auto user = Identity::parse(message.identity);
  if (user && user->valid() && watches_.on_presence(*user, message.online, now))
    events_.emplace_back(PresenceEvent{*user, message.online});
}

void Client::on(const Renewed& message, Instant now) {
  take_certificate(message.certificate, 0, now);
  events_.emplace_back(CertificateEvent{message.certificate});
}

void Client::on(const Farewell& message, Instant) {
  events_.emplace_back(FarewellEvent{message.replaced, message.seconds});
}

// --- commands -----------------------------------------------------------------------------------

void Client::set_token(std::string token) {
  ASSERT(token.size() <= kTokenTextMax);
  config_.token = std::move(token);
  if (state_ == State::kRefused) state_ = State::kOffline;
}

void Client::lookup(const Identity& user, Instant now) {
  if (lookups_.size() >= kOpenMax) {
    events_.emplace_back(LookupFailedEvent{user, "too many questions at once"});
    return;
  }
  if (state_ == State::kRefused) {
    events_.emplace_back(LookupFailedEvent{user, refusal_});
    return;
  }
  const std::uint32_t request = next_request_++;
  lookups_[request] = {user, now + kAnswerTime};
  if (state_ == State::kOnline) send(Lookup{request, user.text()});
}

void Client::signal(const Identity& to, std::vector<std::uint8_t> body) {
  ASSERT(body.size() <= kSignalBytesMax);
  if (state_ != State::kOnline) return;
  const std::uint32_t request = next_request_++;
  if (signals_.size() >= kSignalsMax) signals_.erase(signals_.begin());
  signals_[request] = to;
  send(Signal{request, to.text(), std::move(body)});
}

void Client::want_ticket() {
  ticket_wanted_ = true;
  if (state_ == State::kOnline) send(WantRelayTicket{next_request_++});
}

bool Client::watch(const Identity& user, bool on, Instant now) {
  if (on && !watches_.add(user)) return false;
  if (!on) watches_.remove(user);
  send_watches(now);
  return true;
}

void Client::send_watches(Instant now) {
  while (const auto watch = watches_.poll(now)) send(*watch);
}

void Client::logout() {
  if (state_ == State::kOnline) send(Logout{});
}

void Client::ping(Duration patience, Instant now) {
  send(Ping{++ping_number_});
  timers_.hasten(Timer::kAnswer, now + patience);
  timers_.clear(Timer::kPing);
}

void Client::check_server(Duration patience, Instant now) {
  if (state_ == State::kOnline) ping(patience, now);
}

// --- time, outputs ------------------------------------------------------------------------------

std::string Client::why_unanswered() const {
  if (state_ == State::kOnline) return "the server does not answer";
  return refusal_.empty() ? "there is no connection to the server"
                          : "the server refused the last login: " + refusal_;
}

void Client::advance(Instant now) {
  timers_.fire(now, [&](Timer timer) { on_timer(timer, now); });
  while (!lookups_.empty()) {
    // Requests are numbered in the order they were made, so the first is the oldest.
    const auto& [request, question] = *lookups_.begin();
    if (question.fails_at > now) break;
    fail_question(request, why_unanswered());
  }
  lobbies_.advance(now);
  send_watches(now);
  while (const auto gone = watches_.poll_gone(now))
    events_.emplace_back(PresenceEvent{*gone, false});
}

void Client::on_timer(Timer timer, Instant now) {
  switch (timer) {
    case Timer::kAsk:
      return ask_postponed(now);
    case Timer::kRenew:
      if (state_ != State::kOnline) return;
      timers_.set(Timer::kRenew, now + kRenewRetry);
      return send(Renew{});
    case Timer::kAnswer:
    case Timer::kLogin:
      timers_.clear(Timer::kAnswer);
      timers_.clear(Timer::kLogin);
      events_.emplace_back(SilentEvent{});
      return;
    case Timer::kPing:
      return ping(kPongTime, now);
    case Timer::kCount:
      return;
  }
}

Instant Client::next_deadline() const {
  if (!outputs_.empty()) return kNow;
  Instant next = std::min({timers_.next(), lobbies_.next_deadline(), watches_.next_deadline()});
  if (!lookups_.empty()) next = std::min(next, lookups_.begin()->second.fails_at);
  return next;
}

std::optional<std::vector<std::uint8_t>> Client::poll_output() {
  if (outputs_.empty()) return lobbies_.poll_output();
  std::vector<std::uint8_t> message = std::move(outputs_.front());
  outputs_.pop_front();
  return message;
}

std::optional<ClientEvent> Client::poll_event() {
  if (events_.empty()) return std::nullopt;
  ClientEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace whimbrel::rendezvous
