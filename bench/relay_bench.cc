// What a relay does with a packet, without the kernel: forwarding between many slots, opening, and refusing junk.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "relay/leg.h"
#include "relay/server.h"

namespace whimbrel::relay {
namespace {

constexpr UnixMillis kUnixStart = 1'800'000'000'000;

struct Client {
  explicit Client(Random& random) : leg(random) {}
  IdentityHash identity{};
  IpAddress address;
  Leg leg;
};

struct World {
  explicit World(std::size_t clients_count) {
    Secret master;
    master.bytes.fill(1);  // a test key
    keys = std::make_unique<SiteKeys>(master, kUnixStart, now);
    ServerConfig config;
    config.limits.opens_per_second_max = config.limits.opens_per_prefix_per_second_max =
        config.limits.opens_without_cookie_per_second = 1u << 30;
    config.limits.bytes_per_second = config.limits.packets_per_second = 4'000'000'000u;
    server = std::make_unique<Server>(config, *keys, random, now, kUnixStart);
    for (std::size_t i = 0; i < clients_count; ++i) open(i);
  }

  void open(std::size_t i) {
    clients.push_back(std::make_unique<Client>(random));
    Client& client = *clients.back();
    ByteWriter(client.identity).u64(i);
    client.address =
        IpAddress::v4(10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                      static_cast<std::uint8_t>(i), 4000);
    client.leg.open(ticket(client.identity), now);
    exchange(client);
  }
  Ticket ticket(const IdentityHash& identity) {
    Token token;
    token.identity = identity;
    token.not_after = kUnixStart / 1000 + 600;
    random.fill(token.secret.bytes);
    const SealedToken sealed = keys->seal(token, random, now);
    return {IpAddress{}, {sealed.begin(), sealed.end()}, token.secret};
  }
  void exchange(Client& client) {
    std::array<std::uint8_t, kOpenSizeMax> buffer;
    for (int i = 0; i < 4; ++i) {
      client.leg.advance(now);
      while (const std::size_t size = client.leg.poll_transmit(buffer, now)) {
        server->receive(client.address, MutableBytes(buffer).first(size), now);
      }
      while (const auto reply = server->poll_transmit(buffer)) {
        client.leg.receive(MutableBytes(buffer).first(reply->size), now);
      }
    }
  }

  Instant now{};
  FastRandom random{1};
  std::unique_ptr<SiteKeys> keys;
  std::unique_ptr<Server> server;
  std::vector<std::unique_ptr<Client>> clients;
};

// Each packet is from another client than the one before: with many, the slots are not in the cache.
void forward(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  World world(count);
  for (std::size_t i = 0; i < count; ++i) {
    Client& from = *world.clients[i];
    Client& to = *world.clients[(i * 7919 + 1) % count];
    from.leg.bind(to.leg.make_grant(from.identity, kUnixStart / 1000 + 60), world.now);
    world.exchange(from);
  }
  // Packets are made beforehand, as many as are forwarded between two stops of the clock.
  constexpr std::size_t kSize = 1200;
  constexpr std::size_t kRound = 16384;
  const std::vector<std::uint8_t> payload(kSize, 7);
  std::vector<std::array<std::uint8_t, kSize + kHeaderSize>> packets(kRound);
  std::size_t at = 0;
  std::uint64_t forwarded = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const std::size_t first = at;
    for (auto& packet : packets) {
      const std::size_t i = at++ % count;
      world.clients[i]->leg.wrap(world.clients[(i * 7919 + 1) % count]->leg.slot(), payload, packet,
                                 world.now);
    }
    world.now += milliseconds(10);
    state.ResumeTiming();
    for (std::size_t i = 0; i < kRound; ++i) {
      forwarded +=
          world.server->receive(world.clients[(first + i) % count]->address, packets[i], world.now)
              .has_value();
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(forwarded));
  state.counters["lost"] =
      static_cast<double>(state.iterations()) * kRound - static_cast<double>(forwarded);
}
BENCHMARK(forward)->Name("relay/forward_1200B")->Arg(2)->Arg(1000)->Arg(50'000);

void junk_open(benchmark::State& state) {
  World world(0);
  std::array<std::uint8_t, kOpenSizeMin> junk{};
  const std::vector<std::uint8_t> token(kTokenSize, 9);
  const MutableBytes open = write_open(junk, Nonce{}, RelayCookie{}, token);
  open[kOpenTokenOffset] =
      static_cast<std::uint8_t>(kUnixStart / 3'600'000);  // an epoch that is in use
  for (auto _ : state) {
    world.server->receive(IpAddress::v4(10, 0, 0, 1, 1), open, world.now);
    world.now += microseconds(1);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(junk_open)->Name("relay/junk_open");

void junk_packet(benchmark::State& state) {
  World world(1000);
  std::array<std::uint8_t, 1220> junk{};
  std::uint32_t index = 0;
  for (auto _ : state) {
    write_leg_header(junk.data(), {Kind::kSend, 0, 0, SlotId{index++ % 1000}, index});
    world.server->receive(IpAddress::v4(10, 0, 0, 1, 1), junk, world.now);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(junk_packet)->Name("relay/junk_packet");

void open_slots(benchmark::State& state) {
  World world(0);
  for (auto _ : state) {
    state.PauseTiming();
    if (world.clients.size() >= 50'000) state.SkipWithError("too many for one run");
    state.ResumeTiming();
    world.open(world.clients.size());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(open_slots)->Name("relay/open_both_ends")->Iterations(20'000);

}  // namespace
}  // namespace whimbrel::relay
