// What the calls of NetworkingMessages do, other than waiting and driving (driver.h) and lobbies
// (lobby_calls.h).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/exchange.h"
#include "api/queues.h"
#include "api/ready_handle.h"

namespace whimbrel {

// Thread-safe. What the constructor is given must outlive it.
class Calls {
 public:
  Calls(bool own_thread, Exchange& exchange, Queues& queues, ReadyHandle& handle)
      : own_thread_(own_thread), exchange_(exchange), queues_(queues), handle_(handle) {}

  // `shared` (if given) holds the payload already: it is not copied again.
  Result send(const Identity& user, Bytes payload, int flags, ChannelId channel,
              const SharedBytes* shared = nullptr);
  std::size_t receive(ChannelId channel, std::span<Message> out);
  std::size_t unread(ChannelId channel) const { return queues_.inbox.size_of(channel); }
  std::size_t run_callbacks();

  bool accept(const Identity& user);
  bool close_session(const Identity& user);
  bool close_channel(const Identity& user, ChannelId channel);
  bool set_user_data(const Identity& user, std::int64_t data);
  ConnectionState connection_info(const Identity& user, ConnectionInfo* info,
                                  ConnectionStatus* status);
  Result watch(const Identity& user, bool on);

  // What waits for a callback may be due with it.
  template <typename Function>
  void set_callback(void (Callbacks::*set)(Function), Function callback) {
    (queues_.callbacks.*set)(std::move(callback));
    exchange_.tell_application();
  }
  void on_session_changed(Callbacks::OnChanged callback);

  bool set_option(Option option, std::int64_t value, std::string* error);
  bool set_session_option(const Identity& user, Option option, std::int64_t value,
                          std::string* error);
  bool add_route(const Route& route, std::string* error);
  bool set_login_token(std::string token, std::string* error);

  // A copy: a server may give it later.
  Identity identity();
  ServerStatus server_status();
  const std::string& public_key_hex() const { return exchange_.public_key_hex(); }
  std::uint16_t port(bool v4) const { return exchange_.port(v4); }
  std::vector<Counter> counters();
  std::vector<Identity> users();

 private:
  using Inside = Exchange::Inside;
  using Kind = Exchange::Kind;

  Result send_through_core(const Identity& user, Bytes payload, int flags, ChannelId channel,
                           const SharedBytes* shared);
  void after_push(const Outbox::Push& push, int flags);
  void after_refusal(const Outbox::Push& push, std::size_t size);

  const bool own_thread_;
  Exchange& exchange_;
  Queues& queues_;
  ReadyHandle& handle_;
};

}  // namespace whimbrel
