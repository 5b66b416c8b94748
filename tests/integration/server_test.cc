// A server within the program, and users who know its address and each other's names.
#include <gmock/gmock.h>
#include <whimbrel/server.h>

#include "tests/integration/pair.h"

namespace whimbrel {
namespace {

using testing::HasSubstr;

class EmbeddedServer : public testing::Test {
 protected:
  EmbeddedServer() {
    config.listen = {"127.0.0.1:0"};
    start();
  }
  void start() {
    server.reset();
    std::string error;
    server = Server::create(config, &error);
    ASSERT_NE(server, nullptr) << error;
    config.listen = {"127.0.0.1:" + std::to_string(server->port_v4())};
  }
  std::unique_ptr<NetworkingMessages> user(const std::string& name) {
    Config made = loopback_config(name, true);
    made.server = config.listen[0] + "," + server->public_key_hex();
    auto node = make_node(made);
    node->on_session_request(
        [&node = *node](const Identity& who) { node.accept_session_with_user(who); });
    return node;
  }
  // Runs the callbacks of all until it holds; false after 20 s.
  template <typename Condition>
  bool wait_for(std::initializer_list<NetworkingMessages*> nodes, Condition done) {
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      for (NetworkingMessages* node : nodes) {
        node->run_callbacks();
        node->wait(1ms);
      }
      if (std::chrono::steady_clock::now() > give_up) return false;
    }
    return true;
  }
  static bool ready(const NetworkingMessages& node) {
    const ServerStatus status = node.get_server_status();
    return status.state == ServerStatus::State::kOnline && status.relay;
  }
  static std::string text_of(std::vector<Message> messages) {
    std::string all;
    for (const Message& message : messages) all += message.text();
    return all;
  }

  ServerConfig config;
  std::unique_ptr<Server> server;
};

TEST_F(EmbeddedServer, ANameIsEnough) {
  auto alice = user("alice");
  auto bob = user("bob");
  ASSERT_TRUE(wait_for({alice.get(), bob.get()}, [&] { return ready(*alice) && ready(*bob); }));
  EXPECT_EQ(server->user_count(), 2u);
  const Identity to = Identity::generic_string("bob");
  ASSERT_EQ(alice->send_message_to_user(to, "hello", kSendReliable, 0), Result::kOk);
  std::string got;
  ASSERT_TRUE(wait_for({alice.get(), bob.get()}, [&] {
    got += text_of(bob->receive_messages_on_channel(0, 10));
    return !got.empty();
  }));
  EXPECT_EQ(got, "hello");
  ConnectionInfo info;
  EXPECT_EQ(alice->get_session_connection_info(to, &info, nullptr), ConnectionState::kConnected);
  EXPECT_NE(info.flags & kInfoRelayed, 0);
  EXPECT_EQ(info.flags & kInfoUnauthenticated, 0);
  EXPECT_EQ(info.remote_address, "");
  EXPECT_EQ(info.pop_relay, 0x656d6f68u) << "h, o, m, e";
  EXPECT_EQ(info.remote_pop, info.pop_relay);
  EXPECT_THAT(info.debug_description, HasSubstr("over the relay"));
}

TEST_F(EmbeddedServer, WhatBecomesOfItIsTold) {
  auto alice = user("alice");
  std::vector<ServerStatus> told;
  alice->on_server_status_changed([&](const ServerStatus& status) { told.push_back(status); });
  const auto last_is = [&](ServerStatus::State state) {
    return !told.empty() && told.back().state == state;
  };
  ASSERT_TRUE(wait_for({alice.get()}, [&] { return !told.empty() && told.back().relay; }));
  EXPECT_TRUE(last_is(ServerStatus::State::kOnline));
  ASSERT_EQ(told.back().relays.size(), 1u);
  EXPECT_EQ(told.back().relays[0].site, "home");
  EXPECT_EQ(told.back().relays[0].address, config.listen[0]);
  EXPECT_TRUE(told.back().relays[0].home && told.back().relays[0].open);
  config.key_file = testing::TempDir() + "embedded_server.key";
  server.reset();
  ASSERT_TRUE(wait_for({alice.get()}, [&] { return last_is(ServerStatus::State::kConnecting); }));
  EXPECT_THAT(told.back().text, HasSubstr(config.listen[0]));
  ASSERT_TRUE(wait_for({alice.get()}, [&] { return !told.back().relay; }));
}

// With and without a thread of its own: a change ends a wait(), and run_callbacks() tells it.
TEST_F(EmbeddedServer, WhoComesAndGoesIsTold) {
  const Identity bob_id = Identity::generic_string("bob");
  for (const bool own_thread : {true, false}) {
    Config made = loopback_config("alice", own_thread);
    made.server = config.listen[0] + "," + server->public_key_hex();
    auto alice = make_node(made);
    std::vector<std::string> told;
    alice->on_presence_changed([&](const Identity& who, bool online) {
      told.push_back(who.text() + (online ? "+" : "-"));
    });
    const auto next = [&](const std::string& expected) {
      const auto give_up = std::chrono::steady_clock::now() + 20s;
      while (told.empty() && std::chrono::steady_clock::now() < give_up) {
        alice->wait(20s);
        alice->run_callbacks();
      }
      ASSERT_EQ(told, std::vector<std::string>{expected});
      told.clear();
    };
    ASSERT_EQ(alice->watch(bob_id), Result::kOk);
    ASSERT_EQ(alice->watch(bob_id), Result::kOk);
    next("str:bob-");
    auto bob = user("bob");
    next("str:bob+");
    bob.reset();
    next("str:bob-");
    EXPECT_EQ(alice->watch(bob_id, false), Result::kOk);
    EXPECT_EQ(alice->watch(bob_id, false), Result::kOk);
    start();  // under another key
  }
}

TEST_F(EmbeddedServer, WatchesThatCannotBe) {
  auto alice = user("alice");
  EXPECT_EQ(alice->watch(Identity()), Result::kInvalidParam);
  for (std::size_t i = 0; i < kWatchesMax; ++i)
    ASSERT_EQ(alice->watch(Identity::steam_id(i + 1)), Result::kOk);
  EXPECT_EQ(alice->watch(Identity::generic_string("bob")), Result::kLimitExceeded);
  EXPECT_EQ(alice->watch(Identity::steam_id(1)), Result::kOk) << "is watched already";
  EXPECT_EQ(alice->watch(Identity::steam_id(1), false), Result::kOk);
  EXPECT_EQ(alice->watch(Identity::generic_string("bob")), Result::kOk);
  auto alone = make_node(loopback_config("carol", true));
  EXPECT_EQ(alone->watch(Identity::generic_string("bob")), Result::kNoConnection);
  EXPECT_EQ(alone->watch(Identity()), Result::kInvalidParam);
}

TEST_F(EmbeddedServer, LoginTokensThatCannotBe) {
  Config config_of_alice = loopback_config("alice", true);
  config_of_alice.server = config.listen[0];
  config_of_alice.login_token = std::string(4097, 'x');
  std::string error;
  EXPECT_EQ(NetworkingMessages::create(config_of_alice, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("4097 bytes"));
  auto alice = user("alice");
  EXPECT_FALSE(alice->set_login_token(std::string(4097, 'x'), &error));
  EXPECT_THAT(error, HasSubstr("4097 bytes"));
  EXPECT_TRUE(alice->set_login_token(std::string(4096, 'x'), &error));
  auto alone = make_node(loopback_config("bob", true));
  EXPECT_FALSE(alone->set_login_token("x", &error));
  EXPECT_THAT(error, HasSubstr("no server"));
}

TEST_F(EmbeddedServer, FaultsSayWhatToDo) {
  std::string error;
  ServerConfig wrong;
  wrong.listen = {"here"};
  EXPECT_EQ(Server::create(wrong, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("\"here\" is no address"));
  wrong.listen = {};
  EXPECT_EQ(Server::create(wrong, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("no address to listen on"));
  wrong.listen = {config.listen[0]};
  EXPECT_EQ(Server::create(wrong, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("in use"));
  wrong = config;
  wrong.clients_max = 0;
  EXPECT_EQ(Server::create(wrong, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("1 to 100000"));
  wrong = config;
  wrong.key_file = "/dev/null/key";
  EXPECT_EQ(Server::create(wrong, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("/dev/null/key"));
  EXPECT_EQ(Server::create(wrong, nullptr), nullptr);
}

TEST_F(EmbeddedServer, ItsLimitHolds) {
  config.clients_max = 1;
  start();
  auto alice = user("alice");
  ASSERT_TRUE(wait_for({alice.get()}, [&] { return ready(*alice); }));
  auto bob = user("bob");
  ASSERT_TRUE(wait_for({bob.get()}, [&] {
    return bob->get_server_status().text.find("full") != std::string::npos;
  }));
  EXPECT_EQ(server->user_count(), 1u);
}

}  // namespace
}  // namespace whimbrel
