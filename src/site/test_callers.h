// For tests of a site: its users, over a line without delay.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rendezvous/client.h"
#include "site/site.h"

namespace whimbrel {

inline constexpr UnixMillis kUnixNow = 1'800'000'000'000;

// Somebody who logs in, over a line without delay.
class Caller {
 public:
  // `life`: of one that was killed and comes again with the same key, another one each time.
  Caller(const std::string& name, const IpAddress& address, const IpAddress& server,
         const std::optional<PublicKey>& key, Instant now, std::uint64_t life = 0)
      : address(address),
        random_(std::hash<std::string>()(name)),
        // Of a second life, the clock has gone on.
        clock_(life > 0 ? Instant() : now, kUnixNow),
        endpoint(config(random_), random_, now, clock_),
        client({0, name, ""}) {
    if (life > 0) random_ = FastRandom(std::hash<std::string>()(name) + life);
    endpoint.set_route(server_name(), server, key);
    client.on_connected(now);
  }
  static Identity server_name() { return Identity::generic_string(rendezvous::kServerName); }
  void settle(Instant now) {
    endpoint.advance(now);
    client.advance(now);
    endpoint.take_messages(delivered_);
    for (const DeliveredMessage& one : delivered_) {
      client.on_message(one.message.payload, now);
      endpoint.consumed(one.session, one.message.place, one.message.reliable,
                        one.message.payload.size(), 1, now);
    }
    delivered_.clear();
    while (const auto event = endpoint.poll_event()) {
      if (!std::holds_alternative<SessionFailedEvent>(*event)) continue;
      lost = true;
      if (!comes_back) continue;
      client.on_disconnected(now);
      client.on_connected(now);  // at once
    }
    while (const auto said = client.poll_event()) {
      if (std::holds_alternative<rendezvous::CertificateEvent>(*said)) ++new_certificates;
    }
    while (const auto message = client.poll_output()) {
      endpoint.send(server_name(), SharedBytes::copy(*message),
                    kSendReliable | kSendAutoRestartBrokenSession, 0, now);
    }
  }
  bool online() const { return client.state() == rendezvous::Client::State::kOnline; }

 private:
  static EndpointConfig config(Random& random) {
    EndpointConfig config;
    config.keys = generate_x25519(random);
    config.tells_ends = true;
    return config;
  }

 public:
  const IpAddress address;

 private:
  FastRandom random_;
  WallClock clock_;
  std::vector<DeliveredMessage> delivered_;

 public:
  Endpoint endpoint;
  rendezvous::Client client;
  bool lost = false;  // a session that was up
  bool comes_back = true;
  int new_certificates = 0;  // since the login
};

class SiteWithCallers : public testing::Test {
 protected:
  SiteWithCallers() {
    config.keys = generate_x25519(random);
    make();
  }
  void make() { site = std::make_unique<Site>(config, &authority, keys, random, now, kUnixNow); }
  const Endpoint& endpoint() const { return site->control()->endpoint(); }
  const rendezvous::RendezvousServer& server() const { return site->control()->server(); }

  void give(const IpAddress& from, std::vector<std::uint8_t> packet) {
    site->receive(from, packet, now);
  }
  // Until nobody has anything to say. What goes to nobody is in `answers`.
  void exchange() {
    for (bool moved = true; moved;) {
      moved = false;
      site->advance(now);
      while (const auto out = site->poll_transmit(buffer, now)) {
        moved = true;
        for (std::size_t at = 0; at < out->size; at += out->segment_size) {
          const std::size_t size = std::min(out->segment_size, out->size - at);
          deliver(out->to, MutableBytes(buffer).subspan(at, size));
        }
      }
      for (auto& caller : callers) {
        caller->settle(now);
        while (const auto out = caller->endpoint.poll_transmit(buffer, now)) {
          moved = true;
          for (std::size_t at = 0; at < out->size; at += out->segment_size) {
            const std::size_t size = std::min(out->segment_size, out->size - at);
            give(caller->address, {buffer.begin() + static_cast<long>(at),
                                   buffer.begin() + static_cast<long>(at + size)});
          }
        }
      }
    }
  }
  void deliver(const IpAddress& to, MutableBytes datagram) {
    for (auto& caller : callers) {
      if (caller->address == to) return caller->endpoint.receive(kServer, datagram, now);
    }
    answers[to].assign(datagram.begin(), datagram.end());
  }
  Caller& add(const std::string& name, const IpAddress& address) {
    callers.push_back(
        std::make_unique<Caller>(name, address, kServer, config.keys.public_key, now));
    return *callers.back();
  }
  // With all that happens meanwhile.
  void run_for(Duration time) {
    const Instant end = now + time;
    while (now < end) {
      exchange();
      Instant next = std::min(end, site->next_deadline());
      for (const auto& caller : callers) {
        next = std::min({next, caller->endpoint.next_deadline(), caller->client.next_deadline()});
      }
      now = std::max(next, now + microseconds(10));
    }
    exchange();
  }
  const IpAddress kServer = IpAddress::v4(192, 0, 2, 1, 4040);
  Instant now{};
  FastRandom random{1};
  relay::SiteKeys keys{Secret()};
  rendezvous::MemoryRegistry registry;
  rendezvous::AuthorityConfig unlimited() {
    rendezvous::AuthorityConfig made;
    made.new_names_per_minute = made.new_names_of_network_per_minute = 1'000'000;
    return made;
  }
  rendezvous::Authority authority{unlimited(), SigningKey::generate(random), registry};
  SiteConfig config;
  std::unique_ptr<Site> site;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(65536);
  std::vector<std::unique_ptr<Caller>> callers;
  std::map<IpAddress, std::vector<std::uint8_t>> answers;
};

}  // namespace whimbrel
