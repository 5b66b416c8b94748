#include "api/calls.h"

#include <algorithm>

#include "api/server_status.h"
#include "io/key_files.h"
#include "rendezvous/messages.h"
#include "rendezvous/watches.h"

namespace whimbrel {

namespace {

// While nobody drives, a burst is looked at this often (a power of two).
constexpr std::size_t kPushesPerLook = 64;

bool fail(std::string* error, std::string text) {
  if (error != nullptr) *error = std::move(text);
  return false;
}

}  // namespace

// --- sending -------------------------------------------------------------------------------------

Result Calls::send(const Identity& user, Bytes payload, int flags, ChannelId channel,
                   const SharedBytes* shared) {
  if (!user.valid() || payload.size() > kMessageBytesMax || (flags & ~kSendFlagsAll) != 0 ||
      (payload.data() == nullptr && !payload.empty())) {
    return Result::kInvalidParam;
  }
  const Outbox::Push push = queues_.outbox.push(user, payload, flags, channel, shared);
  if (!push.result) return send_through_core(user, payload, flags, channel, shared);
  if (*push.result == Result::kOk) {
    after_push(push, flags);
  } else if (*push.result == Result::kLimitExceeded) {
    after_refusal(push, payload.size());
  }
  return *push.result;
}

// A user without an open session, or a channel that is used for the first time.
Result Calls::send_through_core(const Identity& user, Bytes payload, int flags, ChannelId channel,
                                const SharedBytes* shared) {
  const bool here = (flags & kSendUseCurrentThread) != 0;
  return exchange_.with_core(here ? Kind::kCommandHere : Kind::kCommand, [&](Inside& in) {
    const Result result = in.endpoint().send(
        user, shared != nullptr ? *shared : SharedBytes::copy(payload), flags, channel, in.now);
    if (result == Result::kOk) {
      auto gate = in.endpoint().gate(user);
      if (queues_.room.waited_for()) queues_.room.taken(gate.get());
      queues_.outbox.learn(user, std::move(gate), channel);
    }
    if (result == Result::kLimitExceeded) {
      // Not where the table of channels is full: room for bytes would be told at once, for nothing.
      auto gate = in.endpoint().gate(user);
      if (gate != nullptr && !gate->has_room_for(send_charge(payload.size()))) {
        queues_.room.want(std::move(gate), send_charge(payload.size()));
      }
    }
    return result;
  });
}

void Calls::after_push(const Outbox::Push& push, int flags) {
  if (queues_.room.waited_for()) {
    queues_.room.taken(push.gate);
    handle_.show();
  }
  if ((flags & kSendUseCurrentThread) != 0) return exchange_.pass_if_free();
  if (push.driver == DriverState::kRunning) return;
  if (!own_thread_) {
    if (push.driver == DriverState::kAsleep) exchange_.wake_driver();
    return;
  }
  if (push.driver == DriverState::kAbsent && (push.queued & (kPushesPerLook - 1)) != 1) return;
  if (!exchange_.passed_lately()) {
    exchange_.pass_if_free();
  } else if (push.driver == DriverState::kAsleep) {
    exchange_.wake_driver();
  }
}

void Calls::after_refusal(const Outbox::Push& push, std::size_t size) {
  queues_.room.want(push.full, send_charge(size));
  if (push.driver == DriverState::kAbsent && own_thread_) exchange_.pass_if_free();
  // There may have been room again before it was wanted.
  if (queues_.room.available()) exchange_.tell_application();
}

// --- receiving -----------------------------------------------------------------------------------

std::size_t Calls::receive(ChannelId channel, std::span<Message> out) {
  bool report = false;
  if (!queues_.inbox.empty()) handle_.note_call();
  const std::size_t count = queues_.inbox.take(channel, out, &report);
  if (report) exchange_.wake_driver();
  if (count > 0) handle_.show();
  return count;
}

std::size_t Calls::run_callbacks() {
  const std::size_t ran = queues_.callbacks.run() + queues_.lobbies.run();
  handle_.note_call();
  return ran;
}

// --- sessions ------------------------------------------------------------------------------------

bool Calls::accept(const Identity& user) {
  return exchange_.with_core([&](Inside& in) { return in.endpoint().accept(user, in.now); });
}

bool Calls::close_session(const Identity& user) {
  return exchange_.with_core([&](Inside& in) {
    ConnectionInfo info;
    in.core.network().connection_info(user, in.now, &info, nullptr);
    if (!in.endpoint().close_session(user, in.now)) return false;
    // All of this user, under either name, also what an earlier session has left.
    queues_.inbox.drop(user);
    if (info.identity.valid()) queues_.inbox.drop(info.identity);
    if (info.alias.valid()) queues_.inbox.drop(info.alias);
    return true;
  });
}

bool Calls::close_channel(const Identity& user, ChannelId channel) {
  return exchange_.with_core([&](Inside& in) {
    std::optional<SessionId> session;
    const bool was_open = in.endpoint().close_channel(user, channel, in.now, &session);
    if (session) queues_.inbox.drop(*session, channel);
    return was_open;
  });
}

bool Calls::set_user_data(const Identity& user, std::int64_t data) {
  return exchange_.with_core([&](Inside& in) {
    Endpoint& endpoint = in.endpoint();
    const auto session = endpoint.set_user_data(user, data);
    if (!session) return false;
    queues_.inbox.set_user_data(*session, data, [&endpoint](SessionId id) {
      return Inbox::Sender(endpoint.user_of(id), endpoint.user_data_of(id));
    });
    return true;
  });
}

void Calls::on_session_changed(Callbacks::OnChanged callback) {
  exchange_.with_core([&](Inside& in) {
    in.endpoint().tell_changes(callback != nullptr);
    queues_.callbacks.on_changed(std::move(callback));
    return true;
  });
}

ConnectionState Calls::connection_info(const Identity& user, ConnectionInfo* info,
                                       ConnectionStatus* status) {
  return exchange_.with_core(Kind::kQuestion, [&](Inside& in) {
    return in.core.network().connection_info(user, in.now, info, status);
  });
}

static_assert(kWatchesMax == rendezvous::Watches::kMax);
static_assert(kMessageBytesMax == kMessageSizeMax);

Result Calls::watch(const Identity& user, bool on) {
  if (!user.valid()) return Result::kInvalidParam;
  return exchange_.with_core([&](Inside& in) {
    const Result result = in.core.watch(user, on, in.now);
    // Under the core's lock: nothing about this user comes afterwards.
    if (!on) queues_.callbacks.drop_presence(user);
    return result;
  });
}

// --- settings ------------------------------------------------------------------------------------

bool Calls::set_option(Option option, std::int64_t value, std::string* error) {
  if (auto fault = check_option(option, value)) return fail(error, std::move(*fault));
  return exchange_.with_core([&](Inside& in) { return in.settings.set(option, value, error); });
}

bool Calls::set_session_option(const Identity& user, Option option, std::int64_t value,
                               std::string* error) {
  if (auto fault = check_option(option, value)) return fail(error, std::move(*fault));
  const auto options = all_options();
  const auto info = std::find_if(options.begin(), options.end(),
                                 [&](const OptionInfo& one) { return one.option == option; });
  if (!info->per_session) {
    return fail(error, std::string(info->name) + " is for all sessions, not for one");
  }
  if (!user.valid()) return fail(error, "the identity is invalid");
  return exchange_.with_core(
      [&](Inside& in) { return in.settings.set_for(user, option, value, error); });
}

bool Calls::add_route(const Route& route, std::string* error) {
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
  return exchange_.with_core([&](Inside& in) {
    return in.endpoint().set_route(route.identity, addresses, key) ||
           fail(error, "there are routes to 65536 users already");
  });
}

bool Calls::set_login_token(std::string token, std::string* error) {
  if (token.size() > rendezvous::kTokenTextMax)
    return fail(error, "the login token has " + std::to_string(token.size()) +
                           " bytes: at most 4096 are taken");
  return exchange_.with_core([&](Inside& in) {
    if (in.core.network().status().state == NetworkStatus::State::kNone)
      return fail(error, "there is no server to log in to (Config::server)");
    in.core.set_login_token(std::move(token), in.now);
    return true;
  });
}

// --- facts ---------------------------------------------------------------------------------------

Identity Calls::identity() {
  return exchange_.with_core(Kind::kQuestion, [](Inside& in) { return in.endpoint().identity(); });
}

ServerStatus Calls::server_status() {
  return exchange_.with_core(Kind::kQuestion,
                             [](Inside& in) { return public_status(in.core.network().status()); });
}

std::vector<Counter> Calls::counters() {
  return exchange_.with_core(Kind::kQuestion, [&](Inside& in) {
    std::vector<Counter> counters;
    const Counters& counts = in.endpoint().counters();
    for (std::size_t i = 0; i < static_cast<std::size_t>(Count::kCount_); ++i) {
      const auto count = static_cast<Count>(i);
      counters.push_back({name(count), counts[count]});
    }
    counters.push_back({"unread_evicted", queues_.inbox.evicted()});
    const UdpSocketStats sockets = in.core.socket_stats();
    counters.push_back({"socket_send_calls", sockets.send_calls});
    counters.push_back({"socket_receive_calls", sockets.receive_calls});
    counters.push_back({"socket_blocked", sockets.blocked});
    counters.push_back({"socket_send_failed", sockets.send_failed});
    counters.push_back({"socket_truncated", sockets.truncated});
    return counters;
  });
}

std::vector<Identity> Calls::users() {
  return exchange_.with_core(Kind::kQuestion, [](Inside& in) { return in.endpoint().users(); });
}

}  // namespace whimbrel
