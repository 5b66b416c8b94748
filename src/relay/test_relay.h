// One relay and its clients, their datagrams carried by hand.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "relay/leg.h"
#include "relay/relay_server.h"

namespace whimbrel::relay {

inline constexpr UnixMillis kTestUnixStart = 1'800'000'000'000;

class TestRelay : public ::testing::Test {
 protected:
  struct Client {
    Client(TestRelay& relay, const std::string& name, int host)
        : identity(identity_hash(7, name)),
          address(IpAddress::v4(10, 0, static_cast<std::uint8_t>(host >> 8),
                                static_cast<std::uint8_t>(host), 4000)),
          leg(relay.random) {}
    IdentityHash identity;
    IpAddress address;
    Leg leg;
    std::vector<std::pair<SlotId, std::string>> got;
    std::vector<LegEvent> events;

    template <typename Event>
    std::size_t count() const {
      std::size_t n = 0;
      for (const LegEvent& event : events) n += std::holds_alternative<Event>(event);
      return n;
    }
  };

  TestRelay() : keys(master()) { restart(); }

  static Secret master() {
    Secret secret;
    secret.bytes.fill(42);  // a test key
    return secret;
  }
  void restart() { server = std::make_unique<RelayServer>(config, keys, random, now, clock); }

  Token token_for(const IdentityHash& identity, std::int64_t seconds_left = 600) {
    Token token;
    random.fill(token.id);
    token.identity = identity;
    token.app_id = 7;
    token.not_after = unix_now() + seconds_left;
    random.fill(token.secret.bytes);
    return token;
  }
  Ticket ticket_for(const Token& token) {
    const SealedToken sealed = keys.seal(token, random, unix_now());
    return {relay_address, {sealed.begin(), sealed.end()}, token.secret};
  }
  std::int64_t unix_now() const { return clock.seconds_at(now); }

  Client& add(const std::string& name) {
    clients.push_back(std::make_unique<Client>(*this, name, static_cast<int>(clients.size()) + 1));
    return *clients.back();
  }
  Client& opened(const std::string& name) {
    Client& client = add(name);
    client.leg.open(ticket_for(token_for(client.identity)), now);
    run();
    EXPECT_EQ(client.leg.state(), Leg::State::kOpen) << name;
    return client;
  }

  // To the relay, whatever it is; what it forwards and answers goes to whom it is for.
  virtual void to_relay(const IpAddress& from, std::vector<std::uint8_t> datagram) {
    ++to_relay_count;
    if (relay_dead || (drop_asks && datagram[0] == static_cast<std::uint8_t>(Kind::kAsk))) return;
    if (is_relay_packet(datagram[0])) {
      if (const auto to = server->receive(from, datagram, now)) to_client(*to, datagram);
    }
    take_replies();
  }
  virtual void take_replies() { take_replies_of(*server); }
  void take_replies_of(RelayServer& from) {
    std::array<std::uint8_t, kOpenSizeMax> buffer;
    while (const auto reply = from.poll_transmit(buffer)) {
      replies_bytes += reply->size;
      to_client(reply->to, {buffer.begin(), buffer.begin() + static_cast<long>(reply->size)});
    }
  }
  void to_client(const IpAddress& to, std::vector<std::uint8_t> datagram) {
    for (auto& client : clients) {
      if (client->address != to || drop_replies) continue;
      ++delivered;
      if (const auto got = client->leg.receive(datagram, now)) {
        client->got.emplace_back(got->from, as_text(got->payload));
      }
    }
  }
  void drain(Client& client) {
    std::array<std::uint8_t, kOpenSizeMax> buffer;
    while (const std::size_t size = client.leg.poll_transmit(buffer, now)) {
      to_relay(client.address, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
    }
    while (const auto event = client.leg.poll_event()) client.events.push_back(*event);
  }
  void run() {
    for (int i = 0; i < 4; ++i) {
      for (auto& client : clients) {
        client->leg.advance(now);
        drain(*client);
      }
    }
  }
  virtual Instant relay_deadline() const { return server->next_deadline(); }
  virtual void advance_relay() { server->advance(now); }
  void run_for(Duration time) {
    const Instant end = now + time;
    while (now < end) {
      run();
      Instant next = std::min(end, relay_deadline());
      for (auto& client : clients) next = std::min(next, client->leg.next_deadline());
      now = std::max(next, now + microseconds(10));
      advance_relay();
      take_replies();
    }
    run();
  }
  // Lets `from` send to `to`, and says whether the relay agreed.
  bool connect(Client& from, Client& to, std::int64_t seconds_left = 600) {
    const Grant grant = to.leg.make_grant(from.identity, unix_now() + seconds_left);
    from.leg.bind(grant, now);
    run();
    return from.leg.bound(to.leg.slot());
  }
  bool send(Client& from, Client& to, const std::string& text) {
    std::array<std::uint8_t, 1500> buffer;
    const std::size_t size = from.leg.wrap(to.leg.slot(), as_bytes(text), buffer, now);
    if (size == 0) return false;
    last.assign(buffer.begin(), buffer.begin() + static_cast<long>(size));
    to_relay(from.address, last);
    return true;
  }

  RelayConfig config;
  Instant now{};
  WallClock clock{now, kTestUnixStart};
  FastRandom random{1};
  SiteKeys keys;
  IpAddress relay_address = IpAddress::v4(10, 9, 9, 9, 4040);
  std::unique_ptr<RelayServer> server;
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::uint8_t> last;
  bool relay_dead = false;
  bool drop_asks = false;
  bool drop_replies = false;
  std::size_t to_relay_count = 0;
  std::size_t delivered = 0;
  std::size_t replies_bytes = 0;
};

}  // namespace whimbrel::relay
