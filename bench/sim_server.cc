#include "sim_server.h"

#include <cmath>
#include <functional>

#include "measure.h"
#include "sim/world.h"

namespace bench {
namespace {

using namespace whimbrel;
using namespace whimbrel::sim;

constexpr std::uint64_t kMeetings = 200;
constexpr std::uint64_t kOutages = 100;
constexpr std::size_t kMessageBytes = 64;
constexpr Duration kMessageInterval = milliseconds(10);
// A supervisor starts a program again at once.
constexpr Duration kRestartTime = milliseconds(20);

struct Percentiles {
  double p50_ms = 0, p99_ms = 0, max_ms = 0;
};

Percentiles percentiles(std::vector<double> values_ms) {
  if (values_ms.empty()) fail("nothing was measured");
  std::sort(values_ms.begin(), values_ms.end());
  // The smallest value that so many are not above.
  const auto at = [&](double share) {
    const auto rank =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(values_ms.size())));
    return values_ms[std::max<std::size_t>(rank, 1) - 1];
  };
  return {at(0.5), at(0.99), values_ms.back()};
}

double to_ms(Duration time) { return to_seconds(time) * 1e3; }

NatConfig nat(std::uint8_t number) {
  NatConfig config;
  config.outside = IpAddress::v4(198, 51, 100, number, 0);
  config.mapping = NatKind::kAddressAndPortDependent;
  return config;
}

// Two users behind symmetric translators, who know names, and the servers: one that is everything,
// or a rendezvous and two relays, of which `near` is nearer to both.
class Meeting {
 public:
  Meeting(std::uint64_t seed, bool two_relays, Duration leg_round_trip, double loss)
      : world_(seed), random_(seed * 2 + 1) {
    if (two_relays) {
      near_ = &world_.add_site(relay("near"));
      SiteNode& far = world_.add_site(relay("far"));
      world_.simulation().set_line(far.id(), {.delay = milliseconds(10)});
      SiteNodeConfig config;
      config.site.relay = false;
      for (const SiteNode* site : {near_, &far}) {
        config.site.other_sites.push_back(
            {site == near_ ? "near" : "far", {site->address()}, site->site_master()});
      }
      rendezvous_ = &world_.add_site(std::move(config));
    } else {
      near_ = rendezvous_ = &world_.add_site();
    }
    alice_ = &add("str:alice", 1, leg_round_trip, loss);
    bob_ = &add("str:bob", 2, leg_round_trip, loss);
    world_.run_for(seconds(5) + milliseconds(static_cast<std::int64_t>(random_.below(1000))));
    if (!alice_->online() || !bob_->online()) fail("somebody does not get online");
  }

  // Until the other has it.
  Duration first_message() {
    const Instant begin = world_.now();
    alice_->say(*bob_, kMessageBytes, kSendReliable | kSendNoNagle);
    if (!world_.run_until([&] { return bob_->messages_received() > 0; }, seconds(30)))
      fail("nothing arrives");
    return world_.now() - begin;
  }

  // The longest time in which one of those who wait for messages got none.
  Duration longest_gap(bool two_way, const std::function<void(SiteNode&)>& disturb) {
    first_message();
    watch(*bob_);
    if (two_way) watch(*alice_);
    talk(*alice_, *bob_);
    if (two_way) talk(*bob_, *alice_);
    world_.run_for(seconds(3) + milliseconds(static_cast<std::int64_t>(random_.below(100))));
    gap_ = Duration::zero();
    disturb(*near_);
    world_.run_for(seconds(15));
    talking_ = false;
    world_.run_until_complete(seconds(10));
    lost_ = world_.ledger().missing();
    if (!world_.violations().empty()) fail(world_.violations().c_str());
    for (Host* host : {alice_, bob_}) {
      if (!host->failures().empty()) fail(host->failures()[0].info.end_debug.c_str());
    }
    return gap_;
  }
  std::uint64_t lost() const { return lost_; }
  World& world() { return world_; }

 private:
  static SiteNodeConfig relay(const char* name) {
    SiteNodeConfig config;
    config.site.rendezvous = false;
    config.site.site_name = name;
    return config;
  }
  Host& add(const char* name, std::uint8_t number, Duration leg_round_trip, double loss) {
    HostConfig config;
    config.app_id = 7;
    Host& host = world_.add_online(name, *rendezvous_, std::move(config),
                                   &world_.simulation().add_nat(nat(number)));
    world_.simulation().set_line(host.id(), {.delay = leg_round_trip / 2, .loss = loss});
    return host;
  }
  void talk(Host& from, Host& to) {
    if (!talking_) return;
    from.say(to, kMessageBytes, kSendReliable | kSendNoNagle);
    world_.simulation().after(kMessageInterval, [this, &from, &to] { talk(from, to); });
  }
  void watch(Host& host) {
    Instant& last = last_[&host];
    last = world_.now();
    host.on_message = [this, &last](const InboxMessage&) {
      gap_ = std::max(gap_, world_.now() - last);
      last = world_.now();
    };
  }

  World world_;
  FastRandom random_;
  SiteNode* near_ = nullptr;
  SiteNode* rendezvous_ = nullptr;
  Host* alice_ = nullptr;
  Host* bob_ = nullptr;
  std::map<const Host*, Instant> last_;
  Duration gap_{};
  bool talking_ = true;
  std::uint64_t lost_ = 0;
};

void meet(double loss) {
  std::vector<double> times_ms;
  for (std::uint64_t seed = 0; seed < kMeetings; ++seed) {
    times_ms.push_back(to_ms(Meeting(seed, false, milliseconds(50), loss).first_message()));
  }
  const Percentiles p = percentiles(std::move(times_ms));
  print_result({{"p50_ms", p.p50_ms}, {"p99_ms", p.p99_ms}, {"max_ms", p.max_ms}});
}

using Disturbance = std::function<void(World&, SiteNode&)>;

// Round trips between the two from 20 to 100 ms, through the relay.
void outage(bool two_relays, bool two_way, const Disturbance& disturb) {
  std::vector<double> gaps_ms;
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 0; seed < kOutages; ++seed) {
    const Duration leg_round_trip = microseconds(10'000 + static_cast<std::int64_t>(seed) * 40'000 /
                                                              static_cast<std::int64_t>(kOutages));
    Meeting meeting(seed, two_relays, leg_round_trip, 0);
    gaps_ms.push_back(to_ms(
        meeting.longest_gap(two_way, [&](SiteNode& relay) { disturb(meeting.world(), relay); })));
    lost += meeting.lost();
  }
  const Percentiles p = percentiles(std::move(gaps_ms));
  print_result({{"p50_ms", p.p50_ms},
                {"p99_ms", p.p99_ms},
                {"max_ms", p.max_ms},
                {"lost", static_cast<double>(lost)}});
}

void restart(World& world, SiteNode& relay) {
  relay.kill();
  world.simulation().after(kRestartTime, [&relay] { relay.start(); });
}
void kill(World&, SiteNode& relay) { relay.kill(); }
void drain(World&, SiteNode& relay) { relay.drain(seconds(5)); }
void drain_and_restart(World& world, SiteNode& relay) {
  relay.drain(seconds(5));
  world.simulation().after(seconds(5) + kRestartTime, [&relay] { relay.start(); });
}

struct Row {
  std::string_view name;
  std::string_view what;
  void (*run)();
};

constexpr Row kRows[] = {
    {"sim_meet", "strangers' first message, relay legs of 50 ms", [] { meet(0); }},
    {"sim_meet_loss_1", "the same with 1 % loss on each line", [] { meet(0.01); }},
    {"sim_restart_both", "the only server killed, started again after 20 ms; two-way traffic",
     [] { outage(false, true, restart); }},
    {"sim_restart_one", "the same, one-way traffic", [] { outage(false, false, restart); }},
    {"sim_failover_both", "one of two relays killed; two-way traffic",
     [] { outage(true, true, kill); }},
    {"sim_failover_one", "the same, one-way traffic", [] { outage(true, false, kill); }},
    {"sim_drain_both", "one of two relays drained; two-way traffic",
     [] { outage(true, true, drain); }},
    {"sim_drain_one", "the same, one-way traffic", [] { outage(true, false, drain); }},
    {"sim_drain_restart", "the only server drained and started again; two-way traffic",
     [] { outage(false, true, drain_and_restart); }},
};

}  // namespace

bool run_server_row(std::string_view row) {
  if (row == "sim_server_table") {
    for (const Row& each : kRows) {
      std::printf("%-74s ", std::string(each.what).c_str());
      each.run();
    }
    return true;
  }
  for (const Row& each : kRows) {
    if (each.name != row) continue;
    each.run();
    return true;
  }
  return false;
}

}  // namespace bench
