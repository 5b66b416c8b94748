// What a session leaves with the application lives on without it, and what it does not need it
// gives back.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "endpoint/endpoint.h"

namespace whimbrel {
namespace {

constexpr std::size_t kClients = 3;

// One server, and clients without names that it tells apart by their addresses.
class OneServer : public testing::Test {
 protected:
  OneServer() : server_(make("str:server")), buffer_(65536) {
    for (std::size_t i = 0; i < kClients; ++i) {
      clients_.push_back(make("str:client" + std::to_string(i)));
      clients_[i]->set_route(server_->identity(), address(100), server_->public_key());
    }
  }

  static IpAddress address(std::size_t last) {
    return IpAddress::v4(10, 0, 0, static_cast<std::uint8_t>(last), 1000);
  }
  std::unique_ptr<Endpoint> make(const std::string& name) {
    EndpointConfig config;
    config.identity = *Identity::parse(name);
    config.keys = generate_x25519(random_);
    return std::make_unique<Endpoint>(std::move(config), random_, now_, clock_);
  }
  void send(std::size_t client, const std::string& text) {
    ASSERT_EQ(clients_[client]->send(server_->identity(), SharedBytes::copy(as_bytes(text)),
                                     kSendReliable, 0, now_),
              Result::kOk);
  }
  Endpoint* at(const IpAddress& to) {
    for (std::size_t i = 0; i < kClients; ++i)
      if (to == address(i)) return clients_[i].get();
    return to == address(100) ? server_.get() : nullptr;
  }
  void carry(Endpoint& from, const IpAddress& source) {
    while (const auto out = from.poll_transmit(buffer_, now_)) {
      for (std::size_t i = 0; i < out->size; i += out->segment_size)
        if (Endpoint* to = at(out->to))
          to->receive(source,
                      MutableBytes(buffer_).subspan(i, std::min(out->segment_size, out->size - i)),
                      now_);
    }
  }
  void run_for(Duration time) {
    for (const Instant end = now_ + time; now_ < end; now_ += milliseconds(10)) {
      for (std::size_t i = 0; i < kClients; ++i)
        if (clients_[i]) carry(*clients_[i], address(i));
      carry(*server_, address(100));
      while (auto event = server_->poll_event())
        if (auto* request = std::get_if<SessionRequestEvent>(&*event))
          server_->accept(request->identity, now_);
      server_->take_messages(got_);
      server_->advance(now_);
      for (auto& client : clients_)
        if (client) client->advance(now_);
    }
  }

  Instant now_{};
  const WallClock clock_{now_, 1'800'000'000'000};
  FastRandom random_{1};
  std::unique_ptr<Endpoint> server_;
  std::vector<std::unique_ptr<Endpoint>> clients_;
  std::vector<std::uint8_t> buffer_;
  std::vector<DeliveredMessage> got_;
};

TEST_F(OneServer, MessagesOutliveSessionsAndEndpoint) {
  for (std::size_t i = 0; i < kClients; ++i) send(i, std::string(100, static_cast<char>('a' + i)));
  run_for(milliseconds(500));
  ASSERT_EQ(got_.size(), kClients);
  server_->close_session(clients_[0]->identity(), now_);
  run_for(seconds(1));
  server_.reset();
  clients_.clear();
  std::string letters;
  for (const DeliveredMessage& m : got_) {
    EXPECT_EQ(m.message.payload.size(), 100u);
    letters += static_cast<char>(m.message.payload.data()[99]);
  }
  EXPECT_EQ(letters, "abc");
}

// Its key schedules are gone after a quarter of a second of silence; they are made again when needed.
TEST_F(OneServer, AQuietSessionGoesOnWhereItWas) {
  for (int round = 0; round < 5; ++round) {
    send(0, "ping " + std::to_string(round));
    run_for(milliseconds(100 + 100 * round));
    ASSERT_EQ(got_.size(), static_cast<std::size_t>(round + 1));
  }
}

}  // namespace
}  // namespace whimbrel
