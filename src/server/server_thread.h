// One thread of a server: its sockets, its site, and the rings from the other threads. It runs a
// shard of the relay, or the other parts, or both.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "crypto/secure_random.h"
#include "endpoint/endpoint_config.h"
#include "io/clock.h"
#include "io/mutex.h"
#include "io/poller.h"
#include "io/udp_socket.h"
#include "server/forward_runs.h"
#include "server/handover_ring.h"
#include "site/site.h"

namespace whimbrel {

class ServerThread final : private relay::HandoverOutlet {
 public:
  using Sockets = std::vector<std::unique_ptr<UdpSocket>>;

  // `config` says which shard it is, and of how many. `clock` and `authority` must outlive it.
  ServerThread(const SiteConfig& config, const Secret& site_master,
               rendezvous::Authority* authority, const Clock& clock, WallClockSource wall_clock,
               Sockets sockets);
  // `all`: all threads, this one included: first the shards in their order, then the control
  // thread, if there is one. `control`: the index of the thread that gets what does not belong to
  // the relay. Call it before run().
  void connect(const std::vector<std::unique_ptr<ServerThread>>& all, std::size_t control);

  // Serves until stop().
  void run();
  // Any thread, and signal handlers.
  void stop();
  // Runs `task` while run() does nothing. Not from inside run().
  void with_site(const std::function<void(Site&, Instant now)>& task);

  // In a child process after fork(); it cannot be used any more.
  void close_descriptors();

  // 0 if there is no socket of this family.
  std::uint16_t port(bool v4) const;
  // Adds those of its sockets to `sum`.
  void add_socket_stats(UdpSocketStats& sum);

 private:
  // The largest transmit; the buffer holds several.
  static constexpr std::size_t kTransmitMax = 65536;
  static constexpr std::size_t kTransmitBufferSize = 2 * kTransmitMax;
  // Transmits in a turn: an answer to each datagram of the turn, and as many of the sessions' own.
  static constexpr std::size_t kTransmitsMax = 128;
  // Datagrams that a turn takes from a socket, if there are as many. If each has another sender,
  // one call brings only UdpSocket::kBatchesMax, too few for a turn that answers first packets.
  // Of more than this none would be answered, and fewer would not show that others wait.
  static constexpr std::size_t kArrivalsMin = kBusyTurn;
  static_assert(kArrivalsMin <= EndpointLimits().stateless_replies_max);
  // Handovers from one thread in a turn.
  static constexpr std::size_t kHandoversMax = 512;
  // Datagrams whose memory is prefetched before the first of them is processed: as many loads as a
  // core can have under way.
  static constexpr std::size_t kPrefetchGroup = 64;

  // One datagram of a batch.
  struct Arrival {
    const IpAddress* from = nullptr;
    MutableBytes datagram;
  };

  bool hand_over(std::uint32_t shard, const relay::Handover& handover, Bytes bytes) override;
  // These return true if there may be more to do.
  bool turn(std::uint32_t readable) REQUIRES(mutex_);
  bool receive(UdpSocket& socket) REQUIRES(mutex_);
  bool take_handovers(HandoverRing& ring, Instant now) REQUIRES(mutex_);
  bool transmit(Instant now) REQUIRES(mutex_);

  // The system's clock may be set while the server runs.
  void look_at_clock(Instant now) REQUIRES(mutex_) {
    if (clock_looks_.due(now)) site_.set_wall_clock(now, wall_clock_());
  }
  void cut(const UdpSocket::Batch& batch) REQUIRES(mutex_);
  void serve(std::span<const Arrival> group, Instant now) REQUIRES(mutex_);
  UdpSocket* socket_for(const IpAddress& to);
  void forward(const IpAddress& to, Bytes datagram) REQUIRES(mutex_);
  void send_forwards() REQUIRES(mutex_);
  // Makes what was handed over visible to the other threads.
  void publish_handovers();
  Poller::Ready wait(Instant deadline);
  // Called by another thread that has published something for this one.
  void notify();

  std::size_t place_ = 0;  // in all_
  // The index in all_ of the thread that gets what does not belong to the relay.
  std::size_t control_ = 0;
  const Clock& clock_;
  const WallClockSource wall_clock_;
  Mutex mutex_;  // held while anything is done to the site
  ClockLooks clock_looks_ GUARDED_BY(mutex_);
  Poller poller_;
  SecureRandom random_;
  relay::SiteKeys keys_;
  Site site_ GUARDED_BY(mutex_);
  Sockets sockets_;
  std::vector<ServerThread*> all_;
  std::vector<std::unique_ptr<HandoverRing>> incoming_;  // by the thread that pushes; null: its own
  std::vector<Arrival> arrivals_ GUARDED_BY(mutex_);
  ForwardRuns forwards_ GUARDED_BY(mutex_);
  ForwardRuns forwards_v6_ GUARDED_BY(mutex_);
  std::unique_ptr<std::uint8_t[]> buffer_ GUARDED_BY(mutex_);
  std::atomic<int> tasks_waiting_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> asleep_{false};
};

}  // namespace whimbrel
