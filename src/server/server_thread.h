// What one thread of a server does: its sockets, its site, and the rings that lead to it from the other threads. It plays a
// shard of the relay, or the other parts, or both.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "crypto/secure_random.h"
#include "io/clock.h"
#include "io/poller.h"
#include "io/udp_socket.h"
#include "server/forward_runs.h"
#include "server/handover_ring.h"
#include "site/site.h"

namespace whimbrel {

class ServerThread final : private relay::HandoverOutlet {
 public:
  using Sockets = std::vector<std::unique_ptr<UdpSocket>>;

  // `config` says which shard of how many; `clock` and `authority` must outlive it.
  ServerThread(const SiteConfig& config, const Secret& site_master,
               rendezvous::Authority* authority, const Clock& clock, WallClockSource wall_clock,
               Sockets sockets);
  // All threads, itself among them: the shards in their order, and behind them the one for the rest, where that is none of the
  // shards'. `control`: its place. Before run().
  void connect(const std::vector<std::unique_ptr<ServerThread>>& all, std::size_t control);

  // Serves until stop().
  void run();
  // Any thread, and signal handlers.
  void stop();
  // Runs `task` while run() does nothing. Not from inside run().
  void with_site(const std::function<void(Site&, Instant now)>& task);

  // In a child process, where it cannot be used any more.
  void close_descriptors();

  // 0 if there is no socket of this family.
  std::uint16_t port(bool v4) const;
  // Adds its sockets' to `sum`.
  void add_socket_stats(UdpSocketStats& sum);

 private:
  // One transmit is no larger; the buffer holds several.
  static constexpr std::size_t kTransmitMax = 65536;
  static constexpr std::size_t kTransmitBufferSize = 2 * kTransmitMax;
  // Transmits between two looks at the sockets: an answer to each datagram of a turn, and as many that sessions have to say.
  static constexpr std::size_t kTransmitsMax = 128;
  // Datagrams of a socket in a turn, if there are as many. Where each has another sender one call brings UdpSocket::kBatchesMax, too few
  // for the time that a turn takes which answers first packets; more than this would be more than it answers (kBusyTurn and
  // kStatelessRepliesMax of the endpoint).
  static constexpr std::size_t kArrivalsMin = 48;
  // Handovers of one shard between two looks at the sockets.
  static constexpr std::size_t kHandoversMax = 512;
  // Datagrams whose memory is asked for before the first of them is looked at: what a core can have on its way.
  static constexpr std::size_t kPrefetchGroup = 64;

  // One datagram of a batch.
  struct Arrival {
    const IpAddress* from = nullptr;
    MutableBytes datagram;
  };

  bool hand_over(std::uint32_t shard, const relay::Handover& handover, Bytes bytes) override;
  // All of these: true if there may be more.
  bool turn(std::uint32_t readable);
  bool receive(UdpSocket& socket);
  bool take_handovers(HandoverRing& ring, Instant now);
  bool transmit(Instant now);

  // The system's clock may be set while we run.
  void look_at_clock(Instant now) {
    if (clock_looks_.due(now)) site_.set_wall_clock(now, wall_clock_());
  }
  void cut(const UdpSocket::Batch& batch);
  void serve(std::span<const Arrival> group, Instant now);
  UdpSocket* socket_for(const IpAddress& to);
  void forward(const IpAddress& to, Bytes datagram);
  void send_forwards();
  // Lets the other shards see what they were handed.
  void publish_handovers();
  Poller::Ready wait(Instant deadline);
  // Another thread has published something for this one.
  void notify();

  std::size_t place_ = 0;    // in all_
  std::size_t control_ = 0;  // the same of who gets what is not the relay's
  const Clock& clock_;
  const WallClockSource wall_clock_;
  ClockLooks clock_looks_;
  Poller poller_;
  SecureRandom random_;
  relay::SiteKeys keys_;
  Site site_;
  Sockets sockets_;
  std::vector<ServerThread*> all_;
  std::vector<std::unique_ptr<HandoverRing>> incoming_;  // by the shard that pushes; null: its own
  std::vector<Arrival> arrivals_;
  ForwardRuns forwards_;
  ForwardRuns forwards_v6_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::mutex mutex_;  // held while anything is done to the site
  std::atomic<int> tasks_waiting_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> asleep_{false};
};

}  // namespace whimbrel
