// What a relay does with a packet, without the kernel: forwarding between many slots, opening, and
// refusing junk.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "relay/leg.h"
#include "relay/relay_server.h"
#include "server/handover_ring.h"

namespace whimbrel::relay {
namespace {

constexpr UnixMillis kUnixStart = 1'800'000'000'000;

struct Client {
  explicit Client(Random& random) : leg(random) {}
  IdentityHash identity{};
  IpAddress address;
  Leg leg;
};

// What one shard hands over to the only other one.
struct Outlet final : HandoverOutlet {
  bool hand_over(std::uint32_t /*shard*/, const Handover& handover, Bytes bytes) override {
    return ring.push(handover, bytes);
  }
  HandoverRing ring;
};

struct World {
  explicit World(std::size_t clients_count, std::uint32_t shards = 1) {
    Secret master;
    master.bytes.fill(1);  // a test key
    keys = std::make_unique<SiteKeys>(master);
    RelayConfig config;
    config.limits.opens_per_second_max = config.limits.opens_per_prefix_per_second_max =
        config.limits.opens_without_cookie_per_second = 1u << 30;
    config.limits.bytes_per_second = config.limits.packets_per_second = 4'000'000'000u;
    config.shards = shards;
    for (; config.shard < shards; ++config.shard) {
      servers.push_back(
          std::make_unique<RelayServer>(config, *keys, random, now, clock, &outlets[config.shard]));
    }
    server = servers[0].get();
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
    const SealedToken sealed = keys->seal(token, random, kUnixStart / 1000);
    return {IpAddress{}, {sealed.begin(), sealed.end()}, token.secret};
  }
  void exchange(Client& client) {
    std::array<std::uint8_t, kOpenSizeMax> buffer;
    for (int i = 0; i < 4; ++i) {
      client.leg.advance(now);
      while (const std::size_t size = client.leg.poll_transmit(buffer, now)) {
        const MutableBytes datagram = MutableBytes(buffer).first(size);
        servers[shard_of(datagram, static_cast<std::uint32_t>(servers.size()))]->receive(
            client.address, datagram, now);
      }
      for (std::size_t turn = 0; turn < 2 * servers.size(); ++turn) take(turn % servers.size());
      for (auto& each : servers) {
        while (const auto reply = each->poll_transmit(buffer)) {
          client.leg.receive(MutableBytes(buffer).first(reply->size), now);
        }
      }
    }
  }
  // What the other shard has for this one, as the server's loop takes it. How much of it goes on.
  std::size_t take(std::size_t shard) {
    HandoverRing& ring = outlets[1 - shard].ring;
    ring.publish();
    std::array<HandoverRing::Item, 64> items;
    std::size_t count = 0, forwarded = 0;
    while (count < items.size()) {
      const auto item = ring.next();
      if (!item) break;
      servers[shard]->prefetch(*item->handover);
      items[count++] = *item;
    }
    for (const HandoverRing::Item& item : std::span(items).first(count)) {
      forwarded += servers[shard]->take(*item.handover, item.bytes, now).has_value();
    }
    ring.release();
    return forwarded;
  }

  Instant now{};
  const WallClock clock{now, kUnixStart};
  FastRandom random{1};
  std::unique_ptr<SiteKeys> keys;
  std::array<Outlet, 2> outlets;
  std::vector<std::unique_ptr<RelayServer>> servers;
  RelayServer* server = nullptr;  // the first
  std::vector<std::unique_ptr<Client>> clients;
};

double median_ns(std::vector<double>& times, std::size_t batch) {
  // Whoever else has the processor now and then does not move the median.
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle * 1e9 / static_cast<double>(batch);
}

// Packets as they come from one recvmmsg(): written to where the last ones were just before the
// clock runs. Each is from another client than the one before, and to another: with many, the slots
// are not in the cache. As the server's loop does it, or (`loop` 0) one packet after the other.
void forward(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const bool loop = state.range(1) != 0;
  World world(count);
  const auto source_of = [&](std::size_t i) { return i * 7907 % count; };
  const auto peer_of = [&](std::size_t client) { return (client * 7919 + 1) % count; };
  for (std::size_t i = 0; i < count; ++i) {
    Client& from = *world.clients[i];
    from.leg.bind(world.clients[peer_of(i)]->leg.make_grant(from.identity, kUnixStart / 1000 + 60),
                  world.now);
    world.exchange(from);
  }
  constexpr std::size_t kSize = 1200;
  constexpr std::size_t kBatch = 64;
  const std::vector<std::uint8_t> payload(kSize, 7);
  std::vector<std::array<std::uint8_t, kSize + kHeaderSize>> packets(kBatch);
  std::array<IpAddress, kBatch> sources;
  std::size_t at = 0;
  std::uint64_t forwarded = 0;
  std::vector<double> times;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      Client& client = *world.clients[source_of(at)];
      client.leg.wrap(world.clients[peer_of(source_of(at++))]->leg.slot(), payload, packets[i],
                      world.now);
      sources[i] = client.address;
    }
    world.now += microseconds(100);
    const auto begin = std::chrono::steady_clock::now();
    if (loop) {
      for (const auto& packet : packets) world.server->prefetch_source(packet);
      for (const auto& packet : packets) world.server->prefetch_destination(packet);
    }
    for (std::size_t i = 0; i < kBatch; ++i) {
      forwarded += world.server->receive(sources[i], packets[i], world.now).has_value();
    }
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    state.SetIterationTime(time.count());
    times.push_back(time.count());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(forwarded));
  state.counters["median_ns"] = median_ns(times, kBatch);
  state.counters["lost"] =
      static_cast<double>(state.iterations()) * kBatch - static_cast<double>(forwarded);
}
BENCHMARK(forward)
    ->Name("relay/forward_1200B")
    ->ArgNames({"slots", "loop"})
    ->ArgsProduct({{2, 1000, 50'000}, {0, 1}})
    ->UseManualTime();

// From a slot of one shard to a slot of the other: both halves and the copy between them, on one
// core.
void forward_across(benchmark::State& state) {
  World world(static_cast<std::size_t>(state.range(0)), 2);
  std::array<std::vector<Client*>, 2> of_shard;
  for (const auto& client : world.clients) {
    of_shard[shard_of(client->leg.slot(), 2)].push_back(client.get());
  }
  const std::size_t count = std::min(of_shard[0].size(), of_shard[1].size());
  const auto peer_of = [&](std::size_t i) { return of_shard[1][i * 7919 % count]; };
  for (std::size_t i = 0; i < count; ++i) {
    Client& from = *of_shard[0][i];
    from.leg.bind(peer_of(i)->leg.make_grant(from.identity, kUnixStart / 1000 + 60), world.now);
    world.exchange(from);
  }
  constexpr std::size_t kSize = 1200;
  constexpr std::size_t kBatch = 64;
  const std::vector<std::uint8_t> payload(kSize, 7);
  std::vector<std::array<std::uint8_t, kSize + kHeaderSize>> packets(kBatch);
  std::array<IpAddress, kBatch> sources;
  std::size_t at = 0;
  std::uint64_t forwarded = 0;
  std::vector<double> times;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      const std::size_t source = at++ * 7907 % count;
      Client& client = *of_shard[0][source];
      client.leg.wrap(peer_of(source)->leg.slot(), payload, packets[i], world.now);
      sources[i] = client.address;
    }
    world.now += microseconds(100);
    const auto begin = std::chrono::steady_clock::now();
    for (const auto& packet : packets) world.server->prefetch_source(packet);
    for (std::size_t i = 0; i < kBatch; ++i) {
      world.server->receive(sources[i], packets[i], world.now);
    }
    forwarded += world.take(1);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    state.SetIterationTime(time.count());
    times.push_back(time.count());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(forwarded));
  state.counters["median_ns"] = median_ns(times, kBatch);
  state.counters["lost"] =
      static_cast<double>(state.iterations()) * kBatch - static_cast<double>(forwarded);
}
BENCHMARK(forward_across)
    ->Name("relay/forward_across_shards_1200B")
    ->ArgNames({"slots"})
    ->Arg(100)
    ->Arg(50'000)
    ->UseManualTime();

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
