// Two users behind symmetric translators or firewalls, one server, and a block: for a while nothing
// passes between the server and one of them, or both, in both directions or in one. No session may
// end, and what is said gets there soon after the block is over. In every tenth simulation it is
// the server that is killed, and starts again with nothing but what its disk kept.
#include <whimbrel/send_flags.h>

#include <algorithm>
#include <string>

#include "sim/world.h"
#include "tests/simulation/swarm.h"
#include "tests/simulation/swarm_dice.h"

namespace whimbrel::sim {

namespace {

// Blocks of each length from the least to the greatest, in steps of this; a seed after another has
// the next.
constexpr Duration kBlockMin = seconds(1);
constexpr Duration kBlockMax = milliseconds(9500);
constexpr Duration kBlockStep = milliseconds(10);
// From the end of the block until both have heard something that was said after it.
constexpr Duration kRecoveryMax = milliseconds(500);
// Who has to log in again, and to tell others of another slot, takes longer, and must be back
// before sessions give up.
constexpr Duration kRestartMax = milliseconds(8500);
constexpr Duration kRestartRecoveryMax = milliseconds(1500);

Duration block_length(std::uint64_t seed) {
  constexpr auto kSteps = static_cast<std::uint64_t>((kBlockMax - kBlockMin) / kBlockStep);
  return kBlockMin + static_cast<std::int64_t>(seed % (kSteps + 1)) * kBlockStep;
}

class BlockSwarm {
 public:
  explicit BlockSwarm(std::uint64_t seed)
      : random_(seed * 2 + 1),
        world_(seed),
        site_(world_.add_site()),
        restarts_(seed % 10 == 9),
        length_(block_length(seed)) {
    if (restarts_) length_ = std::min(length_, kRestartMax);
  }

  SwarmResult run() {
    build();
    if (problems_.empty()) run_block();
    SwarmResult result;
    result.problems = world_.finish() + problems_;
    result.trace_hash = world_.simulation().trace().hash();
    result.packets = world_.simulation().trace().packets_sent();
    result.recovery = recovery_;
    result.summary = "a block of " + std::to_string(to_milliseconds(length_)) + " ms " + kind() +
                     (both_speak_ ? "" : ", one speaks") + ", every " +
                     std::to_string(to_milliseconds(interval_)) + " ms, " + std::to_string(size_) +
                     " bytes " + ((flags_ & kSendReliable) != 0 ? "reliably" : "unreliably") +
                     ", traffic after " + std::to_string(to_milliseconds(recovery_)) + " ms";
    return result;
  }

 private:
  void build() {
    for (int i = 0; i < 2; ++i) {
      NatConfig nat;
      nat.outside = IpAddress::v4(198, 51, 100, static_cast<std::uint8_t>(i + 1), 0);
      nat.mapping = nat.filtering = NatKind::kAddressAndPortDependent;
      nat.preserve_port = random_.chance(0.5);  // a firewall does nothing else
      HostConfig config;
      config.app_id = 7;
      Host& host = world_.add_online(i == 0 ? "str:alice" : "str:bob", site_, std::move(config),
                                     &world_.simulation().add_nat(nat));
      world_.simulation().set_line(host.id(), {.delay = microseconds(dice_.between(200, 40'000))});
      hosts_[i] = &host;
      blocks_[i] = true;
    }
    if (random_.chance(0.4)) blocks_[random_.below(2)] = false;
    if (random_.chance(0.3)) (random_.chance(0.5) ? inwards_ : outwards_) = false;
    both_speak_ = random_.chance(0.7);
    interval_ = milliseconds(random_.chance(0.5) ? 16 : dice_.between(5, 100));
    size_ = random_.chance(0.5) ? 100 : Ledger::kSizeMin + random_.below(1000);
    flags_ = random_.chance(0.6) ? kSendReliable : kSendUnreliable;
    world_.simulation().set_filter([this](const PacketView& packet) { return fate(packet); });
    const auto online = [&] { return hosts_[0]->online() && hosts_[1]->online(); };
    if (!world_.run_until(online, seconds(10))) return problem("they do not get online");
    hosts_[0]->say(*hosts_[1]);
    hosts_[1]->on_request = OnRequest::kAccept;
    world_.run_for(milliseconds(dice_.between(500, 20'000)));
    talk_for(milliseconds(dice_.between(500, 5000)));
  }

  std::string kind() const {
    if (restarts_) return "and a restart";
    const std::string of = blocks_[0] && blocks_[1] ? "of both" : "of one";
    if (inwards_ && outwards_) return of;
    return of + (inwards_ ? ", inwards" : ", outwards");
  }

  // Nothing passes that one of the blocked sent, or was sent.
  Fate fate(const PacketView& packet) const {
    Fate fate;
    for (int i = 0; blocked_ && i < 2; ++i) {
      if (!blocks_[i]) continue;
      const bool out = packet.from == hosts_[i]->address();
      const bool in = packet.to.bytes == outside(i).bytes;
      if ((out && outwards_) || (in && inwards_)) fate.copies = 0;
    }
    return fate;
  }
  static IpAddress outside(int i) {
    return IpAddress::v4(198, 51, 100, static_cast<std::uint8_t>(i + 1), 0);
  }

  void run_block() {
    if (restarts_) site_.kill();
    blocked_ = !restarts_;
    talk_for(length_);
    blocked_ = false;
    if (restarts_) site_.start();
    over_ = world_.now();
    watch();
    talk_for(seconds(15));
    check();
    if (!world_.run_until_complete(seconds(20))) problem("messages are missing");
  }

  void talk_for(Duration time) {
    const Instant end = world_.now() + time;
    while (world_.now() < end) {
      for (int i = 0; i < (both_speak_ ? 2 : 1); ++i) {
        const Result result = hosts_[i]->say(*hosts_[1 - i], size_, flags_);
        if (result != Result::kOk && result != Result::kLimitExceeded)
          problem("a message was not taken");
      }
      world_.run_for(std::min(interval_, end - world_.now()));
    }
  }

  // A message counts from when it was heard; one that left before the block was over may still be
  // under way.
  void watch() {
    for (int i = 0; i < 2; ++i) {
      hosts_[i]->on_message = [this, i](const InboxMessage&) {
        if (heard_[i] == kNever && world_.now() > over_) heard_[i] = world_.now();
      };
    }
  }

  void check() {
    for (int i = both_speak_ ? 0 : 1; i < 2; ++i) {
      recovery_ = std::max(recovery_, heard_[i] == kNever ? seconds(99) : heard_[i] - over_);
      for (const Host::Failure& failure : hosts_[i]->failures())
        problem("a session ended: " + failure.info.end_debug);
    }
    if (recovery_ > (restarts_ ? kRestartRecoveryMax : kRecoveryMax))
      problem("nothing came for " + std::to_string(to_milliseconds(recovery_)) +
              " ms after the block");
  }

  void problem(const std::string& text) {
    if (problems_.find(text) != std::string::npos) return;
    problems_ += std::to_string(to_seconds(world_.now() - Instant{})) + " s: " + text + "\n";
  }

  FastRandom random_;
  SwarmDice dice_{random_};
  World world_;
  SiteNode& site_;
  bool restarts_;
  Duration length_;
  Host* hosts_[2] = {};
  bool blocks_[2] = {};
  bool inwards_ = true, outwards_ = true;
  bool both_speak_ = true;
  bool blocked_ = false;
  Duration interval_{};
  std::size_t size_ = 0;
  int flags_ = 0;
  Instant over_{};
  Instant heard_[2] = {kNever, kNever};
  Duration recovery_{};
  std::string problems_;
};

}  // namespace

SwarmResult run_block_swarm(std::uint64_t seed) { return BlockSwarm(seed).run(); }

std::string block_replay_command(std::uint64_t seed) {
  return "./dev swarm 1 --world blocks --seed " + std::to_string(seed);
}

}  // namespace whimbrel::sim
