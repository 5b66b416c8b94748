// NetworkingMessages: what Lobbies asks of the core.
#include "api/impl.h"

namespace whimbrel {

bool NetworkingMessages::Impl::call(const Call& call, LobbyCallbacks::Completion completion) {
  if (forked() || !lobby_callbacks_.begin()) return false;
  const CoreCall core_call(*this);
  rendezvous::LobbyClient* client = core_->lobbies();
  if (client == nullptr) {
    lobby_callbacks_.answer(std::move(completion), LobbyResult::kOffline);
  } else {
    lobby_callbacks_.expect(call(*client, core_call.now()), std::move(completion));
  }
  return true;
}

bool NetworkingMessages::Impl::refuse(LobbyResult result, LobbyCallbacks::Completion completion) {
  if (forked() || !lobby_callbacks_.begin()) return false;
  lobby_callbacks_.answer(std::move(completion), result);
  tell_waiting();
  return true;
}

void NetworkingMessages::Impl::look(
    const std::function<void(const rendezvous::LobbyClient& client)>& look) {
  if (forked()) return;
  const CoreCall call(*this, CoreCall::Kind::kQuestion);
  if (const rendezvous::LobbyClient* client = core_->lobbies()) look(*client);
}

void NetworkingMessages::Impl::on_lobby_event(
    std::function<void(const LobbyEvent& event)> callback) {
  if (!forked()) lobby_callbacks_.on_event(std::move(callback));
}

}  // namespace whimbrel
