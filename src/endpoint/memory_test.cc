// What a session leaves with the application lives on without it, and what it does not need it
// gives back.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "endpoint/endpoint.h"
#include "endpoint/endpoint_pair.h"

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
        if (Endpoint* to = at(*out->to.udp()))
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

// Its key schedules are gone after a quarter of a second of silence; they are made again when
// needed.
TEST_F(OneServer, AQuietSessionGoesOnWhereItWas) {
  for (int round = 0; round < 5; ++round) {
    send(0, "ping " + std::to_string(round));
    run_for(milliseconds(100 + 100 * round));
    ASSERT_EQ(got_.size(), static_cast<std::size_t>(round + 1));
  }
}

// The indices that packets named are free again, whoever began and whoever ended it.
class Indices : public EndpointPair, public testing::WithParamInterface<bool> {
 protected:
  void expect_none(const char* after) {
    // Longer than anything that has ended is remembered.
    run_for(seconds(30));
    EXPECT_EQ(a.endpoint->session_count(), 0u) << after;
    EXPECT_EQ(b.endpoint->session_count(), 0u) << after;
    EXPECT_EQ(a.endpoint->index_count(), 0u) << after;
    EXPECT_EQ(b.endpoint->index_count(), 0u) << after;
  }
};

TEST_P(Indices, OfClosedSessionsAreGivenBack) {
  know_each_other(GetParam());
  a.accept_all = b.accept_all = true;
  for (std::size_t i = 0; i < 20; ++i) {
    Host& caller = i % 2 == 0 ? a : b;
    Host& called = i % 2 == 0 ? b : a;
    Host& closer = i % 4 < 2 ? a : b;
    send(caller, called.name(), "hello", kSendReliable | kSendAutoRestartBrokenSession);
    run_for(seconds(1));
    ASSERT_EQ(called.got.size(), i / 2 + 1);
    ASSERT_GE(called.endpoint->index_count(), 1u);
    closer.endpoint->close_session(&closer == &a ? b.name() : a.name(), now);
    run_for(seconds(2));
  }
  expect_none("they were closed");
}

TEST_P(Indices, OfDialsAndRequestsThatCameToNothingAreGivenBack) {
  know_each_other(GetParam());
  for (int i = 0; i < 5; ++i) {
    send(a, b.name(), "let me in", kSendReliable | kSendAutoRestartBrokenSession);
    run_for(seconds(15));
  }
  EXPECT_GE(a.failures.size(), 1u);
  for (int i = 0; i < 5; ++i) {
    send(a, b.name(), "let me in", kSendReliable | kSendAutoRestartBrokenSession);
    run_for(seconds(1));
    b.endpoint->close_session(a.name(), now);
    run_for(seconds(1));
  }
  expect_none("nobody was let in");
}

TEST_P(Indices, OfHandshakesThatStoppedHalfWayAreGivenBack) {
  know_each_other(GetParam());
  b.accept_all = true;
  drop = [this](const Host& from) { return &from == &b; };
  for (int i = 0; i < 5; ++i) {
    send(a, b.name(), "is anybody there?", kSendReliable | kSendAutoRestartBrokenSession);
    run_for(seconds(2));
    EXPECT_GE(b.endpoint->index_count(), 1u);
    run_for(seconds(10));
  }
  drop = nullptr;
  expect_none("nothing came back");
}

// The peer has forgotten the request, so there is another dial.
TEST_P(Indices, OfADialThatIsMadeAgainAreGivenBack) {
  know_each_other(GetParam());
  send(a, b.name(), "hello");
  run_for(seconds(1));
  ASSERT_EQ(b.requests.size(), 1u);
  Host again("str:bob", 2, 2);
  again.random.u64();  // else its ephemeral keys would be those of its first life
  b.endpoint = std::move(again.endpoint);
  b.accept_all = true;
  run_for(seconds(8));
  ASSERT_EQ(b.got.size(), 1u);
  a.endpoint->close_session(b.name(), now);
  expect_none("it was closed");
}

INSTANTIATE_TEST_SUITE_P(KeyKnown, Indices, testing::Bool());

}  // namespace
}  // namespace whimbrel
