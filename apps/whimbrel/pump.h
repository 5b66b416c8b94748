// Waits for a node's news, and keeps a command from spinning: wait() answers at once as long as
// anything is unread, and a peer may send on channels that the command never reads.
#pragma once

#include <chrono>
#include <cstddef>

#include <whimbrel/networking_messages.h>

class Pump {
 public:
  explicit Pump(whimbrel::NetworkingMessages& net) : net_(net) {}

  // Sleeps until the node has news or the time is over, then runs callbacks. If the last news led
  // to nothing, it sleeps a little first.
  void wait(std::chrono::milliseconds timeout);
  // The caller found something to do: so many messages, or room to send.
  void found(std::size_t count) { found_ += count; }

 private:
  whimbrel::NetworkingMessages& net_;
  std::size_t found_ = 0;
  bool ready_ = false;
};
