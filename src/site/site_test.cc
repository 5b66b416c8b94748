#include "site/site.h"

#include <gtest/gtest.h>

#include <vector>

#include "site/test_callers.h"
#include "traversal/stun.h"

namespace whimbrel {
namespace {

class SiteTest : public ::testing::Test {
 protected:
  void make() {
    site = std::make_unique<Site>(config, &authority, keys, random, now, 1'800'000'000'000);
  }
  std::vector<std::uint8_t> stun_request() {
    std::vector<std::uint8_t> request(28);
    write_binding_request(request, StunTransaction{1, 2, 3});
    return request;
  }

  Instant now{};
  FastRandom random{1};
  relay::SiteKeys keys{Secret()};
  rendezvous::MemoryRegistry registry;
  rendezvous::Authority authority{{}, SigningKey::generate(random), registry};
  SiteConfig config;
  std::unique_ptr<Site> site;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(65536);
  const IpAddress client = IpAddress::v4(198, 51, 100, 7, 5000);
};

TEST_F(SiteTest, TellsEverybodyTheirAddress) {
  make();
  auto request = stun_request();
  EXPECT_FALSE(site->receive(client, request, now).has_value());
  const auto out = site->poll_transmit(buffer, now);
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->to, client);
  EXPECT_EQ(read_binding_response(Bytes(buffer).first(out->size))->mapped, client);
  EXPECT_FALSE(site->poll_transmit(buffer, now).has_value());
}

TEST_F(SiteTest, LimitsHowManyItTells) {
  config.stun_answers_per_second = 100;
  make();
  for (int i = 0; i < 1000; ++i) {
    auto request = stun_request();
    site->receive(client, request, now);
  }
  EXPECT_EQ(site->counters().stun_answered, 100u);
  EXPECT_EQ(site->counters().dropped_stun, 900u);
}

TEST_F(SiteTest, LimitsHowManyItTellsOnePrefix) {
  config.stun_answers_of_prefix = 10;
  make();
  const auto ask = [this](std::uint8_t network) {
    for (std::uint8_t host = 1; host <= 100; ++host) {
      auto request = stun_request();
      site->receive(IpAddress::v4(198, 51, network, host, 5000), request, now);
    }
  };
  ask(1);
  EXPECT_EQ(site->counters().stun_answered, 10u);
  ask(2);
  EXPECT_EQ(site->counters().stun_answered, 20u) << "another network has its own";
  now += seconds(1);
  ask(1);
  EXPECT_EQ(site->counters().stun_answered, 30u);
}

TEST_F(SiteTest, KeepsNoMoreAnswersThanItsLimit) {
  make();
  for (int i = 0; i < 1000; ++i) {
    auto request = stun_request();
    const auto network = static_cast<std::uint8_t>(i / 10);
    site->receive(IpAddress::v4(198, 51, network, 7, 5000), request, now);
  }
  int waiting = 0;
  while (site->poll_transmit(buffer, now)) ++waiting;
  EXPECT_EQ(waiting, 256);
}

TEST_F(SiteTest, PartsThatAreOffAreSilent) {
  config.rendezvous = config.relay = config.stun = false;
  make();
  for (int first = 0; first < 256; ++first) {
    std::vector<std::uint8_t> datagram(600);
    datagram[0] = static_cast<std::uint8_t>(first);
    EXPECT_FALSE(site->receive(client, datagram, now).has_value());
  }
  EXPECT_FALSE(site->poll_transmit(buffer, now).has_value());
  EXPECT_EQ(site->counters().dropped_unknown_type, 256u);
}

using SiteClock = SiteWithCallers;

TEST_F(SiteClock, SetRightGivesClientsNewCertificates) {
  Caller& alice = add("str:alice", IpAddress::v4(198, 51, 100, 7, 5000));
  exchange();
  ASSERT_TRUE(alice.online());
  ASSERT_EQ(alice.new_certificates, 0);
  constexpr UnixMillis kDay = 24 * 3600 * 1000;
  site->set_wall_clock(now, kUnixNow + 30 * kDay);
  exchange();
  EXPECT_EQ(alice.new_certificates, 1);
}

}  // namespace
}  // namespace whimbrel
