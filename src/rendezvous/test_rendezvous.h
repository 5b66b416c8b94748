// A rendezvous and its clients, their messages carried by hand, in order and without delay.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "rendezvous/client.h"
#include "rendezvous/rendezvous_server.h"

namespace whimbrel::rendezvous {

inline constexpr UnixMillis kTestUnixStart = 1'800'000'000'000;

class FixedTickets final : public TicketIssuer {
 public:
  std::vector<RelayTicket> issue(const Identity& identity, std::uint32_t, std::int64_t) override {
    RelayTicket ticket;
    ticket.site = "test";
    const std::string text = identity.text();
    ticket.token.assign(text.begin(), text.end());
    return {ticket};
  }
};

class TestRendezvous : public ::testing::Test {
 protected:
  struct User {
    User(TestRendezvous& test, ClientConfig config) : client(std::move(config)) {
      keys = generate_x25519(test.random);
    }
    Client client;
    KeyPair keys;
    IpAddress from;
    ClientId id{};
    bool connected = false;
    bool closed_by_server = false;
    std::vector<ClientEvent> events;

    template <typename Event>
    std::vector<Event> all() const {
      std::vector<Event> found;
      for (const ClientEvent& event : events) {
        if (const auto* one = std::get_if<Event>(&event)) found.push_back(*one);
      }
      return found;
    }
    bool online() const { return client.state() == Client::State::kOnline; }
  };

  TestRendezvous() { restart(); }

  void restart() {
    authority = std::make_unique<Authority>(authority_config, key, registry);
    server = std::make_unique<RendezvousServer>(limits, *authority, &tickets, now, clock);
    for (auto& user : users) {
      if (user->connected) user->client.on_disconnected(now);
      user->connected = false;
    }
  }
  static Identity name(const std::string& text) { return *Identity::parse(text); }

  User& add(const std::string& identity, std::uint32_t app_id = 7, const std::string& token = "") {
    users.push_back(std::make_unique<User>(*this, ClientConfig{app_id, identity, token}));
    return *users.back();
  }
  User& logged_in(const std::string& identity, std::uint32_t app_id = 7) {
    User& user = add(identity, app_id);
    connect(user);
    EXPECT_TRUE(user.online()) << identity;
    return user;
  }
  void connect(User& user) {
    user.id = ClientId{next_id++};
    user.connected = true;
    user.closed_by_server = false;
    server->on_connected(user.id, user.keys.public_key, user.from, now);
    user.client.on_connected(now);
    run();
  }
  void disconnect(User& user) {
    user.connected = false;
    server->on_disconnected(user.id, now);
    user.client.on_disconnected(now);
    run();
  }
  void run() {
    for (int i = 0; i < 4; ++i) {
      for (auto& user : users) {
        user->client.advance(now);
        while (auto message = user->client.poll_output()) {
          if (user->connected) server->on_message(user->id, *message, now);
        }
        while (auto event = user->client.poll_event()) user->events.push_back(std::move(*event));
      }
      server->advance(now);
      while (auto output = server->poll_output()) deliver(*output);
    }
  }
  void deliver(const RendezvousServer::Output& output) {
    for (auto& user : users) {
      if (user->id != output.to || !user->connected) continue;
      if (!output.message.empty()) {
        user->client.on_message(output.message, now);
      } else {
        user->connected = false;
        user->closed_by_server = true;
        user->client.on_disconnected(now);
      }
    }
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    while (now < end) {
      run();
      Instant next = std::min(end, server->next_deadline());
      for (auto& user : users) next = std::min(next, user->client.next_deadline());
      now = std::max(next, now + microseconds(1));
    }
    run();
  }

  Instant now{};
  WallClock clock{now, kTestUnixStart};
  FastRandom random{5};
  SigningKey key = SigningKey::generate(random);
  MemoryRegistry registry;
  FixedTickets tickets;
  RendezvousLimits limits;
  AuthorityConfig authority_config;
  std::unique_ptr<Authority> authority;
  std::unique_ptr<RendezvousServer> server;
  std::vector<std::unique_ptr<User>> users;
  std::uint64_t next_id = 1;
};

}  // namespace whimbrel::rendezvous
