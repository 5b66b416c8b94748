// The endpoint with its sockets and, when asked for, a bad network between them: all that one thread at a time may
// touch. Moves bytes between the kernel and the endpoint; knows nothing of threads and of the application.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "api/server_name.h"
#include "crypto/secure_random.h"
#include "io/clock.h"
#include "io/fake_network.h"
#include "io/poller.h"
#include "io/udp_socket.h"
#include "network/network.h"

namespace whimbrel {

class Core {
 public:
  using Sockets = std::vector<std::unique_ptr<UdpSocket>>;

  // The sockets are added to `poller`.
  // `server_name`: how to look it up again; empty where its address is given.
  Core(EndpointConfig config, const std::optional<NetworkConfig>& server,
       NameLookup::Resolve server_name, Sockets sockets, Poller& poller, const Clock& clock,
       const Secret& seed, WallClockSource wall_clock = unix_now);

  // For commands, events, messages and getters. Its time and its packets are the core's.
  Endpoint& endpoint() { return network_.endpoint(); }
  const Endpoint& endpoint() const { return network_.endpoint(); }
  const Network& network() const { return network_; }
  rendezvous::LobbyClient* lobbies() { return network_.lobbies(); }
  void set_login_token(std::string token, Instant now) {
    network_.set_login_token(std::move(token), now);
  }
  Result watch(const Identity& user, bool on, Instant now) { return network_.watch(user, on, now); }
  std::optional<Network::Presence> poll_presence() { return network_.poll_presence(); }
  void leave(Instant now) { network_.leave(now); }
  // Fires the timers that are due.
  void advance(Instant now);
  void set_fake_links(const FakeLinkSettings& send, const FakeLinkSettings& receive);

  // Hands at most one batch of each readable socket to the endpoint. True if there may be more.
  bool receive(const Poller::Ready& ready);
  // Sends what the endpoint has, at most kTransmitBatchesMax batches. True if there is more and it may be sent now.
  bool transmit(Instant now);
  // Packets wait in the fake line out.
  bool line_busy() const { return fake_send_.busy(); }
  // Sends all of them now.
  void flush_line();
  // When something is to be done though no datagram comes.
  Instant next_deadline() const;

  // What came and went since the last call.
  struct Moved {
    std::size_t bytes = 0;
    std::size_t datagrams = 0;
  };
  Moved take_moved() { return std::exchange(moved_, {}); }

  // In a child process, where it cannot be used any more.
  void close_descriptors() {
    for (const auto& socket : sockets_) socket->close_descriptor();
  }

  // 0 if there is no socket of this family.
  std::uint16_t port(bool v4) const;
  UdpSocketStats socket_stats() const;

 private:
  static constexpr std::size_t kTransmitBufferSize = 65536;
  static constexpr std::size_t kTransmitBatchesMax = 32;

  // A batch that the kernel has no room for.
  struct Blocked {
    UdpSocket* socket = nullptr;
    IpAddress to;
    std::size_t offset = 0;
    std::size_t size = 0;
    std::size_t segment_size = 0;
  };

  // The system's clock may be set while we run.
  void look_at_clock(Instant now) {
    if (clock_looks_.due(now)) network_.set_wall_clock(now, wall_clock_());
  }
  void count(std::size_t bytes, std::size_t segment_size);
  UdpSocket* socket_for(const IpAddress& to);
  void receive_batch(const UdpSocket::Batch& batch, Instant now);
  void deliver_fake(Instant now);
  void send(const Transmit& batch, Instant now);
  std::size_t give(UdpSocket& socket, const IpAddress& to, Bytes batch, std::size_t segment_size);
  void send_now(const IpAddress& to, Bytes batch, std::size_t segment_size);
  bool send_rest();
  void watch_blocked(bool on);

  const Clock& clock_;
  const WallClockSource wall_clock_;
  ClockLooks clock_looks_;
  Poller& poller_;
  SecureRandom random_;
  FastRandom fake_random_;
  FakeLink fake_send_{fake_random_};
  FakeLink fake_receive_{fake_random_};
  Network network_;
  std::unique_ptr<ServerName> server_name_;
  Sockets sockets_;
  std::unique_ptr<std::uint8_t[]> transmit_buffer_;
  std::optional<Blocked> blocked_;
  Moved moved_;
};

}  // namespace whimbrel
