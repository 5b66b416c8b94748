// What the public Lobbies object needs of the instance that it belongs to.
#pragma once

#include <whimbrel/lobbies.h>

#include <functional>
#include <memory>

#include "api/lobby_callbacks.h"
#include "base/time.h"

namespace whimbrel {

class LobbyService {
 public:
  // Makes the request, and gives its number.
  using Call = std::function<std::uint32_t(rendezvous::LobbyClient& client, Instant now)>;

  virtual ~LobbyService() = default;
  // As the calls of Lobbies answer.
  virtual bool call(const Call& call, LobbyCallbacks::Completion completion) = 0;
  // The same for a call that is answered already.
  virtual bool refuse(LobbyResult result, LobbyCallbacks::Completion completion) = 0;
  virtual void look_at(const std::function<void(const rendezvous::LobbyClient& client)>& read) = 0;
  virtual void on_lobby_event(std::function<void(const LobbyEvent& event)> callback) = 0;
};

class LobbiesAccess {
 public:
  // `service` must outlive it.
  static std::unique_ptr<Lobbies> make(LobbyService& service);
};

}  // namespace whimbrel
