// NetworkingMessages: what Lobbies asks of the core.
#include "node/impl.h"

namespace whimbrel {

bool NetworkingMessages::Impl::call(const Call& call, LobbyCallbacks::Completion completion) {
  if (!lobby_callbacks_.begin()) return false;
  {
    const CoreCall lock(*this);
    const Instant now = clock_.now();
    rendezvous::LobbyClient* client = core_->lobbies();
    if (client == nullptr) {
      lobby_callbacks_.answer(std::move(completion), LobbyResult::kOffline);
    } else {
      lobby_callbacks_.expect(call(*client, now), std::move(completion));
    }
    give_to_application();
    if (own_thread_) transmit(now);
  }
  wake_driver();
  show_ready();
  return true;
}

bool NetworkingMessages::Impl::refuse(LobbyResult result, LobbyCallbacks::Completion completion) {
  if (!lobby_callbacks_.begin()) return false;
  lobby_callbacks_.answer(std::move(completion), result);
  tell_waiting();
  return true;
}

void NetworkingMessages::Impl::look(
    const std::function<void(const rendezvous::LobbyClient& client)>& look) {
  const CoreCall lock(*this);
  if (const rendezvous::LobbyClient* client = core_->lobbies()) look(*client);
}

void NetworkingMessages::Impl::on_lobby_event(
    std::function<void(const LobbyEvent& event)> callback) {
  lobby_callbacks_.on_event(std::move(callback));
}

}  // namespace whimbrel
