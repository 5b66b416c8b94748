// Endpoint: the life of a peer, from the first message to the end of its session.
#include <algorithm>

#include "endpoint/endpoint_impl.h"

namespace whimbrel {

namespace {

// Of what a key may seal, so many are for CLOSE: a session that ends because its key is used up
// still says so.
constexpr std::uint64_t kSealsKeptForClose = 128;
// So far may the clock of a peer be ahead of ours that its stamps are remembered as they are.
constexpr std::uint64_t kStampAheadMaxMs = 10'000;

PacketKeyLimits key_limits(AeadSuite suite, const EndpointLimits& limits) {
  PacketKeyLimits out = packet_key_limits(suite);
  if (limits.key_packets_max != 0) out.seals = limits.key_packets_max;
  if (limits.forged_packets_max != 0) out.open_failures = limits.forged_packets_max;
  out.seals -= std::min(kSealsKeptForClose, out.seals / 2);
  return out;
}

// A message is paid for as a whole when it begins. Where the peer grants less than the largest may
// take, one that was taken could wait for ever.
bool grants_enough(const TransportParameters& granted) {
  return granted.session_bytes_max >= kMessageStreamSizeMax &&
         granted.channel_bytes_max >= kMessageStreamSizeMax && granted.session_messages_max >= 1 &&
         granted.channel_messages_max >= 1;
}

std::uint64_t number(SessionId id) { return static_cast<std::uint64_t>(id); }

}  // namespace

Peer* Endpoint::Impl::find(SessionId id) {
  const auto it = by_id.find(id);
  return it == by_id.end() ? nullptr : it->second;
}

Peer* Endpoint::Impl::find(const Identity& user) {
  const auto it = by_name.find(user);
  return it == by_name.end() ? nullptr : it->second;
}

const Peer* Endpoint::Impl::find(const Identity& user) const {
  return const_cast<Impl*>(this)->find(user);  // NOLINT: the same look-up, nothing is changed
}

Peer* Endpoint::Impl::find_by_key(const PublicKey& key) {
  const auto it = by_key.find(key);
  return it == by_key.end() ? nullptr : find(it->second);
}

SessionOptions Endpoint::Impl::options_for(const Identity& user) const {
  const auto it = user_options.find(user);
  return it == user_options.end() ? config.session : it->second;
}

bool Endpoint::Impl::add_name(Peer& peer, const Identity& name) {
  if (!by_name.try_emplace(name, &peer).second) return false;
  peer.names.push_back(name);
  return true;
}

Peer& Endpoint::Impl::make_peer(const Identity& user, Peer::State state, Instant now) {
  const SessionId id{next_session++};
  auto owned = std::make_unique<Peer>();
  Peer& peer = *owned;
  peer.id = id;
  peer.state = std::move(state);
  peer.user = user;
  peer.options = options_for(user);
  peer.opened = now;
  peer.gate->held_bytes_max.store(peer.options.send_bytes_max, std::memory_order_relaxed);
  peers.emplace(id, std::move(owned));
  by_id.emplace(id, &peer);
  if (!peer.detached() && add_name(peer, user)) peer.gate->peer = &peer;
  counters.add(Count::kSessionsOpened);
  return peer;
}

// Those of refused strangers are not kept: anybody can make any number of them. Nor are moments to
// come: whoever had them from a clock that was wrong, and starts again when it is right, would be
// taken for a replay until then.
void Endpoint::Impl::note_stamp(Peer& peer, std::uint64_t stamp, Instant now) {
  peer.stamp = std::max(peer.stamp, stamp);
  const auto latest = static_cast<std::uint64_t>(std::max<UnixMillis>(0, clock.at(now)));
  if (peer.key && !peer.is<Peer::Refusing>())
    stamps.note(*peer.key, std::min(stamp, latest + kStampAheadMaxMs));
}

// --- sending -------------------------------------------------------------------------------------

Result Endpoint::Impl::send_new(const Identity& user, SharedBytes payload, ChannelId channel,
                                int flags, Instant now, SendGate* charged) {
  if (payload.size() > options_for(user).send_bytes_max) return Result::kLimitExceeded;
  if (!has_room_for_session()) return Result::kLimitExceeded;
  const auto request = requests.find(user);
  if (request != requests.end()) {
    Request accepted = std::move(request->second);
    remove_request(user);
    return send_to(answer(std::move(accepted), nullptr, now), std::move(payload), flags, channel,
                   now, charged);
  }
  const bool to_ourselves = config.identity.valid() && user == config.identity;
  Peer& peer = make_peer(user, Peer::WaitsForRoute{}, now);
  if (to_ourselves) peer.state = Peer::Loopback{};
  peer.gate->open.store(to_ourselves, std::memory_order_release);
  peer.failed_dials = failed.failed_dials(user);
  failed.erase(user);
  const SessionId id = peer.id;
  const Result result = send_to(peer, std::move(payload), flags, channel, now, charged);
  if (Peer* made = find(id)) advance_peer(*made, now);
  return result;
}

Result Endpoint::Impl::send_to(Peer& peer, SharedBytes payload, int flags, ChannelId channel,
                               Instant now, SendGate* charged) {
  const std::uint64_t size = send_charge(payload.size());
  SendGate& gate = *peer.gate;
  if (peer.waits()) drop_old_waiting(peer, now);
  if (charged == nullptr && !gate.has_room_for(size)) return Result::kLimitExceeded;
  if (is_too_late(peer, flags, channel, charged, now)) {
    if (peer.up()) {
      // Who sends nothing else on a new channel would never get a place for it.
      peer.session()->want_channel(channel);
      mark_ready(peer);
    }
    return Result::kIgnored;
  }
  if (!peer.can_take(channel)) return Result::kLimitExceeded;
  if (charged != &gate) {
    // Taken for a session that has ended since: it was let in there, and is not refused here.
    if (charged != nullptr) charged->held_bytes.fetch_sub(size, std::memory_order_relaxed);
    gate.held_bytes.fetch_add(size, std::memory_order_relaxed);
  }
  peer.held_bytes += size;
  if (Peer::Loopback* loopback = peer.as<Peer::Loopback>()) {
    send_loopback(peer, *loopback, std::move(payload), flags, channel, now);
  } else if (Peer::Making* making = peer.making()) {
    if (!making->waiting) making->waiting = std::make_unique<WaitingMessages>();
    const bool reliable = (flags & kSendReliable) != 0 || !peer.options.drops_old();
    making->waiting->push({std::move(payload), channel, reliable, now});
    timers.schedule(number(peer.id), making->waiting->next_drop(), &peer.scheduled);
  } else {
    const int reliable = peer.up() ? 0 : kSendReliable;
    peer.session()->send(channel, std::move(payload), flags | reliable, now);
    // No more than that for each message: poll_transmit() settles the peer.
    mark_ready(peer);
  }
  return Result::kOk;
}

// For kSendNoDelay. What the application was told Ok for is dropped only where it may be lost.
bool Endpoint::Impl::is_too_late(const Peer& peer, int flags, ChannelId channel,
                                 const SendGate* charged, Instant now) const {
  if ((flags & kSendNoDelay) == 0 || peer.is<Peer::Loopback>()) return false;
  if (!peer.up()) return charged == nullptr || (flags & kSendReliable) == 0;
  return charged == nullptr && !peer.session()->can_leave_soon(channel, now);
}

void Endpoint::Impl::send_loopback(Peer& peer, Peer::Loopback& loopback, SharedBytes payload,
                                   int flags, ChannelId channel, Instant now) {
  ReceivedMessage message;
  message.payload = std::move(payload);
  message.channel = channel;
  message.reliable = (flags & kSendReliable) != 0;
  message.number = ++loopback.number;
  ++loopback.unread;
  message.received = now;
  received.push_back(std::move(message));
  deliver(peer, now);
}

// --- making the session --------------------------------------------------------------------------

bool Endpoint::Impl::line_is_busy_for(const Peer& peer) {
  const auto closed = lingering.find(peer.user);
  if (closed == lingering.end()) return false;
  for (const SessionId id : closed->second) {
    if (id == peer.id) return false;
    const Peer* other = find(id);
    ASSERT(other != nullptr);
    // It has not begun yet, or still delivers.
    const Session* session = other->session();
    if (other->waits() || session->phase() == SessionPhase::kLingering) return true;
  }
  return false;
}

// Addresses that no socket of ours can send to are not tried. False, and nothing is left out, where
// that is all of them.
bool Endpoint::Impl::leave_out_families(DialTarget& target) const {
  const auto usable = [this](const Remote& remote) {
    return remote.udp() == nullptr || config.families.has(*remote.udp());
  };
  auto& all = target.remotes;
  if (std::none_of(all.begin(), all.end(), usable)) return false;
  std::erase_if(all, [&](const Remote& remote) { return !usable(remote); });
  return true;
}

std::string Endpoint::Impl::no_socket_text(const Identity& user, const DialTarget& target) {
  const Remote& first = target.remotes.front();
  const bool v4 = first.udp() == nullptr || first.udp()->is_v4();
  const std::string family = v4 ? "IPv4" : "IPv6";
  return user.text() + " is called at " + first.text() + ", and we have no " + family +
         " socket: set " + (v4 ? "bind_v4" : "bind_v6") + ", or use another address";
}

void Endpoint::Impl::start_dial(Peer& peer, Instant now) {
  auto& before = *peer.as<Peer::WaitsForRoute>();
  std::optional<DialTarget> target;
  if (const auto it = routes.find(peer.user); it != routes.end()) target = it->second;
  if (!target && peer.user.type() == IdentityType::kIpAddress) {
    IpAddress direct;
    const auto bytes = peer.user.bytes();
    std::copy_n(bytes.begin(), direct.bytes.size(), direct.bytes.begin());
    direct.port = static_cast<std::uint16_t>(bytes[16] << 8 | bytes[17]);
    if (direct.port != 0) target = DialTarget{{direct}, {}};
  }
  // Who dials before it has logged in has no certificate to show, and may be refused for that.
  if (target && now < login_wait_end(peer)) return;
  if (!target) target = before.route;
  if (!target && config.asks_routes) {
    if (!std::exchange(before.asked, true)) want_route(peer.user);
    return;
  }
  if (!target) {
    return fail_peer(peer, ConnectionState::kProblemDetectedLocally, kEndMiscRendezvous,
                     "no address is known for " + peer.user.text() +
                         ": add a route to it, or send to ip:<address>:<port>",
                     now);
  }
  if (!leave_out_families(*target)) {
    return fail_peer(peer, ConnectionState::kProblemDetectedLocally, kEndMiscRendezvous,
                     no_socket_text(peer.user, *target), now);
  }
  // An earlier session of the same user that still delivers what it was given goes first: the peer
  // would take this one for a restart and drop that.
  if (line_is_busy_for(peer)) return;
  if (!target->key) target->key = peer.key;  // it has answered before: dial_again()
  if (target->key) {
    // Another name of somebody we have a session with.
    Peer* other = find_by_key(*target->key);
    if (other != nullptr && other != &peer && other->session() != nullptr)
      return merge(peer, *other, now);
  }
  // Perhaps the peer was faster and waits to be accepted, under a name that we did not know for it.
  if (const Identity waiting = waiting_at(*target, peer.user); waiting.valid()) {
    Request accepted = std::move(requests.at(waiting));
    remove_request(waiting);
    answer(std::move(accepted), &peer, now);
    return;
  }
  set_parameters(peer.options);
  const ReceiverIndex index = new_index();
  auto dial = std::make_unique<Dial>(handshake, *target, index, next_stamp(now), random, now);
  const bool broken = dial->broken();
  peer.state = Peer::Dialling{std::move(before), std::move(dial), {}};
  peer.indices.push_back(index);
  by_index[index] = Index{Index::Kind::kPeer, peer.id, 0, {}};
  if (target->remotes.size() > 1) racing.insert(peer.id);
  if (target->key) {
    peer.key = target->key;
    if (!peer.detached()) by_key.try_emplace(*target->key, peer.id);
  }
  if (broken) {
    fail_peer(peer, ConnectionState::kProblemDetectedLocally, kEndRemoteBadCrypt,
              "the public key given for " + peer.user.text() +
                  " is no public key: copy it anew from that user's program",
              now);
  }
}

std::unique_ptr<Session> Endpoint::Impl::make_session(Peer& peer, const HandshakeResult& result,
                                                      Establishment with, Instant now) {
  const TransportParameters& granted = result.peer.parameters;
  with.keys = PacketKeys(result.suite, result.send_key, result.receive_key,
                         key_limits(result.suite, config.limits));
  with.remote_index = result.peer.receiver_index;
  with.leads = config.keys.public_key > result.peer.static_key;
  with.peer.credit = {granted.session_bytes_max, granted.session_messages_max,
                      granted.channel_bytes_max, granted.channel_messages_max};
  with.peer.ack_delay_max = microseconds(static_cast<std::int64_t>(granted.ack_delay_max_us));
  with.peer.datagram_size_max =
      static_cast<std::size_t>(std::min<std::uint64_t>(granted.datagram_size_max, 65000));
  forget_signal(peer);
  if (with.remote.signal() != nullptr) {
    peer.signalled = *with.remote.signal();
    by_signal[*peer.signalled].push_back(peer.id);
  }
  auto session =
      std::make_unique<Session>(peer.options, std::move(with), random, counters, slabs, now);
  peer.key = result.peer.static_key;
  peer.certificate = result.peer.certificate_status;
  peer.reset_token = result.peer.reset_token;
  peer.established = now;
  if (!peer.detached()) by_key[result.peer.static_key] = peer.id;
  if (!grants_enough(granted)) {
    session->fail(SessionEnd::Kind::kLocalProblem, kEndMiscGeneric,
                  "the peer breaks the protocol: it has no room for the largest message", now);
  }
  return session;
}

// What has waited for the session leaves on it. Where the application has closed it meanwhile, it
// ends as soon as that is delivered.
void Endpoint::Impl::start_session(Peer& peer, Peer::State next, Instant now) {
  drop_old_waiting(peer, now, true);
  Peer::Making before;
  if (Peer::Making* making = peer.making()) before = std::move(*making);
  peer.state = std::move(next);
  if (before.waiting) flush_waiting(*peer.session(), *before.waiting, now);
  if (before.farewell) return bid_farewell(peer, *before.farewell, true, now);
  if (peer.up() && !peer.session()->end()) on_up(peer, now);
}

// A packet of the peer was opened: it has the keys, and takes us.
void Endpoint::Impl::on_confirmed(Peer& peer, Instant now) {
  if (auto* opening = peer.as<Peer::Opening>()) {
    // Only now: until then the peer may still prefer a first message that it made earlier.
    note_stamp(peer, opening->dial->initiator().peer().stamp, now);
    // Until the peer took this one it may have gone on with a dial of its own, the end of which
    // may come later.
    peer.established = now;
    start_session(peer, Peer::Up{std::move(opening->session)}, now);
  } else if (auto* answered = peer.as<Peer::Answered>()) {
    unconfirmed.erase(peer.id);
    peer.state = Peer::Up{std::move(answered->session)};
    on_up(peer, now);
  } else if (auto* leaving_now = peer.as<Peer::Leaving>()) {
    std::vector<std::uint8_t>().swap(leaving_now->response);  // nobody needs it again
    if (unconfirmed.erase(peer.id)) leaving.insert(peer.id);
  }
}

void Endpoint::Impl::update_indices(Peer& peer) {
  Session& session = *peer.session();
  while (const auto gone = session.take_retired_index()) {
    by_index.erase(*gone);
    std::erase(peer.indices, *gone);
  }
  while (session.wants_index()) {
    const ReceiverIndex index = new_index();
    by_index[index] = Index{Index::Kind::kPeer, peer.id, 0, {}};
    peer.indices.push_back(index);
    session.give_index(index);
    mark_ready(peer);
  }
}

void Endpoint::Impl::forget_signal(const Peer& peer) {
  if (!peer.signalled) return;
  const auto at = by_signal.find(*peer.signalled);
  if (at == by_signal.end()) return;
  std::erase(at->second, peer.id);
  if (at->second.empty()) by_signal.erase(at);
}

void Endpoint::Impl::flush_waiting(Session& session, WaitingMessages& waiting, Instant now) {
  while (!waiting.empty()) {
    WaitingMessage message = waiting.pop();
    // Whatever its flags: what waited for the session arrives, in order.
    session.send(message.channel, std::move(message.payload), kSendReliable, now);
  }
  // The numbers of those that come show that these do not.
  for (const auto& [channel, count] : waiting.dropped()) {
    session.skip_unreliable(channel, count);
  }
}

void Endpoint::Impl::drop_old_waiting(Peer& peer, Instant now, bool exactly) {
  const Peer::Making* making = peer.making();
  if (making == nullptr || !making->waiting) return;
  WaitingMessages& waiting = *making->waiting;
  const std::uint64_t before = waiting.bytes();
  counters.add(Count::kUnreliableDroppedAge, waiting.drop_old(now, exactly));
  const std::uint64_t freed = before - waiting.bytes();
  peer.held_bytes -= freed;
  peer.gate->held_bytes.fetch_sub(freed, std::memory_order_release);
}

// Two names turned out to be one key: what waited under the one goes to the session of the other.
void Endpoint::Impl::merge(Peer& from, Peer& into, Instant now) {
  into.alias = from.user;
  const Identity name = from.user;
  const SessionId gone = from.id;
  drop_old_waiting(from, now, true);
  const std::unique_ptr<WaitingMessages> waiting = std::move(from.making()->waiting);
  const std::shared_ptr<SendGate> charged = from.gate;
  erase(from);
  add_name(into, name);
  while (waiting && !waiting->empty()) {
    WaitingMessage message = waiting->pop();
    const Result result = send_to(into, std::move(message.payload), kSendReliable, message.channel,
                                  now, charged.get());
    if (result != Result::kOk) report_refused(name, message.channel, now);
  }
  ASSERT(find(gone) == nullptr);
}

// --- after every change --------------------------------------------------------------------------

// Half of the time is for a dial as we are: perhaps the server is away, and the peer near.
Instant Endpoint::Impl::login_wait_end(const Peer& peer) const {
  if (!awaits_login || !handshake.certificate.empty()) return Instant::min();
  return peer.opened + peer.options.timeout_initial / 2;
}

// When a session must be there.
Instant Endpoint::Impl::give_up_at(const Peer& peer) {
  return peer.waits() ? peer.opened + peer.options.timeout_initial : kNever;
}

Instant Endpoint::Impl::deadline_of(const Peer& peer) const {
  const Session* session = peer.session();
  Instant next = session != nullptr ? session->next_deadline() : kNever;
  const Peer::Making* making = peer.making();
  if (making == nullptr) return next;
  next = std::min(next, give_up_at(peer));
  if (const Dial* dial = peer.dial()) next = std::min(next, dial->next_send());
  if (making->farewell) next = std::min(next, making->farewell->deadline);
  if (making->waiting) next = std::min(next, making->waiting->next_drop());
  const auto* before = peer.as<Peer::WaitsForRoute>();
  if (before != nullptr && (!before->asked || before->route))
    next = std::min(next, std::max(peer.opened + milliseconds(10), login_wait_end(peer)));
  return next;
}

void Endpoint::Impl::advance_peer(Peer& peer, Instant now) {
  if (now >= give_up_at(peer)) return give_up(peer, now);
  drop_old_waiting(peer, now);
  if (peer.is<Peer::WaitsForRoute>()) {
    const SessionId id = peer.id;
    start_dial(peer, now);
    if (find(id) == nullptr) return;
  }
  if (Dial* dial = peer.dial()) {
    while (const auto packet = dial->poll_packet(now)) {
      send_raw(packet->to, packet->bytes);
      const auto* opening = peer.as<Peer::Opening>();
      if (opening == nullptr || !dial->repeats()) continue;
      opening->session->show_address();
      ask_for_reset(peer);
    }
  }
  if (Session* session = peer.session()) {
    session->advance(now);
    if (session->take_doubt()) ask_for_reset(peer);
  }
  touch(peer, now);
}

// No session has come about in time.
void Endpoint::Impl::give_up(Peer& peer, Instant now) {
  const Dial* dial = peer.dial();
  Dial::Fault why{kEndMiscTimeout, timeout_text(peer)};
  if (const auto fault = dial != nullptr ? dial->fault() : std::nullopt) why = *fault;
  fail_peer(peer, ConnectionState::kProblemDetectedLocally, why.reason, why.text, now);
}

void Endpoint::Impl::mark_ready(Peer& peer, bool first) {
  if (peer.ready || peer.session() == nullptr) return;
  peer.ready = true;
  if (first) return ready.push_front(peer.id);
  ready.push_back(peer.id);
}

void Endpoint::Impl::touch(Peer& peer, Instant now) {
  mark_ready(peer);
  settle(peer, now);
}

void Endpoint::Impl::settle(Peer& peer, Instant now) {
  const Peer::Making* making = peer.making();
  if (making != nullptr && making->farewell && now >= making->farewell->deadline) {
    if (peer.session() == nullptr) return erase(peer);
    const Peer::Farewell farewell = *making->farewell;
    bid_farewell(peer, farewell, false, now);
  }
  if (peer.session() != nullptr && !settle_session(peer, now)) return;
  // poll_transmit() asks it before anybody sleeps, and comes here again: one look at all its timers
  // is enough.
  if (peer.ready) return;
  Instant next = deadline_of(peer);
  if (peer.is<Peer::WaitsForRoute>() && next <= now) next = now + milliseconds(10);
  timers.schedule(number(peer.id), next, &peer.scheduled);
}

// False: it has ended, and the peer is erased.
bool Endpoint::Impl::settle_session(Peer& peer, Instant now) {
  if (!peer.up() && peer.session()->confirmed()) on_confirmed(peer, now);
  Session& session = *peer.session();
  if (session.has_relays()) update_indices(peer);
  report_end(peer, now);
  if (session.phase() == SessionPhase::kEnded) {
    erase(peer);
    return false;
  }
  const std::uint64_t held = peer.waiting_bytes() + session.held_bytes();
  if (held < peer.held_bytes)
    peer.gate->held_bytes.fetch_sub(peer.held_bytes - held, std::memory_order_release);
  peer.held_bytes = held;
  if (!peer.detached())
    peer.gate->no_delay_open.store(session.can_leave_soon_on_any(now), std::memory_order_relaxed);
  return true;
}

}  // namespace whimbrel
