// Whole networks against whole sites, over a wire in memory with delays of one's choice.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "network/network.h"
#include "site/site.h"

namespace whimbrel {

class TestNetworks : public ::testing::Test {
 protected:
  // Where something can be reached.
  struct Place {
    IpAddress address;
    std::optional<IpAddress> other;  // of the other family
    bool has(const IpAddress& one) const { return one == address || other == one; }
    // What its packets to there come from.
    const IpAddress& source(const IpAddress& to) const {
      return other && other->is_v4() == to.is_v4() ? *other : address;
    }
  };
  struct Host : Place {
    FastRandom random{0};
    Identity identity;
    KeyPair keys;
    std::vector<std::uint8_t> certificate;
    std::vector<VerifyKey> authorities;
    std::optional<NetworkConfig> server;
    std::unique_ptr<Network> network;
    bool accepts = true;
    std::vector<std::string> got;
    std::vector<Instant> got_at;
    std::vector<Identity> requests;
    std::vector<ConnectionInfo> failures;

    NetworkStatus status() const { return network->status(); }
    bool ready() const { return status().state == NetworkStatus::State::kOnline && status().relay; }
  };
  // A server: the first has all parts, others are relays alone.
  struct SiteNode : Place {
    SiteConfig config;
    Secret master;
    std::unique_ptr<relay::SiteKeys> keys;
    std::unique_ptr<rendezvous::Authority> authority;
    std::unique_ptr<Site> site;
    bool dead = false;
  };
  struct Flight {
    Instant due;
    std::function<void()> land;
  };

  TestNetworks() { start(add_site("home")); }

  SiteNode& add_site(const std::string& name) {
    sites.push_back(std::make_unique<SiteNode>());
    SiteNode& node = *sites.back();
    node.config.keys = generate_x25519(random);
    node.config.site_name = name;
    node.config.rendezvous = sites.size() == 1;
    random.fill(node.master.bytes);
    node.address = IpAddress::v4(203, 0, 113, static_cast<std::uint8_t>(sites.size()), 4040);
    return node;
  }
  // A relay of the first site's rendezvous; clients hear of it when that has been started again.
  SiteNode& add_relay(const std::string& name) {
    SiteNode& node = add_site(name);
    start(node);
    sites[0]->config.other_sites.push_back({name, {node.address}, node.master});
    return node;
  }
  // As a restart of the program: the state folder lives on, everything else is new.
  void start(SiteNode& node) {
    node.dead = false;
    node.keys = std::make_unique<relay::SiteKeys>(node.master);
    node.site.reset();
    if (node.config.rendezvous) {
      node.authority =
          std::make_unique<rendezvous::Authority>(authority_config, authority_key, registry);
    }
    node.site = std::make_unique<Site>(node.config, node.authority.get(), *node.keys, random, now,
                                       unix_ms());
  }
  void start_site() { start(*sites[0]); }
  static constexpr UnixMillis kUnixStart = 1'800'000'000'000;
  UnixMillis unix_ms() const { return kUnixStart + to_milliseconds(now.time_since_epoch()); }

  Host& add(const std::string& name) {
    hosts.push_back(std::make_unique<Host>());
    Host& host = *hosts.back();
    const auto number = static_cast<std::uint8_t>(hosts.size());
    host.random = FastRandom(number);
    host.address = IpAddress::v4(10, 0, 0, number, 4000);
    if (!name.empty()) host.identity = *Identity::parse(name);
    host.keys = generate_x25519(host.random);
    host.server = NetworkConfig{{sites[0]->address}, std::nullopt, "", true};
    start(host);
    return host;
  }
  void start(Host& host) {
    EndpointConfig config;
    config.identity = host.identity;
    config.keys = host.keys;
    config.certificate = host.certificate;
    config.app_id = 7;
    for (const VerifyKey& key : host.authorities) config.trust.add_authority(key);
    host.network =
        std::make_unique<Network>(std::move(config), host.server, host.random, now, unix_ms());
  }
  Host& online(const std::string& name) {
    Host& host = add(name);
    run_for(seconds(2));
    EXPECT_TRUE(host.ready()) << name << ": " << host.status().text;
    return host;
  }

  void later(Duration after, std::function<void()> land) {
    const Instant due = now + after;
    auto at = flights.end();
    while (at != flights.begin() && std::prev(at)->due > due) --at;
    flights.insert(at, {due, std::move(land)});
  }
  void carry(const IpAddress& from, const IpAddress& to, std::vector<std::uint8_t> datagram) {
    ++packets;
    if (lose && lose()) return;
    if (cut && cut(from, to)) return;
    later(delay ? delay(from, to) : latency,
          [this, from, to, datagram = std::move(datagram)]() mutable {
            for (auto& node : sites) {
              if (!node->has(to)) continue;
              if (node->dead) return;
              if (const auto next = node->site->receive(from, datagram, now)) {
                carry(node->source(*next), *next, std::move(datagram));
              }
              return;
            }
            for (auto& host : hosts) {
              if (host->has(to)) host->network->receive(from, datagram, now);
            }
          });
  }
  template <typename Part>
  void transmit(Part& part, const Place& from) {
    static std::array<std::uint8_t, 65536> buffer;
    while (const auto out = part.poll_transmit(buffer, now)) {
      for (std::size_t at = 0; at < out->size; at += out->segment_size) {
        const std::size_t size = std::min(out->segment_size, out->size - at);
        carry(from.source(out->to), out->to,
              {buffer.begin() + static_cast<long>(at),
               buffer.begin() + static_cast<long>(at + size)});
      }
    }
  }
  void drain(Host& host) {
    transmit(*host.network, host);
    Endpoint& endpoint = host.network->endpoint();
    std::vector<DeliveredMessage> messages;
    endpoint.take_messages(messages);
    for (auto& m : messages) {
      host.got.emplace_back(as_text(m.message.payload.view()));
      host.got_at.push_back(now);
      endpoint.consumed(m.session, m.message.place, m.message.reliable, m.message.payload.size(), 1,
                        now);
    }
    while (auto event = endpoint.poll_event()) {
      if (auto* request = std::get_if<SessionRequestEvent>(&*event)) {
        host.requests.push_back(request->identity);
        if (host.accepts) endpoint.accept(request->identity, now);
      } else {
        host.failures.push_back(std::get<SessionFailedEvent>(*event).info);
      }
    }
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 500'000) << "busy without end";
      for (int i = 0; i < 2; ++i) {
        for (auto& host : hosts) drain(*host);
        for (auto& node : sites) {
          if (!node->dead) transmit(*node->site, *node);
        }
      }
      Instant next = kNever;
      for (auto& node : sites) {
        if (!node->dead) next = std::min(next, node->site->next_deadline());
      }
      for (auto& host : hosts) next = std::min(next, host->network->next_deadline());
      if (!flights.empty()) next = std::min(next, flights.front().due);
      if (next > end) break;
      now = std::max(now, next);
      for (auto& node : sites) {
        if (!node->dead) node->site->advance(now);
      }
      for (auto& host : hosts) host->network->advance(now);
      while (!flights.empty() && flights.front().due <= now) {
        const auto land = std::move(flights.front().land);
        flights.pop_front();
        land();
      }
    }
    now = end;
  }
  Result send(Host& from, const Identity& to, const std::string& text) {
    return from.network->endpoint().send(to, SharedBytes::copy(as_bytes(text)),
                                         kSendReliable | kSendAutoRestartBrokenSession, 0, now);
  }
  Result send(Host& from, Host& to, const std::string& text) {
    return send(from, to.network->endpoint().identity(), text);
  }
  int flags_of(Host& host, Host& peer) {
    ConnectionInfo info;
    host.network->endpoint().connection_info(peer.network->endpoint().identity(), now, &info,
                                             nullptr);
    return info.flags;
  }

  Instant now{};
  FastRandom random{77};
  SigningKey authority_key = SigningKey::generate(random);
  rendezvous::MemoryRegistry registry;
  rendezvous::AuthorityConfig authority_config;
  std::vector<std::unique_ptr<SiteNode>> sites;
  std::vector<std::unique_ptr<Host>> hosts;
  std::deque<Flight> flights;
  Duration latency = milliseconds(25);
  // From address to address: how long on the way; whether it gets through.
  std::function<Duration(const IpAddress& from, const IpAddress& to)> delay;
  std::function<bool(const IpAddress& from, const IpAddress& to)> cut;
  std::function<bool()> lose;
  std::size_t packets = 0;
};

}  // namespace whimbrel
