// A game server on Whimbrel (ticks.h): the server through the public API, encrypted. The players
// are bare endpoints with a socket each: a thousand whole instances in one process would be the
// slower side.
#include <whimbrel/networking_messages.h>
#include <whimbrel/send_flags.h>

#include <fcntl.h>

#include <array>
#include <memory>

#include "endpoint/endpoint.h"
#include "io/clock.h"
#include "sockets.h"
#include "ticks.h"

namespace bench {
namespace {

using namespace whimbrel;

constexpr int kChannel = 0;

class Server {
 public:
  explicit Server(const Arguments& arguments) : meter_(players_of(arguments), arguments.seconds) {
    Config config;
    config.identity = *Identity::parse("str:server");
    config.bind_v4 = "127.0.0.1:" + std::to_string(arguments.port);
    config.bind_v6 = "";
    std::string error;
    net_ = NetworkingMessages::create(config, &error);
    if (net_ == nullptr) fail(error.c_str());
    net_->on_session_request([this](const Identity& user) {
      net_->accept_session_with_user(user);
      users_.push_back(user);
    });
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
      if (!net_->wait(std::chrono::microseconds(static_cast<int>((end - now) * 1e6) + 1))) continue;
      net_->run_callbacks();
      while (const std::size_t count = net_->receive_messages_on_channel(kChannel, messages_)) {
        meter_.received(count);
      }
    }
  }
  void tick() {
    const double now = now_s();
    meter_.tick(now, users_.size());
    stamp(state_, now);
    for (const Identity& user : users_)
      net_->send_message_to_user(user, state_, kSendUnreliable, kChannel);
    clock_.advance(now);
  }

  std::unique_ptr<NetworkingMessages> net_;
  std::vector<Identity> users_;
  std::vector<Message> messages_ = std::vector<Message>(1024);
  std::vector<std::uint8_t> state_ = std::vector<std::uint8_t>(kStateBytes, 0x5a);
  TickMeter meter_;
  TickClock clock_;
};

const Clock& the_clock() {
  static const Clock clock;
  return clock;
}

class Player {
 public:
  Player(std::uint16_t port, std::uint64_t seed)
      : random_(std::make_unique<FastRandom>(seed)), fd_(client_socket(port)) {
    fcntl(fd_, F_SETFL, O_NONBLOCK);
    static const WallClock wall_clock(the_clock().now(), unix_now());
    EndpointConfig config;
    config.keys = generate_x25519(*random_);
    server_ = *Identity::parse("str:server");
    address_ = IpAddress::v4(127, 0, 0, 1, port);
    endpoint_ =
        std::make_unique<Endpoint>(std::move(config), *random_, the_clock().now(), wall_clock);
    endpoint_->set_route(server_, address_, std::nullopt);
  }
  int fd() const { return fd_; }
  void join() {
    static const std::array<std::uint8_t, 4> hello = {};
    endpoint_->send(server_, SharedBytes::copy(hello), kSendReliable, kChannel, the_clock().now());
    transmit();
  }
  void send(std::span<const std::uint8_t> input) {
    endpoint_->send(server_, SharedBytes::copy(input), kSendUnreliable, kChannel,
                    the_clock().now());
  }
  template <typename OnState>
  void receive(const OnState& on_state) {
    std::array<std::uint8_t, 2048> datagram;
    for (;;) {
      const ssize_t size = recv(fd_, datagram.data(), datagram.size(), 0);
      if (size <= 0) break;
      endpoint_->receive(address_, std::span(datagram).first(static_cast<std::size_t>(size)),
                         the_clock().now());
    }
    endpoint_->take_messages(delivered_);
    for (const DeliveredMessage& one : delivered_) {
      on_state(one.message.payload.view());
      endpoint_->consumed(one.session, one.message.place, one.message.reliable,
                          one.message.payload.size(), 1, the_clock().now());
    }
    delivered_.clear();
    transmit();
  }
  void advance() {
    const Instant now = the_clock().now();
    if (endpoint_->next_deadline() <= now) endpoint_->advance(now);
    transmit();
  }

 private:
  void transmit() {
    static thread_local std::array<std::uint8_t, 65536> buffer;
    while (const auto out = endpoint_->poll_transmit(buffer, the_clock().now())) {
      for (std::size_t at = 0; at < out->size; at += out->segment_size)
        ::send(fd_, buffer.data() + at, std::min(out->segment_size, out->size - at), 0);
    }
  }

  std::unique_ptr<FastRandom> random_;
  int fd_;
  Identity server_;
  IpAddress address_;
  std::unique_ptr<Endpoint> endpoint_;
  std::vector<DeliveredMessage> delivered_;
};

void serve(const Arguments& arguments) { Server(arguments).run(); }

void play(const Arguments& arguments) {
  play_all(arguments, [&](std::size_t i) { return Player(arguments.port, i + 1); });
  std::_Exit(0);  // a thousand goodbyes are not part of it
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  const Arguments arguments = start(argc, argv);
  allow_many_files();
  return run_part(arguments, serve, {}, play);
}
