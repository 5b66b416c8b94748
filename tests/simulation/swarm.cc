#include "tests/simulation/swarm.h"

#include <whimbrel/send_flags.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "sim/world.h"
#include "tests/simulation/swarm_dice.h"

namespace whimbrel::sim {

namespace {

constexpr ChannelId kLivenessChannel = 99;
constexpr std::size_t kRecordedMax = 64;

class Swarm {
 public:
  explicit Swarm(std::uint64_t seed)
      : random_(seed * 2 + 1),
        world_(seed),
        talking_(std::getenv("WHIMBREL_SWARM_PRINT") != nullptr) {}

  SwarmResult run() {
    build();
    safety_phase();
    heal();
    liveness_phase();
    closing_phase();
    SwarmResult result;
    result.problems = world_.finish() + problems_;
    result.trace_hash = world_.simulation().trace().hash();
    result.packets = world_.simulation().trace().packets_sent();
    result.summary = std::to_string(count()) + " hosts, " + std::to_string(operations_) +
                     " operations, " + std::to_string(result.packets) + " packets, " +
                     std::to_string(world_.ledger().delivered()) + " messages, " +
                     std::to_string(static_cast<int>(to_seconds(world_.now() - Instant{}))) + " s";
    return result;
  }

 private:
  // --- building ----------------------------------------------------------------------------------
  void build() {
    const std::uint64_t hosts = 2 + random_.below(4);
    Nat* nat = nullptr;
    if (random_.chance(0.2)) {
      nat = &world_.simulation().add_nat({.outside = IpAddress::v4(1, 2, 3, 4, 0),
                                          .mapping = static_cast<NatKind>(random_.below(3)),
                                          .filtering = static_cast<NatKind>(random_.below(3))});
      nat_ = nat;
    }
    for (std::uint64_t i = 0; i < hosts; ++i) {
      HostConfig config;
      config.session = dice_.options();
      config.limits.pending_requests_max = 2 + random_.below(8);
      const bool named = (i == 0 && nat != nullptr) || random_.chance(0.85);
      Host& added = world_.add(named ? "str:host" + std::to_string(i) : "", std::move(config),
                               i == 0 ? nat : nullptr);
      world_.simulation().set_line(added.id(), dice_.line(0.3));
    }
    for (std::size_t i = 0; i < count(); ++i) introduce(i);
    record_packets();
  }

  // Where host `i` is, told to all others anew.
  void introduce(std::size_t i) {
    for (std::size_t j = 0; j < count(); ++j) {
      if (i == j) continue;
      world_.host(j).knows(world_.host(i), random_.chance(0.5));
    }
  }

  // A few packets are kept, for replays.
  void record_packets() {
    world_.simulation().set_filter([this](const PacketView& packet) {
      if (random_.chance(0.02)) {
        if (recorded_.size() == kRecordedMax) recorded_.erase(recorded_.begin());
        recorded_.push_back({packet.from, packet.to, {packet.bytes.begin(), packet.bytes.end()}});
      }
      return Fate{};
    });
  }

  // --- safety ------------------------------------------------------------------------------------
  void safety_phase() {
    const Instant end = world_.now() + seconds(dice_.between(10, 40));
    while (world_.now() < end) {
      operate();
      ++operations_;
      world_.run_for(milliseconds(dice_.between(0, random_.chance(0.1) ? 3000 : 200)));
      check_bounds();
    }
  }

  void operate() {
    const std::uint64_t dice = random_.below(100);
    const std::size_t i = random_.below(count());
    Host& host = world_.host(i);
    Host& other = world_.host((i + 1 + random_.below(count() - 1)) % count());
    if (dice < 50) return say_something(host, other);
    if (dice < 55) return note("close session", host, other), void(host.close_session(other));
    if (dice < 57) {
      return note("close channel", host, other),
             void(host.close_channel(other, static_cast<ChannelId>(random_.below(4))));
    }
    if (dice < 63) return answer_differently(host, other);
    if (dice < 68) return read_differently(host);
    if (dice < 71) return restart(i);
    if (dice < 75) return move(i);
    if (dice < 79) return sleep_or_wake(host);
    if (dice < 87) return world_.simulation().set_line(host.id(), dice_.line(0.3));
    if (dice < 91)
      return world_.simulation().set_blocked(host.id(), other.id(), random_.chance(0.4));
    if (dice < 94) return set_options(host, other);
    if (dice < 99) return attack(host);
    note("close all", host, host);
    for (std::size_t j = 0; j < count(); ++j) host.close_session(world_.host(j));
  }

  void say_something(Host& host, Host& other) {
    const std::uint64_t burst = random_.chance(0.2) ? 1 + random_.below(60) : 1 + random_.below(4);
    int flags = random_.chance(0.7) ? kSendReliable : kSendUnreliable;
    if (random_.chance(0.2)) flags |= kSendNoNagle;
    if (random_.chance(0.1)) flags |= kSendNoDelay;
    if (random_.chance(0.4)) flags |= kSendAutoRestartBrokenSession;
    const auto channel = static_cast<ChannelId>(random_.below(6)) - 2;
    note("say", host, other);
    for (std::uint64_t i = 0; i < burst; ++i) host.say(other, dice_.message_size(), flags, channel);
  }

  void answer_differently(Host& host, Host& other) {
    host.on_request = static_cast<OnRequest>(random_.below(3));
    if (random_.chance(0.3)) {
      note("accept", host, other);
      host.accept(other);
    }
  }

  void read_differently(Host& host) {
    host.reading = random_.chance(0.5) ? Reading::kByHand : Reading::kAtOnce;
    // In order: what is unread goes before what comes now.
    if (host.reading == Reading::kAtOnce || random_.chance(0.7)) host.receive_all();
  }

  void restart(std::size_t i) {
    note("restart", world_.host(i), world_.host(i));
    world_.host(i).restart(random_.chance(0.7));
    introduce(i);
  }

  void move(std::size_t i) {
    note("move", world_.host(i), world_.host(i));
    if (i == 0 && nat_ != nullptr) return nat_->forget();
    world_.host(i).move(world_.fresh_address());
    introduce(i);
  }

  void sleep_or_wake(Host& host) {
    if (world_.simulation().asleep(host.id())) return wake(host);
    note("sleep", host, host);
    world_.simulation().sleep(host.id(), random_.chance(0.5));
    world_.simulation().after(milliseconds(dice_.between(100, 15'000)),
                              [this, &host] { wake(host); });
  }
  void wake(Host& host) {
    if (!world_.simulation().asleep(host.id())) return;
    note("wake", host, host);
    world_.simulation().wake_up(host.id());
  }

  void set_options(Host& host, Host& other) {
    // Limits that were agreed in the handshake stay; only times and send limits change.
    SessionOptions options = dice_.options();
    options.receive_bytes_max = host.config().session.receive_bytes_max;
    options.receive_messages_max = host.config().session.receive_messages_max;
    options.datagram_size_max = host.config().session.datagram_size_max;
    if (random_.chance(0.5)) {
      host.endpoint().set_options(options);
    } else {
      host.endpoint().set_session_options(host.name_of(other), options);
    }
    world_.simulation().touch(host.id());
  }

  void attack(Host& host) {
    std::vector<std::uint8_t> bytes(random_.below(200));
    random_.fill(bytes);
    IpAddress from = IpAddress::v4(66, 6, 6, static_cast<std::uint8_t>(random_.below(4)), 66);
    IpAddress to = host.address();
    if (!recorded_.empty() && random_.chance(0.8)) {
      const Recorded& copy = recorded_[random_.below(recorded_.size())];
      bytes = copy.bytes;
      to = copy.to;
      if (random_.chance(0.5)) from = copy.from;
      if (random_.chance(0.3) && !bytes.empty()) bytes[random_.below(bytes.size())] ^= 1;
      if (random_.chance(0.3)) bytes.resize(random_.below(bytes.size() + 20));
    }
    world_.simulation().inject(from, to, bytes);
  }

  void check_bounds() {
    for (std::size_t i = 0; i < count(); ++i) {
      Host& host = world_.host(i);
      if (host.endpoint().pending_request_count() > host.config().limits.pending_requests_max) {
        problem("host " + std::to_string(i) + " holds too many requests");
      }
      if (host.endpoint().session_count() > 200) {
        problem("host " + std::to_string(i) + " holds " +
                std::to_string(host.endpoint().session_count()) + " sessions");
      }
      for (const Host::Failure& failure : host.failures()) {
        if (failure.info.end_reason == 0 || failure.info.end_debug.empty()) {
          problem("host " + std::to_string(i) + " reported a failure without a reason");
        }
      }
    }
  }

  // --- liveness ----------------------------------------------------------------------------------
  void heal() {
    world_.simulation().set_filter({});
    world_.set_lines({.delay = milliseconds(5)});
    for (std::size_t i = 0; i < count(); ++i) {
      Host& host = world_.host(i);
      wake(host);
      host.on_request = OnRequest::kAccept;
      host.reading = Reading::kAtOnce;
      host.receive_all();
      for (std::size_t j = 0; j < count(); ++j) {
        if (i == j) continue;
        world_.simulation().set_blocked(host.id(), world_.host(j).id(), false);
        host.knows(world_.host(j), random_.chance(0.5));
      }
    }
    world_.run_for(seconds(2));
  }

  // Each host says one thing to each other, again if the session fails; it must arrive.
  void liveness_phase() {
    std::vector<std::pair<std::size_t, std::size_t>> open;
    for (std::size_t i = 0; i < count(); ++i) {
      for (std::size_t j = 0; j < count(); ++j) {
        if (i != j) open.push_back({i, j});
      }
    }
    const Instant end = world_.now() + seconds(60);
    while (!open.empty() && world_.now() < end) {
      for (const auto& [i, j] : open) try_to_reach(i, j);
      world_.run_for(milliseconds(500));
      std::erase_if(open, [&](const auto& pair) { return reached(pair.first, pair.second); });
    }
    for (const auto& [i, j] : open) {
      problem("host " + std::to_string(i) + " does not reach host " + std::to_string(j) +
              " after everything has healed; its state is " +
              std::to_string(static_cast<int>(world_.host(i).state(world_.host(j)))) + ", " +
              world_.host(i).info(world_.host(j)).end_debug);
    }
    if (!world_.run_until_complete(seconds(30))) problem("reliable messages are still missing");
  }

  bool reached(std::size_t i, std::size_t j) {
    const Host& from = world_.host(i);
    const Host& to = world_.host(j);
    return world_.ledger().delivered(from.life(), to.id(), kLivenessChannel, true) > 0;
  }

  static void call(Host& from, Host& to) {
    if (from.state(to) == ConnectionState::kConnecting) return;
    from.say(to, 64, kSendReliable | kSendAutoRestartBrokenSession, kLivenessChannel);
  }

  void try_to_reach(std::size_t i, std::size_t j) {
    Host& from = world_.host(i);
    Host& to = world_.host(j);
    // Nobody can call a host behind the translator; it calls, again if the session that it had made
    // failed.
    if (j == 0 && nat_ != nullptr && !from.connected(to)) {
      if (reached(j, i)) call(to, from);
      return;
    }
    const bool waiting = from.connected(to) || from.state(to) == ConnectionState::kConnecting ||
                         from.state(to) == ConnectionState::kFindingRoute;
    const std::uint64_t said = world_.ledger().taken(from.life(), to.id(), kLivenessChannel, true);
    // Once more now and then: what was said may have gone with a session that failed meanwhile.
    Instant& last = last_said_[{i, j}];
    if (waiting && said > 0 && world_.now() < last + seconds(5)) return;
    last = world_.now();
    from.say(to, 64, kSendReliable | kSendAutoRestartBrokenSession, kLivenessChannel);
  }

  void closing_phase() {
    for (std::size_t i = 0; i < count(); ++i) {
      Host& host = world_.host(i);
      for (std::size_t j = 0; j < count(); ++j) host.close_session(world_.host(j));
      host.endpoint().close_all(host.now());
      world_.simulation().touch(host.id());
    }
    world_.run_for(seconds(30));
    for (std::size_t i = 0; i < count(); ++i) {
      const Endpoint& endpoint = world_.host(i).endpoint();
      if (endpoint.session_count() == 0 && endpoint.pending_request_count() == 0 &&
          endpoint.next_deadline() == kNever) {
        continue;
      }
      problem("host " + std::to_string(i) + " still has " +
              std::to_string(endpoint.session_count()) + " sessions and " +
              std::to_string(endpoint.pending_request_count()) +
              " requests when all is closed, or a timer runs");
    }
  }

  // --- small things ------------------------------------------------------------------------------
  std::size_t count() const { return world_.host_count(); }
  void problem(const std::string& text) {
    if (problems_.size() < 4000) problems_ += text + "\n";
  }
  void note(const char* what, const Host& host, const Host& other) const {
    if (!talking_) return;
    std::fprintf(stderr, "%12.6f %s: host %u, host %u (%s)\n", to_seconds(world_.now() - Instant{}),
                 what, host.id(), other.id(), host.name_of(other).text().c_str());
  }

  struct Recorded {
    IpAddress from, to;
    std::vector<std::uint8_t> bytes;
  };
  FastRandom random_;
  SwarmDice dice_{random_};
  World world_;
  bool talking_;
  Nat* nat_ = nullptr;
  std::vector<Recorded> recorded_;
  std::map<std::pair<std::size_t, std::size_t>, Instant> last_said_;
  std::uint64_t operations_ = 0;
  std::string problems_;
};

}  // namespace

SwarmResult run_swarm(std::uint64_t seed) { return Swarm(seed).run(); }

std::string replay_command(std::uint64_t seed) {
  return "./dev swarm 1 --world peers --seed " + std::to_string(seed);
}

}  // namespace whimbrel::sim
