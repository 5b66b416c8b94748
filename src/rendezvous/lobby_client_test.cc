#include "rendezvous/lobby_client.h"

#include "rendezvous/test_rendezvous.h"

namespace whimbrel::rendezvous {
namespace {

struct LobbyClients : TestRendezvous {
  Secret lobby_key{};
  LobbyClients() { server->enable_lobbies({}, lobby_key, random); }

  void begin_again() {
    restart();
    server->enable_lobbies({}, lobby_key, random);
  }
  template <typename Event>
  static std::vector<Event> take(User& user) {
    std::vector<Event> found;
    while (auto event = user.client.lobbies().poll_event()) {
      if (const auto* one = std::get_if<Event>(&*event)) found.push_back(*one);
    }
    return found;
  }
  LobbyId create(User& user, std::uint8_t members_max = 4) {
    user.client.lobbies().create(LobbyKind::kPublic, members_max, now);
    run();
    const auto entered = take<LobbyEnteredEvent>(user);
    return entered.empty() ? LobbyId{} : entered.back().lobby;
  }
  void join(User& user, LobbyId lobby) {
    user.client.lobbies().join(lobby, now);
    run();
  }
  static std::string text_of(const LobbyView& view) {
    std::string text = view.owner.text() + (view.joinable ? " open" : " shut");
    for (const auto& member : view.members) {
      text += " " + member.identity.text();
      for (const auto& [key, value] : member.data) text += "(" + key + "=" + value + ")";
    }
    for (const auto& [key, value] : view.data) text += " " + key + "=" + value;
    return text;
  }
};

TEST_F(LobbyClients, EachMembersMirrorIsTheSame) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  User& carol = logged_in("str:carol");
  const LobbyId lobby = create(alice);
  join(bob, lobby);
  alice.client.lobbies().set_data(lobby, "map", "dust", now);
  alice.client.lobbies().set_data(lobby, "gone", "soon", now);
  bob.client.lobbies().set_member_data(lobby, "ready", "1", now);
  run();
  join(carol, lobby);
  alice.client.lobbies().remove_data(lobby, "gone", now);
  bob.client.lobbies().set_member_data(lobby, "x", "1", now);
  bob.client.lobbies().remove_member_data(lobby, "x", now);
  alice.client.lobbies().configure(lobby, LobbyKind::kPublic, 3, false, now);
  alice.client.lobbies().set_owner(lobby, name("str:bob"), now);
  run();
  for (auto& user : users) {
    ASSERT_NE(user->client.lobbies().find(lobby), nullptr);
    EXPECT_EQ(text_of(*user->client.lobbies().find(lobby)),
              "str:bob shut str:alice str:bob(ready=1) str:carol map=dust");
  }
  bob.client.lobbies().kick(lobby, name("str:carol"), now);
  alice.client.lobbies().leave(lobby, now);
  run();
  EXPECT_EQ(text_of(*bob.client.lobbies().find(lobby)), "str:bob shut str:bob(ready=1) map=dust");
  EXPECT_EQ(carol.client.lobbies().find(lobby), nullptr);
  EXPECT_EQ(alice.client.lobbies().find(lobby), nullptr);
  const auto gone = take<LobbyGoneEvent>(carol);
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].why, LobbyLeaveWhy::kKicked);
}

TEST_F(LobbyClients, ListChatAndRefusals) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  const LobbyId lobby = create(alice);
  const auto listing = bob.client.lobbies().list({}, 1, 10, now);
  const auto chat = bob.client.lobbies().chat(lobby, {1}, now);
  run();
  std::vector<LobbyEvent> events;
  while (auto event = bob.client.lobbies().poll_event()) events.push_back(*event);
  ASSERT_EQ(events.size(), 2u);
  const auto& listed = std::get<LobbyListedEvent>(events[0]);
  EXPECT_EQ(listed.request, listing);
  ASSERT_EQ(listed.lobbies.size(), 1u);
  EXPECT_EQ(listed.lobbies[0].lobby, lobby);
  EXPECT_EQ(std::get<LobbyDoneEvent>(events[1]).request, chat);
  EXPECT_EQ(std::get<LobbyDoneEvent>(events[1]).result, LobbyResult::kNotMember);
  join(bob, lobby);
  bob.client.lobbies().chat(lobby, {7}, now);
  run();
  const auto heard = take<LobbyChatEvent>(alice);
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].from, name("str:bob"));
}

TEST_F(LobbyClients, AReconnectInTimeLosesNothing) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  const LobbyId lobby = create(alice);
  join(bob, lobby);
  disconnect(bob);
  EXPECT_NE(bob.client.lobbies().find(lobby), nullptr) << "the mirror stays";
  alice.client.lobbies().set_data(lobby, "map", "dust", now);
  run_for(seconds(9));
  take<LobbyGoneEvent>(bob);
  connect(bob);
  const auto again = take<LobbyEnteredEvent>(bob);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].request, 0u);
  EXPECT_EQ(text_of(*bob.client.lobbies().find(lobby)),
            text_of(*alice.client.lobbies().find(lobby)));
}

TEST_F(LobbyClients, AReconnectTooLateIsTold) {
  run_for(LobbyLimits().restore_time + seconds(1));  // nothing is restored any more
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  const LobbyId lobby = create(alice);
  join(bob, lobby);
  disconnect(bob);
  run_for(seconds(11));
  EXPECT_EQ(alice.client.lobbies().find(lobby)->members.size(), 1u);
  take<LobbyGoneEvent>(bob);
  connect(bob);
  ASSERT_EQ(take<LobbyGoneEvent>(bob).size(), 1u);
  EXPECT_EQ(bob.client.lobbies().find(lobby), nullptr);
}

TEST_F(LobbyClients, NoPlaceIsKeptForWhoLogsOut) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  const LobbyId lobby = create(alice);
  join(bob, lobby);
  alice.client.logout();
  run();
  EXPECT_TRUE(alice.closed_by_server);
  ASSERT_EQ(bob.client.lobbies().find(lobby)->members.size(), 1u);
  EXPECT_EQ(bob.client.lobbies().find(lobby)->owner, name("str:bob"));
  EXPECT_EQ(take<LobbyLeftEvent>(bob).at(0).why, LobbyLeaveWhy::kLeft);
  EXPECT_EQ(server->user_count(), 1u);
}

TEST_F(LobbyClients, ASecondSessionOfAUserTakesItsPlacesOver) {
  User& alice = logged_in("str:alice");
  const LobbyId lobby = create(alice);
  User& again = add("str:alice");
  again.keys = alice.keys;
  connect(again);
  ASSERT_NE(again.client.lobbies().find(lobby), nullptr);
  run_for(seconds(20));
  EXPECT_NE(again.client.lobbies().find(lobby), nullptr);
  EXPECT_EQ(server->lobbies()->lobby_count(), 1u);
}

TEST_F(LobbyClients, ARestartedServerGetsItsLobbiesBack) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  const LobbyId lobby = create(alice);
  join(bob, lobby);
  alice.client.lobbies().set_data(lobby, "map", "dunes", now);
  bob.client.lobbies().set_member_data(lobby, "ready", "1", now);
  alice.client.lobbies().configure(lobby, LobbyKind::kPrivate, 2, false, now);
  run();
  const std::string before = text_of(*alice.client.lobbies().find(lobby));
  for (int i = 0; i < 3; ++i) {  // each life has a claim of its own
    begin_again();
    connect(i == 1 ? bob : alice);
    connect(i == 1 ? alice : bob);
    for (User* user : {&alice, &bob}) {
      EXPECT_TRUE(take<LobbyGoneEvent>(*user).empty());
      ASSERT_NE(user->client.lobbies().find(lobby), nullptr);
    }
    EXPECT_EQ(text_of(*bob.client.lobbies().find(lobby)),
              text_of(*alice.client.lobbies().find(lobby)));
  }
  EXPECT_EQ(text_of(*alice.client.lobbies().find(lobby)).size(), before.size());
  EXPECT_EQ(alice.client.lobbies().find(lobby)->owner, name("str:alice"));
  EXPECT_EQ(alice.client.lobbies().find(lobby)->members.size(), 2u);
  EXPECT_EQ(alice.client.lobbies().find(lobby)->kind, LobbyKind::kPrivate);
  run_for(seconds(120));
  EXPECT_EQ(server->lobbies()->lobby_count(), 1u);
}

TEST_F(LobbyClients, WhatWaitsTakesNoRoomOfWhatIsRestored) {
  User& alice = logged_in("str:alice");
  for (std::size_t i = 0; i < kLobbiesOfUserMax; ++i) create(alice);
  disconnect(alice);
  begin_again();
  const auto early = alice.client.lobbies().create(LobbyKind::kPublic, 4, now);
  connect(alice);
  EXPECT_TRUE(take<LobbyGoneEvent>(alice).empty());
  EXPECT_EQ(alice.client.lobbies().lobbies().size(), kLobbiesOfUserMax);
  EXPECT_EQ(server->lobbies()->place_count(), kLobbiesOfUserMax);
  disconnect(alice);
  EXPECT_EQ(early, 9u);
}

TEST_F(LobbyClients, WhatAServerWillNotRestoreIsGone) {
  User& alice = logged_in("str:alice");
  create(alice);
  lobby_key.bytes[0] ^= 1;  // another server
  begin_again();
  connect(alice);
  EXPECT_EQ(take<LobbyGoneEvent>(alice).size(), 1u);
  create(alice);
  begin_again();
  run_for(LobbyLimits().restore_time + seconds(1));
  connect(alice);
  EXPECT_EQ(take<LobbyGoneEvent>(alice).size(), 1u) << "too late";
  create(alice);
  restart();  // without lobbies
  connect(alice);
  EXPECT_TRUE(take<LobbyGoneEvent>(alice).empty());
  run_for(seconds(6));
  EXPECT_EQ(take<LobbyGoneEvent>(alice).size(), 1u);
  EXPECT_TRUE(alice.client.lobbies().lobbies().empty());
  alice.client.lobbies().create(LobbyKind::kPublic, 4, now);
  run();
  EXPECT_EQ(take<LobbyDoneEvent>(alice).at(0).result, LobbyResult::kUnsupported);
}

TEST_F(LobbyClients, WhatIsAskedBeforeTheLoginWaitsForIt) {
  User& alice = add("str:alice");
  const auto early = alice.client.lobbies().create(LobbyKind::kPublic, 4, now);
  run_for(seconds(4));
  EXPECT_TRUE(take<LobbyDoneEvent>(alice).empty());
  connect(alice);
  const auto entered = take<LobbyEnteredEvent>(alice);
  ASSERT_EQ(entered.size(), 1u);
  EXPECT_EQ(entered[0].request, early);
}

TEST_F(LobbyClients, EveryRequestIsAnsweredOnce) {
  User& alice = add("str:alice");
  const auto early = alice.client.lobbies().create(LobbyKind::kPublic, 4, now);
  run_for(seconds(6));
  auto done = take<LobbyDoneEvent>(alice);
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].request, early);
  EXPECT_EQ(done[0].result, LobbyResult::kOffline);
  connect(alice);
  EXPECT_EQ(server->lobbies()->lobby_count(), 0u) << "what has failed is not done";

  alice.client.lobbies().create(LobbyKind::kPublic, 4, now);
  while (alice.client.poll_output()) {  // lost on the way
  }
  run_for(seconds(6));
  done = take<LobbyDoneEvent>(alice);
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].result, LobbyResult::kTimeout);

  alice.client.lobbies().create(LobbyKind::kPublic, 4, now);
  alice.client.on_disconnected(now);
  done = take<LobbyDoneEvent>(alice);
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].result, LobbyResult::kOffline);
}

TEST_F(LobbyClients, LimitOfOpenRequests) {
  User& alice = logged_in("str:alice");
  for (std::size_t i = 0; i < LobbyClient::kOpenMax + 3; ++i) {
    alice.client.lobbies().list({}, 0, 1, now);
  }
  const auto done = take<LobbyDoneEvent>(alice);
  ASSERT_EQ(done.size(), 3u);
  EXPECT_EQ(done[0].result, LobbyResult::kTooMuch);
}

TEST_F(LobbyClients, LimitsOfEventsAndLobbies) {
  User& alice = logged_in("str:alice");
  LobbyClient& lobbies = alice.client.lobbies();
  for (std::uint64_t i = 1; i <= kLobbiesOfUserMax + 1; ++i) {
    lobbies.on_message(encode(LobbyNotice(LobbyEntered{0, LobbyId{i}, {}, 1, true, "", {}, {}})),
                       now);
  }
  EXPECT_EQ(lobbies.lobbies().size(), kLobbiesOfUserMax);
  for (std::size_t i = 0; i < LobbyClient::kEventsMax; ++i) {
    lobbies.on_message(encode(LobbyNotice(LobbyChatted{LobbyId{1}, "str:bob", {}})), now);
  }
  EXPECT_EQ(lobbies.dropped_events(), kLobbiesOfUserMax);
}

// A program that has crashed, or a machine that is gone: nothing says so.
TEST_F(LobbyClients, AHostThatIsSilentIsReplacedSoon) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  User& carol = logged_in("str:carol");
  const LobbyId lobby = create(alice);
  join(bob, lobby);
  join(carol, lobby);
  alice.connected = false;  // nothing reaches her, and nothing comes from her
  run_for(seconds(1));
  carol.client.lobbies().report_silent(name("str:alice"), now);
  bob.client.lobbies().report(lobby, name("str:alice"), now);
  run_for(milliseconds(4900));
  EXPECT_EQ(bob.client.lobbies().find(lobby)->owner, name("str:alice"));
  run_for(milliseconds(200));
  EXPECT_EQ(bob.client.lobbies().find(lobby)->owner, name("str:bob"));
  EXPECT_EQ(carol.client.lobbies().find(lobby)->owner, name("str:bob"));
  EXPECT_EQ(bob.client.lobbies().find(lobby)->members.size(), 3u) << "her place is kept";
  EXPECT_EQ(take<LobbyDoneEvent>(bob).size(), 1u) << "of his own report";
  EXPECT_TRUE(take<LobbyDoneEvent>(carol).empty());
  connect(alice);
  EXPECT_EQ(alice.client.lobbies().find(lobby)->owner, name("str:bob"));
  run_for(seconds(30));
  EXPECT_EQ(bob.client.lobbies().find(lobby)->members.size(), 3u);
}

TEST_F(LobbyClients, AHostThatAnswersTheServerStays) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  const LobbyId lobby = create(alice);
  join(bob, lobby);
  for (int i = 0; i < 10; ++i) {
    bob.client.lobbies().report_silent(name("str:alice"), now);
    run_for(seconds(2));
  }
  EXPECT_TRUE(alice.connected);
  EXPECT_EQ(bob.client.lobbies().find(lobby)->owner, name("str:alice"));
}

// Not reported by anybody: the server notices by itself.
TEST_F(LobbyClients, AHostThatIsSilentIsReplacedWhenTheServerNotices) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  const LobbyId lobby = create(alice);
  join(bob, lobby);
  alice.connected = false;
  run_for(seconds(31));
  EXPECT_EQ(bob.client.lobbies().find(lobby)->owner, name("str:bob"));
}

TEST_F(LobbyClients, NobodyAsksBeforeLogin) {
  const ClientId id{99};
  server->on_connected(id, generate_x25519(random).public_key, {}, now);
  server->on_message(id, encode(LobbyRequest(LobbyCreate{5, LobbyKind::kPublic, 4})), now);
  const auto answer = decode_lobby_notice(server->poll_output()->message);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(std::get<LobbyAnswer>(*answer).request, 5u);
  EXPECT_EQ(std::get<LobbyAnswer>(*answer).result, LobbyResult::kNotLoggedIn);
  EXPECT_EQ(server->lobbies()->lobby_count(), 0u);
}

TEST_F(LobbyClients, JunkHarmsNeitherEnd) {
  User& alice = logged_in("str:alice");
  create(alice);
  for (int i = 0; i < 5000; ++i) {
    std::vector<std::uint8_t> junk(1 + random.below(60));
    random.fill(junk);
    junk[0] = static_cast<std::uint8_t>(LobbyAnswer::kType + junk[0] % 10);
    alice.client.on_message(junk, now);
    junk[0] = static_cast<std::uint8_t>(LobbyCreate::kType + junk[0] % 10);
    server->on_message(alice.id, junk, now);
    while (server->poll_output()) {
    }
    now += milliseconds(30);
  }
  EXPECT_LE(alice.client.lobbies().lobbies().size(), kLobbiesOfUserMax);
  EXPECT_LE(server->lobbies()->lobby_count(), kLobbiesOfUserMax);
  EXPECT_TRUE(alice.online());
}

}  // namespace
}  // namespace whimbrel::rendezvous
