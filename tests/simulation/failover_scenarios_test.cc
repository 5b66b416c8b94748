// Relays that die under traffic: the session goes on over another one, with that one's own round
// trip and window. Where there is only one server, and it is back at once, the session goes on
// there.
#include <gtest/gtest.h>
#include <whimbrel/send_flags.h>

#include <algorithm>

#include "sim/world.h"

namespace whimbrel::sim {
namespace {

constexpr std::size_t kMessageBytes = 1000;
constexpr Duration kWindow = seconds(2);

SiteNodeConfig relay(const char* name) {
  SiteNodeConfig config;
  config.site.rendezvous = false;
  config.site.site_name = name;
  return config;
}

// Two users, and relays of which they are 20 and 150 ms apart, round trip.
class Failover {
 public:
  explicit Failover(bool with_near) : world_(7) {
    SiteNode& far = world_.add_site(relay("far"));
    world_.simulation().set_line(far.id(), {.delay = microseconds(32'500)});
    SiteNodeConfig config;
    config.site.relay = false;
    if (with_near) {
      near_ = &world_.add_site(relay("near"));
      config.site.other_sites.push_back({"near", {near_->address()}, near_->site_master()});
    }
    config.site.other_sites.push_back({"far", {far.address()}, far.site_master()});
    SiteNode& rendezvous = world_.add_site(std::move(config));
    for (const char* name : {"str:alice", "str:bob"}) {
      HostConfig host;
      host.app_id = 7;
      hosts_.push_back(&world_.add_online(name, rendezvous, std::move(host)));
      world_.simulation().set_line(hosts_.back()->id(),
                                   {.rate = 2'500'000, .delay = milliseconds(5)});
    }
    world_.run_for(seconds(5));
  }
  Host& alice() { return *hosts_[0]; }
  Host& bob() { return *hosts_[1]; }
  World& world() { return world_; }
  SiteNode& near() { return *near_; }
  bool uses(const char* site) {
    const std::string text = alice().info(bob()).debug_description;
    return text.find(std::string("; site ") + site) != std::string::npos;
  }
  void keep_sending() {
    while (alice().say(bob(), kMessageBytes) == Result::kOk) {
    }
    if (sending_) world_.simulation().after(milliseconds(1), [this] { keep_sending(); });
  }
  void stop() { sending_ = false; }
  // Bytes that arrive in the next two seconds.
  std::uint64_t goodput() {
    const std::uint64_t before = bob().bytes_received();
    world_.run_for(kWindow);
    return bob().bytes_received() - before;
  }

 private:
  World world_;
  SiteNode* near_ = nullptr;
  std::vector<Host*> hosts_;
  bool sending_ = true;
};

TEST(FailoverScenarios, ASessionThatMovesIsAsFastAsOneThatStartedThere) {
  Failover fresh(false);
  fresh.alice().say(fresh.bob(), kMessageBytes);
  ASSERT_TRUE(
      fresh.world().run_until([&] { return fresh.bob().messages_received() > 0; }, seconds(5)));
  fresh.keep_sending();
  const std::uint64_t started_there = fresh.goodput();

  Failover moved(true);
  moved.alice().say(moved.bob(), kMessageBytes);
  moved.world().run_for(seconds(2));
  moved.keep_sending();
  ASSERT_TRUE(moved.world().run_until([&] { return moved.uses("near"); }, seconds(20)));
  moved.world().run_for(seconds(3));
  moved.near().kill();
  ASSERT_TRUE(moved.world().run_until([&] { return moved.uses("far"); }, seconds(5)));
  const std::uint64_t after_the_move = moved.goodput();
  moved.stop();
  RecordProperty("started_there", std::to_string(started_there));
  RecordProperty("after_the_move", std::to_string(after_the_move));
  EXPECT_GE(after_the_move, started_there * 9 / 10);
  EXPECT_TRUE(moved.world().run_until_complete(seconds(30)));
  EXPECT_TRUE(moved.alice().failures().empty() && moved.bob().failures().empty());
}

// Two users behind symmetric translators, and one server that is rendezvous and relay. They send
// each other (or one of them sends) 64 bytes each 10 ms, and the server is killed and started again
// 20 ms later.
class OneServer {
 public:
  OneServer(std::uint64_t seed, Duration leg_round_trip) : world_(seed), dice_(seed * 2 + 1) {
    server_ = &world_.add_site();
    for (const char* name : {"str:alice", "str:bob"}) {
      NatConfig nat;
      nat.outside = IpAddress::v4(198, 51, 100, static_cast<std::uint8_t>(talkers_.size() + 1), 0);
      nat.mapping = NatKind::kAddressAndPortDependent;
      HostConfig config;
      config.app_id = 7;
      Host& host =
          world_.add_online(name, *server_, std::move(config), &world_.simulation().add_nat(nat));
      world_.simulation().set_line(host.id(), {.delay = leg_round_trip / 2});
      talkers_.push_back({&host});
    }
    world_.run_for(seconds(5) + milliseconds(static_cast<std::int64_t>(dice_.below(1000))));
  }

  // The longest time without a message for one who is sent some. A failure of anything else is the
  // test's.
  Duration longest_gap(bool both) {
    for (std::size_t i = 0; i < talkers_.size(); ++i) {
      Talker& to = talkers_[1 - i];
      if (i > 0 && !both) continue;
      to.last = world_.now();
      to.host->on_message = [this, &to](const InboxMessage&) {
        to.gap = std::max(to.gap, world_.now() - to.last);
        to.last = world_.now();
      };
      keep_talking(i);
    }
    world_.run_for(seconds(3) + milliseconds(static_cast<std::int64_t>(dice_.below(100))));
    for (Talker& one : talkers_) one.gap = {};
    server_->kill();
    world_.simulation().after(milliseconds(20), [this] { server_->start(); });
    world_.run_for(seconds(5));
    talking_ = false;
    EXPECT_TRUE(world_.run_until_complete(seconds(10)));
    EXPECT_EQ(world_.violations(), "");
    for (const Talker& one : talkers_) {
      EXPECT_TRUE(one.host->failures().empty());
      EXPECT_TRUE(one.host->online());
    }
    return std::max(talkers_[0].gap, talkers_[1].gap);
  }

 private:
  struct Talker {
    Host* host;
    Instant last{};
    Duration gap{};
  };
  void keep_talking(std::size_t who) {
    if (!talking_) return;
    talkers_[who].host->say(*talkers_[1 - who].host, 64, kSendReliable | kSendNoNagle);
    world_.simulation().after(milliseconds(10), [this, who] { keep_talking(who); });
  }

  World world_;
  FastRandom dice_;
  SiteNode* server_ = nullptr;
  std::vector<Talker> talkers_;
  bool talking_ = true;
};

// Silence is noticed (50 ms or one and a half round trips to the relay), then follow an Open, a
// login, the peer's grant and its binding: six round trips in all until the first message has
// arrived.
class OneServerIsKilledAndBackAtOnce : public testing::TestWithParam<bool> {};

TEST_P(OneServerIsKilledAndBackAtOnce, MessagesFlowSoonAgain) {
  constexpr std::int64_t kSeeds = 30;
  std::vector<Duration> gaps;
  for (std::int64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const Duration leg_round_trip = microseconds(10'000 + seed * 40'000 / kSeeds);
    gaps.push_back(
        OneServer(static_cast<std::uint64_t>(seed), leg_round_trip).longest_gap(GetParam()));
  }
  std::sort(gaps.begin(), gaps.end());
  RecordProperty("p50_ms", static_cast<int>(to_milliseconds(gaps[kSeeds / 2 - 1])));
  RecordProperty("worst_ms", static_cast<int>(to_milliseconds(gaps.back())));
  EXPECT_LE(to_milliseconds(gaps[kSeeds / 2 - 1]), 270);
  EXPECT_LE(to_milliseconds(gaps.back()), 430);
}

INSTANTIATE_TEST_SUITE_P(FailoverOf, OneServerIsKilledAndBackAtOnce, testing::Bool(),
                         [](const auto& param) { return param.param ? "BothTalk" : "OneTalks"; });

}  // namespace
}  // namespace whimbrel::sim
