// fork(): the child's copy of an instance is dead, the parent's lives on.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>
#include <whimbrel/lobbies.h>
#include <whimbrel/server.h>

#include "tests/integration/pair.h"

namespace whimbrel {
namespace {

using testing::HasSubstr;

// Runs `check` in a child process; true if it said so there.
template <typename Check>
bool holds_in_child(Check check) {
  const pid_t child = fork();
  if (child == 0) _exit(check() ? 0 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::uint64_t counter(const NetworkingMessages& node, std::string_view name) {
  for (const Counter& one : node.counters()) {
    if (one.name == name) return one.value;
  }
  return 0;
}

class ForkTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { pair.connect(); }
  // The session is as good as before, and nothing else has come.
  void expect_parent_goes_on() {
    pair.send(*pair.alice, pair.bob_id, payload_of(7), kSendReliable);
    std::vector<Message> got;
    ASSERT_TRUE(pair.receive(*pair.bob, 1, got));
    EXPECT_EQ(got[0].size(), 7u);
    EXPECT_EQ(got[0].message_number(), 1u);
    EXPECT_TRUE(pair.failures.empty());
    EXPECT_EQ(counter(*pair.bob, "dropped_replay"), 0u);
    EXPECT_EQ(counter(*pair.bob, "dropped_bad_seal"), 0u);
  }
  Pair pair{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Modes, ForkTest, testing::Bool(), [](const auto& mode) {
  return mode.param ? std::string("OwnThread") : std::string("Polled");
});

TEST_P(ForkTest, AChildThatDestroysItsCopyClosesNothing) {
  EXPECT_TRUE(holds_in_child([&] {
    pair.alice.reset();
    pair.bob.reset();
    return true;
  }));
  expect_parent_goes_on();
}

TEST_P(ForkTest, EveryCallOfAChildFails) {
  NetworkingMessages& alice = *pair.alice;
  const Identity& bob = pair.bob_id;
  EXPECT_TRUE(holds_in_child([&] {
    const auto send = [&](int flags) {
      return alice.send_message_to_user(bob, payload_of(9), flags, 0) == Result::kFail;
    };
    const bool sends =
        send(kSendReliable) && send(kSendUseCurrentThread) && send(kSendAutoRestartBrokenSession);
    const bool sessions = !alice.accept_session_with_user(bob) &&
                          !alice.close_session_with_user(bob) &&
                          !alice.close_channel_with_user(bob, 99);
    alice.poll();
    alice.wake();
    alice.on_session_request(nullptr);
    const bool waits = !alice.wait(1ms) && alice.run_callbacks() == 0 &&
                       alice.receive_messages_on_channel(99, 9).empty() &&
                       alice.event_handle() == -1;
    const bool lobby = !alice.lobbies().create(LobbyKind::kPublic, 4, {});
    return sends && sessions && waits && lobby && alice.users().empty() &&
           alice.counters().empty() && !alice.identity().valid();
  }));
  expect_parent_goes_on();
}

TEST_P(ForkTest, AChildIsToldWhy) {
  NetworkingMessages& alice = *pair.alice;
  EXPECT_TRUE(holds_in_child([&] {
    const auto told = [](const std::string& text) {
      return text.find("forked") != std::string::npos;
    };
    std::string option, route, token;
    alice.set_option(Option::kKeepAlive, 5000, &option);
    alice.add_route({pair.bob_id, "127.0.0.1:9", ""}, &route);
    alice.set_login_token("x", &token);
    ConnectionInfo info;
    const auto state = alice.get_session_connection_info(pair.bob_id, &info, nullptr);
    return told(option) && told(route) && told(token) && told(info.end_debug) &&
           state == ConnectionState::kNone && told(alice.get_server_status().text);
  }));
  expect_parent_goes_on();
}

TEST_P(ForkTest, AChildMakesItsOwn) {
  const std::string parents_key = pair.alice->public_key_hex();
  const std::string bob_at = "127.0.0.1:" + std::to_string(pair.bob->port_v4());
  const pid_t child = fork();
  if (child == 0) {
    pair.alice.reset();
    auto own = make_node(loopback_config("carol", false));
    own->add_route({pair.bob_id, bob_at, ""});
    own->send_message_to_user(pair.bob_id, payload_of(3), kSendReliable, 5);
    ConnectionInfo info;
    for (int i = 0; i < 20000; ++i) {
      own->wait(1ms);
      ConnectionStatus status;
      const auto state = own->get_session_connection_info(pair.bob_id, &info, &status);
      if (state == ConnectionState::kConnected && status.sent_unacknowledged_reliable == 0 &&
          status.pending_reliable == 0) {
        break;
      }
    }
    _exit(own->public_key_hex() != parents_key ? 0 : 1);
  }
  std::vector<Message> got;
  EXPECT_TRUE(pair.receive(*pair.bob, 1, got, 5));
  int status = 0;
  // Bob is run meanwhile: the child waits for his acknowledgement.
  ASSERT_TRUE(pair.run_until([&] { return waitpid(child, &status, WNOHANG) == child; }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  expect_parent_goes_on();
}

TEST(ForkedServer, IsTheParentsAlone) {
  ServerConfig config;
  config.listen = {"127.0.0.1:0"};
  std::string error;
  auto server = Server::create(config, &error);
  ASSERT_NE(server, nullptr) << error;
  EXPECT_TRUE(holds_in_child([&] {
    server->drain(std::chrono::seconds(5));
    const bool nobody = server->user_count() == 0;
    server.reset();
    return nobody;
  }));
  Config user = loopback_config("alice", true);
  user.server = "127.0.0.1:" + std::to_string(server->port_v4()) + "," + server->public_key_hex();
  auto alice = make_node(user);
  const auto give_up = std::chrono::steady_clock::now() + 20s;
  while (server->user_count() == 0 && std::chrono::steady_clock::now() < give_up) {
    alice->wait(1ms);
  }
  EXPECT_EQ(server->user_count(), 1u);
}

}  // namespace
}  // namespace whimbrel
