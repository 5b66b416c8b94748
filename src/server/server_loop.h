// Drives a site with real sockets, on one thread: the caller's, inside run(). What is forwarded goes from the receive buffer
// to the kernel as it lies there, neighbours to one address in one piece.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/expected.h"
#include "crypto/secure_random.h"
#include "io/clock.h"
#include "io/poller.h"
#include "io/udp_socket.h"
#include "network/site.h"

namespace whimbrel {

struct ServerLoopConfig {
  std::vector<IpAddress> listen;  // at most one of each family
  SiteConfig site;
  rendezvous::Authority* authority =
      nullptr;         // used inside run() only; null where rendezvous is off
  Secret site_master;  // of the relay's tokens: who shares it may give them out
  UdpSocket::Settings sockets;
};

class ServerLoop {
 public:
  // Binds. The error says what is wrong and what to do.
  static Expected<std::unique_ptr<ServerLoop>> open(const ServerLoopConfig& config);

  // Serves until stop().
  void run();
  // Any thread, and signal handlers.
  void stop();
  // Runs `task` on the thread that is inside run(), and waits for its end. Not from that thread.
  void with_site(const std::function<void(Site&, Instant now)>& task);

  // 0 if there is no socket of this family.
  std::uint16_t port(bool v4) const;
  UdpSocketStats socket_stats() const;

 private:
  static constexpr std::size_t kTransmitBufferSize = 65536;
  // Transmits between two looks at the sockets.
  static constexpr std::size_t kTransmitsMax = 64;

  // Datagrams whose memory is asked for before the first of them is looked at: what a core can have on its way.
  static constexpr std::size_t kPrefetchGroup = 64;
  // One datagram of a batch.
  struct Arrival {
    IpAddress from;
    MutableBytes datagram;
    std::size_t segment_size = 0;
  };

  ServerLoop(const ServerLoopConfig& config, std::vector<std::unique_ptr<UdpSocket>> sockets);
  // True if there may be more.
  bool receive(UdpSocket& socket);
  void cut(const UdpSocket::Batch& batch);
  void serve_arrivals(Instant now);
  bool transmit(Instant now);
  UdpSocket* socket_for(const IpAddress& to);
  void send_forwards();

  Clock clock_;
  Poller poller_;
  SecureRandom random_;
  relay::SiteKeys keys_;
  Site site_;
  std::vector<std::unique_ptr<UdpSocket>> sockets_;
  std::vector<Arrival> arrivals_;
  std::vector<UdpSocket::Outgoing> forwards_;
  std::vector<UdpSocket::Outgoing> forwards_v6_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::mutex mutex_;  // held while anything is done to the site
  std::atomic<int> tasks_waiting_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace whimbrel
