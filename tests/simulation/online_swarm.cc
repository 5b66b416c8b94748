#include <whimbrel/send_flags.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <vector>

#include "sim/world.h"
#include "tests/simulation/lobby_players.h"
#include "tests/simulation/swarm.h"
#include "tests/simulation/swarm_dice.h"

namespace whimbrel::sim {

namespace {

constexpr ChannelId kLivenessChannel = 99;
constexpr std::size_t kRecordedMax = 64;
// The smallest packet of a peer, in a packet of its leg.
constexpr std::size_t kMtuMin = 1232;
// What a session with the default options survives: the server is back and found again before
// timeout_connected is over.
constexpr std::int64_t kOutageMaxMs = 2500;
constexpr std::int64_t kLongOutageMaxMs = 8000;  // in every eighth simulation
constexpr std::int64_t kOutageEveryMs = 20'000;
// From the last disturbance until everybody is back: the longest wait between two tries of a
// client, and its logins.
constexpr Duration kRecoveryTime = seconds(30);

class OnlineSwarm {
 public:
  explicit OnlineSwarm(std::uint64_t seed)
      : random_(seed * 2 + 1),
        world_(seed),
        site_(add_sites(seed)),
        only_server_suffers_(random_.chance(0.35)),
        lobbies_(world_, site_, seed * 2 + 1),
        plays_(seed % 5 == 2),
        outage_max_ms_(seed % 8 == 0 ? kLongOutageMaxMs : kOutageMaxMs),
        talking_(std::getenv("WHIMBREL_SWARM_PRINT") != nullptr) {}

  SwarmResult run() {
    build();
    if (only_server_suffers_) {
      outage_phase();
    } else {
      safety_phase();
    }
    heal();
    liveness_phase();
    if (plays_) check_lobbies();
    closing_phase();
    SwarmResult result;
    result.problems = world_.finish() + problems_;
    result.trace_hash = world_.simulation().trace().hash();
    result.packets = world_.simulation().trace().packets_sent();
    result.summary = std::to_string(count_) + " hosts, " + std::to_string(world_.site_count()) +
                     " servers, " + std::to_string(operations_) + " operations, " +
                     std::to_string(result.packets) + " packets, " + std::to_string(forwarded()) +
                     " forwarded, " + std::to_string(world_.ledger().delivered()) + " messages, " +
                     std::to_string(static_cast<int>(to_seconds(world_.now() - Instant{}))) + " s" +
                     (only_server_suffers_ ? ", only the server suffers" : "");
    return result;
  }

 private:
  // --- building ----------------------------------------------------------------------------------
  // One that is everything; in every third simulation there are two more relays. That is not
  // rolled, so that the other seeds mean what they always meant.
  SiteNode& add_sites(std::uint64_t seed) {
    SiteNodeConfig all;
    for (int i = 1; seed % 3 == 2 && i <= 2; ++i) {
      SiteNodeConfig config;
      config.site.rendezvous = false;
      config.site.site_name = "relay" + std::to_string(i);
      const SiteNode& relay = world_.add_site(config);
      all.site.other_sites.push_back(
          {config.site.site_name, {relay.address()}, relay.site_master()});
    }
    return world_.add_site(std::move(all));
  }
  SiteNode& any_site() {
    return world_.site_count() == 1 ? site_ : world_.site(random_.below(world_.site_count()));
  }

  void build() {
    count_ = 2 + random_.below(4);
    for (std::size_t i = 0; i < count_; ++i) {
      HostConfig config;
      config.app_id = 7;
      if (!only_server_suffers_) {
        config.session = dice_.options();
        config.limits.pending_requests_max = 2 + random_.below(8);
      }
      Host& host = world_.add_online("str:host" + std::to_string(i), site_, std::move(config),
                                     random_nat(i));
      watch(host);
      world_.simulation().set_line(host.id(), random_line());
    }
    for (std::size_t i = 0; i < world_.site_count(); ++i) {
      world_.simulation().set_line(world_.site(i).id(),
                                   {.delay = microseconds(dice_.between(50, 5000))});
    }
    record_packets();
    if (random_.chance(0.7)) world_.run_for(seconds(3));
    // A name is the first one's that claims it.
    if (world_.host(0).online() && random_.chance(0.5)) add_impostor();
  }

  Nat* random_nat(std::size_t i) {
    if (random_.chance(0.3)) return nats_.emplace_back(nullptr);
    // Now and then two behind one.
    if (i > 0 && nats_.back() != nullptr && random_.chance(0.2)) {
      return nats_.emplace_back(nats_.back());
    }
    NatConfig config;
    config.outside = IpAddress::v4(198, 51, 100, static_cast<std::uint8_t>(i + 1), 0);
    config.mapping = static_cast<NatKind>(random_.below(3));
    config.filtering = static_cast<NatKind>(random_.below(3));
    config.mapping_timeout = seconds(dice_.between(20, 120));
    config.preserve_port = random_.chance(0.5);
    return nats_.emplace_back(&world_.simulation().add_nat(config));
  }

  LinkConfig random_line() {
    if (!only_server_suffers_) return dice_.line(0.3, kMtuMin);
    LinkConfig line{.delay = microseconds(dice_.between(100, 50'000))};
    if (random_.chance(0.5)) line.loss = random_.unit() * 0.03;
    if (random_.chance(0.3)) line.jitter = microseconds(dice_.between(0, 10'000));
    if (random_.chance(0.2)) line.duplicate = random_.unit() * 0.1;
    return line;
  }

  // Claims a name that is another's, and calls everybody under it.
  void add_impostor() {
    HostConfig config;
    config.app_id = 7;
    const bool online = random_.chance(0.5);
    impostor_ = online ? &world_.add_online("str:host0", site_, std::move(config))
                       : &world_.add("str:host0", std::move(config));
    watch(*impostor_);
  }

  void watch(Host& host) {
    host.on_message = [this, &host](const InboxMessage& message) {
      const NodeId sender = world_.ledger().sender_of(message.message.payload.view());
      const Host* named = world_.find(message.from);
      if (named != nullptr && named->id() == sender) return;
      problem("host " + std::to_string(host.id()) + " got a message of node " +
              std::to_string(sender) + " under the name " + message.from.text());
    };
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

  // --- only the server suffers -------------------------------------------------------------------
  // Nobody closes anything, so nothing may be lost and no session may end.
  void outage_phase() {
    for (std::size_t i = 0; i < count_; ++i) {
      if (!world_.run_until([&] { return world_.host(i).online(); }, seconds(20))) {
        problem("host " + std::to_string(i) +
                " does not get online: " + world_.host(i).network_status().text);
      }
    }
    const Instant end = world_.now() + seconds(dice_.between(20, 60));
    Instant next_outage = world_.now() + milliseconds(dice_.between(0, kOutageEveryMs));
    while (world_.now() < end) {
      if (world_.now() >= next_outage) {
        disturb(any_site(), dice_.between(0, outage_max_ms_));
        next_outage = world_.now() + milliseconds(kOutageEveryMs + dice_.between(0, 10'000));
      }
      const std::size_t i = random_.below(count_);
      say_something(world_.host(i), world_.host(other_than(i)));
      if (plays_) lobbies_.step(count_);
      ++operations_;
      world_.run_for(milliseconds(dice_.between(0, 300)));
      check_bounds();
    }
    world_.run_for(seconds(20));
    for (std::size_t i = 0; i < count_; ++i) {
      for (const Host::Failure& failure : world_.host(i).failures()) {
        if (failure.info.end_reason == kEndMiscRendezvous) continue;  // never was a session
        problem("the server's outage ended a session of host " + std::to_string(i) + " at " +
                std::to_string(to_seconds(failure.at - Instant{})) +
                " s: " + std::to_string(failure.info.end_reason) + " " + failure.info.end_debug);
      }
    }
  }

  // Everybody is back, and nobody does anything any more.
  void check_lobbies() {
    lobbies_.listen(count_);
    const std::string differences = lobbies_.differences(count_);
    if (!differences.empty()) problem("lobbies differ: " + differences);
    if (only_server_suffers_ && lobbies_.lost() > 0)
      problem("the server's outage lost " + std::to_string(lobbies_.lost()) + " places in lobbies");
  }

  void disturb(SiteNode& site, std::int64_t outage_ms) {
    const bool drains = random_.chance(0.3);
    note(drains ? "drain" : "kill", site);
    const Duration left = drains ? milliseconds(dice_.between(0, 5000)) : Duration::zero();
    if (drains) {
      site.drain(left);
    } else {
      site.kill();
    }
    // A drain's kill comes at the same instant as its end, and was scheduled earlier.
    world_.simulation().after(left + milliseconds(outage_ms), [this, &site] {
      note("start", site);
      site.start();
    });
  }

  // --- everything suffers ------------------------------------------------------------------------
  void safety_phase() {
    const Instant end = world_.now() + seconds(dice_.between(10, 40));
    while (world_.now() < end) {
      operate();
      if (plays_) lobbies_.step(count_);
      ++operations_;
      world_.run_for(milliseconds(dice_.between(0, random_.chance(0.1) ? 3000 : 200)));
      check_bounds();
    }
  }

  std::size_t other_than(std::size_t i) { return (i + 1 + random_.below(count_ - 1)) % count_; }

  void operate() {
    const std::uint64_t dice = random_.below(100);
    const std::size_t i = random_.below(count_);
    Host& host = world_.host(i);
    Host& other = world_.host(other_than(i));
    if (dice < 50) return say_something(host, other);
    if (dice < 54) return close_session(host, other);
    if (dice < 56) {
      return note("close channel", host, other),
             void(host.close_channel(other, static_cast<ChannelId>(random_.below(4))));
    }
    if (dice < 62) return answer_differently(host, other);
    if (dice < 66) return read_differently(host);
    if (dice < 69) return restart(host);
    if (dice < 73) return move(i);
    if (dice < 76) return sleep_or_wake(host);
    if (dice < 80) return disturb_if_calm();
    if (dice < 84) return partition(host);
    if (dice < 91) return world_.simulation().set_line(host.id(), random_line());
    if (dice < 99) return attack(host);
    note("close all", host, host);
    for (std::size_t j = 0; j < count_; ++j) close_session(host, world_.host(j));
  }

  void close_session(Host& host, Host& other) {
    note("close session", host, other);
    answered_.insert({host.id(), other.id()});  // of a request it is a refusal
    host.close_session(other);
  }

  void say_something(Host& host, Host& other) {
    const std::uint64_t burst = random_.chance(0.2) ? 1 + random_.below(60) : 1 + random_.below(4);
    int flags = random_.chance(0.7) ? kSendReliable : kSendUnreliable;
    if (random_.chance(0.2)) flags |= kSendNoNagle;
    if (random_.chance(0.1)) flags |= kSendNoDelay;
    if (random_.chance(0.4)) flags |= kSendAutoRestartBrokenSession;
    const auto channel = static_cast<ChannelId>(random_.below(6)) - 2;
    note("say", host, other);
    answered_.insert({host.id(), other.id()});
    for (std::uint64_t i = 0; i < burst; ++i) {
      host.say(other, dice_.message_size(), flags, channel);
    }
    if (impostor_ != nullptr && &other != &world_.host(0)) {
      impostor_->say(other, 64, kSendReliable | kSendAutoRestartBrokenSession);
    }
  }

  void answer_differently(Host& host, Host& other) {
    host.on_request = static_cast<OnRequest>(random_.below(3));
    note(host.on_request == OnRequest::kAccept   ? "will accept"
         : host.on_request == OnRequest::kRefuse ? "will refuse"
                                                 : "will ignore",
         host, host);
    if (random_.chance(0.3)) {
      note("accept", host, other);
      if (host.accept(other)) answered_.insert({host.id(), other.id()});
    }
  }

  void read_differently(Host& host) {
    host.reading = random_.chance(0.5) ? Reading::kByHand : Reading::kAtOnce;
    // In order: what is unread goes before what comes now.
    if (host.reading == Reading::kAtOnce || random_.chance(0.7)) host.receive_all();
  }

  void restart(Host& host) {
    note("restart", host, host);
    host.restart(true);
  }

  void move(std::size_t i) {
    note("move", world_.host(i), world_.host(i));
    if (nats_[i] != nullptr) return nats_[i]->forget();
    world_.host(i).move(world_.fresh_address());
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

  void disturb_if_calm() {
    SiteNode& site = any_site();
    if (site.running()) disturb(site, dice_.between(0, random_.chance(0.3) ? 15'000 : 1500));
  }

  // From one server, while others reach it.
  void partition(Host& host) {
    const bool blocked = random_.chance(0.5);
    note(blocked ? "partition" : "unite", host, host);
    world_.simulation().set_blocked(host.id(), any_site().id(), blocked);
  }

  void attack(Host& host) {
    std::vector<std::uint8_t> bytes(random_.below(200));
    random_.fill(bytes);
    IpAddress from = IpAddress::v4(66, 6, 6, static_cast<std::uint8_t>(random_.below(4)), 66);
    IpAddress to = random_.chance(0.5) ? host.address() : any_site().address();
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

  // --- what holds at any time --------------------------------------------------------------------
  void check_bounds() {
    requests_seen_.resize(world_.host_count());
    for (std::size_t i = 0; i < world_.host_count(); ++i) {
      note_answers(world_.host(i), requests_seen_[i]);
    }
    for (std::size_t i = 0; i < count_; ++i) check_host(i);
    for (std::size_t i = 0; i < world_.site_count(); ++i) check_relay(world_.site(i));
    if (!site_.running()) return;
    const rendezvous::RendezvousServer& rendezvous = site_.site()->control()->server();
    if (rendezvous.user_count() > count_) problem("too many users");
    if (rendezvous.counters().dropped_outputs != 0) problem("the rendezvous dropped outputs");
  }

  void check_relay(const SiteNode& site) {
    if (!site.running()) return;
    const relay::RelayServer& relay = *site.site()->relay();
    const std::size_t of_one = relay::RelayLimits().slots_per_identity_max;
    if (relay.slot_count() > count_ * of_one) problem("too many slots");
    if (relay.counters().dropped_replies != 0) problem("replies of the relay were dropped");
  }

  void check_host(std::size_t i) {
    Host& host = world_.host(i);
    const std::string name = "host " + std::to_string(i);
    if (host.endpoint().pending_request_count() > host.config().limits.pending_requests_max) {
      problem(name + " holds too many requests");
    }
    if (host.endpoint().session_count() > 200) problem(name + " holds too many sessions");
    if (host.network_status().state == NetworkStatus::State::kRefused) {
      problem(name + " is refused: " + host.network_status().text);
    }
    for (const Host::Failure& failure : host.failures()) {
      if (failure.info.end_reason == 0 || failure.info.end_debug.empty()) {
        problem(name + " reported a failure without a reason");
      }
    }
    for (std::size_t j = 0; j < count_; ++j) {
      if (i != j) check_consent(host, world_.host(j));
    }
  }

  // Who calls learns nothing before the other's application has answered; a refusal is an answer.
  void note_answers(const Host& host, std::size_t& requests_seen) {
    for (; requests_seen < host.requests().size(); ++requests_seen) {
      const Host* caller = world_.find(host.requests()[requests_seen].from);
      if (caller == nullptr || host.on_request == OnRequest::kIgnore) continue;
      answered_.insert({host.id(), caller->id()});
    }
  }
  void check_consent(const Host& host, const Host& other) {
    if (!host.connected(other) || answered_.contains({other.id(), host.id()})) return;
    problem("host " + std::to_string(host.id()) + " is connected with host " +
            std::to_string(other.id()) + ", which has never answered");
  }

  // --- liveness ----------------------------------------------------------------------------------
  void heal() {
    world_.simulation().set_filter({});
    world_.set_lines({.delay = milliseconds(5)});
    start_sites();
    for (std::size_t i = 0; i < count_; ++i) {
      Host& host = world_.host(i);
      wake(host);
      host.on_request = OnRequest::kAccept;
      host.reading = Reading::kAtOnce;
      host.receive_all();
      for (std::size_t j = 0; j < world_.site_count(); ++j) {
        world_.simulation().set_blocked(host.id(), world_.site(j).id(), false);
      }
    }
    // A drain that is under way still ends what it drains.
    world_.run_for(seconds(6));
    start_sites();
    world_.run_for(kRecoveryTime);
    for (std::size_t i = 0; i < count_; ++i) {
      if (world_.host(i).online()) continue;
      problem("host " + std::to_string(i) + " is not online after everything has healed: " +
              world_.host(i).network_status().text);
    }
  }

  void start_sites() {
    for (std::size_t i = 0; i < world_.site_count(); ++i) world_.site(i).start();
  }

  // Each host says one thing to each other, again if the session fails; it must arrive.
  void liveness_phase() {
    std::vector<std::pair<std::size_t, std::size_t>> open;
    for (std::size_t i = 0; i < count_; ++i) {
      for (std::size_t j = 0; j < count_; ++j) {
        if (i != j) open.push_back({i, j});
      }
    }
    const Instant end = world_.now() + seconds(30);
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
    return world_.ledger().delivered(from.life(), world_.host(j).id(), kLivenessChannel, true) > 0;
  }

  void try_to_reach(std::size_t i, std::size_t j) {
    Host& from = world_.host(i);
    Host& to = world_.host(j);
    const ConnectionState state = from.state(to);
    const bool waiting = state == ConnectionState::kConnected ||
                         state == ConnectionState::kConnecting ||
                         state == ConnectionState::kFindingRoute;
    const std::uint64_t said = world_.ledger().taken(from.life(), to.id(), kLivenessChannel, true);
    // Once more now and then: what was said may have gone with a session that failed meanwhile.
    Instant& last = last_said_[{i, j}];
    if (waiting && said > 0 && world_.now() < last + seconds(5)) return;
    last = world_.now();
    from.say(to, 64, kSendReliable | kSendAutoRestartBrokenSession, kLivenessChannel);
  }

  void closing_phase() {
    for (std::size_t i = 0; i < world_.host_count(); ++i) {
      Host& host = world_.host(i);
      for (std::size_t j = 0; j < count_; ++j) host.close_session(world_.host(j));
      host.endpoint().close_all(host.now());
      world_.simulation().touch(host.id());
    }
    world_.run_for(seconds(30));
    for (std::size_t i = 0; i < count_; ++i) {
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
  std::uint64_t forwarded() {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < world_.site_count(); ++i) sum += world_.site(i).forwarded();
    return sum;
  }
  void problem(const std::string& text) {
    if (problems_.size() < 4000 && problems_.find(text) == std::string::npos) {
      problems_ += std::to_string(to_seconds(world_.now() - Instant{})) + " s: " + text + "\n";
    }
  }
  void note(const char* what, const SiteNode& site) const {
    if (!talking_) return;
    std::fprintf(stderr, "%12.6f %s: server %u\n", to_seconds(world_.now() - Instant{}), what,
                 site.id());
  }
  void note(const char* what, const Host& host, const Host& other) const {
    if (!talking_) return;
    std::fprintf(stderr, "%12.6f %s: host %u, host %u\n", to_seconds(world_.now() - Instant{}),
                 what, host.id(), other.id());
  }

  struct Recorded {
    IpAddress from, to;
    std::vector<std::uint8_t> bytes;
  };
  FastRandom random_;
  SwarmDice dice_{random_};
  World world_;
  SiteNode& site_;
  bool only_server_suffers_;
  LobbyPlayers lobbies_;
  // In lobbies: that is not rolled, so that the other seeds mean what they always meant.
  bool plays_;
  std::int64_t outage_max_ms_;
  bool talking_;
  std::size_t count_ = 0;  // of the hosts that are who they say; the impostor comes after them
  Host* impostor_ = nullptr;
  std::vector<Nat*> nats_;                        // of each host; null: none
  std::set<std::pair<NodeId, NodeId>> answered_;  // who has said anything to whom, ever
  std::vector<std::size_t> requests_seen_;        // of each host
  std::vector<Recorded> recorded_;
  std::map<std::pair<std::size_t, std::size_t>, Instant> last_said_;
  std::uint64_t operations_ = 0;
  std::string problems_;
};

}  // namespace

SwarmResult run_online_swarm(std::uint64_t seed) { return OnlineSwarm(seed).run(); }

std::string online_replay_command(std::uint64_t seed) {
  return "./dev swarm 1 --world server --seed " + std::to_string(seed);
}

}  // namespace whimbrel::sim
