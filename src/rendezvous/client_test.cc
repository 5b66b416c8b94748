#include "rendezvous/client.h"

#include "rendezvous/test_rendezvous.h"

namespace whimbrel::rendezvous {
namespace {

using RendezvousClient = TestRendezvous;

TEST_F(RendezvousClient, AsksAgainAfterAReconnect) {
  User& alice = logged_in("str:alice");
  logged_in("str:bob");
  restart();
  alice.client.lookup(name("str:bob"), now);
  alice.client.watch(name("str:bob"), true, now);
  alice.client.want_ticket();
  run();
  EXPECT_TRUE(alice.all<FoundEvent>().empty());
  connect(*users[1]);
  connect(alice);
  ASSERT_EQ(alice.all<FoundEvent>().size(), 1u);
  EXPECT_TRUE(alice.all<FoundEvent>()[0].online);
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 1u);
  EXPECT_EQ(alice.all<TicketsEvent>().size(), 1u);
}

// Nothing is told twice, and nobody is gone only because he is slower to log in again.
TEST_F(RendezvousClient, WatchesOverARestartOfTheServer) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  User& carol = logged_in("str:carol");
  for (const char* who : {"str:bob", "str:carol", "str:nobody"})
    EXPECT_TRUE(alice.client.watch(name(who), true, now));
  run();
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 3u);
  restart();
  run_for(seconds(3));
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 3u) << "the last answer stands";
  connect(alice);
  run_for(seconds(5));
  connect(bob);
  run_for(Watches::kGrace - seconds(6));
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 3u);
  run_for(seconds(2));
  ASSERT_EQ(alice.all<PresenceEvent>().size(), 4u);
  EXPECT_EQ(alice.all<PresenceEvent>()[3].user, name("str:carol"));
  EXPECT_FALSE(alice.all<PresenceEvent>()[3].online);
  connect(carol);
  disconnect(bob);
  const auto told = alice.all<PresenceEvent>();
  ASSERT_EQ(told.size(), 6u);
  EXPECT_TRUE(told[4].user == name("str:carol") && told[4].online);
  EXPECT_TRUE(told[5].user == name("str:bob") && !told[5].online);
}

// It is asked again and again meanwhile, so the question waits; its end says what stood in the way.
TEST_F(RendezvousClient, AQuestionThatWaitsSaysWhyTheLoginWasRefused) {
  authority_config.new_names_per_minute = 0;
  restart();
  User& alice = add("str:alice");
  const auto ask = [&] {
    alice.client.lookup(name("str:bob"), now);
    run_for(seconds(30));
    return alice.all<LookupFailedEvent>().back().text;
  };
  connect(alice);
  EXPECT_FALSE(alice.online());
  EXPECT_EQ(ask(), "the server refused the last login: too many new names: try again in a minute");
  authority_config.new_names_per_minute = 10;
  restart();
  connect(alice);
  EXPECT_TRUE(alice.online());
  disconnect(alice);
  EXPECT_EQ(ask(), "there is no connection to the server");
}

// The server takes no more than so many requests a second, of which a watch is one.
TEST_F(RendezvousClient, ManyWatchesGetTheirAnswersFromABusyServer) {
  limits.requests_per_second = 16;
  restart();
  User& alice = add("str:alice");
  for (int i = 0; i < 256; ++i)
    EXPECT_TRUE(alice.client.watch(name("str:u" + std::to_string(i)), true, now));
  EXPECT_FALSE(alice.client.watch(name("str:one-more"), true, now));
  connect(alice);
  run_for(seconds(130));
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 256u);
  EXPECT_EQ(server->counters().rate_limited, 0u);
  alice.client.watch(name("str:u0"), false, now);
  EXPECT_TRUE(alice.client.watch(name("str:one-more"), true, now));
  run_for(seconds(5));
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 257u);
}

TEST_F(RendezvousClient, QuestionsFailInTime) {
  User& alice = logged_in("str:alice");
  disconnect(alice);
  alice.client.lookup(name("str:bob"), now);
  run_for(seconds(6));
  ASSERT_EQ(alice.all<LookupFailedEvent>().size(), 1u);
  EXPECT_EQ(alice.all<LookupFailedEvent>()[0].user, name("str:bob"));
}

TEST_F(RendezvousClient, QuestionsOfWhoIsRefusedFailAtOnceWithTheReason) {
  logged_in("str:alice");
  User& eve = add("str:alice");
  eve.client.lookup(name("str:bob"), now);
  connect(eve);
  eve.client.lookup(name("str:carol"), now);
  run();
  const auto failed = eve.all<LookupFailedEvent>();
  ASSERT_EQ(failed.size(), 2u);
  for (const auto& one : failed) {
    EXPECT_NE(one.text.find("belongs to another key"), std::string::npos) << one.text;
  }
}

TEST_F(RendezvousClient, NoticesASilentServer) {
  User& alice = logged_in("str:alice");
  run_for(seconds(100));
  EXPECT_TRUE(alice.all<SilentEvent>().empty());
  // It is gone, and nobody says so.
  server = std::make_unique<RendezvousServer>(limits, *authority, &tickets, now, clock);
  run_for(seconds(13));
  EXPECT_EQ(alice.all<SilentEvent>().size(), 1u);
}

TEST_F(RendezvousClient, NoticesItSoonWhenSomebodySuspects) {
  User& alice = logged_in("str:alice");
  server = std::make_unique<RendezvousServer>(limits, *authority, &tickets, now, clock);
  alice.client.check_server(milliseconds(300), now);
  run_for(milliseconds(310));
  EXPECT_EQ(alice.all<SilentEvent>().size(), 1u);
}

TEST_F(RendezvousClient, JunkOfAServerChangesNothing) {
  User& alice = logged_in("str:alice");
  for (int i = 0; i < 5000; ++i) {
    std::vector<std::uint8_t> junk(random.below(80));
    random.fill(junk);
    if (!junk.empty()) junk[0] = static_cast<std::uint8_t>(64 + junk[0] % 11);
    alice.client.on_message(junk, now);
  }
  run();
  EXPECT_TRUE(alice.online());
}

TEST_F(RendezvousClient, LimitOfQuestions) {
  User& alice = add("str:alice");
  for (std::size_t i = 0; i < Client::kOpenMax + 5; ++i) alice.client.lookup(name("str:bob"), now);
  run();
  EXPECT_EQ(alice.all<LookupFailedEvent>().size(), 5u);
}

// At the limit the oldest is forgotten: nobody hears what became of it.
TEST_F(RendezvousClient, SoManySignalsWaitForTheirAnswer) {
  limits.requests_per_second = 1000;
  restart();
  User& alice = logged_in("str:alice");
  constexpr std::size_t kWaiting = 256;
  for (std::size_t i = 0; i < kWaiting + 2; ++i)
    alice.client.signal(name("str:nobody" + std::to_string(i)), {1});
  run();
  const auto undelivered = alice.all<UndeliveredEvent>();
  ASSERT_EQ(undelivered.size(), kWaiting);
  EXPECT_EQ(undelivered.front().to, name("str:nobody2"));
  EXPECT_EQ(undelivered.back().to, name("str:nobody257"));
  EXPECT_EQ(server->counters().rate_limited, 0u) << "all have left";
}

TEST_F(RendezvousClient, AsksAgainWhatTheServerHadNoTimeFor) {
  limits.requests_per_second = 10;
  restart();
  User& alice = logged_in("str:alice");
  logged_in("str:bob");
  for (int i = 0; i < 100; ++i) alice.client.lookup(name("str:bob"), now);
  run_for(seconds(20));
  EXPECT_EQ(alice.all<FoundEvent>().size(), 100u);
  EXPECT_TRUE(alice.all<LookupFailedEvent>().empty());
}

TEST_F(RendezvousClient, HearsThatTooManySignalsWereRefused) {
  limits.requests_per_second = 10;
  restart();
  User& alice = logged_in("str:alice");
  logged_in("str:bob");
  for (int i = 0; i < 20; ++i) alice.client.signal(name("str:bob"), {1});
  run();
  const auto undelivered = alice.all<UndeliveredEvent>();
  ASSERT_EQ(undelivered.size(), 11u);
  EXPECT_TRUE(undelivered[0].again);
  EXPECT_EQ(undelivered[0].to, name("str:bob"));
  EXPECT_EQ(alice.all<OnlineEvent>().at(0).requests_per_second, 10u);
}

TEST_F(RendezvousClient, IsToldThatTheServerStops) {
  User& alice = logged_in("str:alice");
  server->farewell(seconds(10));
  run();
  ASSERT_EQ(alice.all<FarewellEvent>().size(), 1u);
  EXPECT_EQ(alice.all<FarewellEvent>()[0].seconds, 10);
  EXPECT_FALSE(alice.all<FarewellEvent>()[0].replaced);
}

// Where the same user has logged in elsewhere, its certificate is not renewed any more.
TEST_F(RendezvousClient, WhoGaveWayDoesNotWakeForItsCertificate) {
  User& alice = logged_in("str:alice");
  alice.client.give_way("logged in elsewhere");
  alice.connected = false;
  for (int day = 0; day < 40; ++day) {
    now += std::chrono::hours(24);
    alice.client.advance(now);
    while (alice.client.poll_output()) {
    }
    ASSERT_GT(alice.client.next_deadline(), now) << "day " << day;
  }
}

}  // namespace
}  // namespace whimbrel::rendezvous
