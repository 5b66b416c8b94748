// A client of a relay over loopback, driven by hand.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "crypto/secure_random.h"
#include "io/clock.h"
#include "io/system_random.h"
#include "io/udp_socket.h"
#include "relay/leg.h"

namespace whimbrel {

// One client: a socket and a leg, driven by hand.
class TestClient {
 public:
  // What servers of tests have.
  static Secret master() {
    Secret secret;
    secret.bytes.fill(3);  // a test key
    return secret;
  }

  TestClient(const std::string& name, const IpAddress& server)
      : identity(relay::identity_hash(0, name)), server_(server), socket_(any_socket(server)) {}

  void open() {
    relay::SiteKeys keys(master());
    relay::Token token;
    token.identity = identity;
    const std::int64_t unix_seconds = unix_now() / 1000;
    token.not_after = unix_seconds + 600;
    random_.fill(token.secret.bytes);
    const relay::SealedToken sealed = keys.seal(token, random_, unix_seconds);
    leg.open({server_, {sealed.begin(), sealed.end()}, token.secret}, clock_.now());
  }
  bool open_and_wait() {
    open();
    const bool opened = run([&] { return leg.state() == relay::Leg::State::kOpen; });
    turn();  // shows that the answer came
    return opened;
  }
  bool bind_to(const TestClient& peer) {
    leg.bind(peer.leg.make_grant(identity, unix_now() / 1000 + 60), now());
    return run([&] { return leg.bound(peer.leg.slot()); });
  }
  // To another port, as a NAT would.
  void move() { socket_ = any_socket(server_); }
  // Until `done`, or for 5 s.
  template <typename Done>
  bool run(Done done) {
    for (int i = 0; i < 5000; ++i) {
      turn();
      if (done()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  void turn() {
    std::array<std::uint8_t, relay::kOpenSizeMax> buffer;
    const Instant now = clock_.now();
    leg.advance(now);
    while (const std::size_t size = leg.poll_transmit(buffer, now)) {
      socket_->send(server_, Bytes(buffer).first(size), size);
    }
    for (const UdpSocket::Batch& batch : socket_->receive()) {
      for (std::size_t at = 0; at < batch.bytes.size(); at += batch.segment_size) {
        const std::size_t size = std::min(batch.segment_size, batch.bytes.size() - at);
        take(batch.bytes.subspan(at, size));
      }
    }
  }
  void send_batch(relay::SlotId to, std::size_t count, std::size_t size) {
    std::vector<std::uint8_t> batch, packet(size + relay::kHeaderSize);
    for (std::size_t i = 0; i < count; ++i) {
      const std::vector<std::uint8_t> payload(size, static_cast<std::uint8_t>(i));
      ASSERT_EQ(leg.wrap(to, payload, packet, clock_.now()), packet.size());
      batch.insert(batch.end(), packet.begin(), packet.end());
    }
    socket_->send(server_, batch, packet.size());
  }
  void send_raw(Bytes datagram) { socket_->send(server_, datagram, datagram.size()); }
  void send_joined(Bytes batch, std::size_t size) { socket_->send(server_, batch, size); }
  // The kernel takes what send_joined() sends in one piece.
  bool joins() const { return socket_->segmentation_offload(); }
  Instant now() const { return clock_.now(); }

  relay::IdentityHash identity;
  SecureRandom random_{system_random_seed()};
  relay::Leg leg{random_};
  std::vector<std::vector<std::uint8_t>> got;
  std::vector<std::vector<std::uint8_t>> other;

 private:
  static std::unique_ptr<UdpSocket> any_socket(const IpAddress& server) {
    return std::move(
        *UdpSocket::bind(*IpAddress::parse(server.is_v4() ? "127.0.0.1:0" : "[::1]:0"), {}));
  }
  void take(MutableBytes datagram) {
    if (!relay::is_relay_packet(datagram[0])) {
      other.emplace_back(datagram.begin(), datagram.end());
    } else if (const auto received = leg.receive(datagram, clock_.now())) {
      got.emplace_back(received->payload.begin(), received->payload.end());
    }
  }

  Clock clock_;
  IpAddress server_;
  std::unique_ptr<UdpSocket> socket_;
};

}  // namespace whimbrel
