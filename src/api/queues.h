// All that lies between the application's threads and whoever drives the core. Thread-safe: each
// part has a lock of its own, held for moments, under which nothing else is locked and no callback
// of the application runs.
#pragma once

#include <atomic>

#include "api/callbacks.h"
#include "api/inbox.h"
#include "api/lobby_callbacks.h"
#include "api/news.h"
#include "api/outbox.h"
#include "api/room.h"

namespace whimbrel {

struct Queues {
  Outbox outbox;                        // what was sent, and the core has not taken yet
  Inbox inbox;                          // what has arrived, and was not read yet
  Callbacks callbacks;                  // what the application is to be told
  LobbyCallbacks lobbies;               // the same, about lobbies
  Room room;                            // who may send again
  ToldNews told;                        // what each thread knows of all that
  std::atomic<std::uint64_t> wakes{0};  // calls of wake()

  News news() const {
    return {.messages = inbox.news(),
            .callbacks = callbacks.news(),
            .lobbies = lobbies.news(),
            .room = room.news(),
            .wakes = wakes.load(std::memory_order_acquire)};
  }
  // What the event handle shows.
  bool shows() const {
    return inbox.shows() || callbacks.due() || lobbies.due() || room.available();
  }
};

}  // namespace whimbrel
