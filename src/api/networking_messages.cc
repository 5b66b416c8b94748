#include <whimbrel/networking_messages.h>

#include <algorithm>
#include <thread>

#include "api/instance.h"

namespace whimbrel {

namespace {

// What every call answers in a child process. None may touch the inside: its locks may be held by
// threads that are not there.
constexpr std::string_view kForkedText =
    "this process was forked from the one that made this instance, which lives on there: make "
    "another one after fork()";

bool forked_fault(std::string* error) {
  if (error != nullptr) *error = kForkedText;
  return false;
}

ConnectionState forked_info(ConnectionInfo* info, ConnectionStatus* status) {
  if (info != nullptr) {
    *info = ConnectionInfo();
    info->end_debug = info->debug_description = kForkedText;
  }
  if (status != nullptr) *status = ConnectionStatus();
  return ConnectionState::kNone;
}

// As a wait() in which nothing comes, so that a loop around it does not spin.
bool forked_wait(std::chrono::microseconds timeout) {
  const auto bounded = std::clamp<std::chrono::microseconds>(timeout, std::chrono::microseconds(0),
                                                             std::chrono::seconds(1));
  std::this_thread::sleep_for(bounded);
  return false;
}

}  // namespace

std::unique_ptr<NetworkingMessages> NetworkingMessages::create(const Config& config,
                                                               std::string* error) {
  auto impl = Impl::create(config, error);
  if (impl == nullptr) return nullptr;
  return std::unique_ptr<NetworkingMessages>(new NetworkingMessages(std::move(impl)));
}

NetworkingMessages::NetworkingMessages(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NetworkingMessages::~NetworkingMessages() { Impl::destroy(std::move(impl_)); }

Result NetworkingMessages::send_message_to_user(const Identity& user, Payload payload, int flags,
                                                int channel) {
  if (impl_->forked()) return Result::kFail;
  return impl_->calls().send(user, payload.bytes(), flags, channel);
}

std::size_t NetworkingMessages::send_message_to_users(std::span<const Identity> users,
                                                      Payload payload, int flags, int channel,
                                                      std::span<Result> results) {
  const bool forked = impl_->forked();
  // What is refused anyhow is not copied.
  const bool copied = !forked && payload.data() != nullptr && payload.size() <= kMessageBytesMax;
  const SharedBytes shared = copied ? SharedBytes::copy(payload.bytes()) : SharedBytes();
  std::size_t taken = 0;
  for (std::size_t i = 0; i < users.size(); ++i) {
    const Result result = forked ? Result::kFail
                                 : impl_->calls().send(users[i], payload.bytes(), flags, channel,
                                                       copied ? &shared : nullptr);
    if (i < results.size()) results[i] = result;
    if (result == Result::kOk) ++taken;
  }
  return taken;
}

std::vector<Message> NetworkingMessages::receive_messages_on_channel(int channel,
                                                                     int messages_max) {
  if (impl_->forked()) return {};
  const auto wanted = static_cast<std::size_t>(std::max(messages_max, 0));
  std::vector<Message> messages(std::min(wanted, impl_->calls().unread(channel)));
  messages.resize(impl_->calls().receive(channel, messages));
  return messages;
}

std::size_t NetworkingMessages::receive_messages_on_channel(int channel, std::span<Message> out) {
  if (impl_->forked()) return 0;
  return impl_->calls().receive(channel, out);
}

bool NetworkingMessages::accept_session_with_user(const Identity& user) {
  return !impl_->forked() && impl_->calls().accept(user);
}

bool NetworkingMessages::close_session_with_user(const Identity& user) {
  return !impl_->forked() && impl_->calls().close_session(user);
}

bool NetworkingMessages::close_channel_with_user(const Identity& user, int channel) {
  return !impl_->forked() && impl_->calls().close_channel(user, channel);
}

bool NetworkingMessages::set_user_data(const Identity& user, std::int64_t data) {
  return !impl_->forked() && impl_->calls().set_user_data(user, data);
}

ConnectionState NetworkingMessages::get_session_connection_info(const Identity& user,
                                                                ConnectionInfo* info,
                                                                ConnectionStatus* status) {
  if (impl_->forked()) return forked_info(info, status);
  return impl_->calls().connection_info(user, info, status);
}

void NetworkingMessages::on_session_request(std::function<void(const Identity& user)> callback) {
  if (!impl_->forked()) impl_->calls().set_callback(&Callbacks::on_request, std::move(callback));
}

void NetworkingMessages::on_session_failed(
    std::function<void(const ConnectionInfo& info)> callback) {
  if (!impl_->forked()) impl_->calls().set_callback(&Callbacks::on_failed, std::move(callback));
}

void NetworkingMessages::on_session_changed(
    std::function<void(const Identity& user, ConnectionState state, const ConnectionInfo& info)>
        callback) {
  if (!impl_->forked()) impl_->calls().on_session_changed(std::move(callback));
}

void NetworkingMessages::on_server_status_changed(
    std::function<void(const ServerStatus& status)> callback) {
  if (!impl_->forked()) impl_->calls().set_callback(&Callbacks::on_status, std::move(callback));
}

Result NetworkingMessages::watch(const Identity& user, bool on) {
  return impl_->forked() ? Result::kFail : impl_->calls().watch(user, on);
}

void NetworkingMessages::on_presence_changed(
    std::function<void(const Identity& user, bool online)> callback) {
  if (!impl_->forked()) impl_->calls().set_callback(&Callbacks::on_presence, std::move(callback));
}

Lobbies& NetworkingMessages::lobbies() { return impl_->lobbies(); }

std::size_t NetworkingMessages::run_callbacks() {
  return impl_->forked() ? 0 : impl_->calls().run_callbacks();
}

void NetworkingMessages::poll() {
  if (!impl_->forked()) impl_->driver().poll();
}

bool NetworkingMessages::wait(std::chrono::microseconds timeout) {
  return impl_->forked() ? forked_wait(timeout) : impl_->driver().wait(timeout);
}

void NetworkingMessages::wake() {
  if (!impl_->forked()) impl_->driver().wake();
}

int NetworkingMessages::event_handle() const {
  return impl_->forked() ? -1 : impl_->driver().event_handle();
}

bool NetworkingMessages::set_option(Option option, std::int64_t value, std::string* error) {
  if (impl_->forked()) return forked_fault(error);
  return impl_->calls().set_option(option, value, error);
}

bool NetworkingMessages::set_option(std::string_view name, std::int64_t value, std::string* error) {
  const OptionInfo* info = find_option(name);
  if (info != nullptr) return set_option(info->option, value, error);
  if (error != nullptr) *error = "there is no option '" + std::string(name) + "'";
  return false;
}

bool NetworkingMessages::set_session_option(const Identity& user, Option option, std::int64_t value,
                                            std::string* error) {
  if (impl_->forked()) return forked_fault(error);
  return impl_->calls().set_session_option(user, option, value, error);
}

bool NetworkingMessages::add_route(const Route& route, std::string* error) {
  if (impl_->forked()) return forked_fault(error);
  return impl_->calls().add_route(route, error);
}

bool NetworkingMessages::set_login_token(std::string token, std::string* error) {
  if (impl_->forked()) return forked_fault(error);
  return impl_->calls().set_login_token(std::move(token), error);
}

Identity NetworkingMessages::identity() const {
  return impl_->forked() ? Identity() : impl_->calls().identity();
}

ServerStatus NetworkingMessages::get_server_status() const {
  if (!impl_->forked()) return impl_->calls().server_status();
  ServerStatus status;
  status.text = kForkedText;
  return status;
}
std::string NetworkingMessages::public_key_hex() const { return impl_->calls().public_key_hex(); }
std::uint16_t NetworkingMessages::port_v4() const { return impl_->calls().port(true); }
std::uint16_t NetworkingMessages::port_v6() const { return impl_->calls().port(false); }
std::vector<Counter> NetworkingMessages::counters() const {
  return impl_->forked() ? std::vector<Counter>() : impl_->calls().counters();
}
std::vector<Identity> NetworkingMessages::users() const {
  return impl_->forked() ? std::vector<Identity>() : impl_->calls().users();
}

}  // namespace whimbrel
