// Endpoint: commands and inputs. What they mean for a peer is in peers.cc, for a stranger
// in requests.cc.
#include "endpoint/endpoint.h"

#include <algorithm>

#include "endpoint/endpoint_impl.h"

namespace whimbrel {

namespace {

HandshakeConfig handshake_config(const EndpointConfig& config, TrustStore* trust) {
  HandshakeConfig handshake;
  handshake.static_key = config.keys;
  handshake.app_id = config.app_id;
  if (config.identity.valid()) handshake.identity = config.identity.text();
  handshake.certificate = config.certificate;
  handshake.trust = trust;
  handshake.reset_key.emplace(config.keys.secret);
  if (config.suite == AeadSuite::kChaChaPoly)
    handshake.suites = {AeadSuite::kChaChaPoly, AeadSuite::kAesGcm};
  return handshake;
}

}  // namespace

Endpoint::Impl::Impl(EndpointConfig config_in, Random& random_in, Instant now,
                     const WallClock& clock_in)
    : config(std::move(config_in)),
      handshake(handshake_config(config, &config.trust)),
      random(random_in),
      clock(clock_in),
      stamps(config.limits.stamps_max),
      first_packets(config.limits.first_packets, random, now),
      waiting_inits(config.limits.first_packets_waiting_max),
      screener(handshake, random),
      resets(config.limits.resets_per_second, config.limits.resets_per_second / 4, now) {
  // Its first call takes milliseconds, which the first handshake had better not.
  best_backend(AeadSuite::kAesGcm);
}

Endpoint::Endpoint(EndpointConfig config, Random& random, Instant now, const WallClock& clock)
    : impl_(std::make_unique<Impl>(std::move(config), random, now, clock)) {}

Endpoint::~Endpoint() = default;

namespace {

// RFC 9001 5.7: what cannot be opened yet may be kept for a moment.
bool keep_early(Peer& peer, ReceiverIndex index, const Remote& from, Bytes datagram) {
  auto* dialling = peer.as<Peer::Dialling>();
  if (dialling == nullptr || dialling->dial->index() != index) return false;
  auto& early = dialling->early;
  if (early.size() >= kEarlyPacketsMax || datagram.size() > kEarlyPacketSizeMax) return false;
  early.push_back({from, {datagram.begin(), datagram.end()}});
  return true;
}

}  // namespace

// --- inputs --------------------------------------------------------------------------------------

void Endpoint::receive(const Remote& from, MutableBytes datagram, Instant now) {
  Impl& s = *impl_;
  s.counters.add(Count::kPacketsIn);
  ++s.received_in_turn;
  s.counters.add(Count::kBytesIn, datagram.size());
  if (datagram.empty()) return s.counters.add(Count::kDroppedEmpty);
  switch (packet_kind(datagram[0])) {
    case PacketKind::kHandshake:
      return s.receive_handshake(from, datagram, now);
    case PacketKind::kOther:
      return s.counters.add(Count::kDroppedUnknownType);
    case PacketKind::kData:
      break;
  }
  const auto header = read_data_header(datagram);
  if (!header) return s.counters.add(Count::kDroppedMalformed);
  const auto it = s.by_index.find(header->receiver_index);
  if (it == s.by_index.end() || it->second.kind != Impl::Index::Kind::kPeer) {
    return s.counters.add(Count::kDroppedUnknownIndex);
  }
  Peer* peer = s.find(it->second.peer);
  Session* session = peer != nullptr ? peer->session() : nullptr;
  if (session == nullptr || !session->receives_at(header->receiver_index)) {
    if (peer != nullptr && keep_early(*peer, header->receiver_index, from, datagram)) return;
    return s.counters.add(Count::kDroppedUnknownIndex);
  }
  session->receive(from, *header, datagram, now, s.received);
  s.deliver(*peer, now);
  s.touch(*peer, now);
}

void Endpoint::on_unreachable(const IpAddress& to) {
  Impl& s = *impl_;
  for (const SessionId id : s.racing) {
    Peer* peer = s.find(id);
    Dial* dial = peer != nullptr ? peer->dial() : nullptr;
    if (dial == nullptr) continue;
    dial->on_unreachable(to);
    s.schedule(*peer);
  }
}

void Endpoint::advance(Instant now) {
  Impl& s = *impl_;
  // Each one once: some deadlines pass only when the packets they ask for have been taken.
  s.due.clear();
  while (s.timers.next() <= now) {
    const SessionId id{s.timers.first()};
    Peer* peer = s.find(id);
    ASSERT(peer != nullptr);
    s.timers.move(static_cast<std::uint64_t>(id), kNever, &peer->scheduled);
    s.due.push_back(id);
  }
  for (const SessionId id : s.due) {
    if (Peer* peer = s.find(id)) s.advance_peer(*peer, now);
  }
  if (now >= s.next_expiry) s.expire_requests(now);
  s.answer_waiting_inits(now);
  const EndpointLimits& limits = s.config.limits;
  while (limits.unconfirmed_max > 0 && s.leaving.size() > limits.leaving_max)
    s.erase(*s.find(*s.leaving.begin()));
}

// --- commands ------------------------------------------------------------------------------------

Result Endpoint::send(const Identity& user, SharedBytes payload, int flags, ChannelId channel,
                      Instant now, SendGate* charged) {
  Impl& s = *impl_;
  const std::uint64_t size = send_charge(payload.size());
  if (!user.valid() || payload.size() > kMessageSizeMax || (flags & ~kSendFlagsAll) != 0) {
    return Result::kInvalidParam;
  }
  const Result result = s.send_any(user, std::move(payload), flags, channel, now, charged);
  if (result == Result::kOk || charged == nullptr) return result;
  charged->held_bytes.fetch_sub(size, std::memory_order_relaxed);
  if ((flags & kSendReliable) != 0) s.report_refused(user, channel, now);
  return result;
}

Result Endpoint::Impl::send_any(const Identity& user, SharedBytes&& payload, int flags,
                                ChannelId channel, Instant now, SendGate* charged) {
  Peer* known = charged != nullptr ? charged->peer : nullptr;
  if (Peer* peer = known != nullptr ? known : find(user)) {
    return send_to(*peer, std::move(payload), flags, channel, now, charged);
  }
  if (failed.find(user, now) != nullptr && !requests.contains(user)) {
    if ((flags & kSendAutoRestartBrokenSession) == 0) return Result::kNoConnection;
    // What was taken as Ok before the session ended does not wait for the next dial's turn.
    const bool waits = charged == nullptr && !failed.may_dial(user, now);
    if (waits || failed.stays_out(user)) return Result::kNoConnection;
  }
  return send_new(user, std::move(payload), channel, flags, now, charged);
}

void Endpoint::Impl::report_refused(const Identity& user, ChannelId channel, Instant now) {
  if (const ConnectionInfo* record = failed.find(user, now)) {
    // Lost with the session: was that told already? Not where the peer closed it and nothing else
    // was lost.
    if (record->state == ConnectionState::kClosedByPeer) post(SessionFailedEvent{*record});
    return;
  }
  ConnectionInfo info;
  if (const Peer* peer = find(user)) fill_info(*peer, now, info);
  info.identity = user;
  info.state = ConnectionState::kProblemDetectedLocally;
  info.end_reason = kEndMiscInternalError;
  info.end_debug = "a message to " + user.text() + " on channel " + std::to_string(channel) +
                   " was lost: a table is full";
  counters.add(Count::kSessionsFailed);
  post(SessionFailedEvent{std::move(info)});
}

bool Endpoint::accept(const Identity& user, Instant now) {
  Impl& s = *impl_;
  const auto it = s.requests.find(user);
  if (it != s.requests.end()) {
    Request request = std::move(it->second);
    s.remove_request(user);
    s.answer(std::move(request), nullptr, now);
    return true;
  }
  return s.find(user) != nullptr;
}

bool Endpoint::close_session(const Identity& user, Instant now, std::optional<SessionId>* dropped,
                             int reason, std::string_view text) {
  Impl& s = *impl_;
  if (dropped != nullptr) dropped->reset();
  const int code = reason == 0 ? static_cast<int>(kEndSessionClosed) : reason;
  const auto it = s.requests.find(user);
  if (it != s.requests.end()) {
    Request request = std::move(it->second);
    s.remove_request(user);
    s.refuse(std::move(request), code, text.empty() ? "refused" : text, now);
    return true;
  }
  const bool had_failed = s.failed.erase(user);
  Peer* peer = s.find(user);
  if (peer == nullptr) return had_failed;
  if (dropped != nullptr) *dropped = peer->id;
  s.close_peer(*peer, code, text.empty() ? "session closed" : text, true, now);
  return true;
}

bool Endpoint::close_channel(const Identity& user, ChannelId channel, Instant now,
                             std::optional<SessionId>* session) {
  Impl& s = *impl_;
  if (session != nullptr) session->reset();
  Peer* peer = s.find(user);
  if (peer == nullptr) return false;
  if (session != nullptr) *session = peer->id;
  if (!peer->close_channel(channel)) return false;
  if (!peer->has_open_channels()) {
    s.close_peer(*peer, kEndSessionClosed, "last channel closed", true, now);
  }
  return true;
}

void Endpoint::consumed(SessionId session, std::uint16_t place, bool reliable, std::uint64_t bytes,
                        std::uint64_t messages, Instant now) {
  Peer* peer = impl_->find(session);
  if (peer == nullptr) return;
  if (auto* loopback = peer->as<Peer::Loopback>()) {
    loopback->unread -= std::min(messages, loopback->unread);
    // Empty messages were charged too; the bytes do not show which were read, but none is left when
    // nothing is.
    const std::uint64_t freed =
        loopback->unread == 0 ? peer->held_bytes : std::min(bytes, peer->held_bytes);
    peer->held_bytes -= freed;
    peer->gate->held_bytes.fetch_sub(freed, std::memory_order_relaxed);
    return;
  }
  Session* session_now = peer->session();
  if (session_now == nullptr) return;
  session_now->consumed(place, reliable, bytes, messages, now);
  impl_->touch(*peer, now);
}

bool Endpoint::set_route(const Identity& user, const std::vector<IpAddress>& addresses,
                         const std::optional<PublicKey>& key) {
  ASSERT(!addresses.empty());
  auto& routes = impl_->routes;
  if (routes.size() >= impl_->config.limits.routes_max && !routes.contains(user)) return false;
  DialTarget& target = routes[user] = DialTarget{{}, key};
  for (const IpAddress& address : addresses) {
    auto& once = target.remotes;
    if (std::find(once.begin(), once.end(), address) == once.end()) once.push_back(address);
  }
  return true;
}

// One that was closed while messages waited comes first: the next one waits for it.
Peer* Endpoint::Impl::find_waiting_for_route(const Identity& user) {
  const auto waits = [](const Peer* peer) {
    const auto* before = peer != nullptr ? peer->as<Peer::WaitsForRoute>() : nullptr;
    return before != nullptr && before->asked && !before->route;
  };
  if (const auto closed = lingering.find(user); closed != lingering.end()) {
    for (const SessionId id : closed->second) {
      if (Peer* peer = find(id); waits(peer)) return peer;
    }
  }
  Peer* peer = find(user);
  return waits(peer) ? peer : nullptr;
}

void Endpoint::provide_route(const Identity& user, const Remote& remote,
                             const std::optional<PublicKey>& key, Instant now) {
  Peer* peer = impl_->find_waiting_for_route(user);
  if (peer == nullptr) return;
  peer->as<Peer::WaitsForRoute>()->route = DialTarget{{remote}, key};
  impl_->advance_peer(*peer, now);
}

void Endpoint::refuse_route(const Identity& user, int reason, const std::string& text,
                            Instant now) {
  Peer* peer = impl_->find_waiting_for_route(user);
  if (peer == nullptr) return;
  impl_->fail_peer(*peer, ConnectionState::kProblemDetectedLocally, reason, text, now);
}

void Endpoint::set_carriers(SignalRemote user, std::span<const RelayCarrier> carriers,
                            Instant now) {
  const auto at = impl_->by_signal.find(user);
  if (at == impl_->by_signal.end()) return;
  for (const SessionId id : std::vector(at->second)) {
    Peer* peer = impl_->find(id);
    Session* session = peer != nullptr ? peer->session() : nullptr;
    if (session == nullptr) continue;
    session->set_carriers(carriers, now);
    impl_->touch(*peer, now);
  }
}

void Endpoint::set_certificate(std::vector<std::uint8_t> encoded) {
  impl_->handshake.certificate = std::move(encoded);
}

void Endpoint::set_awaits_login(bool awaits, Instant now) {
  Impl& s = *impl_;
  if (std::exchange(s.awaits_login, awaits) == awaits || awaits) return;
  std::vector<SessionId> waiting;
  for (const auto& [id, peer] : s.peers) {
    if (peer->is<Peer::WaitsForRoute>()) waiting.push_back(id);
  }
  for (const SessionId id : waiting) {
    if (Peer* peer = s.find(id)) s.advance_peer(*peer, now);
  }
}

const std::vector<std::uint8_t>& Endpoint::certificate() const {
  return impl_->handshake.certificate;
}

void Endpoint::set_identity(const Identity& identity) {
  if (impl_->config.identity.valid()) return;
  impl_->config.identity = identity;
  impl_->handshake.identity = identity.text();
}

bool Endpoint::add_authority(const VerifyKey& key) {
  return impl_->config.trust.add_authority(key);
}

void Endpoint::remove_authority(const VerifyKey& key) { impl_->config.trust.remove_authority(key); }

bool Endpoint::set_revocations(Bytes encoded, Instant now) {
  Impl& s = *impl_;
  if (!s.config.trust.set_revocations(encoded, s.clock.at(now))) return false;
  std::vector<SessionId> revoked;
  for (const auto& [id, peer] : s.peers) {
    const bool certified = peer->certificate == CertificateStatus::kValid;
    if (certified && peer->key && !peer->detached() && s.config.trust.revoked(*peer->key))
      revoked.push_back(id);
  }
  for (const SessionId id : revoked) {
    Peer* peer = s.find(id);
    if (peer == nullptr) continue;
    s.fail_peer(*peer, ConnectionState::kProblemDetectedLocally, kEndRemoteBadCert,
                "the certificate of " + peer->user.text() + " was revoked", now);
  }
  return true;
}

std::optional<SessionId> Endpoint::set_user_data(const Identity& user, std::int64_t data) {
  Peer* peer = impl_->find(user);
  if (peer == nullptr) return std::nullopt;
  peer->user_data = data;
  return peer->id;
}

void Endpoint::tell_changes(bool wanted) { impl_->tells_changes = wanted; }

void Endpoint::close_all(Instant now) {
  Impl& s = *impl_;
  std::vector<SessionId> ids;
  for (const auto& [id, peer] : s.peers) {
    if (!peer->detached()) ids.push_back(id);
  }
  for (const SessionId id : ids) {
    if (Peer* peer = s.find(id)) {
      s.close_peer(*peer, kEndSessionClosed, "the program ended", true, now);
    }
  }
}

void Endpoint::set_options(const SessionOptions& options) {
  impl_->config.session = options;
  for (const auto& [id, peer] : impl_->peers) {
    if (impl_->user_options.contains(peer->user)) continue;
    impl_->set_options(*peer, options);
  }
}

void Endpoint::set_session_options(const Identity& user, const SessionOptions& options) {
  impl_->user_options[user] = options;
  if (Peer* peer = impl_->find(user)) impl_->set_options(*peer, options);
}

void Endpoint::Impl::set_options(Peer& peer, const SessionOptions& options) {
  peer.options = options;
  peer.gate->held_bytes_max.store(options.send_bytes_max, std::memory_order_relaxed);
  if (Session* session = peer.session()) session->set_options(options);
  schedule(peer);
}

void Endpoint::set_limits(std::size_t sessions_max, std::size_t pending_requests_max) {
  ASSERT(sessions_max > 0 && pending_requests_max > 0);
  Impl& s = *impl_;
  s.config.limits.sessions_max = sessions_max;
  s.config.limits.pending_requests_max = pending_requests_max;
  while (s.requests.size() > pending_requests_max) {
    s.counters.add(Count::kDroppedRequestLimit);
    s.remove_request(Identity(s.request_order.front()));
  }
}

void Endpoint::set_require_certificate(bool required) {
  impl_->config.require_certificate = required;
}

bool Endpoint::has_peer(const Identity& user) const {
  return impl_->find(user) != nullptr || impl_->lingering.contains(user);
}

bool Endpoint::has_authorities() const { return !impl_->config.trust.empty(); }

// --- shared helpers ------------------------------------------------------------------------------

void Endpoint::Impl::post(Event event) {
  if (events.size() >= config.limits.events_max) {
    counters.add(Count::kEventsDropped);
    const auto is_request = [](const Event& one) {
      return std::holds_alternative<SessionRequestEvent>(one);
    };
    const auto oldest_request = std::find_if(events.begin(), events.end(), is_request);
    const bool none = oldest_request == events.end();
    if (none && is_request(event)) return;
    events.erase(none ? events.begin() : oldest_request);
  }
  events.push_back(std::move(event));
}

void Endpoint::Impl::note_cut_off(SignalRemote user) {
  const bool noted = std::find(cut_off.begin(), cut_off.end(), user) != cut_off.end();
  if (!noted && cut_off.size() < config.limits.cut_off_max) cut_off.push_back(user);
}

void Endpoint::Impl::send_raw(const Remote& to, Bytes datagram) {
  if (raw.size() >= config.limits.packets_waiting_max) raw.pop_front();
  raw.push_back(Raw{to, {datagram.begin(), datagram.end()}});
}

void Endpoint::Impl::deliver(Peer& peer, Instant) {
  for (auto& message : received) {
    if (peer.detached()) break;
    if (auto* loopback = peer.as<Peer::Loopback>()) loopback->channels.insert(message.channel);
    delivered.push_back(DeliveredMessage{peer.id, std::move(message)});
  }
  received.clear();
}

void Endpoint::Impl::log(LogLevel level, const std::string& text) const {
  if (config.log && level <= config.log_level) config.log(level, text);
}

}  // namespace whimbrel
