#include "sim/host.h"

#include "sim/world.h"

namespace whimbrel::sim {

Host::Host(World& world, HostConfig config, std::uint64_t seed)
    : world_(world), config_(std::move(config)), random_(seed), clock_error_(config_.clock_error) {}

void Host::attached(NodeId id) {
  id_ = id;
  live();
}

EndpointConfig Host::endpoint_config() const {
  EndpointConfig config;
  config.identity = config_.identity;
  config.keys = config_.keys;
  config.certificate = config_.certificate;
  for (const VerifyKey& authority : config_.authorities) config.trust.add_authority(authority);
  config.require_certificate = config_.require_certificate;
  config.app_id = config_.app_id;
  config.session = config_.session;
  config.limits = config_.limits;
  config.log = config_.log;
  config.log_level = config_.log_level;
  return config;
}

void Host::live() {
  life_ = world_.ledger().new_life(id_);
  network_ =
      std::make_unique<Network>(endpoint_config(), config_.server, random_, now(), unix_now());
  for (const auto& [user, route] : routes_) endpoint().set_route(user, route.address, route.key);
  endpoint().tell_changes(true);
  if (config_.server) world_.simulation().touch(id_);  // it logs in, asked or not
}

UnixMillis Host::unix_now() const { return world_.simulation().unix_now() + clock_error_; }

void Host::look_at_clock(Instant now) {
  if (clock_looks_.due(now)) network_->set_wall_clock(now, unix_now());
}

bool Host::online() const {
  const NetworkStatus status = network_status();
  return status.state == NetworkStatus::State::kOnline && status.relay;
}

const IpAddress& Host::address() const { return world_.simulation().address(id_); }

Instant Host::now() const { return world_.simulation().local_now(id_); }

Identity Host::identity() const {
  return config_.identity.valid() ? config_.identity : World::ip_identity(address());
}

Identity Host::name_of(const Host& other) const {
  const auto found = names_.find(other.id());
  return found != names_.end() ? found->second : other.identity();
}

void Host::knows(const Host& other, bool with_key) {
  std::optional<PublicKey> key;
  if (with_key) key = other.key();
  routes_[other.identity()] = {other.address(), key};
  endpoint().set_route(other.identity(), other.address(), key);
}

// --- commands ------------------------------------------------------------------------------------

Result Host::command_send(const Identity& to, SharedBytes payload, int flags, ChannelId channel) {
  if ((flags & kSendAutoRestartBrokenSession) != 0) {
    const ConnectionState before = state(to);
    if (before == ConnectionState::kClosedByPeer ||
        before == ConnectionState::kProblemDetectedLocally) {
      note_break(to);
    }
  }
  const Result result = endpoint().send(to, std::move(payload), flags, channel, now());
  if (result == Result::kNoConnection) note_break(to);
  world_.simulation().touch(id_);
  return result;
}

Result Host::say(const Host& to, std::size_t size, int flags, ChannelId channel) {
  const bool reliable = (flags & kSendReliable) != 0;
  Ledger& ledger = world_.ledger();
  const Identity name = name_of(to);
  // An address as a name: the host may have had another one before, and is another user under it.
  const bool by_address = name.type() == IdentityType::kIpAddress;
  const std::uint32_t number = by_address ? name.bytes()[14] * 256u + name.bytes()[15] : 0;
  SharedBytes payload = ledger.make(life_, to.id(), channel, reliable, size, number);
  const Result result = command_send(name, std::move(payload), flags, channel);
  if (result == Result::kOk) ledger.on_taken(life_, to.id(), channel, reliable, number);
  return result;
}

Result Host::send(const Identity& to, Bytes payload, int flags, ChannelId channel) {
  return command_send(to, SharedBytes::copy(payload), flags, channel);
}

Result Host::watch(const Identity& user, bool on) {
  world_.simulation().touch(id_);
  return network_->watch(user, on, now());
}

bool Host::accept(const Identity& user) {
  world_.simulation().touch(id_);
  return endpoint().accept(user, now());
}

void Host::note_break(const Identity& user) {
  if (const Host* other = world_.find(user)) world_.ledger().on_break(life_, other->id());
}

void Host::drop(const std::function<bool(const InboxMessage&)>& which, bool consumed) {
  for (auto& [channel, queue] : inbox_) {
    for (auto it = queue.begin(); it != queue.end();) {
      if (!which(*it)) {
        ++it;
        continue;
      }
      if (checked) world_.ledger().on_dropped(id_, life_, it->session, it->message);
      if (consumed) {
        consume(*it, now());
      } else {
        unread_bytes_ -= it->message.payload.size();
      }
      it = queue.erase(it);
    }
  }
}

bool Host::is_of(const InboxMessage& message, const Identity& user,
                 const std::optional<SessionId>& session) const {
  if (session && message.session == *session) return true;
  const Host* sender = world_.find(message.from);
  return sender != nullptr && sender == world_.find(user);
}

bool Host::close_session(const Identity& user) {
  std::optional<SessionId> dropped;
  const bool closed = endpoint().close_session(user, now(), &dropped);
  take_messages(now());
  if (closed) {
    // All of this user, also what an earlier session has left.
    drop([&](const InboxMessage& message) { return is_of(message, user, dropped); }, false);
    if (dropped) unread_.erase(*dropped);
  }
  if (closed) {
    // Either side's data may be lost by it, and both applications know: one did it, the other reads
    // ClosedByPeer.
    note_break(user);
    if (const Host* other = world_.find(user)) world_.ledger().on_break(other->life(), id_);
  }
  world_.simulation().touch(id_);
  return closed;
}

bool Host::close_channel(const Identity& user, ChannelId channel) {
  std::optional<SessionId> session;
  take_messages(now());
  const bool open = endpoint().close_channel(user, channel, now(), &session);
  if (session) {
    drop(
        [&](const InboxMessage& message) {
          return message.message.channel == channel && is_of(message, user, session);
        },
        true);
  }
  if (open && state(user) == ConnectionState::kNone) {
    note_break(user);
    if (const Host* other = world_.find(user)) world_.ledger().on_break(other->life(), id_);
  }
  world_.simulation().touch(id_);
  return open;
}

std::vector<InboxMessage> Host::receive(ChannelId channel, std::size_t messages_max) {
  std::vector<InboxMessage> taken;
  std::deque<InboxMessage>& queue = inbox_[channel];
  while (!queue.empty() && taken.size() < messages_max) {
    taken.push_back(std::move(queue.front()));
    queue.pop_front();
    const InboxMessage& message = taken.back();
    if (checked) world_.ledger().on_delivered(id_, life_, message.session, message.message);
    consume(message, now());
  }
  world_.simulation().touch(id_);
  return taken;
}

std::size_t Host::receive_all() {
  std::size_t count = 0;
  std::vector<ChannelId> channels;
  for (const auto& [channel, queue] : inbox_) channels.push_back(channel);
  for (const ChannelId channel : channels) count += receive(channel).size();
  return count;
}

// --- state ---------------------------------------------------------------------------------------

ConnectionState Host::state(const Identity& user) const {
  return endpoint().connection_info(user, now(), nullptr, nullptr);
}

ConnectionInfo Host::info(const Identity& user) const {
  ConnectionInfo info;
  network_->connection_info(user, now(), &info, nullptr);
  return info;
}

ConnectionStatus Host::status(const Identity& user) const {
  ConnectionStatus status;
  endpoint().connection_info(user, now(), nullptr, &status);
  return status;
}

std::size_t Host::unread() const {
  std::size_t count = 0;
  for (const auto& [channel, queue] : inbox_) count += queue.size();
  return count;
}

// --- what befalls it -----------------------------------------------------------------------------

void Host::restart(bool same_key) {
  drop([](const InboxMessage&) { return true; }, false);
  world_.ledger().on_break_with_all(life_);
  if (!same_key) config_.keys = generate_x25519(random_);
  unread_.clear();
  unread_bytes_ = 0;
  live();
  world_.simulation().restarted(id_);
}

void Host::move(const IpAddress& address) {
  world_.owners_[World::ip_identity(address)] = this;
  world_.simulation().move(id_, address);
}

// --- Node ----------------------------------------------------------------------------------------

void Host::receive(const IpAddress& from, MutableBytes datagram, Instant now) {
  look_at_clock(now);
  network_->receive(from, datagram, now);
}

void Host::advance(Instant now) {
  look_at_clock(now);
  network_->advance(now);
}

std::optional<Transmit> Host::poll_transmit(MutableBytes buffer, Instant now) {
  auto out = network_->poll_transmit(buffer, now);
  if (!out && ++polls_ % kPollsUntilCheck == 0) network_->endpoint().check_consistency();
  return out;
}

Instant Host::next_deadline() const { return network_->next_deadline(); }

bool Host::turn(Instant now) {
  const bool events = take_events();
  std::erase_if(unread_, [](const auto& entry) { return entry.second.messages == 0; });
  const bool messages = take_messages(now);
  return events || messages;
}

bool Host::take_events() {
  bool any = false;
  while (std::optional<Event> event = endpoint().poll_event()) {
    any = true;
    if (auto* request = std::get_if<SessionRequestEvent>(&*event)) {
      requests_.push_back({now(), request->identity});
      if (on_request == OnRequest::kAccept) endpoint().accept(request->identity, now());
      if (on_request == OnRequest::kRefuse) close_session(request->identity);
    } else if (auto* failed = std::get_if<SessionFailedEvent>(&*event)) {
      note_break(failed->info.identity);
      if (failed->info.alias.valid()) note_break(failed->info.alias);
      failures_.push_back({now(), std::move(failed->info)});
    } else {
      // Told at once: a moment later there may be another session.
      const ConnectionInfo& info = std::get<SessionChangedEvent>(*event).info;
      if (info.state == ConnectionState::kClosedByPeer) note_break(info.identity);
      if (info.state == ConnectionState::kClosedByPeer && info.alias.valid())
        note_break(info.alias);
    }
  }
  while (const auto presence = network_->poll_presence())
    presences_.push_back(presence->user.text() + (presence->online ? "+" : "-"));
  return any;
}

bool Host::take_messages(Instant now) {
  scratch_.clear();
  endpoint().take_messages(scratch_);
  for (DeliveredMessage& delivered : scratch_) deliver(std::move(delivered), now);
  return !scratch_.empty();
}

void Host::deliver(DeliveredMessage&& delivered, Instant now) {
  ++messages_received_;
  bytes_received_ += delivered.message.payload.size();
  InboxMessage message{delivered.session, endpoint().user_of(delivered.session),
                       std::move(delivered.message)};
  note_unread(message);
  if (on_message) on_message(message);
  if (reading == Reading::kByHand) {
    inbox_[message.message.channel].push_back(std::move(message));
    return;
  }
  if (checked) world_.ledger().on_delivered(id_, life_, message.session, message.message);
  consume(message, now);
}

void Host::note_unread(const InboxMessage& message) {
  Unread& unread = unread_[message.session];
  unread.bytes += message.message.payload.size();
  ++unread.messages;
  unread_bytes_ += message.message.payload.size();
  if (unread.bytes > config_.session.receive_bytes_max ||
      unread.messages > config_.session.receive_messages_max) {
    world_.simulation().violation("node " + std::to_string(id_) + " holds " +
                                  std::to_string(unread.bytes) + " unread bytes, and " +
                                  std::to_string(unread.messages) + " unread messages");
  }
}

void Host::consume(const InboxMessage& message, Instant now) {
  const std::uint64_t size = message.message.payload.size();
  unread_bytes_ -= size;
  const auto unread = unread_.find(message.session);
  if (unread != unread_.end()) {
    unread->second.bytes -= size;
    --unread->second.messages;
  }
  endpoint().consumed(message.session, message.message.place, message.message.reliable, size, 1,
                      now);
}

}  // namespace whimbrel::sim
