#include "api/lobby_calls.h"

namespace whimbrel {

bool LobbyCalls::call(const Call& call, LobbyCallbacks::Completion completion) {
  if (fork_guard_.forked() || !queues_.lobbies.begin()) return false;
  return exchange_.with_core([&](Exchange::Inside& in) {
    rendezvous::LobbyClient* client = in.core.lobbies();
    if (client == nullptr) {
      queues_.lobbies.answer(std::move(completion), LobbyResult::kOffline);
    } else {
      queues_.lobbies.expect(call(*client, in.now), std::move(completion));
    }
    return true;
  });
}

bool LobbyCalls::refuse(LobbyResult result, LobbyCallbacks::Completion completion) {
  if (fork_guard_.forked() || !queues_.lobbies.begin()) return false;
  queues_.lobbies.answer(std::move(completion), result);
  exchange_.tell_application();
  return true;
}

void LobbyCalls::look_at(const std::function<void(const rendezvous::LobbyClient& client)>& read) {
  if (fork_guard_.forked()) return;
  exchange_.with_core(Exchange::Kind::kQuestion, [&](Exchange::Inside& in) {
    const rendezvous::LobbyClient* client = in.core.lobbies();
    if (client != nullptr) read(*client);
    return client != nullptr;
  });
}

void LobbyCalls::on_lobby_event(std::function<void(const LobbyEvent& event)> callback) {
  if (!fork_guard_.forked()) queues_.lobbies.on_event(std::move(callback));
}

}  // namespace whimbrel
