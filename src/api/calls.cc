// NetworkingMessages: the calls of the application.
#include <algorithm>

#include "api/impl.h"
#include "io/key_files.h"
#include "rendezvous/messages.h"
#include "rendezvous/watches.h"

namespace whimbrel {

namespace {

constexpr std::size_t kRoutesMax = 65536;
// On an idle line a send puts its packet on the wire itself; the sends right after it are a burst, and are gathered.
constexpr Duration kPassInterval = microseconds(100);
// While nobody drives, a burst is looked at this often (a power of two).
constexpr std::size_t kPushesPerLook = 64;

bool fail(std::string* error, std::string text) {
  if (error != nullptr) *error = std::move(text);
  return false;
}

}  // namespace

namespace {

// Counts those that wait for the lock.
std::unique_lock<Mutex> lock_before_driver(Mutex& mutex, std::atomic<int>& waiting) {
  waiting.fetch_add(1, std::memory_order_relaxed);
  std::unique_lock lock(mutex);
  waiting.fetch_sub(1, std::memory_order_relaxed);
  return lock;
}

}  // namespace

NetworkingMessages::Impl::CoreCall::CoreCall(Impl& impl, Kind kind)
    : impl_(impl),
      kind_(kind),
      lock_(lock_before_driver(impl.core_mutex_, impl.core_calls_waiting_)),
      now_(impl.clock_.now()) {
  impl_.take_from_application(now_);
}

NetworkingMessages::Impl::CoreCall::~CoreCall() {
  impl_.take_from_application(now_);  // what the call itself dropped
  const bool given = impl_.give_to_application();
  const bool leaves = impl_.own_thread_ || kind_ == Kind::kCommandHere;
  if (leaves) impl_.transmit(now_);
  lock_.unlock();
  // Without a thread of our own packets are the driver's: a thread inside wait(), or whoever watches the handle.
  const bool left = !leaves && kind_ == Kind::kCommand;
  if (given || left) impl_.wake_driver();
  impl_.show_ready();
}

// --- who we are, and where -------------------------------------------------------------------------------------

Identity NetworkingMessages::Impl::identity() const {
  const MutexLock lock(core_mutex_);
  return core_->endpoint().identity();
}

namespace {

int ping_of(Duration rtt) {
  return rtt > Duration::zero() ? static_cast<int>((to_microseconds(rtt) + 500) / 1000) : -1;
}

ServerStatus::State state_of(NetworkStatus::State state) {
  switch (state) {
    case NetworkStatus::State::kNone:
      break;
    case NetworkStatus::State::kConnecting:
      return ServerStatus::State::kConnecting;
    case NetworkStatus::State::kOnline:
      return ServerStatus::State::kOnline;
    case NetworkStatus::State::kRefused:
      return ServerStatus::State::kRefused;
  }
  return ServerStatus::State::kNone;
}

ServerStatus public_status(const NetworkStatus& inside) {
  ServerStatus status;
  status.state = state_of(inside.state);
  status.relay = inside.relay;
  status.relay_ping_ms = ping_of(inside.relay_rtt);
  status.site = inside.site;
  for (const RelayStatus& relay : inside.relays) {
    status.relays.push_back({relay.site, relay.address.text(), relay.open, relay.home, relay.backup,
                             ping_of(relay.rtt)});
  }
  status.text = inside.text;
  return status;
}

}  // namespace

ServerStatus NetworkingMessages::Impl::server_status() const {
  const MutexLock lock(core_mutex_);
  return public_status(core_->network().status());
}

bool NetworkingMessages::Impl::notice_status() {
  const std::uint64_t mark = core_->network().status_mark();
  if (mark == status_mark_) return false;
  status_mark_ = mark;
  callbacks_.post_status(public_status(core_->network().status()));
  return true;
}

// --- sending -----------------------------------------------------------------------------------------------------

Result NetworkingMessages::Impl::send(const Identity& user, Bytes payload, int flags,
                                      ChannelId channel, const SharedBytes* shared) {
  if (!user.valid() || payload.size() > kMessageBytesMax || (flags & ~kSendFlagsAll) != 0 ||
      (payload.data() == nullptr && !payload.empty())) {
    return Result::kInvalidParam;
  }
  const Outbox::Push push = outbox_.push(user, payload, flags, channel, shared);
  if (!push.result) return send_through_core(user, payload, flags, channel, shared);
  if (*push.result == Result::kOk) {
    after_push(push, flags);
  } else if (*push.result == Result::kLimitExceeded) {
    room_.want(push.full, send_charge(payload.size()));
    if (push.driver == DriverState::kAbsent && own_thread_) pass_in_passing();
    // There may have been room again before it was wanted.
    if (room_.available()) tell_waiting();
  }
  return *push.result;
}

// A user without an open session, or a channel that is used for the first time.
Result NetworkingMessages::Impl::send_through_core(const Identity& user, Bytes payload, int flags,
                                                   ChannelId channel, const SharedBytes* shared) {
  using Kind = CoreCall::Kind;
  const bool here = (flags & kSendUseCurrentThread) != 0;
  const CoreCall call(*this, here ? Kind::kCommandHere : Kind::kCommand);
  Endpoint& endpoint = core_->endpoint();
  const Result result = endpoint.send(
      user, shared != nullptr ? *shared : SharedBytes::copy(payload), flags, channel, call.now());
  if (result == Result::kOk) {
    auto gate = endpoint.gate(user);
    if (room_.waited_for()) room_.taken(gate.get());
    outbox_.learn(user, std::move(gate), channel);
  }
  if (result == Result::kLimitExceeded) {
    // Not where the table of channels is full: room for bytes would be told at once, for nothing.
    auto gate = endpoint.gate(user);
    if (gate != nullptr && !gate->has_room_for(send_charge(payload.size()))) {
      room_.want(std::move(gate), send_charge(payload.size()));
    }
  }
  return result;
}

void NetworkingMessages::Impl::after_push(const Outbox::Push& push, int flags) {
  if (room_.waited_for()) {
    room_.taken(push.gate);
    show_ready();
  }
  if ((flags & kSendUseCurrentThread) != 0) return pass_in_passing();
  if (push.driver == DriverState::kRunning) return;
  if (!own_thread_) {
    if (push.driver == DriverState::kAsleep) wake_driver();
    return;
  }
  if (push.driver == DriverState::kAbsent && (push.queued & (kPushesPerLook - 1)) != 1) return;
  const std::int64_t now = clock_.now().time_since_epoch().count();
  if (now - passed_at_ns_.load(std::memory_order_relaxed) >= kPassInterval.count()) {
    pass_in_passing();
  } else if (push.driver == DriverState::kAsleep) {
    wake_driver();
  }
}

// --- receiving ---------------------------------------------------------------------------------------------------

std::size_t NetworkingMessages::Impl::receive(ChannelId channel, std::span<Message> out) {
  bool report = false;
  if (!inbox_.empty()) note_call();
  const std::size_t count = inbox_.take(channel, out, &report);
  if (report) wake_driver();
  if (count > 0) show_ready();
  return count;
}

std::size_t NetworkingMessages::Impl::run_callbacks() {
  const std::size_t ran = callbacks_.run() + lobby_callbacks_.run();
  note_call();
  return ran;
}

// --- sessions ----------------------------------------------------------------------------------------------------

bool NetworkingMessages::Impl::accept(const Identity& user) {
  const CoreCall call(*this);
  return core_->endpoint().accept(user, call.now());
}

bool NetworkingMessages::Impl::close_session(const Identity& user) {
  const CoreCall call(*this);
  give_to_application();
  std::optional<SessionId> dropped;
  ConnectionInfo info;
  core_->network().connection_info(user, call.now(), &info, nullptr);
  if (!core_->endpoint().close_session(user, call.now(), &dropped)) return false;
  // All of this user, under either name, also what an earlier session has left.
  if (dropped) inbox_.drop(*dropped);
  inbox_.drop(user);
  if (info.identity.valid()) inbox_.drop(info.identity);
  if (info.alias.valid()) inbox_.drop(info.alias);
  return true;
}

bool NetworkingMessages::Impl::close_channel(const Identity& user, ChannelId channel) {
  const CoreCall call(*this);
  give_to_application();
  std::optional<SessionId> session;
  const bool was_open = core_->endpoint().close_channel(user, channel, call.now(), &session);
  if (session) inbox_.drop(*session, channel);
  return was_open;
}

bool NetworkingMessages::Impl::set_user_data(const Identity& user, std::int64_t data) {
  const CoreCall call(*this);
  give_to_application();
  const auto session = core_->endpoint().set_user_data(user, data);
  if (!session) return false;
  inbox_.set_user_data(*session, data, [this](SessionId id) { return sender_of(id); });
  return true;
}

void NetworkingMessages::Impl::on_session_changed(
    std::function<void(const Identity& user, ConnectionState state, const ConnectionInfo& info)>
        callback) {
  const CoreCall call(*this);
  core_->endpoint().tell_changes(callback != nullptr);
  callbacks_.on_changed(std::move(callback));
}

ConnectionState NetworkingMessages::Impl::connection_info(const Identity& user,
                                                          ConnectionInfo* info,
                                                          ConnectionStatus* status) {
  const CoreCall call(*this, CoreCall::Kind::kQuestion);
  give_to_application();
  return core_->network().connection_info(user, call.now(), info, status);
}

// --- settings and facts ------------------------------------------------------------------------------------------

bool NetworkingMessages::Impl::set_option(Option option, std::int64_t value, std::string* error) {
  if (auto fault = check_option(option, value)) return fail(error, std::move(*fault));
  const CoreCall call(*this);
  if (option == Option::kAllowWithoutAuth && value == 0 && !core_->endpoint().has_authorities()) {
    return fail(error, std::string(kNeedsAuthorities));
  }
  settings_.set(option, value);
  apply_settings();
  return true;
}

bool NetworkingMessages::Impl::set_session_option(const Identity& user, Option option,
                                                  std::int64_t value, std::string* error) {
  if (auto fault = check_option(option, value)) return fail(error, std::move(*fault));
  const auto options = all_options();
  const auto info = std::find_if(options.begin(), options.end(),
                                 [&](const OptionInfo& one) { return one.option == option; });
  if (!info->per_session) {
    return fail(error, std::string(info->name) + " is for all sessions, not for one");
  }
  if (!user.valid()) return fail(error, "the identity is invalid");
  const CoreCall call(*this);
  if (!settings_.set_for(user, option, value)) {
    return fail(error, "too many users have options of their own");
  }
  apply_settings_of(user);
  return true;
}

void NetworkingMessages::Impl::apply_settings() {
  const SessionOptions all = settings_.session_options();
  Endpoint& endpoint = core_->endpoint();
  endpoint.set_options(all);
  endpoint.set_limits(static_cast<std::size_t>(settings_.get(Option::kSessionsMax)),
                      static_cast<std::size_t>(settings_.get(Option::kPendingRequestsMax)));
  if (settings_.is_set(Option::kAllowWithoutAuth)) {
    endpoint.set_require_certificate(settings_.get(Option::kAllowWithoutAuth) == 0);
  }
  receive_bytes_min_ = all.receive_bytes_max;
  receive_messages_min_ = all.receive_messages_max;
  receive_bytes_max_ = all.receive_bytes_max;
  receive_messages_max_ = all.receive_messages_max;
  inbox_.set_user_limits(receive_bytes_max_, receive_messages_max_);
  inbox_.set_report_thresholds(receive_bytes_min_ / 4, receive_messages_min_ / 4);
  for (const Identity& user : settings_.users()) apply_settings_of(user);
  core_->set_fake_links(settings_.fake_send(), settings_.fake_receive());
}

// The peer with the smallest buffer must hear of room in time.
void NetworkingMessages::Impl::apply_settings_of(const Identity& user) {
  const SessionOptions options = settings_.session_options_for(user);
  core_->endpoint().set_session_options(user, options);
  receive_bytes_min_ = std::min(receive_bytes_min_, options.receive_bytes_max);
  receive_messages_min_ = std::min(receive_messages_min_, options.receive_messages_max);
  receive_bytes_max_ = std::max(receive_bytes_max_, options.receive_bytes_max);
  receive_messages_max_ = std::max(receive_messages_max_, options.receive_messages_max);
  inbox_.set_user_limits(receive_bytes_max_, receive_messages_max_);
  inbox_.set_report_thresholds(receive_bytes_min_ / 4, receive_messages_min_ / 4);
}

bool NetworkingMessages::Impl::add_route(const Route& route, std::string* error) {
  if (!route.identity.valid())
    return fail(error, "the route names nobody: its identity is invalid");
  std::vector<IpAddress> addresses;
  for (std::size_t at = 0; at <= route.address.size();) {
    const std::size_t comma = std::min(route.address.find(',', at), route.address.size());
    const std::string text = route.address.substr(at, comma - at);
    at = comma + 1;
    const auto address = IpAddress::parse(text);
    if (!address || address->port == 0 || address->is_unspecified()) {
      return fail(error,
                  "the route's address '" + text + "' is not like 192.168.1.7:4000 or [::1]:4000");
    }
    addresses.push_back(*address);
  }
  if (addresses.size() > Route::kAddressesMax)
    return fail(error, "the route has more than 8 addresses");
  std::optional<PublicKey> key;
  if (!route.public_key_hex.empty()) {
    key = public_key_from_hex(route.public_key_hex);
    if (!key) return fail(error, "the route's public key is not 64 hexadecimal digits");
  }
  const CoreCall call(*this);
  if (routes_ >= kRoutesMax) return fail(error, "there are 65536 routes already");
  ++routes_;
  core_->endpoint().set_route(route.identity, addresses, key);
  return true;
}

bool NetworkingMessages::Impl::set_login_token(std::string token, std::string* error) {
  if (token.size() > rendezvous::kTokenTextMax)
    return fail(error, "the login token has " + std::to_string(token.size()) +
                           " bytes: at most 4096 are taken");
  const CoreCall call(*this);
  if (core_->network().status().state == NetworkStatus::State::kNone)
    return fail(error, "there is no server to log in to (Config::server)");
  core_->set_login_token(std::move(token), call.now());
  return true;
}

static_assert(kWatchesMax == rendezvous::Watches::kMax);

Result NetworkingMessages::Impl::watch(const Identity& user, bool on) {
  if (!user.valid()) return Result::kInvalidParam;
  const CoreCall call(*this);
  const Result result = core_->watch(user, on, call.now());
  // Under the core's lock: nothing about this user comes afterwards.
  if (!on) callbacks_.drop_presence(user);
  return result;
}

std::string NetworkingMessages::Impl::public_key_hex() const {
  return to_hex(core_->endpoint().public_key().view());
}

std::vector<Counter> NetworkingMessages::Impl::counters() {
  const CoreCall call(*this, CoreCall::Kind::kQuestion);
  std::vector<Counter> counters;
  const Counters& counts = core_->endpoint().counters();
  for (std::size_t i = 0; i < static_cast<std::size_t>(Count::kCount_); ++i) {
    const auto count = static_cast<Count>(i);
    counters.push_back({name(count), counts[count]});
  }
  counters.push_back({"unread_evicted", inbox_.evicted()});
  const UdpSocketStats sockets = core_->socket_stats();
  counters.push_back({"socket_send_calls", sockets.send_calls});
  counters.push_back({"socket_receive_calls", sockets.receive_calls});
  counters.push_back({"socket_blocked", sockets.blocked});
  counters.push_back({"socket_send_failed", sockets.send_failed});
  counters.push_back({"socket_truncated", sockets.truncated});
  return counters;
}

std::vector<Identity> NetworkingMessages::Impl::users() {
  const CoreCall call(*this, CoreCall::Kind::kQuestion);
  return core_->endpoint().users();
}

}  // namespace whimbrel
