// Relays that die under traffic: the session goes on over another one, with that one's own round trip and window.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace whimbrel::sim
