// A game server on ENet (ticks.h).
#include <enet/enet.h>

#include <cmath>

#include "ticks.h"

namespace bench {
namespace {

ENetAddress address_of(std::uint16_t port) {
  ENetAddress address;
  enet_address_set_host_ip(&address, "127.0.0.1");
  address.port = port;
  return address;
}

// Unreliable packets are never dropped on purpose.
void send_all(ENetPeer* peer) {
  enet_peer_throttle_configure(peer, 5000, ENET_PEER_PACKET_THROTTLE_SCALE, 0);
}

class Server {
 public:
  explicit Server(const Arguments& arguments) : meter_(players_of(arguments), arguments.seconds) {
    const ENetAddress address = address_of(arguments.port);
    host_ = enet_host_create(&address, players_of(arguments) + 8, 1, 0, 0);
    if (host_ == nullptr) fail("port in use");
    enet_socket_set_option(host_->socket, ENET_SOCKOPT_RCVBUF, kSocketBufferBytes);
    enet_socket_set_option(host_->socket, ENET_SOCKOPT_SNDBUF, kSocketBufferBytes);
  }

  void run() {
    say_ready();
    while (!stopped()) {
      take_until(clock_.next());
      tick();
    }
    meter_.print();
  }

 private:
  void take_until(double end) {
    for (double now = now_s(); now < end && !stopped(); now = now_s()) {
      ENetEvent event;
      const auto patience = static_cast<enet_uint32>(std::ceil((end - now) * 1e3));
      if (enet_host_service(host_, &event, patience) <= 0) continue;
      do {
        take(event);
      } while (enet_host_check_events(host_, &event) > 0);
    }
  }
  void take(const ENetEvent& event) {
    if (event.type == ENET_EVENT_TYPE_CONNECT) {
      send_all(event.peer);
      peers_.push_back(event.peer);
    }
    if (event.type != ENET_EVENT_TYPE_RECEIVE) return;
    meter_.received(1);
    enet_packet_destroy(event.packet);
  }
  void tick() {
    const double now = now_s();
    meter_.tick(now, peers_.size());
    stamp(state_, now);
    for (ENetPeer* peer : peers_) {
      ENetPacket* packet = enet_packet_create(state_.data(), state_.size(), 0);
      if (enet_peer_send(peer, 0, packet) != 0) enet_packet_destroy(packet);
    }
    enet_host_flush(host_);
    clock_.advance(now);
  }

  ENetHost* host_ = nullptr;
  std::vector<ENetPeer*> peers_;
  std::vector<std::uint8_t> state_ = std::vector<std::uint8_t>(kStateBytes, 0x5a);
  TickMeter meter_;
  TickClock clock_;
};

class Player {
 public:
  explicit Player(std::uint16_t port) : port_(port), host_(enet_host_create(nullptr, 1, 1, 0, 0)) {
    if (host_ == nullptr) fail("no socket");
  }
  int fd() const { return host_->socket; }
  void join() {
    const ENetAddress address = address_of(port_);
    peer_ = enet_host_connect(host_, &address, 1, 0);
    enet_host_flush(host_);
  }
  void send(std::span<const std::uint8_t> input) {
    ENetPacket* packet = enet_packet_create(input.data(), input.size(), 0);
    if (enet_peer_send(peer_, 0, packet) != 0) enet_packet_destroy(packet);
    enet_host_flush(host_);
  }
  template <typename OnState>
  void receive(const OnState& on_state) {
    ENetEvent event;
    if (enet_host_service(host_, &event, 0) <= 0) return;
    do {
      if (event.type == ENET_EVENT_TYPE_CONNECT) send_all(event.peer);
      if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
      on_state(std::span(event.packet->data, event.packet->dataLength));
      enet_packet_destroy(event.packet);
    } while (enet_host_check_events(host_, &event) > 0);
  }
  // What is lost on the way in is said again. Later receive() does that: what this call reads from
  // the socket would lie there until the next state comes.
  void advance() {
    if (peer_->state != ENET_PEER_STATE_CONNECTED) enet_host_service(host_, nullptr, 0);
  }

 private:
  std::uint16_t port_;
  ENetHost* host_;
  ENetPeer* peer_ = nullptr;
};

void serve(const Arguments& arguments) { Server(arguments).run(); }

void play(const Arguments& arguments) {
  play_all(arguments, [&](std::size_t) { return Player(arguments.port); });
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  const Arguments arguments = start(argc, argv);
  allow_many_files();
  if (enet_initialize() != 0) fail("ENet does not start");
  return run_part(arguments, serve, {}, play);
}
