// Drives a site with real sockets, on one thread or several: the caller's, inside run(), and those
// that run() starts. What is forwarded goes from the receive buffer to the kernel as it lies there,
// neighbours to one address in one piece.
//
// With several threads each has its own sockets on the one port, and a ring to every other thread.
// Each shard of the relay has a thread. All other parts together have one more, so that a flood of
// them does not delay forwarding.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/expected.h"
#include "server/server_thread.h"

namespace whimbrel {

struct ServerLoopConfig {
  std::vector<IpAddress> listen;  // at most one of each family
  SiteConfig site;
  rendezvous::Authority* authority =
      nullptr;         // used inside run() only; null where rendezvous is off
  Secret site_master;  // of the relay's tokens: whoever has it can issue them
  UdpSocket::Settings sockets;
  // Threads of the relay, at most relay::kShardsMax; 0: one for each core. Without a relay, one.
  std::uint32_t threads = 1;
  WallClockSource wall_clock = unix_now;  // called by each thread
};

class ServerLoop {
 public:
  // Binds. The error says what is wrong and what to do.
  static Expected<std::unique_ptr<ServerLoop>> open(const ServerLoopConfig& config);

  // The error that open() would give for the addresses; empty: none. Binds them for a moment, to
  // any port with `any_port`.
  static std::string listen_fault(const ServerLoopConfig& config, bool any_port);

  // Serves until stop().
  void run();
  // Any thread, and signal handlers.
  void stop();
  // Runs `task` while the control thread waits, and returns when it has ended. Not to be called
  // from that thread. Without rendezvous its site also has the relay's first shard.
  void with_site(const std::function<void(Site&, Instant now)>& task);
  // The same for the sites of all threads, one after the other.
  void with_every_site(const std::function<void(Site&, Instant now)>& task);

  // In a child process after fork(); it cannot be used any more.
  void close_descriptors();

  // Of the relay.
  std::uint32_t threads() const { return static_cast<std::uint32_t>(shards_.size() - apart()); }
  // Why there are fewer threads than were asked for; empty: there are as many.
  const std::string& warning() const { return warning_; }
  // 0 if there is no socket of this family.
  std::uint16_t port(bool v4) const { return shards_.front()->port(v4); }
  // Of all threads. Not inside a task.
  UdpSocketStats socket_stats() const;

 private:
  ServerLoop(const ServerLoopConfig& config, std::vector<ServerThread::Sockets> sockets);

  // 1 if there is a control thread beside the shards; it is the last one.
  std::size_t apart() const { return control_ == 0 ? 0 : 1; }

  Clock clock_;
  std::vector<std::unique_ptr<ServerThread>> shards_;
  std::size_t control_ = 0;  // the index of the thread that gets what does not belong to the relay
  std::string warning_;
};

}  // namespace whimbrel
