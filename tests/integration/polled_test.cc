// Without a thread of its own (Config::own_thread): whatever call was made, the driver does what
// comes of it, whichever way the program drives: a poll() now and then, a thread inside wait(), or
// a loop around the event handle.
#include <poll.h>
#include <whimbrel/lobbies.h>
#include <whimbrel/server.h>

#include <atomic>
#include <thread>

#include "tests/integration/pair.h"

namespace whimbrel {
namespace {

enum class Way : std::uint8_t { kPoll, kWait, kHandle };

// Drives a node on a thread that sleeps as long as nothing is to be done. With kPoll there is none:
// run_until() polls.
class Driver {
 public:
  Driver(NetworkingMessages& node, Way way) : node_(node), way_(way) {
    if (way == Way::kPoll) return;
    if (way == Way::kHandle) {
      node_.event_handle();
      node_.poll();  // from now on the handle says when
    }
    thread_ = std::thread([this] {
      while (!stop_) turn();
    });
    std::this_thread::sleep_for(20ms);  // asleep, mostly: the tests hold either way
  }
  ~Driver() {
    stop_ = true;
    if (!thread_.joinable()) return;
    // To oneself: ends any wait.
    node_.send_message_to_user(node_.identity(), std::string_view("end"), kSendReliable, 77);
    thread_.join();
  }
  void poll() {
    if (way_ == Way::kPoll) node_.poll();
  }

 private:
  // Far longer than any test may take.
  void turn() {
    if (way_ == Way::kWait) {
      node_.wait(60s);
      std::this_thread::sleep_for(1ms);  // what woke it is somebody else's to read
      return;
    }
    pollfd handle{node_.event_handle(), POLLIN, 0};
    if (::poll(&handle, 1, 60000) == 1) node_.poll();
  }

  NetworkingMessages& node_;
  const Way way_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Alice has no thread, bob has one. Alice is driven from start_driver() on.
class PolledTest : public testing::TestWithParam<Way> {
 protected:
  PolledTest() {
    bob->on_session_request([this](const Identity& who) {
      requests.push_back(who);
      if (bob_accepts) bob->accept_session_with_user(who);
    });
    bob->on_session_failed([this](const ConnectionInfo& info) { bob_failed.push_back(info); });
    alice->on_session_failed([this](const ConnectionInfo& info) { failed.push_back(info); });
    alice->on_session_request([this](const Identity& who) { asked.push_back(who); });
    introduce(*alice, *bob, bob_id);
    introduce(*bob, *alice, alice_id);
  }
  static void introduce(NetworkingMessages& to, NetworkingMessages& whom, const Identity& name) {
    to.add_route({name, "127.0.0.1:" + std::to_string(whom.port_v4()), whom.public_key_hex()});
  }
  void start_driver() { driver = std::make_unique<Driver>(*alice, GetParam()); }
  // False after 20 s.
  bool run_until(const std::function<bool()>& done) {
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      if (driver) {
        driver->poll();
      } else {
        alice->poll();
      }
      alice->run_callbacks();
      bob->run_callbacks();
      std::this_thread::sleep_for(200us);
    }
    return true;
  }
  bool bob_gets(int channel, std::size_t count = 1) {
    std::size_t got = 0;
    return run_until([&] {
      got += bob->receive_messages_on_channel(channel, 100).size();
      return got >= count;
    });
  }
  bool alice_gets(int channel) {
    return run_until([&] { return !alice->receive_messages_on_channel(channel, 100).empty(); });
  }
  static Result send(NetworkingMessages& from, const Identity& to, int channel, int flags = 0) {
    return from.send_message_to_user(to, payload_of(20), flags | kSendReliable, channel);
  }
  // A session that is up, and quiet, before alice is driven.
  void connect() {
    ASSERT_EQ(send(*alice, bob_id, 0), Result::kOk);
    ASSERT_TRUE(bob_gets(0));
    ASSERT_EQ(send(*bob, alice_id, 0), Result::kOk);
    ASSERT_TRUE(alice_gets(0));
    for (int i = 0; i < 100; ++i) {
      alice->poll();
      std::this_thread::sleep_for(1ms);
    }
  }
  bool bob_sees(ConnectionState state) {
    return run_until(
        [&] { return bob->get_session_connection_info(alice_id, nullptr, nullptr) == state; });
  }

  const Identity alice_id = Identity::generic_string("alice");
  const Identity bob_id = Identity::generic_string("bob");
  std::unique_ptr<NetworkingMessages> alice = make_node(loopback_config("alice", false));
  std::unique_ptr<NetworkingMessages> bob = make_node(loopback_config("bob", true));
  std::vector<Identity> requests;
  std::vector<Identity> asked;
  std::vector<ConnectionInfo> failed;
  std::vector<ConnectionInfo> bob_failed;
  bool bob_accepts = true;
  std::unique_ptr<Driver> driver;  // goes before the nodes
};
INSTANTIATE_TEST_SUITE_P(Ways, PolledTest, testing::Values(Way::kPoll, Way::kWait, Way::kHandle),
                         [](const auto& way) {
                           return way.param == Way::kPoll   ? std::string("Poll")
                                  : way.param == Way::kWait ? std::string("Wait")
                                                            : std::string("Handle");
                         });

TEST_P(PolledTest, TheFirstSendLeaves) {
  start_driver();
  EXPECT_EQ(send(*alice, bob_id, 0), Result::kOk);
  EXPECT_TRUE(bob_gets(0));
}

TEST_P(PolledTest, TheFirstSendOfTheCallingThreadLeaves) {
  start_driver();
  EXPECT_EQ(send(*alice, bob_id, 0, kSendUseCurrentThread), Result::kOk);
  EXPECT_TRUE(bob_gets(0));
}

TEST_P(PolledTest, AFailureIsTold) {
  alice->set_option(Option::kTimeoutInitial, 300);
  start_driver();
  const Identity nobody = Identity::generic_string("nobody");
  alice->add_route({nobody, "127.0.0.1:9", ""});
  EXPECT_EQ(send(*alice, nobody, 0), Result::kOk);
  EXPECT_TRUE(run_until([&] { return !failed.empty(); }));
  EXPECT_EQ(send(*alice, Identity::generic_string("unknown"), 0), Result::kOk);
  EXPECT_TRUE(run_until([&] { return failed.size() == 2; }));
}

TEST_P(PolledTest, ASendOfASessionThatIsUpLeaves) {
  connect();
  start_driver();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(send(*alice, bob_id, 0), Result::kOk);
    EXPECT_TRUE(bob_gets(0));
    EXPECT_EQ(send(*alice, bob_id, 10 + i), Result::kOk) << "a channel that is new";
    EXPECT_TRUE(bob_gets(10 + i));
  }
}

TEST_P(PolledTest, AcceptIsHeardByTheStranger) {
  ASSERT_EQ(send(*bob, alice_id, 5), Result::kOk);
  ASSERT_TRUE(run_until([&] { return !asked.empty(); }));
  start_driver();
  EXPECT_TRUE(alice->accept_session_with_user(bob_id));
  EXPECT_TRUE(alice_gets(5));
}

TEST_P(PolledTest, ARefusalIsHeardByTheStranger) {
  ASSERT_EQ(send(*bob, alice_id, 5), Result::kOk);
  ASSERT_TRUE(run_until([&] { return !asked.empty(); }));
  start_driver();
  EXPECT_TRUE(alice->close_session_with_user(bob_id));
  EXPECT_TRUE(run_until([&] { return !bob_failed.empty(); }));
}

TEST_P(PolledTest, ACloseIsHeardByThePeer) {
  connect();
  start_driver();
  EXPECT_TRUE(alice->close_session_with_user(bob_id));
  EXPECT_TRUE(bob_sees(ConnectionState::kClosedByPeer));
}

TEST_P(PolledTest, ClosingTheLastChannelIsHeardByThePeer) {
  connect();
  start_driver();
  EXPECT_TRUE(alice->close_channel_with_user(bob_id, 0));
  EXPECT_TRUE(bob_sees(ConnectionState::kClosedByPeer));
}

// The sender is held back by what is unread, and hears when there is room again.
TEST_P(PolledTest, ReadingMakesRoomForTheSender) {
  connect();
  const auto block = payload_of(kMessageBytesMax);
  ASSERT_EQ(bob->send_message_to_user(alice_id, block, kSendReliable, 0), Result::kOk);
  const auto bob_sends = [&] {
    return bob->send_message_to_user(alice_id, block, kSendReliable, 0) == Result::kOk;
  };
  ASSERT_TRUE(run_until(bob_sends)) << "the first one has arrived";
  start_driver();
  ASSERT_TRUE(alice_gets(0));
  EXPECT_TRUE(run_until(bob_sends)) << "the second one has arrived";
  EXPECT_TRUE(alice_gets(0));
}

TEST_P(PolledTest, MessagesToOneselfAreTold) {
  start_driver();
  EXPECT_EQ(send(*alice, alice_id, 3), Result::kOk);
  EXPECT_TRUE(alice_gets(3));
}

// The dial goes on with the shorter time.
TEST_P(PolledTest, AnOptionTakesEffect) {
  const Identity nobody = Identity::generic_string("nobody");
  alice->add_route({nobody, "127.0.0.1:9", ""});
  EXPECT_EQ(send(*alice, nobody, 0), Result::kOk);
  start_driver();
  alice->set_option(Option::kTimeoutInitial, 400);
  EXPECT_TRUE(run_until([&] { return !failed.empty(); }));
  EXPECT_EQ(failed.at(0).end_reason, kEndMiscTimeout);
}

TEST_P(PolledTest, ServerAndLobbiesAreReached) {
  std::string error;
  ServerConfig made;
  made.listen = {"127.0.0.1:0"};
  const auto server = Server::create(made, &error);
  ASSERT_NE(server, nullptr) << error;
  Config config = loopback_config("alice", false);
  config.server = "127.0.0.1:" + std::to_string(server->port_v4()) + "," + server->public_key_hex();
  alice = make_node(config);
  start_driver();
  ASSERT_TRUE(
      run_until([&] { return alice->get_server_status().state == ServerStatus::State::kOnline; }));
  bool entered = false;
  EXPECT_TRUE(alice->lobbies().create(LobbyKind::kPublic, 4, [&](LobbyResult result, const Lobby&) {
    entered = result == LobbyResult::kOk;
  }));
  EXPECT_TRUE(run_until([&] { return entered; }));
}

// A server that its program polls now and then, and players with a session each.
class PlayersTest : public testing::Test {
 protected:
  static constexpr std::size_t kPlayers = 100;
  static constexpr std::size_t kEach = 2;

  void start(std::size_t poll_datagrams_max) {
    Config config = loopback_config("server", false);
    config.poll_datagrams_max = poll_datagrams_max;
    server = make_node(config);
    server->on_session_request(
        [this](const Identity& who) { server->accept_session_with_user(who); });
    const Identity name = Identity::generic_string("server");
    for (std::size_t i = 0; i < kPlayers; ++i) {
      Config player = loopback_config("player" + std::to_string(i), false);
      player.options = {{Option::kLingerTime, 0}};  // the server is not polled any more at the end
      players.push_back(make_node(player));
      players.back()->add_route(
          {name, "127.0.0.1:" + std::to_string(server->port_v4()), server->public_key_hex()});
      send(*players.back());
    }
    std::size_t joined = 0;
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (joined < kPlayers && std::chrono::steady_clock::now() < give_up) {
      poll_all();
      joined += read();
    }
    ASSERT_EQ(joined, kPlayers);
    for (int i = 0; i < 20; ++i) {  // what is still to be acknowledged
      poll_all();
      std::this_thread::sleep_for(5ms);
    }
  }
  static void send(NetworkingMessages& player) {
    ASSERT_EQ(player.send_message_to_user(Identity::generic_string("server"), payload_of(50),
                                          kSendReliable | kSendNoNagle, 0),
              Result::kOk);
  }
  void poll_all() {
    for (auto& player : players) player->poll();
    server->poll();
    server->run_callbacks();
  }
  // Each message of its own packet.
  void everybody_sends() {
    for (std::size_t i = 0; i < kEach; ++i) {
      for (auto& player : players) {
        send(*player);
        player->poll();
      }
    }
  }
  std::size_t read() { return server->receive_messages_on_channel(0, 1000).size(); }

  std::unique_ptr<NetworkingMessages> server;
  std::vector<std::unique_ptr<NetworkingMessages>> players;
};

TEST_F(PlayersTest, OnePollTakesWhatAllHaveSent) {
  start(Config().poll_datagrams_max);
  for (int tick = 0; tick < 3; ++tick) {
    everybody_sends();
    server->poll();
    EXPECT_EQ(read(), kPlayers * kEach) << "tick " << tick;
  }
}

TEST_F(PlayersTest, WhatAPollLeavesIsToldAtOnce) {
  start(32);
  everybody_sends();
  std::size_t got = 0;
  pollfd handle{server->event_handle(), POLLIN, 0};
  server->poll();
  got += read();
  EXPECT_LT(got, kPlayers * kEach);
  for (int polls = 0; got < kPlayers * kEach && polls < 100; ++polls) {
    ASSERT_EQ(::poll(&handle, 1, 0), 1) << got << " messages";
    server->poll();
    got += read();
  }
  EXPECT_EQ(got, kPlayers * kEach);
  everybody_sends();
  server->poll();
  got = read();
  while (got < kPlayers * kEach && server->wait(20s)) got += read();
  EXPECT_EQ(got, kPlayers * kEach);
}

TEST_F(PlayersTest, ABudgetOfNothingIsRefused) {
  Config config = loopback_config("server", false);
  config.poll_datagrams_max = 0;
  std::string error;
  EXPECT_EQ(NetworkingMessages::create(config, &error), nullptr);
  EXPECT_EQ(error, "poll_datagrams_max is at least 1");
}

}  // namespace
}  // namespace whimbrel
