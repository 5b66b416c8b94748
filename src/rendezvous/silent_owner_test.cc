// An owner of a lobby who does not answer any more: what the members say of it, and what the server
// finds.
#include <string>

#include "rendezvous/test_rendezvous.h"

namespace whimbrel::rendezvous {
namespace {

class SilentOwner : public TestRendezvous {
 protected:
  SilentOwner() {
    lobby_limits.grace = seconds(60);
    server->enable_lobbies(lobby_limits, Secret(), random);
    alice = &logged_in("str:alice");
    bob = &logged_in("str:bob");
    alice->client.lobbies().create(LobbyKind::kPublic, 4, now);
    run();
    const auto entered = alice->client.lobbies().poll_event();
    lobby = std::get<LobbyEnteredEvent>(*entered).lobby;
    bob->client.lobbies().join(lobby, now);
    run();
  }
  std::string owner() const { return server->lobbies()->find(7, lobby)->owner().text(); }
  // It crashed: nobody hears of it again, and the server's session with it is as it was.
  void crash(User& user) { user.connected = false; }
  void report() {
    bob->client.lobbies().report_silent(name("str:alice"), now);
    run();
  }

  LobbyLimits lobby_limits;
  User* alice = nullptr;
  User* bob = nullptr;
  LobbyId lobby{};
};

TEST_F(SilentOwner, IsAskedAndReplaced) {
  crash(*alice);
  run_for(seconds(1));
  report();
  run_for(milliseconds(4900));
  EXPECT_EQ(owner(), "str:alice");
  run_for(milliseconds(200));
  EXPECT_EQ(owner(), "str:bob");
}

TEST_F(SilentOwner, WhoAnswersStays) {
  report();
  run_for(seconds(8));
  EXPECT_EQ(owner(), "str:alice");
  EXPECT_TRUE(alice->online());
}

// The server's own session with it ends, too, perhaps a moment before the answer is due.
TEST_F(SilentOwner, IsReplacedInTheSameTimeWhereItsSessionEndsMeanwhile) {
  crash(*alice);
  run_for(seconds(1));
  report();
  run_for(seconds(2));
  disconnect(*alice);
  run_for(seconds(4));
  EXPECT_EQ(owner(), "str:bob");
}

TEST_F(SilentOwner, IsReplacedInTheSameTimeWhereItsSessionEndedBefore) {
  crash(*alice);
  run_for(seconds(1));
  disconnect(*alice);
  report();
  run_for(milliseconds(4900));
  EXPECT_EQ(owner(), "str:alice");
  run_for(milliseconds(200));
  EXPECT_EQ(owner(), "str:bob");
}

TEST_F(SilentOwner, WhoComesBackInTimeStays) {
  crash(*alice);
  disconnect(*alice);
  report();
  run_for(seconds(3));
  connect(*alice);
  run_for(seconds(8));
  EXPECT_EQ(owner(), "str:alice");
}

TEST_F(SilentOwner, IsReplacedByTheFirstWhoComesBackWhereNobodyWasThere) {
  crash(*alice);
  run_for(seconds(1));
  report();
  disconnect(*bob);
  run_for(seconds(6));
  EXPECT_EQ(owner(), "str:alice");
  connect(*bob);
  EXPECT_EQ(owner(), "str:bob");
  connect(*alice);
  EXPECT_EQ(owner(), "str:bob");
}

}  // namespace
}  // namespace whimbrel::rendezvous
