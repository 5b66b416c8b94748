// After a restart: with the claims that members were given.
#include "rendezvous/client.h"
#include "rendezvous/test_lobby_server.h"

namespace whimbrel::rendezvous {
namespace {

struct RestoredLobbies : Lobbies {
  RestoredLobbies() {
    for (const char* who : {"alice", "bob", "carol"}) online(who);
    lobby = create("alice", 3);
    join("bob", lobby);
    join("carol", lobby);
    now += seconds(1);
  }
  LobbyRestore claim(const std::string& who, const std::string& map) {
    const LobbyClaimed given = all<LobbyClaimed>(who).back();
    return {8, lobby, given.standing, given.claim,    LobbyKind::kPublic,
            3, true,  {{"map", map}}, {{"name", who}}};
  }
  LobbyResult restore(const std::string& who, const LobbyRestore& request) {
    online(who);
    ask(who, request);
    return result(who);
  }
  LobbyId lobby{};
};

TEST_F(RestoredLobbies, EachMemberBringsWhatIsItsOwn) {
  const auto of_alice = claim("alice", "dunes");
  const auto of_bob = claim("bob", "lies");
  const auto of_carol = claim("carol", "more lies");
  EXPECT_EQ(of_alice.standing.owner, "str:alice");
  EXPECT_EQ(of_bob.standing.owner, "str:alice");
  restart();
  EXPECT_EQ(restore("bob", of_bob), LobbyResult::kOk);
  EXPECT_EQ(look("bob", lobby).owner, "str:alice") << "it does not change hands for being away";
  EXPECT_EQ(set("bob", lobby, "map", "mine"), LobbyResult::kNotOwner);
  EXPECT_EQ(restore("alice", of_alice), LobbyResult::kOk);
  EXPECT_EQ(restore("carol", of_carol), LobbyResult::kOk);
  for (const char* who : {"alice", "bob", "carol"}) {
    const LobbyEntered entered = look(who, lobby);
    EXPECT_EQ(entered.owner, "str:alice");
    ASSERT_EQ(entered.data.size(), 1u);
    EXPECT_EQ(entered.data[0].value, "dunes");
    ASSERT_EQ(entered.members.size(), 3u);
    for (const LobbyMemberState& member : entered.members) {
      ASSERT_EQ(member.data.size(), 1u);
      EXPECT_EQ("str:" + member.data[0].value, member.identity);
    }
  }
  const std::size_t bytes = server->data_bytes();
  EXPECT_EQ(bytes, 3u + 5 + 3 * 4 + 5 + 3 + 5);
}

TEST_F(RestoredLobbies, WhoOwnedItLastOwnsItAgain) {
  const auto of_alice = claim("alice", "old");
  ask("alice", LobbySetOwner{5, lobby, "str:bob"});
  const auto of_bob = claim("bob", "new");
  EXPECT_GT(of_bob.standing.since, of_alice.standing.since);
  for (const bool alice_first : {true, false}) {
    restart();
    if (alice_first) restore("alice", of_alice);
    restore("bob", of_bob);
    if (!alice_first) restore("alice", of_alice);
    EXPECT_EQ(look("alice", lobby).owner, "str:bob");
    EXPECT_EQ(look("alice", lobby).data.at(0).value, "new");
  }
}

TEST_F(RestoredLobbies, TheLaterOwnerCountsThoughTheClockWentBack) {
  const auto of_alice = claim("alice", "old");
  clock.set(now, 1'700'000'000'000);
  ask("alice", LobbySetOwner{5, lobby, "str:bob"});
  EXPECT_GT(claim("bob", "new").standing.since, of_alice.standing.since);
}

TEST_F(RestoredLobbies, WithoutItsOwnerTheLongestMemberGetsIt) {
  const auto of_alice = claim("alice", "a");
  const auto of_bob = claim("bob", "b");
  const auto of_carol = claim("carol", "c");
  restart();
  restore("bob", of_bob);
  EXPECT_EQ(server->next_deadline(), now + limits.owner_wait);
  wait(limits.owner_wait - milliseconds(1));
  EXPECT_EQ(all<LobbyClaimed>("bob").back().standing.owner, "str:alice");
  wait(milliseconds(1));
  EXPECT_EQ(all<LobbyClaimed>("bob").back().standing.owner, "str:bob");
  EXPECT_EQ(all<LobbyChanged>("bob").back().owner, "str:bob");
  EXPECT_EQ(server->next_deadline(), kNever);
  EXPECT_EQ(set("bob", lobby, "map", "b's own"), LobbyResult::kOk);
  EXPECT_EQ(restore("alice", of_alice), LobbyResult::kOk) << "late, but as a member";
  EXPECT_EQ(look("alice", lobby).owner, "str:bob");
  EXPECT_EQ(look("alice", lobby).data.at(0).value, "b's own");
  wait(limits.restore_time - limits.owner_wait);
  EXPECT_EQ(restore("carol", of_carol), LobbyResult::kNoSuchLobby) << "too late";
}

TEST_F(RestoredLobbies, WaitForAnOwnerWhoFindsOutByHisNextPing) {
  EXPECT_GT(limits.owner_wait, kPingIntervalMax + Client::kPongTime + seconds(5));
}

TEST_F(RestoredLobbies, WhoCameFirstMayLeave) {
  const auto of_alice = claim("alice", "a");
  const auto of_bob = claim("bob", "b");
  const auto of_carol = claim("carol", "c");
  restart();
  restore("bob", of_bob);
  restore("carol", of_carol);
  ask("bob", LobbyLeave{9, lobby});
  EXPECT_EQ(look("carol", lobby).owner, "str:alice");
  restore("alice", of_alice);
  EXPECT_EQ(look("carol", lobby).owner, "str:alice");
  ask("carol", LobbyLeave{9, lobby});
  ask("alice", LobbyLeave{9, lobby});
  EXPECT_EQ(server->lobby_count(), 0u);
  EXPECT_EQ(server->next_deadline(), kNever);
}

TEST_F(RestoredLobbies, AnOwnerWhoJoinsIsThereToo) {
  const auto of_bob = claim("bob", "b");
  restart();
  restore("bob", of_bob);
  online("alice");
  EXPECT_EQ(join("alice", lobby), LobbyResult::kOk);
  EXPECT_EQ(server->next_deadline(), kNever) << "nobody is waited for";
  EXPECT_EQ(set("alice", lobby, "map", "m"), LobbyResult::kOk);
}

TEST_F(RestoredLobbies, NobodyRestoresWhatIsNotHis) {
  auto forged = claim("bob", "b");
  const auto of_alice = claim("alice", "a");
  restart();
  EXPECT_EQ(restore("carol", forged), LobbyResult::kNoSuchLobby) << "another's claim";
  ++forged.standing.since;
  EXPECT_EQ(restore("bob", forged), LobbyResult::kNoSuchLobby);
  --forged.standing.since;
  forged.standing.owner = "str:bob";
  EXPECT_EQ(restore("bob", forged), LobbyResult::kNoSuchLobby);
  forged.standing = of_alice.standing;
  forged.standing.kicked.push_back({7});
  EXPECT_EQ(restore("bob", forged), LobbyResult::kNoSuchLobby);
  EXPECT_EQ(server->counters().bad_claims, 4u);
  EXPECT_EQ(server->lobby_count(), 0u);
  origin_key.bytes[0] ^= 1;
  restart();
  EXPECT_EQ(restore("alice", of_alice), LobbyResult::kNoSuchLobby) << "another server";
}

TEST_F(RestoredLobbies, LimitsHold) {
  const auto of_alice = claim("alice", "a");
  limits.lobbies_max = 1;
  restart();
  online("dave");
  create("dave");
  EXPECT_EQ(restore("alice", of_alice), LobbyResult::kTooMuch);
  limits.lobbies_max = 10;
  limits.data_bytes_max = 1000;
  restart();
  EXPECT_EQ(restore("alice", of_alice), LobbyResult::kTooMuch);
  EXPECT_EQ(server->lobby_count(), 0u);
}

TEST_F(RestoredLobbies, WhoIsInItAlreadyChangesNothing) {
  const auto of_alice = claim("alice", "a");
  restart();
  restore("alice", of_alice);
  auto again = of_alice;
  again.data = {{"map", "b"}};
  EXPECT_EQ(restore("alice", again), LobbyResult::kOk);
  EXPECT_EQ(look("alice", lobby).data.at(0).value, "a");
  EXPECT_EQ(server->lobby_count(), 1u);
}

}  // namespace
}  // namespace whimbrel::rendezvous
