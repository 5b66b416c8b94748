// What members do after a restart, in every order: nobody gets an owner's rights who had them not
// when the server ended, and who had been kicked stays out.
#include <functional>

#include "rendezvous/test_lobby_server.h"

namespace whimbrel::rendezvous {
namespace {

const std::vector<std::string> kOthers = {"bob", "mallory", "eve"};

// mallory made the lobby, gave it to alice and was kicked by her; bob is a member; eve was never in
// it.
struct LobbyOrders : Lobbies {
  void SetUp() override {
    for (const char* who : {"mallory", "alice", "bob"}) online(who);
    lobby = create("mallory", 8);
    join("alice", lobby);
    join("bob", lobby);
    remember("mallory");
    ask("mallory", LobbySetOwner{5, lobby, "str:alice"});
    if (mallory_knows()) remember("mallory");
    ask("alice", LobbyKick{6, lobby, "str:mallory"});
    remember("alice");
    remember("bob");
    now += seconds(1);
  }
  // Whether the claim that mallory kept says that alice is the owner, or that mallory is.
  virtual bool mallory_knows() const { return true; }

  void remember(const std::string& who) {
    const LobbyClaimed given = all<LobbyClaimed>(who).back();
    claims[who] = {8, lobby, given.standing,         given.claim, LobbyKind::kPublic,
                   8, true,  {{"map", "of " + who}}, {}};
  }
  LobbyResult restore(const std::string& who) {
    const auto claim = claims.find(who);
    if (claim == claims.end()) return LobbyResult::kNoSuchLobby;
    ask(who, claim->second);
    return result(who);
  }
  const rendezvous::Lobby* here() const { return server->find(kApp, lobby); }
  bool owns(const std::string& who) const {
    return here() != nullptr && here()->owner() == name(who) && here()->has(name(who));
  }

  using Action = std::function<void()>;
  // Everything that one of them can try.
  std::vector<Action> actions_of(const std::string& who) {
    std::vector<Action> actions = {
        [=, this] { restore(who); },
        [=, this] {
          ask(who, LobbyJoin{1, lobby});
        },
        [=, this] {
          ask(who, LobbyLeave{1, lobby});
        },
        [=, this] {
          ask(who, LobbySetOwner{1, lobby, "str:" + who});
        },
        [=, this] {
          ask(who, LobbyConfigure{1, lobby, LobbyKind::kPrivate, 1, false});
        },
    };
    for (const char* target : {"alice", "bob", "mallory"}) {
      actions.emplace_back([=, this] {
        ask(who, LobbyKick{1, lobby, "str:" + std::string(target)});
      });
    }
    return actions;
  }
  void begin_again() {
    restart();
    for (const char* who : {"alice", "bob", "mallory", "eve"}) online(who);
  }
  // Calls `check` after each sequence of `length` actions of the others.
  void in_every_order(std::size_t length, const std::vector<std::string>& come_first,
                      const std::function<void()>& check) {
    std::vector<Action> actions;
    for (const std::string& who : kOthers) {
      for (Action& action : actions_of(who)) actions.push_back(std::move(action));
    }
    std::vector<std::size_t> order(length, 0);
    for (bool more = true; more;) {
      begin_again();
      for (const std::string& who : come_first) restore(who);
      for (const std::size_t i : order) actions[i]();
      check();
      ASSERT_FALSE(HasFailure()) << ::testing::PrintToString(order);
      more = false;
      for (std::size_t i = 0; i < order.size() && !more; ++i) {
        order[i] = (order[i] + 1) % actions.size();
        more = order[i] != 0;
      }
    }
  }
  void expect_alice_owns_it() {
    EXPECT_EQ(restore("alice"), LobbyResult::kOk);
    EXPECT_TRUE(owns("alice"));
    EXPECT_EQ(look("alice", lobby).data.at(0).value, "of alice");
    EXPECT_TRUE(here()->listed()) << "nobody else has configured it";
    EXPECT_EQ(restore("mallory"), LobbyResult::kKicked);
    EXPECT_EQ(join("mallory", lobby), LobbyResult::kKicked);
    EXPECT_EQ(restore("bob"), LobbyResult::kOk);
    EXPECT_EQ(join("eve", lobby), LobbyResult::kOk);
    EXPECT_TRUE(owns("alice"));
  }

  LobbyId lobby{};
  std::map<std::string, LobbyRestore> claims;
};
struct LobbyOrdersOfAFormerOwner : LobbyOrders {
  bool mallory_knows() const override { return false; }
};

TEST_F(LobbyOrders, TheOwnerComesLast) {
  in_every_order(3, {}, [this] {
    for (const std::string& who : kOthers) EXPECT_FALSE(owns(who)) << who;
    expect_alice_owns_it();
  });
}

TEST_F(LobbyOrders, TheOwnerComesFirst) {
  in_every_order(2, {"alice"}, [this] {
    EXPECT_TRUE(owns("alice"));
    EXPECT_FALSE(here()->has(name("mallory")));
    expect_alice_owns_it();
  });
}

TEST_F(LobbyOrdersOfAFormerOwner, WhatHeDoesIsUndone) {
  in_every_order(3, {}, [this] { expect_alice_owns_it(); });
}

TEST_F(LobbyOrdersOfAFormerOwner, AMemberBringsTheOwnerAndWhoWasKicked) {
  in_every_order(2, {}, [this] {
    if (here() != nullptr && here()->has(name("bob"))) ask("bob", LobbyLeave{1, lobby});
    EXPECT_EQ(restore("bob"), LobbyResult::kOk);
    EXPECT_FALSE(here()->has(name("mallory")));
    EXPECT_EQ(here()->owner(), name("alice"));
    EXPECT_EQ(restore("mallory"), LobbyResult::kKicked);
    expect_alice_owns_it();
  });
}

TEST_F(LobbyOrders, WhoWasKickedStaysOutThoughTheOwnerNeverComes) {
  begin_again();
  restore("mallory");
  restore("bob");
  EXPECT_FALSE(here()->has(name("mallory")));
  wait(limits.owner_wait);
  EXPECT_TRUE(owns("bob"));
  remember("bob");
  begin_again();
  restore("bob");
  EXPECT_TRUE(owns("bob")) << "over a second restart";
  EXPECT_EQ(join("mallory", lobby), LobbyResult::kKicked);
}

TEST_F(LobbyOrders, TheClockWentBackMeanwhile) {
  now += seconds(1);
  clock.set(now, 1'700'000'000'000);
  begin_again();
  restore("mallory");
  ask("mallory", LobbySetOwner{1, lobby, "str:mallory"});
  restore("bob");
  expect_alice_owns_it();
  ask("alice", LobbySetOwner{1, lobby, "str:bob"});
  remember("bob");
  begin_again();
  restore("alice");
  restore("bob");
  EXPECT_TRUE(owns("bob")) << "later is who got it later";
}

}  // namespace
}  // namespace whimbrel::rendezvous
