// What a site keeps of its clients: one entry each, for as long as they are there.
#include "site/test_callers.h"

namespace whimbrel {
namespace {

class SiteClients : public SiteWithCallers {
 protected:
  static IpAddress address(std::uint8_t last) { return IpAddress::v4(10, 1, 0, last, 7000); }
};

// The server has not noticed that it was away: its session of before is still there.
TEST_F(SiteClients, OneThatWasKilledAndComesBackAtOnceLogsInAgain) {
  add("str:alice", address(1));
  run_for(seconds(1));
  ASSERT_TRUE(callers[0]->online());
  for (std::uint64_t life = 1; life <= 3; ++life) {
    callers[0] = std::make_unique<Caller>("str:alice", address(1), kServer, config.keys.public_key,
                                          now, life);
    run_for(seconds(1));
    EXPECT_TRUE(callers[0]->online()) << "life " << life;
    EXPECT_EQ(server().user_count(), 1u);
    EXPECT_EQ(site->control()->client_count(), 1u);
  }
}

TEST_F(SiteClients, ThatAreGoneLeaveNothing) {
  for (std::uint8_t i = 0; i < 20; ++i) add("str:user" + std::to_string(i), address(i));
  run_for(seconds(1));
  EXPECT_EQ(site->control()->client_count(), 20u);
  for (auto& caller : callers) {
    caller->client.on_disconnected(now);
    caller->endpoint.close_all(now);
  }
  run_for(seconds(10));
  EXPECT_EQ(site->control()->client_count(), 0u);
  EXPECT_EQ(endpoint().session_count(), 0u);
}

}  // namespace
}  // namespace whimbrel
