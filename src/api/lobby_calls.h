// What Lobbies asks of an instance.
#pragma once

#include "api/exchange.h"
#include "api/lobby_service.h"
#include "api/queues.h"
#include "io/fork_guard.h"

namespace whimbrel {

// Thread-safe. What the constructor is given must outlive it.
class LobbyCalls final : public LobbyService {
 public:
  LobbyCalls(const ForkGuard& fork_guard, Exchange& exchange, Queues& queues)
      : fork_guard_(fork_guard), exchange_(exchange), queues_(queues) {}

  bool call(const Call& call, LobbyCallbacks::Completion completion) override;
  bool refuse(LobbyResult result, LobbyCallbacks::Completion completion) override;
  void look_at(const std::function<void(const rendezvous::LobbyClient& client)>& read) override;
  void on_lobby_event(std::function<void(const LobbyEvent& event)> callback) override;

 private:
  const ForkGuard& fork_guard_;
  Exchange& exchange_;
  Queues& queues_;
};

}  // namespace whimbrel
