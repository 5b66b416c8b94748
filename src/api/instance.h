// The inside of NetworkingMessages: its parts, put together.
//
//   Calls, LobbyCalls   what the application calls
//   Queues              what lies between those and the core
//   Exchange            the core (endpoint and sockets) behind its lock, and what is handed over at each entry
//   Driver              which thread drives, sleeps and is woken
//   ReadyHandle         the descriptor that shows the application that there is something
#pragma once

#include <whimbrel/networking_messages.h>

#include <memory>
#include <string>

#include "api/calls.h"
#include "api/driver.h"
#include "api/exchange.h"
#include "api/lobby_calls.h"
#include "api/queues.h"
#include "api/ready_handle.h"
#include "io/clock.h"
#include "io/fork_guard.h"
#include "io/poller.h"

namespace whimbrel {

class NetworkingMessages::Impl {
 public:
  // Checks everything, binds, starts. nullptr with the reason.
  static std::unique_ptr<Impl> create(const Config& config, std::string* error);
  // In a child process nothing is sent, and what may be in disorder there is left as it is.
  static void destroy(std::unique_ptr<Impl> impl);
  ~Impl();
  // This is a child of the process that made it: nothing else may be called any more.
  bool forked() const { return fork_guard_.forked(); }

  Calls& calls() { return calls_; }
  Driver& driver() { return driver_; }
  Lobbies& lobbies() { return *lobbies_; }

 private:
  struct Parts;
  explicit Impl(Parts parts);

  const ForkGuard fork_guard_;
  Clock clock_;
  Poller poller_{clock_};
  Queues queues_;
  ReadyHandle handle_{queues_};
  Exchange exchange_;
  Driver driver_;
  Calls calls_;
  LobbyCalls lobby_calls_{fork_guard_, exchange_, queues_};
  const std::unique_ptr<Lobbies> lobbies_ = LobbiesAccess::make(lobby_calls_);
};

}  // namespace whimbrel
