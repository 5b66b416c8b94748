// For tests of the router: users, a relay between them, and a rendezvous.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "network/router.h"
#include "relay/relay_server.h"

namespace whimbrel {

inline constexpr UnixMillis kUnixStart = 1'800'000'000'000;
inline constexpr Duration kLeg = milliseconds(25);  // from a host to the relay or the rendezvous

// Users, a relay between them, and a rendezvous that does what the real one does: answers lookups
// and carries signals.
class RouterTest : public ::testing::Test {
 protected:
  struct Host {
    Host(RouterTest& test, const std::string& name, std::uint8_t number)
        : random(number), address(IpAddress::v4(10, 0, 0, number, 4000)) {
      EndpointConfig config;
      config.identity = *Identity::parse(name);
      config.keys = generate_x25519(random);
      config.app_id = 7;
      config.asks_routes = true;
      endpoint = std::make_unique<Endpoint>(std::move(config), random, test.now, test.clock);
      router = std::make_unique<Router>(*endpoint, 7, random, test.now, test.clock);
    }
    Identity name() const { return endpoint->identity(); }

    FastRandom random;
    IpAddress address;
    std::unique_ptr<Endpoint> endpoint;
    std::unique_ptr<Router> router;
    bool online = true;
    bool accepts = true;
    std::vector<std::string> got;
    std::vector<Instant> got_at;
    std::vector<Identity> requests;
    std::vector<ConnectionInfo> failures;
    std::size_t direct_packets = 0;
  };
  struct Flight {
    Instant due;
    std::function<void()> land;
  };

  RouterTest() : keys(master()) {
    relay_config.relay_id = relay::site_id("home");
    start_relay();
  }

  static Secret master() {
    Secret secret;
    secret.bytes.fill(5);  // a test key
    return secret;
  }
  void start_relay() {
    relay = std::make_unique<relay::RelayServer>(relay_config, keys, random, now, clock);
  }

  Host& add(const std::string& name) {
    hosts.push_back(
        std::make_unique<Host>(*this, name, static_cast<std::uint8_t>(hosts.size() + 1)));
    give_ticket(*hosts.back());
    return *hosts.back();
  }
  void give_ticket(Host& host) {
    relay::Token token;
    token.identity = relay::identity_hash(7, host.name().text());
    token.app_id = 7;
    token.not_after = clock.seconds_at(now) + 600;
    random.fill(token.secret.bytes);
    const relay::SealedToken sealed = keys.seal(token, random, clock.seconds_at(now));
    host.router->on_tickets(
        {{"home", {relay_address, {sealed.begin(), sealed.end()}, token.secret}}}, now);
  }
  Host* find(const Identity& user) {
    for (auto& host : hosts) {
      if (host->online && host->name() == user) return host.get();
    }
    return nullptr;
  }

  void later(Duration delay, std::function<void()> land) {
    // Kept in order: equal delays land as they left.
    const Instant due = now + delay;
    auto at = flights.end();
    while (at != flights.begin() && std::prev(at)->due > due) --at;
    flights.insert(at, {due, std::move(land)});
  }

  void to_relay(const IpAddress& from, std::vector<std::uint8_t> datagram) {
    if (relay_dead) return;
    const auto to = relay->receive(from, datagram, now);
    if (to) to_host(*to, datagram);
    take_replies();
  }
  void take_replies() {
    std::array<std::uint8_t, relay::kOpenSizeMax> buffer;
    while (const auto reply = relay->poll_transmit(buffer)) {
      to_host(reply->to, {buffer.begin(), buffer.begin() + static_cast<long>(reply->size)});
    }
  }
  void to_host(const IpAddress& to, const std::vector<std::uint8_t>& datagram) {
    later(kLeg, [this, to, datagram] {
      for (auto& host : hosts) {
        if (host->address != to) continue;
        std::vector<std::uint8_t> copy = datagram;
        EXPECT_TRUE(host->router->receive(relay_address, copy, now));
      }
    });
  }
  void serve(Host& from, const RouterRequest& request) {
    if (const auto* lookup = std::get_if<LookupRequest>(&request)) {
      later(2 * kLeg, [this, &from, user = lookup->user] {
        Host* host = find(user);
        if (host == nullptr) {
          return from.router->on_not_found(user, kEndMiscRendezvous, "is not online", now);
        }
        from.router->on_found(user, host->endpoint->public_key(), now);
      });
      return;
    }
    const auto& signal = std::get<SignalRequest>(request);
    ++signals;
    if (rendezvous_away) return;
    later(2 * kLeg, [this, user = signal.user, body = signal.body, name = from.name()] {
      note_grants(name, user, body);
      if (Host* host = find(user)) host->router->on_signal(name, body, now);
    });
  }
  void note_grants(const Identity& from, const Identity& to, Bytes body) {
    const auto signal = read_signal(body);
    if (!signal) return;
    for (const PeerSlot& slot : signal->slots) {
      std::int64_t& until = granted_until[{from, to}];
      until = std::max<std::int64_t>(until, slot.grant.not_after);
    }
  }
  // For how many seconds `to` may bind what it has of `from`.
  std::int64_t granted_for(const Host& from, const Host& to) {
    return granted_until[{from.name(), to.name()}] - clock.seconds_at(now);
  }
  void drain(Host& host) {
    static std::array<std::uint8_t, 65536> buffer;
    while (const auto request = host.router->poll_request(now)) serve(host, *request);
    while (const auto out = host.router->poll_transmit(buffer, now)) {
      for (std::size_t at = 0; at < out->size; at += out->segment_size) {
        const std::size_t size = std::min(out->segment_size, out->size - at);
        if (out->to != relay_address) {
          ++host.direct_packets;
          continue;
        }
        EXPECT_LE(size, 1500u);
        later(kLeg,
              [this, from = host.address,
               datagram = std::vector<std::uint8_t>(
                   buffer.begin() + static_cast<long>(at),
                   buffer.begin() + static_cast<long>(at + size))] { to_relay(from, datagram); });
      }
    }
    while (const auto request = host.router->poll_request(now)) serve(host, *request);
    std::vector<DeliveredMessage> messages;
    host.endpoint->take_messages(messages);
    for (auto& m : messages) {
      host.got.emplace_back(as_text(m.message.payload.view()));
      host.got_at.push_back(now);
      host.endpoint->consumed(m.session, m.message.place, m.message.reliable,
                              m.message.payload.size(), 1, now);
    }
    while (auto event = host.endpoint->poll_event()) {
      if (auto* request = std::get_if<SessionRequestEvent>(&*event)) {
        host.requests.push_back(request->identity);
        if (host.accepts) host.endpoint->accept(request->identity, now);
      } else {
        host.failures.push_back(std::get<SessionFailedEvent>(*event).info);
      }
    }
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0; steps < 1'000'000; ++steps) {
      for (auto& host : hosts) drain(*host);
      for (auto& host : hosts) drain(*host);
      Instant next = relay->next_deadline();
      for (auto& host : hosts) {
        next = std::min({next, host->endpoint->next_deadline(), host->router->next_deadline()});
      }
      if (!flights.empty()) next = std::min(next, flights.front().due);
      if (next > end) break;
      now = std::max(now, next);
      relay->advance(now);
      take_replies();
      for (auto& host : hosts) {
        host->endpoint->advance(now);
        host->router->advance(now);
      }
      while (!flights.empty() && flights.front().due <= now) {
        const auto land = std::move(flights.front().land);
        flights.pop_front();
        land();
      }
    }
    now = end;
  }
  Result send(Host& from, Host& to, const std::string& text, int flags = kSendReliable) {
    return from.endpoint->send(to.name(), SharedBytes::copy(as_bytes(text)), flags, 0, now);
  }

  Instant now{};
  const WallClock clock{now, kUnixStart};
  FastRandom random{99};
  relay::SiteKeys keys;
  relay::RelayConfig relay_config;
  IpAddress relay_address = IpAddress::v4(10, 9, 9, 9, 4040);
  std::unique_ptr<relay::RelayServer> relay;
  std::vector<std::unique_ptr<Host>> hosts;
  std::deque<Flight> flights;
  bool relay_dead = false;
  bool rendezvous_away = false;
  std::size_t signals = 0;
  std::map<std::pair<Identity, Identity>, std::int64_t> granted_until;  // as it arrived
};

}  // namespace whimbrel
