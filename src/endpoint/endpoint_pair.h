// For tests of the endpoint: two of them, and a line between that delivers after a fixed time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "crypto/keys.h"
#include "endpoint/endpoint.h"

namespace whimbrel {

inline constexpr UnixMillis kUnixStart = 1'800'000'000'000;
inline const WallClock kTestClock{Instant(), kUnixStart};

// Two endpoints and a line that delivers after a fixed time.
struct Host {
  Host(std::string_view name, std::uint8_t last, std::uint64_t seed)
      : random(seed), address(IpAddress::v4(10, 0, 0, last, 1000)) {
    EndpointConfig config;
    if (!name.empty()) config.identity = *Identity::parse(name);
    config.keys = generate_x25519(random);
    endpoint = std::make_unique<Endpoint>(std::move(config), random, Instant(), kTestClock);
  }
  Identity name() const { return endpoint->identity(); }
  bool has(const IpAddress& one) const {
    return one == address || std::find(others.begin(), others.end(), one) != others.end();
  }
  // What its packets to there come from.
  IpAddress source(const IpAddress& to) const {
    for (const IpAddress& other : others) {
      if (other.is_v4() == to.is_v4() && address.is_v4() != to.is_v4()) return other;
    }
    return address;
  }

  FastRandom random;
  IpAddress address;
  std::vector<IpAddress> others;  // of a host with several
  std::unique_ptr<Endpoint> endpoint;
  std::vector<std::string> got;
  std::vector<Identity> requests;
  std::vector<ConnectionInfo> failures;
  bool accept_all = false;
};

class EndpointPair : public testing::Test {
 protected:
  EndpointPair() : a("str:alice", 1, 1), b("str:bob", 2, 2) {}

  // Where there are more, to look at all of them each time would take too long.
  static constexpr std::size_t kCheckedMax = 64;

  void know_each_other(bool with_keys) {
    const auto key = [&](Host& h) {
      return with_keys ? std::optional(h.endpoint->public_key()) : std::nullopt;
    };
    a.endpoint->set_route(b.name(), b.address, key(b));
    b.endpoint->set_route(a.name(), a.address, key(a));
  }

  Result send(Host& from, const Identity& to, const std::string& text, int flags = kSendReliable,
              ChannelId channel = 0) {
    return from.endpoint->send(to, SharedBytes::copy(as_bytes(text)), flags, channel, now);
  }

  void drain(Host& host) {
    static std::array<std::uint8_t, 65536> buffer;
    while (const auto out = host.endpoint->poll_transmit(buffer, now)) {
      for (std::size_t at = 0; at < out->size; at += out->segment_size) {
        const std::size_t size = std::min(out->segment_size, out->size - at);
        ++packets;
        if (drop && drop(host)) continue;
        const IpAddress to = *out->to.udp();
        const IpAddress from = host.source(to);
        const auto delay = way ? way(from, to) : std::optional(latency);
        if (!delay) continue;
        auto place = line.end();
        while (place != line.begin() && std::prev(place)->due > now + *delay) --place;
        line.insert(place, {now + *delay,
                            from,
                            to,
                            {buffer.begin() + static_cast<long>(at),
                             buffer.begin() + static_cast<long>(at + size)}});
      }
    }
    std::vector<DeliveredMessage> messages;
    host.endpoint->take_messages(messages);
    for (auto& m : messages) {
      host.got.emplace_back(as_text(m.message.payload.view()));
      host.endpoint->consumed(m.session, m.message.place, m.message.reliable,
                              m.message.payload.size(), 1, now);
    }
    while (auto event = host.endpoint->poll_event()) {
      if (auto* request = std::get_if<SessionRequestEvent>(&*event)) {
        host.requests.push_back(request->identity);
        if (host.accept_all) host.endpoint->accept(request->identity, now);
      } else {
        host.failures.push_back(std::get<SessionFailedEvent>(*event).info);
      }
    }
    if (host.endpoint->session_count() <= kCheckedMax) host.endpoint->check_consistency();
  }

  void run_for(Duration time) {
    const Instant end = now + time;
    for (steps = 0;; ++steps) {
      ASSERT_LT(steps, 50000) << "busy without end at " << to_milliseconds(now.time_since_epoch());
      drain(a);
      drain(b);
      drain(a);
      Instant next = std::min(a.endpoint->next_deadline(), b.endpoint->next_deadline());
      if (!line.empty()) next = std::min(next, line.front().due);
      if (next > end) break;
      now = std::max(now, next);
      a.endpoint->advance(now);
      b.endpoint->advance(now);
      while (!line.empty() && line.front().due <= now) {
        Packet packet = std::move(line.front());
        line.pop_front();
        Host* to = a.has(packet.to) ? &a : b.has(packet.to) ? &b : nullptr;
        if (to != nullptr) to->endpoint->receive(packet.from, packet.bytes, now);
      }
    }
    now = end;
    a.endpoint->advance(now);
    b.endpoint->advance(now);
    drain(a);
    drain(b);
  }

  ConnectionState state(Host& host, const Identity& user) {
    return host.endpoint->connection_info(user, now, nullptr, nullptr);
  }

  struct Packet {
    Instant due;
    IpAddress from, to;
    std::vector<std::uint8_t> bytes;
  };
  Instant now{};
  Duration latency = milliseconds(10);
  Host a, b;
  std::deque<Packet> line;
  std::function<bool(Host&)> drop;
  // How long from address to address; nothing: not at all.
  std::function<std::optional<Duration>(const IpAddress& from, const IpAddress& to)> way;
  int packets = 0;
  int steps = 0;  // of the last run_for(): how often somebody had to wake up, or a packet came
};

class Handshake : public EndpointPair, public testing::WithParamInterface<bool> {};
}  // namespace whimbrel
