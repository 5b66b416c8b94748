// The endpoint with its sockets and, when asked for, a bad network between them: all that one
// thread at a time may touch. Moves bytes between the kernel and the endpoint; knows nothing of
// threads and of the application.
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
  // Sends what the endpoint has, about kTransmitBytesMax at most. What goes to many peers leaves in
  // one system call. Where that takes long, it looks at what arrives meanwhile. True if there is
  // more and it may be sent now.
  bool transmit(Instant now);
  // Packets wait for room in the kernel, or in the fake line out.
  bool line_busy() const { return blocked_ != 0 || fake_send_.busy(); }
  // Sends all of them now.
  void flush_line();
  // When something is to be done though no datagram comes.
  Instant next_deadline() const;

  // What came and went since the last call.
  struct Moved {
    std::size_t bytes = 0;
    std::size_t datagrams = 0;
    std::size_t turns = 0;  // a datagram came from somebody else than the one before
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
  static constexpr std::size_t kBatchBytesMax = 65536;  // of poll_transmit()
  // For one system call. Where the kernel has no room, no more than that waits here.
  static constexpr std::size_t kGatheredBytesMax = 32768;
  static constexpr std::size_t kGatheredMax = 64;
  static constexpr std::size_t kTransmitBytesMax = 2 << 20;
  static constexpr std::size_t kTransmitsMax = 32;
  // What arrives meanwhile waits in the kernel, which has room for a few milliseconds of it.
  static constexpr Duration kLookInterval = milliseconds(1);
  static constexpr std::size_t kBatchCallsPerLook = 8;
  static constexpr Duration kLookWhileFull = milliseconds(1);

  // The system's clock may be set while we run.
  void look_at_clock(Instant now) {
    if (clock_looks_.due(now)) network_.set_wall_clock(now, wall_clock_());
  }
  void count(std::size_t bytes, std::size_t segment_size);
  void prefetch_receivers(std::span<const UdpSocket::Batch> batches);
  bool receive_once(UdpSocket& socket);
  void look_at_arrivals();
  void receive_batch(const UdpSocket::Batch& batch, Instant now);
  void deliver_fake(Instant now);
  bool has_room() const {
    return gathered_bytes_ < kGatheredBytesMax && gathered_count_ < kGatheredMax;
  }
  void begin_gathering();
  bool gather(Instant now);
  void gather_line(Instant now);
  void add(const IpAddress& to, std::size_t size, std::size_t segment_size);
  void push_fake(const Transmit& batch, Instant now);
  bool send_gathered();
  void tell_unreachable(std::span<const UdpSocket::Outgoing> sent);
  void watch_blocked(std::size_t socket, bool on);

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
  // What is to leave, in the buffer, by socket.
  std::vector<std::vector<UdpSocket::Outgoing>> gathered_;
  std::size_t gathered_bytes_ = 0;
  std::size_t gathered_count_ = 0;
  std::uint32_t blocked_ = 0;  // bit i: the kernel has no room for what is gathered for socket i
  IpAddress last_from_;
  Moved moved_;
};

}  // namespace whimbrel
