#include "rendezvous/lobby_server.h"

#include "rendezvous/test_lobby_server.h"

namespace whimbrel::rendezvous {
namespace {

TEST_F(Lobbies, WhoMakesOneOwnsIt) {
  online("alice");
  const LobbyId lobby = create("alice", 5, LobbyKind::kInvisible);
  const auto entered = all<LobbyEntered>("alice");
  ASSERT_EQ(entered.size(), 1u);
  EXPECT_EQ(entered[0].request, 1u);
  EXPECT_EQ(entered[0].owner, "str:alice");
  EXPECT_EQ(entered[0].kind, LobbyKind::kInvisible);
  EXPECT_EQ(entered[0].members_max, 5);
  ASSERT_EQ(entered[0].members.size(), 1u);
  EXPECT_NE(lobby, LobbyId{});
  for (const int members : {0, 251, 255}) {
    ask("alice", LobbyCreate{1, LobbyKind::kPublic, static_cast<std::uint8_t>(members)});
    EXPECT_EQ(result("alice"), LobbyResult::kTooMuch) << members;
  }
  EXPECT_EQ(server->lobby_count(), 1u);
}

TEST_F(Lobbies, MembersSeeWhoComesAndGoes) {
  for (const char* who : {"alice", "bob", "carol"}) online(who);
  const LobbyId lobby = create("alice");
  EXPECT_EQ(join("bob", lobby), LobbyResult::kOk);
  EXPECT_EQ(join("bob", lobby), LobbyResult::kOk) << "a member already";
  ASSERT_EQ(all<LobbyMemberJoined>("alice").size(), 1u);
  EXPECT_EQ(all<LobbyMemberJoined>("alice")[0].member, "str:bob");
  EXPECT_TRUE(all<LobbyMemberJoined>("bob").empty());
  ask("bob", LobbyLeave{3, lobby});
  EXPECT_EQ(result("bob"), LobbyResult::kOk);
  for (const char* who : {"alice", "bob"}) {
    ASSERT_EQ(all<LobbyMemberLeft>(who).size(), 1u) << who;
    EXPECT_EQ(all<LobbyMemberLeft>(who)[0].why, LobbyLeaveWhy::kLeft);
  }
  ask("bob", LobbyLeave{4, lobby});
  EXPECT_EQ(result("bob"), LobbyResult::kNotMember);
  EXPECT_EQ(seen[name("carol")].size(), 1u) << "its memberships, none";
}

TEST_F(Lobbies, TheLastPlaceIsOnes) {
  const std::vector<std::string> all_users = {"a", "b", "c", "d", "e", "f"};
  for (const std::string& who : all_users) online(who);
  const LobbyId lobby = create("a", 3);
  std::size_t in = 1;
  for (const std::string& who : all_users) {
    if (who != "a" && join(who, lobby) == LobbyResult::kOk) ++in;
  }
  EXPECT_EQ(in, 3u);
  EXPECT_EQ(result("d"), LobbyResult::kFull);
  EXPECT_EQ(look("a", lobby).members.size(), 3u);
  ask("b", LobbyLeave{3, lobby});
  EXPECT_EQ(join("d", lobby), LobbyResult::kOk);
  EXPECT_EQ(join("e", lobby), LobbyResult::kFull);
}

TEST_F(Lobbies, OwnershipPassesToTheLongestMember) {
  for (const char* who : {"alice", "bob", "carol"}) online(who);
  const LobbyId lobby = create("alice");
  join("carol", lobby);
  join("bob", lobby);
  ask("alice", LobbyLeave{3, lobby});
  ASSERT_EQ(all<LobbyChanged>("bob").size(), 1u);
  EXPECT_EQ(all<LobbyChanged>("bob")[0].owner, "str:carol");
  EXPECT_EQ(set("bob", lobby, "k", "v"), LobbyResult::kNotOwner);
  EXPECT_EQ(set("carol", lobby, "k", "v"), LobbyResult::kOk);
  ask("carol", LobbyLeave{3, lobby});
  ask("bob", LobbyLeave{3, lobby});
  EXPECT_EQ(server->lobby_count(), 0u);
  EXPECT_EQ(server->data_bytes(), 0u);
  EXPECT_EQ(join("alice", lobby), LobbyResult::kNoSuchLobby);
}

TEST_F(Lobbies, MembersReportWhoIsSilent) {
  for (const char* who : {"alice", "bob", "carol", "eve"}) online(who);
  const LobbyId lobby = create("alice");
  join("bob", lobby);
  join("carol", lobby);
  const auto report = [&](const std::string& who, const std::string& whom) {
    ask(who, LobbyReport{7, lobby, whom});
    return result(who);
  };
  EXPECT_EQ(report("eve", "str:alice"), LobbyResult::kNotMember);
  EXPECT_EQ(report("bob", "str:eve"), LobbyResult::kNotMember);
  EXPECT_EQ(report("bob", "nonsense"), LobbyResult::kNotMember);
  EXPECT_EQ(report("bob", "str:bob"), LobbyResult::kOk);
  offline("carol");
  EXPECT_TRUE(doubted.empty());
  EXPECT_EQ(report("bob", "str:carol"), LobbyResult::kOk);
  EXPECT_EQ(report("bob", "str:alice"), LobbyResult::kOk);
  EXPECT_EQ(doubted, (std::vector{user("carol"), user("alice")}));
}

TEST_F(Lobbies, WhatASilentUserOwnsPassesToTheLongestWhoIsOnline) {
  for (const char* who : {"alice", "bob", "carol"}) online(who);
  const LobbyId lobby = create("alice");
  join("bob", lobby);
  join("carol", lobby);
  offline("bob");
  server->on_silent(user("alice"), now);
  offline("alice");
  EXPECT_EQ(look("carol", lobby).owner, "str:carol");
  EXPECT_EQ(look("carol", lobby).members.size(), 3u);
  // Nobody else is there: it stays hers, for when she comes back in time.
  server->on_silent(user("carol"), now);
  offline("carol");
  online("carol");
  EXPECT_EQ(look("carol", lobby).owner, "str:carol");
  online("alice");
  EXPECT_EQ(look("alice", lobby).owner, "str:carol") << "who comes back is a member";
}

TEST_F(Lobbies, WhatSomebodyLeavesBehindIsNotForWhoIsSilent) {
  for (const char* who : {"alice", "bob", "carol"}) online(who);
  const LobbyId lobby = create("alice");
  join("bob", lobby);
  join("carol", lobby);
  server->on_silent(user("bob"), now);
  offline("bob");
  ask("alice", LobbyLeave{3, lobby});
  EXPECT_EQ(look("carol", lobby).owner, "str:carol");
  EXPECT_EQ(look("carol", lobby).members.size(), 2u);
}

TEST_F(Lobbies, OnlyTheOwnerRules) {
  for (const char* who : {"alice", "bob", "carol", "eve"}) online(who);
  const LobbyId lobby = create("alice");
  join("bob", lobby);
  join("carol", lobby);
  const std::vector<LobbyRequest> acts = {
      LobbySetData{5, lobby, false, false, {"k", "v"}}, LobbyKick{5, lobby, "str:carol"},
      LobbySetOwner{5, lobby, "str:bob"}, LobbyConfigure{5, lobby, LobbyKind::kPublic, 9, true}};
  for (const LobbyRequest& act : acts) {
    ask("bob", act);
    EXPECT_EQ(result("bob"), LobbyResult::kNotOwner) << act.index();
    ask("eve", act);
    EXPECT_EQ(result("eve"), LobbyResult::kNotMember) << act.index();
  }
  for (const LobbyRequest& act : acts) {
    ask("alice", act);
    EXPECT_EQ(result("alice"),
              act.index() == acts.back().index() ? LobbyResult::kNotOwner : LobbyResult::kOk)
        << "the place went to bob before the last one";
  }
  ASSERT_EQ(all<LobbyMemberLeft>("carol").size(), 1u);
  EXPECT_EQ(all<LobbyMemberLeft>("carol")[0].why, LobbyLeaveWhy::kKicked);
  EXPECT_EQ(look("bob", lobby).owner, "str:bob");
  ask("bob", LobbyKick{6, lobby, "str:carol"});
  EXPECT_EQ(result("bob"), LobbyResult::kNotMember);
  ask("bob", LobbySetOwner{6, lobby, "nonsense"});
  EXPECT_EQ(result("bob"), LobbyResult::kNotMember);
}

TEST_F(Lobbies, DataReachesMembersAndThoseWhoJoinLater) {
  for (const char* who : {"alice", "bob", "carol"}) online(who);
  const LobbyId lobby = create("alice");
  join("bob", lobby);
  set("alice", lobby, "map", "dust");
  set("alice", lobby, "gone", "soon");
  set("alice", lobby, "gone", "", false, true);
  set("bob", lobby, "ready", "1", true);
  const auto changes = all<LobbyDataChanged>("bob");
  ASSERT_EQ(changes.size(), 4u);
  EXPECT_EQ(changes[0].datum.value, "dust");
  EXPECT_TRUE(changes[2].removed);
  EXPECT_EQ(changes[3].member, "str:bob");
  join("carol", lobby);
  const LobbyEntered entered = all<LobbyEntered>("carol").back();
  ASSERT_EQ(entered.data.size(), 1u);
  EXPECT_EQ(entered.data[0].key, "map");
  ASSERT_EQ(entered.members[1].data.size(), 1u);
  EXPECT_EQ(entered.members[1].data[0].value, "1");
  EXPECT_EQ(server->data_bytes(), 7u + 6u);
  ask("bob", LobbyLeave{9, lobby});
  EXPECT_EQ(server->data_bytes(), 7u);
}

TEST_F(Lobbies, ChatReachesMembersOnly) {
  for (const char* who : {"alice", "bob", "eve"}) online(who);
  const LobbyId lobby = create("alice");
  join("bob", lobby);
  ask("bob", LobbyChat{3, lobby, {1, 2}});
  ask("eve", LobbyChat{3, lobby, {3}});
  EXPECT_EQ(result("eve"), LobbyResult::kNotMember);
  for (const char* who : {"alice", "bob"}) {
    ASSERT_EQ(all<LobbyChatted>(who).size(), 1u);
    EXPECT_EQ(all<LobbyChatted>(who)[0].from, "str:bob");
  }
  EXPECT_TRUE(all<LobbyChatted>("eve").empty());
}

TEST_F(Lobbies, AreListedByKindPlacesAndFilters) {
  for (const char* who : {"a", "b", "c", "d"}) online(who);
  const LobbyId open = create("a", 2);
  const LobbyId hidden = create("b", 4, LobbyKind::kPrivate);
  const LobbyId invisible = create("c", 8, LobbyKind::kInvisible);
  EXPECT_EQ(list("d"), (std::set<LobbyId>{open, invisible}));
  EXPECT_EQ(list("d", {}, 2), (std::set<LobbyId>{invisible}));
  EXPECT_EQ(list("d", {}, 0, 1).size(), 1u);
  EXPECT_EQ(list("d", {}, 0, 0).size(), 0u);
  EXPECT_EQ(join("d", hidden), LobbyResult::kOk) << "who knows the id comes in";
  ask("a", LobbyConfigure{5, open, LobbyKind::kPublic, 2, false});
  EXPECT_EQ(list("d"), (std::set<LobbyId>{invisible}));
  EXPECT_EQ(join("d", open), LobbyResult::kNotJoinable);
}

TEST_F(Lobbies, FiltersCompareTextsAndNumbers) {
  using Compare = LobbyFilter::Compare;
  online("a");
  const LobbyId lobby = create("a");
  set("a", lobby, "map", "dust");
  set("a", lobby, "level", "-5");
  set("a", lobby, "huge", "9223372036854775808");
  const auto found = [&](const LobbyFilter& filter) { return list("a", {filter}).size() == 1; };
  EXPECT_TRUE(found({"map", Compare::kTextEqual, "dust", 0}));
  EXPECT_FALSE(found({"map", Compare::kTextEqual, "dus", 0}));
  EXPECT_TRUE(found({"map", Compare::kTextNotEqual, "x", 0}));
  EXPECT_FALSE(found({"map", Compare::kTextNotEqual, "dust", 0}));
  EXPECT_TRUE(found({"none", Compare::kTextEqual, "", 0}));
  EXPECT_TRUE(found({"none", Compare::kTextNotEqual, "x", 0}));
  const bool wanted[3][6] = {// ==, !=, <, <=, >, >= for -6, -5, -4
                             {false, true, false, false, true, true},
                             {true, false, false, true, false, true},
                             {false, true, true, true, false, false}};
  for (int i = 0; i < 3; ++i) {
    for (int c = 0; c < 6; ++c) {
      const auto compare = static_cast<Compare>(static_cast<int>(Compare::kEqual) + c);
      EXPECT_EQ(found({"level", compare, "", i - 6}), wanted[i][c]) << i - 6 << " " << c;
      EXPECT_FALSE(found({"map", compare, "", 0})) << "no number";
      EXPECT_FALSE(found({"huge", compare, "", 0})) << "too large a number";
      EXPECT_FALSE(found({"none", compare, "", 0})) << "not there";
    }
  }
  EXPECT_EQ(list("a", {{"map", Compare::kTextEqual, "dust", 0}, {"level", Compare::kLess, "", -5}})
                .size(),
            0u)
      << "all must fit";
}

TEST_F(Lobbies, AppsDoNotMeet) {
  online("alice");
  online("eve", 8);
  const LobbyId lobby = create("alice");
  now += seconds(1);
  ask("eve", LobbyList{1, {}, 0, 50}, 8);
  EXPECT_TRUE(all<LobbyListed>("eve").back().lobbies.empty());
  ask("eve", LobbyJoin{2, lobby}, 8);
  EXPECT_EQ(result("eve"), LobbyResult::kNoSuchLobby);
}

// --- absence ------------------------------------------------------------------------------------

TEST_F(Lobbies, AMemberWhoIsBackInTimeKeepsItsPlace) {
  for (const char* who : {"alice", "bob", "carol"}) online(who);
  const LobbyId lobby = create("alice", 2);
  join("bob", lobby);
  set("alice", lobby, "map", "dust");
  offline("alice");
  wait(limits.grace - milliseconds(1));
  EXPECT_EQ(join("carol", lobby), LobbyResult::kFull) << "the place is kept";
  seen.clear();
  set("bob", lobby, "ready", "1", true);
  EXPECT_TRUE(seen[name("alice")].empty());
  online("alice");
  ASSERT_EQ(seen[name("alice")].size(), 3u);
  EXPECT_EQ(all<LobbyClaimed>("alice").size(), 1u);
  EXPECT_EQ(all<LobbyMemberships>("alice")[0].lobbies.at(0).lobby, lobby);
  const LobbyEntered entered = all<LobbyEntered>("alice")[0];
  EXPECT_EQ(entered.request, 0u);
  EXPECT_EQ(entered.owner, "str:alice");
  EXPECT_EQ(entered.members.at(1).data.size(), 1u) << "what it missed";
  wait(seconds(100));
  EXPECT_EQ(look("bob", lobby).members.size(), 2u);
  EXPECT_TRUE(all<LobbyMemberLeft>("bob").empty());
}

TEST_F(Lobbies, AMemberWhoStaysAwayIsGone) {
  for (const char* who : {"alice", "bob"}) online(who);
  const LobbyId lobby = create("alice", 2);
  join("bob", lobby);
  offline("alice");
  EXPECT_EQ(server->next_deadline(), now + limits.grace);
  wait(limits.grace);
  ASSERT_EQ(all<LobbyMemberLeft>("bob").size(), 1u);
  EXPECT_EQ(all<LobbyMemberLeft>("bob")[0].why, LobbyLeaveWhy::kDisconnected);
  EXPECT_EQ(look("bob", lobby).owner, "str:bob");
  EXPECT_EQ(server->user_count(), 1u);
  online("alice");
  EXPECT_TRUE(all<LobbyMemberships>("alice").back().lobbies.empty());
  offline("alice");
  offline("bob");
  wait(limits.grace);
  EXPECT_EQ(server->lobby_count(), 0u);
  EXPECT_EQ(server->user_count(), 0u);
  EXPECT_EQ(server->next_deadline(), kNever);
}

TEST_F(Lobbies, AnAbsentMemberCanBeKicked) {
  for (const char* who : {"alice", "bob"}) online(who);
  const LobbyId lobby = create("alice");
  join("bob", lobby);
  offline("bob");
  ask("alice", LobbyKick{3, lobby, "str:bob"});
  EXPECT_EQ(result("alice"), LobbyResult::kOk);
  online("bob");
  EXPECT_TRUE(all<LobbyMemberships>("bob").back().lobbies.empty());
}

TEST_F(Lobbies, NobodyOfflineIsHeard) {
  ask("alice", LobbyCreate{1, LobbyKind::kPublic, 4});
  EXPECT_EQ(server->lobby_count(), 0u);
  online("alice");
  offline("alice");
  ask("alice", LobbyCreate{1, LobbyKind::kPublic, 4});
  EXPECT_EQ(server->lobby_count(), 0u);
}

// --- limits -------------------------------------------------------------------------------------

TEST_F(Lobbies, LimitOfMembers) {
  online("owner");
  const LobbyId lobby = create("owner", kLobbyMembersMax);
  for (std::size_t i = 1; i < kLobbyMembersMax; ++i) {
    const std::string who = "m" + std::to_string(i);
    online(who);
    ASSERT_EQ(join(who, lobby), LobbyResult::kOk) << i;
  }
  online("late");
  EXPECT_EQ(join("late", lobby), LobbyResult::kFull);
  EXPECT_EQ(look("owner", lobby).members.size(), kLobbyMembersMax);
  // Fewer places than members: nobody is sent away.
  ask("owner", LobbyConfigure{5, lobby, LobbyKind::kPublic, 2, true});
  EXPECT_EQ(look("owner", lobby).members.size(), kLobbyMembersMax);
  ask("m1", LobbyLeave{5, lobby});
  EXPECT_EQ(join("late", lobby), LobbyResult::kFull);
  EXPECT_EQ(list("late").size(), 1u);
  EXPECT_EQ(list("late", {}, 1).size(), 0u);
}

TEST_F(Lobbies, LimitOfLobbies) {
  limits.lobbies_max = 3;
  limits.lobbies_of_user = 2;
  restart();
  for (const char* who : {"a", "b"}) online(who);
  const LobbyId first = create("a");
  create("a");
  ask("a", LobbyCreate{1, LobbyKind::kPublic, 4});
  EXPECT_EQ(result("a"), LobbyResult::kTooMuch) << "of one user";
  create("b");
  ask("b", LobbyCreate{1, LobbyKind::kPublic, 4});
  EXPECT_EQ(result("b"), LobbyResult::kTooMuch) << "of all";
  EXPECT_EQ(join("b", first), LobbyResult::kOk);
  EXPECT_EQ(server->lobby_count(), 3u);
}

TEST_F(Lobbies, LimitOfJoinedLobbies) {
  limits.lobbies_of_user = 1;
  restart();
  for (const char* who : {"a", "b"}) online(who);
  create("a");
  const LobbyId other = create("b");
  EXPECT_EQ(join("a", other), LobbyResult::kTooMuch);
}

TEST_F(Lobbies, LimitOfKeys) {
  online("a");
  const LobbyId lobby = create("a");
  for (std::size_t i = 0; i < kLobbyKeysMax; ++i) {
    ASSERT_EQ(set("a", lobby, "k" + std::to_string(i), "v"), LobbyResult::kOk);
  }
  EXPECT_EQ(set("a", lobby, "more", "v"), LobbyResult::kTooMuch);
  EXPECT_EQ(set("a", lobby, "k0", "w"), LobbyResult::kOk) << "in place of the old one";
  EXPECT_EQ(set("a", lobby, "k1", "", false, true), LobbyResult::kOk);
  EXPECT_EQ(set("a", lobby, "more", "v"), LobbyResult::kOk);
  EXPECT_EQ(set("a", lobby, "", "v"), LobbyResult::kTooMuch) << "no key";
}

TEST_F(Lobbies, LimitOfMemberData) {
  online("a");
  const LobbyId lobby = create("a");
  EXPECT_EQ(set("a", lobby, "k", std::string(kMemberDataBytesMax - 1, 'v'), true),
            LobbyResult::kOk);
  EXPECT_EQ(set("a", lobby, "l", "", true), LobbyResult::kTooMuch);
  EXPECT_EQ(set("a", lobby, "k", std::string(kMemberDataBytesMax, 'v'), true),
            LobbyResult::kTooMuch);
  EXPECT_EQ(set("a", lobby, "k", "v", true), LobbyResult::kOk);
  for (std::size_t i = 1; i < kMemberKeysMax; ++i) {
    ASSERT_EQ(set("a", lobby, "k" + std::to_string(i), "", true), LobbyResult::kOk);
  }
  EXPECT_EQ(set("a", lobby, "more", "", true), LobbyResult::kTooMuch);
}

TEST_F(Lobbies, LimitOfAllData) {
  limits.data_bytes_max = 20;
  restart();
  for (const char* who : {"a", "b"}) online(who);
  const LobbyId first = create("a");
  const LobbyId second = create("b");
  EXPECT_EQ(set("a", first, "key", std::string(9, 'v')), LobbyResult::kOk);
  EXPECT_EQ(set("b", second, "key", "123456"), LobbyResult::kTooMuch);
  EXPECT_EQ(set("b", second, "key", "12345"), LobbyResult::kOk);
  EXPECT_EQ(server->data_bytes(), 20u);
  EXPECT_EQ(set("a", first, "key", "", false, true), LobbyResult::kOk);
  EXPECT_EQ(server->data_bytes(), 8u);
}

TEST_F(Lobbies, LimitOfRates) {
  limits.changes_burst = 5;
  limits.changes_per_second = 2;
  limits.lists_burst = 3;
  restart();
  online("a");
  const LobbyId lobby = create("a");
  for (int i = 0; i < 10; ++i) ask("a", LobbyChat{3, lobby, {1}});
  EXPECT_EQ(all<LobbyChatted>("a").size(), 4u) << "making the lobby was one";
  EXPECT_EQ(result("a"), LobbyResult::kTooOften);
  for (int i = 0; i < 10; ++i) ask("a", LobbyList{3, {}, 0, 1});
  EXPECT_EQ(all<LobbyListed>("a").size(), 3u) << "counted apart";
  // Reconnecting gives nothing new.
  offline("a");
  online("a");
  ask("a", LobbyChat{3, lobby, {1}});
  EXPECT_EQ(result("a"), LobbyResult::kTooOften);
  now += seconds(1);
  for (int i = 0; i < 10; ++i) ask("a", LobbyChat{3, lobby, {1}});
  EXPECT_EQ(all<LobbyChatted>("a").size(), 6u);
}

TEST_F(Lobbies, LimitOfAList) {
  limits.scan_max = 60;
  restart();
  for (int i = 0; i < 10; ++i) {
    const std::string who = "u" + std::to_string(i);
    online(who);
    for (int j = 0; j < 8; ++j) {
      const LobbyId lobby = create(who);
      if (j < 2) set(who, lobby, "size", std::string(kLobbyValueBytesMax, 'x'));
      if (i == 0) set(who, lobby, "rare", "1");
    }
  }
  online("a");
  EXPECT_EQ(list("a", {}, 0, 255).size(), kLobbyResultsMax);
  // One list sees some, enough of them see all.
  std::set<LobbyId> found;
  for (int i = 0; i < 200; ++i) {
    const auto some = list("a", {{"rare", LobbyFilter::Compare::kTextEqual, "1", 0}});
    found.insert(some.begin(), some.end());
  }
  EXPECT_EQ(found.size(), 8u);
}

TEST_F(Lobbies, LimitOfAListsBytes) {
  const std::string value(kLobbyValueBytesMax, 'x');
  for (int i = 0; i < 4; ++i) {
    const std::string who = "u" + std::to_string(i);
    online(who);
    const LobbyId lobby = create(who);
    for (std::size_t k = 0; k < kLobbyKeysMax; ++k) set(who, lobby, std::to_string(k), value);
  }
  online("a");
  EXPECT_EQ(list("a").size(), 1u) << "two of them have more than 64 KiB";
}

TEST_F(Lobbies, WhoWasKickedStaysOut) {
  for (const char* who : {"alice", "bob"}) online(who);
  const LobbyId lobby = create("alice");
  join("bob", lobby);
  ask("alice", LobbyKick{5, lobby, "str:bob"});
  EXPECT_EQ(join("bob", lobby), LobbyResult::kKicked);
  EXPECT_EQ(look("alice", lobby).members.size(), 1u);
}

TEST_F(Lobbies, LimitOfTheKicked) {
  online("alice");
  const LobbyId lobby = create("alice");
  const auto guest = [](std::size_t i) { return "guest" + std::to_string(i); };
  for (std::size_t i = 0; i <= kLobbyKickedMax; ++i) {
    online(guest(i));
    join(guest(i), lobby);
    ask("alice", LobbyKick{5, lobby, "str:" + guest(i)});
  }
  EXPECT_EQ(join(guest(0), lobby), LobbyResult::kOk) << "the oldest is forgotten";
  EXPECT_EQ(join(guest(1), lobby), LobbyResult::kKicked);
}

}  // namespace
}  // namespace whimbrel::rendezvous
