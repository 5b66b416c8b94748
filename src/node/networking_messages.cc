#include <whimbrel/networking_messages.h>

#include <algorithm>

#include "node/impl.h"

namespace whimbrel {

std::unique_ptr<NetworkingMessages> NetworkingMessages::create(const Config& config,
                                                               std::string* error) {
  auto impl = Impl::create(config, error);
  if (impl == nullptr) return nullptr;
  return std::unique_ptr<NetworkingMessages>(new NetworkingMessages(std::move(impl)));
}

NetworkingMessages::NetworkingMessages(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NetworkingMessages::~NetworkingMessages() = default;

Result NetworkingMessages::send_message_to_user(const Identity& user,
                                                std::span<const std::uint8_t> payload, int flags,
                                                int channel) {
  return impl_->send(user, payload, flags, channel);
}

std::vector<Message> NetworkingMessages::receive_messages_on_channel(int channel,
                                                                     int messages_max) {
  const auto wanted = static_cast<std::size_t>(std::max(messages_max, 0));
  std::vector<Message> messages(std::min(wanted, impl_->unread(channel)));
  messages.resize(impl_->receive(channel, messages));
  return messages;
}

std::size_t NetworkingMessages::receive_messages_on_channel(int channel, std::span<Message> out) {
  return impl_->receive(channel, out);
}

bool NetworkingMessages::accept_session_with_user(const Identity& user) {
  return impl_->accept(user);
}

bool NetworkingMessages::close_session_with_user(const Identity& user) {
  return impl_->close_session(user);
}

bool NetworkingMessages::close_channel_with_user(const Identity& user, int channel) {
  return impl_->close_channel(user, channel);
}

ConnectionState NetworkingMessages::get_session_connection_info(const Identity& user,
                                                                ConnectionInfo* info,
                                                                ConnectionStatus* status) {
  return impl_->connection_info(user, info, status);
}

void NetworkingMessages::on_session_request(std::function<void(const Identity& user)> callback) {
  impl_->callbacks().on_request(std::move(callback));
}

void NetworkingMessages::on_session_failed(
    std::function<void(const ConnectionInfo& info)> callback) {
  impl_->callbacks().on_failed(std::move(callback));
}

void NetworkingMessages::on_server_status_changed(
    std::function<void(const ServerStatus& status)> callback) {
  impl_->callbacks().on_status(std::move(callback));
}

Lobbies& NetworkingMessages::lobbies() { return impl_->lobbies(); }

std::size_t NetworkingMessages::run_callbacks() { return impl_->run_callbacks(); }

void NetworkingMessages::poll() { impl_->poll(); }

bool NetworkingMessages::wait(std::chrono::microseconds timeout) { return impl_->wait(timeout); }

void NetworkingMessages::wake() { impl_->wake(); }

int NetworkingMessages::event_handle() const { return impl_->event_handle(); }

bool NetworkingMessages::set_option(Option option, std::int64_t value, std::string* error) {
  return impl_->set_option(option, value, error);
}

bool NetworkingMessages::set_option(std::string_view name, std::int64_t value, std::string* error) {
  const OptionInfo* info = find_option(name);
  if (info != nullptr) return impl_->set_option(info->option, value, error);
  if (error != nullptr) *error = "there is no option '" + std::string(name) + "'";
  return false;
}

bool NetworkingMessages::set_session_option(const Identity& user, Option option, std::int64_t value,
                                            std::string* error) {
  return impl_->set_session_option(user, option, value, error);
}

bool NetworkingMessages::add_route(const Route& route, std::string* error) {
  return impl_->add_route(route, error);
}

bool NetworkingMessages::set_login_token(std::string token, std::string* error) {
  return impl_->set_login_token(std::move(token), error);
}

Identity NetworkingMessages::identity() const { return impl_->identity(); }

ServerStatus NetworkingMessages::get_server_status() const { return impl_->server_status(); }
std::string NetworkingMessages::public_key_hex() const { return impl_->public_key_hex(); }
std::uint16_t NetworkingMessages::port_v4() const { return impl_->port(true); }
std::uint16_t NetworkingMessages::port_v6() const { return impl_->port(false); }
std::vector<Counter> NetworkingMessages::counters() const { return impl_->counters(); }
std::vector<Identity> NetworkingMessages::users() const { return impl_->users(); }

}  // namespace whimbrel
