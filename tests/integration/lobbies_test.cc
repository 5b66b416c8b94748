// Users who meet in a lobby of a server within the program, over real sockets.
#include <gmock/gmock.h>
#include <whimbrel/lobbies.h>
#include <whimbrel/server.h>

#include <algorithm>

#include "tests/integration/pair.h"

namespace whimbrel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LobbiesOfAServer : public testing::Test {
 protected:
  struct User {
    std::unique_ptr<NetworkingMessages> net;
    std::vector<LobbyEvent> events;

    Lobbies& lobbies() { return net->lobbies(); }
    bool saw(LobbyEvent::Kind kind) const {
      return std::any_of(events.begin(), events.end(),
                         [kind](const LobbyEvent& event) { return event.kind == kind; });
    }
    std::vector<std::string> chats() const {
      std::vector<std::string> found;
      for (const LobbyEvent& event : events) {
        if (event.kind == LobbyEvent::Kind::kChat)
          found.push_back(event.user.text() + " " + std::string(event.text()));
      }
      return found;
    }
  };

  LobbiesOfAServer() {
    config.listen = {"127.0.0.1:0"};
    config.key_file = testing::TempDir() + "lobbies_server.key";
    start();
  }
  void start() {
    server.reset();
    std::string error;
    server = Server::create(config, &error);
    ASSERT_NE(server, nullptr) << error;
    config.listen = {"127.0.0.1:" + std::to_string(server->port_v4())};
  }
  User& add(const std::string& name) {
    Config made = loopback_config(name, true);
    made.server = config.listen[0] + "," + server->public_key_hex();
    users.push_back(std::make_unique<User>());
    User& user = *users.back();
    user.net = make_node(made);
    user.net->on_session_request(
        [&net = *user.net](const Identity& who) { net.accept_session_with_user(who); });
    user.lobbies().on_event([&user](const LobbyEvent& event) { user.events.push_back(event); });
    return user;
  }
  // Runs the callbacks of all until it holds; false after 20 s.
  template <typename Condition>
  bool wait_for(Condition done) {
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      for (auto& user : users) {
        user->net->run_callbacks();
        user->net->wait(1ms);
      }
      if (std::chrono::steady_clock::now() > give_up) return false;
    }
    return true;
  }
  // Makes a call with an answer and waits for it.
  template <typename Call>
  LobbyResult answer(Call call) {
    std::optional<LobbyResult> result;
    EXPECT_TRUE(call([&result](LobbyResult given) { result = given; }));
    EXPECT_TRUE(wait_for([&] { return result.has_value(); }));
    return result.value_or(LobbyResult::kTimeout);
  }
  LobbyId create(User& user, std::size_t members_max = 4, LobbyKind kind = LobbyKind::kPublic) {
    LobbyId made{};
    bool done = false;
    EXPECT_TRUE(
        user.lobbies().create(kind, members_max, [&](LobbyResult result, const Lobby& lobby) {
          EXPECT_EQ(result, LobbyResult::kOk) << to_string(result);
          made = lobby.id;
          done = true;
        }));
    EXPECT_TRUE(wait_for([&] { return done; }));
    return made;
  }
  LobbyResult join(User& user, LobbyId lobby) {
    return answer([&](auto done) {
      return user.lobbies().join(lobby, [done](LobbyResult result, const Lobby&) { done(result); });
    });
  }
  std::vector<LobbyId> list(User& user, const LobbyQuery& query) {
    std::optional<std::vector<LobbyId>> ids;
    EXPECT_TRUE(user.lobbies().list(query, [&](LobbyResult result, const auto& found) {
      EXPECT_EQ(result, LobbyResult::kOk) << to_string(result);
      ids.emplace();
      for (const LobbyListing& one : found) ids->push_back(one.id);
    }));
    EXPECT_TRUE(wait_for([&] { return ids.has_value(); }));
    return ids.value_or(std::vector<LobbyId>());
  }

  ServerConfig config;
  std::unique_ptr<Server> server;
  std::vector<std::unique_ptr<User>> users;
};

// Its machine is gone: nothing of it comes, and nothing reaches it. Nobody asks for what follows.
TEST_F(LobbiesOfAServer, AHostThatIsGoneIsReplacedByWhoNoticesFirst) {
  User& host = add("host");
  const LobbyId lobby = create(host);
  User& bob = add("bob");
  ASSERT_EQ(join(bob, lobby), LobbyResult::kOk);
  bob.net->set_option(Option::kTimeoutConnected, 1000);
  bob.net->send_message_to_user(host.net->identity(), "hello", kSendReliable, 0);
  ASSERT_TRUE(wait_for([&] {
    return bob.net->get_session_connection_info(host.net->identity(), nullptr, nullptr) ==
           ConnectionState::kConnected;
  }));
  host.net->set_option(Option::kFakePacketLossSend, 100);
  host.net->set_option(Option::kFakePacketLossRecv, 100);
  bob.net->send_message_to_user(host.net->identity(), "still there?", kSendReliable, 0);
  EXPECT_TRUE(wait_for([&] { return bob.lobbies().find(lobby)->owner == bob.net->identity(); }));
  EXPECT_TRUE(bob.lobbies().find(lobby)->owner_is_here());
  EXPECT_EQ(bob.lobbies().find(lobby)->members.size(), 2u);
  EXPECT_EQ(answer([&](auto done) { return bob.lobbies().report(lobby, Identity(), done); }),
            LobbyResult::kNotMember);
}

TEST_F(LobbiesOfAServer, StrangersMeetAndTalk) {
  User& alice = add("alice");
  const LobbyId lobby = create(alice);  // before the login is done, too
  ASSERT_EQ(
      answer([&](auto done) { return alice.lobbies().set_data(lobby, "map", "dunes", done); }),
      LobbyResult::kOk);
  create(alice, 4, LobbyKind::kPrivate);

  User& bob = add("bob");
  ASSERT_THAT(list(bob, {.filters = {LobbyFilter::equal("map", "dunes")}}), ElementsAre(lobby));
  EXPECT_THAT(list(bob, {.filters = {LobbyFilter::equal("map", "sea")}}), IsEmpty());
  ASSERT_EQ(join(bob, lobby), LobbyResult::kOk);
  const auto seen = bob.lobbies().find(lobby);
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->owner, alice.net->identity());
  EXPECT_EQ(seen->data.at("map"), "dunes");
  EXPECT_THAT(bob.lobbies().joined(), ElementsAre(lobby));

  ASSERT_EQ(answer([&](auto done) { return alice.lobbies().set_data(lobby, "map", "sea", done); }),
            LobbyResult::kOk);
  ASSERT_EQ(answer([&](auto done) { return alice.lobbies().remove_data(lobby, "map", done); }),
            LobbyResult::kOk);
  ASSERT_TRUE(wait_for([&] { return bob.events.size() >= 2; }));
  EXPECT_EQ(bob.events[0].kind, LobbyEvent::Kind::kDataChanged);
  EXPECT_EQ(bob.events[0].text(), "sea") << "as it was then";
  EXPECT_FALSE(bob.events[0].removed);
  EXPECT_TRUE(bob.events[1].removed);

  ASSERT_TRUE(bob.lobbies().chat(lobby, "hello"));
  ASSERT_TRUE(wait_for([&] { return !alice.chats().empty() && !bob.chats().empty(); }));
  EXPECT_THAT(alice.chats(), ElementsAre("str:bob hello"));
  EXPECT_TRUE(alice.saw(LobbyEvent::Kind::kMemberJoined));
  // Who is in a lobby is a user like any other.
  ASSERT_EQ(bob.net->send_message_to_user(seen->owner, "and now directly", kSendReliable, 3),
            Result::kOk);
  std::vector<Message> got;
  ASSERT_TRUE(wait_for([&] {
    if (got.empty()) got = alice.net->receive_messages_on_channel(3, 1);
    return !got.empty();
  }));
  EXPECT_EQ(got[0].text(), "and now directly");
  ASSERT_EQ(answer([&](auto done) { return bob.lobbies().leave(lobby, done); }), LobbyResult::kOk);
  EXPECT_FALSE(bob.saw(LobbyEvent::Kind::kLost)) << "he left";
}

TEST_F(LobbiesOfAServer, AnOwnerWhoIsGoneLeavesItToTheNext) {
  User& alice = add("alice");
  User& bob = add("bob");
  const LobbyId lobby = create(alice);
  ASSERT_EQ(join(bob, lobby), LobbyResult::kOk);
  alice.net.reset();
  users.erase(users.begin());
  User& left = *users[0];
  ASSERT_TRUE(wait_for([&] {
    const auto seen = left.lobbies().find(lobby);
    return seen && seen->owner == left.net->identity();
  }));
  ASSERT_TRUE(wait_for([&] { return left.saw(LobbyEvent::Kind::kMemberLeft); }));
  EXPECT_EQ(left.events.back().why, LobbyLeaveWhy::kLeft) << "no place is kept for who logs out";
  EXPECT_EQ(server->user_count(), 1u);
  EXPECT_EQ(answer([&](auto done) { return left.lobbies().set_data(lobby, "map", "sea", done); }),
            LobbyResult::kOk);
}

TEST_F(LobbiesOfAServer, WhatIsRefusedSaysWhy) {
  User& alice = add("alice");
  User& bob = add("bob");
  const LobbyId lobby = create(alice, 1);
  EXPECT_EQ(join(bob, lobby), LobbyResult::kFull);
  EXPECT_EQ(join(bob, LobbyId{12345}), LobbyResult::kNoSuchLobby);
  EXPECT_EQ(answer([&](auto done) { return bob.lobbies().set_data(lobby, "map", "x", done); }),
            LobbyResult::kNotMember);
  EXPECT_EQ(answer([&](auto done) { return alice.lobbies().set_data(lobby, "", "x", done); }),
            LobbyResult::kTooMuch);
  EXPECT_EQ(answer([&](auto done) {
              return alice.lobbies().chat(lobby, std::string(Lobbies::kChatBytesMax + 1, 'x'),
                                          done);
            }),
            LobbyResult::kTooMuch);
  EXPECT_EQ(answer([&](auto done) { return alice.lobbies().kick(lobby, Identity(), done); }),
            LobbyResult::kNotMember);
  EXPECT_EQ(answer([&](auto done) {
              return alice.lobbies().configure(lobby, LobbyKind::kPublic, 251, true, done);
            }),
            LobbyResult::kTooMuch);
  ASSERT_EQ(answer([&](auto done) {
              return alice.lobbies().configure(lobby, LobbyKind::kPublic, 2, false, done);
            }),
            LobbyResult::kOk);
  EXPECT_EQ(join(bob, lobby), LobbyResult::kNotJoinable);
}

TEST_F(LobbiesOfAServer, WhoIsKickedIsToldAndStaysOut) {
  User& alice = add("alice");
  User& bob = add("bob");
  const LobbyId lobby = create(alice);
  ASSERT_EQ(join(bob, lobby), LobbyResult::kOk);
  ASSERT_EQ(
      answer([&](auto done) { return alice.lobbies().kick(lobby, bob.net->identity(), done); }),
      LobbyResult::kOk);
  ASSERT_TRUE(wait_for([&] { return bob.saw(LobbyEvent::Kind::kLost); }));
  EXPECT_EQ(bob.events.back().why, LobbyLeaveWhy::kKicked);
  EXPECT_FALSE(bob.lobbies().find(lobby).has_value());
  EXPECT_EQ(join(bob, lobby), LobbyResult::kKicked);
}

TEST_F(LobbiesOfAServer, TheServerIsRestartedAndTheLobbyIsThere) {
  User& alice = add("alice");
  User& bob = add("bob");
  const LobbyId lobby = create(alice);
  ASSERT_EQ(join(bob, lobby), LobbyResult::kOk);
  ASSERT_EQ(
      answer([&](auto done) { return alice.lobbies().set_data(lobby, "map", "dunes", done); }),
      LobbyResult::kOk);
  ASSERT_EQ(
      answer([&](auto done) { return bob.lobbies().set_member_data(lobby, "ready", "1", done); }),
      LobbyResult::kOk);
  start();
  for (User* user : {&alice, &bob}) {
    ASSERT_TRUE(wait_for([&] { return user->saw(LobbyEvent::Kind::kReturned); }));
    ASSERT_TRUE(wait_for([&] {
      const auto seen = user->lobbies().find(lobby);
      return seen && seen->members.size() == 2 && seen->owner == alice.net->identity() &&
             seen->data.at("map") == "dunes" &&
             seen->find(bob.net->identity())->data.contains("ready");
    }));
  }
  User& carol = add("carol");
  EXPECT_THAT(list(carol, {}), ElementsAre(lobby));
  EXPECT_EQ(join(carol, lobby), LobbyResult::kOk);
  ASSERT_TRUE(alice.lobbies().chat(lobby, "still here"));
  ASSERT_TRUE(wait_for([&] { return !carol.chats().empty() && !bob.chats().empty(); }));
}

TEST_F(LobbiesOfAServer, ConcurrentJoinsFillItExactly) {
  User& alice = add("alice");
  const LobbyId lobby = create(alice, 4);
  int in = 0, full = 0;
  for (int i = 0; i < 10; ++i) {
    User& guest = add("guest" + std::to_string(i));
    ASSERT_TRUE(guest.lobbies().join(lobby, [&](LobbyResult result, const Lobby&) {
      if (result == LobbyResult::kOk) ++in;
      if (result == LobbyResult::kFull) ++full;
    }));
  }
  ASSERT_TRUE(wait_for([&] { return in + full == 10; }));
  EXPECT_EQ(in, 3);
  EXPECT_EQ(alice.lobbies().find(lobby)->members.size(), 4u);
}

TEST_F(LobbiesOfAServer, LimitOfUnansweredCalls) {
  User& alice = add("alice");
  std::size_t answers = 0;
  for (std::size_t i = 0; i < Lobbies::kUnansweredMax; ++i) {
    ASSERT_TRUE(alice.lobbies().leave(LobbyId{1}, [&](LobbyResult) { ++answers; }));
  }
  EXPECT_FALSE(alice.lobbies().leave(LobbyId{1}, [&](LobbyResult) { ++answers; }));
  ASSERT_TRUE(wait_for([&] { return answers == Lobbies::kUnansweredMax; }));
  EXPECT_EQ(join(alice, LobbyId{1}), LobbyResult::kTooOften) << "there is room again";
}

TEST(LobbiesWithoutAServer, SayThatThereIsNone) {
  auto net = make_node(loopback_config("alice", true));
  std::optional<LobbyResult> result;
  ASSERT_TRUE(net->lobbies().create(LobbyKind::kPublic, 4,
                                    [&](LobbyResult given, const Lobby&) { result = given; }));
  EXPECT_TRUE(net->wait(10s));
  EXPECT_EQ(net->run_callbacks(), 1u);
  EXPECT_EQ(result, LobbyResult::kOffline);
  EXPECT_FALSE(net->lobbies().find(LobbyId{1}).has_value());
  EXPECT_THAT(net->lobbies().joined(), IsEmpty());
}

TEST(LobbyIds, AreReadAsTheyAreWritten) {
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{0x7fffffffffffffff}}) {
    EXPECT_EQ(parse_lobby_id(to_string(LobbyId{number})), LobbyId{number});
  }
  for (const char* wrong : {"", "0", "-1", "12a", " 12", "9223372036854775808"}) {
    EXPECT_FALSE(parse_lobby_id(wrong).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace whimbrel
