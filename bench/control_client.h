// A client of a rendezvous on a real socket, without anything else: no relay, no peers. What the
// library's Network::Online is to the rendezvous.
#pragma once

#include <poll.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "crypto/secure_random.h"
#include "endpoint/endpoint.h"
#include "io/clock.h"
#include "io/system_random.h"
#include "io/udp_socket.h"
#include "measure.h"
#include "rendezvous/client.h"

namespace bench {

// One thread each; `clock` must outlive it.
class ControlClient {
 public:
  using Identity = whimbrel::Identity;
  using Instant = whimbrel::Instant;

  ControlClient(const whimbrel::Clock& clock, const std::string& name, std::uint16_t port)
      : clock_(clock),
        random_(whimbrel::system_random_seed()),
        unix_clock_(clock.now(), whimbrel::unix_now()),
        control_(config(random_), random_, clock.now(), unix_clock_),
        client_({0, name, ""}),
        socket_(bound()),
        buffer_(65536) {
    control_.set_route(server(), whimbrel::IpAddress::v4(127, 0, 0, 1, port), {});
  }

  void log_in() {
    client_.on_connected(clock_.now());
    step();
  }
  bool online() const { return client_.state() == whimbrel::rendezvous::Client::State::kOnline; }
  // As many bytes as an answer to a handshake has.
  void signal(const Identity& to) {
    client_.signal(to, std::vector<std::uint8_t>(300, 0x5a));
    step();
  }
  // Receives, and sends what there is to send.
  void step() {
    const Instant now = clock_.now();
    for (const whimbrel::UdpSocket::Batch& batch : socket_->receive()) {
      for (std::size_t at = 0; at < batch.bytes.size(); at += batch.segment_size) {
        control_.receive(
            batch.from,
            batch.bytes.subspan(at, std::min(batch.segment_size, batch.bytes.size() - at)), now);
      }
    }
    client_.advance(now);
    control_.advance(now);
    settle(now);
    while (const auto out = control_.poll_transmit(buffer_, now))
      socket_->send(*out->to.udp(), whimbrel::Bytes(buffer_).first(out->size), out->segment_size);
  }
  // Sleeps until there is something to do, then step().
  void wait(int milliseconds_max) {
    const whimbrel::Duration left =
        std::min(control_.next_deadline(), client_.next_deadline()) - clock_.now();
    const auto wait_ms =
        std::clamp<std::int64_t>(whimbrel::to_milliseconds(left), 0, milliseconds_max);
    pollfd readable = {socket_->descriptor(), POLLIN, 0};
    poll(&readable, 1, static_cast<int>(wait_ms));
    step();
  }
  // How many have come since the last call.
  std::size_t take_signals() { return std::exchange(signals_, 0); }
  // Who sent the last one.
  const Identity& caller() const { return caller_; }

 private:
  static constexpr whimbrel::ChannelId kChannel = 0;

  static const Identity& server() {
    static const Identity name = Identity::generic_string(whimbrel::rendezvous::kServerName);
    return name;
  }
  static whimbrel::EndpointConfig config(whimbrel::Random& random) {
    whimbrel::EndpointConfig config;
    config.keys = whimbrel::generate_x25519(random);
    config.tells_ends = true;
    config.session.idle_timeout = whimbrel::seconds(3600);
    return config;
  }
  static std::unique_ptr<whimbrel::UdpSocket> bound() {
    auto socket =
        whimbrel::UdpSocket::bind(whimbrel::IpAddress::v4(127, 0, 0, 1, 0), {true, 65536});
    if (!socket) fail(socket.error().c_str());
    return std::move(*socket);
  }

  void settle(Instant now) {
    while (const auto event = control_.poll_event()) {
      if (std::holds_alternative<whimbrel::SessionFailedEvent>(*event))
        fail("the session to the server ended");
    }
    control_.take_messages(delivered_);
    for (const whimbrel::DeliveredMessage& one : delivered_) {
      client_.on_message(one.message.payload, now);
      control_.consumed(one.session, one.message.place, one.message.reliable,
                        one.message.payload.size(), 1, now);
    }
    delivered_.clear();
    while (const auto event = client_.poll_event()) {
      if (const auto* signal = std::get_if<whimbrel::rendezvous::SignalEvent>(&*event)) {
        ++signals_;
        caller_ = signal->from;
      } else if (const auto* refused =
                     std::get_if<whimbrel::rendezvous::LoginRefusedEvent>(&*event)) {
        fail(refused->text.c_str());
      }
    }
    while (const auto message = client_.poll_output()) {
      control_.send(server(), whimbrel::SharedBytes::copy(*message),
                    whimbrel::kSendReliable | whimbrel::kSendAutoRestartBrokenSession, kChannel,
                    now);
    }
  }

  const whimbrel::Clock& clock_;
  whimbrel::SecureRandom random_;
  whimbrel::WallClock unix_clock_;
  whimbrel::Endpoint control_;
  whimbrel::rendezvous::Client client_;
  std::unique_ptr<whimbrel::UdpSocket> socket_;
  std::vector<std::uint8_t> buffer_;
  std::vector<whimbrel::DeliveredMessage> delivered_;
  std::size_t signals_ = 0;
  Identity caller_;
};

}  // namespace bench
