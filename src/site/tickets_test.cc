#include <gtest/gtest.h>

#include "site/site_config.h"
#include "site/site_control.h"

namespace whimbrel {
namespace {

constexpr std::int64_t kUnixSeconds = 1'800'000'000;

class RelayTickets : public ::testing::Test {
 protected:
  RelayTickets() {
    Secret master;
    master.bytes.fill(7);  // a test key
    config.other_sites.push_back({"fra", {IpAddress::v4(192, 0, 2, 2, 4040)}, master});
    fra = std::make_unique<relay::SiteKeys>(master);
  }
  static const rendezvous::RelayTicket* of(const std::vector<rendezvous::RelayTicket>& tickets,
                                           const std::string& site) {
    for (const rendezvous::RelayTicket& ticket : tickets) {
      if (ticket.site == site) return &ticket;
    }
    return nullptr;
  }

  FastRandom random{1};
  relay::SiteKeys home{Secret()};
  std::unique_ptr<relay::SiteKeys> fra;
  SiteConfig config;
  const Identity alice = *Identity::parse("str:alice");
};

TEST_F(RelayTickets, EachIsSealedForItsSiteWithASecretOfItsOwn) {
  RelayTicketIssuer issuer(config, home, random);
  const auto tickets = issuer.issue(alice, 7, kUnixSeconds);
  const auto* for_home = of(tickets, "home");
  const auto* for_fra = of(tickets, "fra");
  ASSERT_TRUE(for_home != nullptr && for_fra != nullptr);
  const auto at_home = home.open(for_home->token, kUnixSeconds);
  const auto at_fra = fra->open(for_fra->token, kUnixSeconds);
  ASSERT_TRUE(at_home && at_fra);
  EXPECT_EQ(at_home->secret.bytes, for_home->secret);
  EXPECT_EQ(at_fra->secret.bytes, for_fra->secret);
  EXPECT_NE(for_home->secret, for_fra->secret)
      << "who breaks into one relay learns nothing of others";
  EXPECT_EQ(at_fra->identity, relay::identity_hash(7, "str:alice"));
  EXPECT_EQ(at_fra->not_after, kUnixSeconds + config.ticket_seconds);
  EXPECT_FALSE(fra->open(for_home->token, kUnixSeconds));
}

TEST_F(RelayTickets, HaveTheAddressesThatTheirSiteHasNow) {
  RelayTicketIssuer issuer(config, home, random);
  const IpAddress moved = IpAddress::v4(192, 0, 2, 3, 4040);
  issuer.set_addresses("fra", {moved});
  const auto tickets = issuer.issue(alice, 7, kUnixSeconds);
  ASSERT_NE(of(tickets, "fra"), nullptr);
  EXPECT_EQ(of(tickets, "fra")->address, moved.bytes);
  issuer.set_sites({}, {});
  EXPECT_EQ(of(issuer.issue(alice, 7, kUnixSeconds), "fra"), nullptr);
}

}  // namespace
}  // namespace whimbrel
