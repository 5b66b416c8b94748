// Messages between two instances over real sockets on loopback.
#include <gmock/gmock.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/integration/pair.h"

namespace whimbrel {
namespace {

using testing::HasSubstr;

class MessagesTest : public testing::TestWithParam<bool> {
 protected:
  static bool own_thread() { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Modes, MessagesTest, testing::Bool(), [](const auto& mode) {
  return mode.param ? std::string("OwnThread") : std::string("Polled");
});

TEST_P(MessagesTest, ReliableMessagesArriveInOrderBothWays) {
  Pair pair(own_thread());
  constexpr std::size_t kCount = 2000;
  for (std::size_t i = 0; i < kCount; ++i) {
    pair.send(*pair.alice, pair.bob_id, payload_of(i % 300, static_cast<std::uint8_t>(i)),
              kSendReliable);
    if (i % 10 == 0) {
      pair.send(*pair.bob, pair.alice_id, payload_of(i % 200), kSendReliable, 3);
    }
  }
  std::vector<Message> at_bob;
  ASSERT_TRUE(pair.receive(*pair.bob, kCount, at_bob));
  for (std::size_t i = 0; i < kCount; ++i) {
    const auto expected = payload_of(i % 300, static_cast<std::uint8_t>(i));
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), at_bob[i].payload().begin(),
                           at_bob[i].payload().end()))
        << i;
    ASSERT_EQ(at_bob[i].message_number(), i + 1);
    ASSERT_EQ(at_bob[i].identity(), pair.alice_id);
    ASSERT_EQ(at_bob[i].flags(), kSendReliable);
  }
  std::vector<Message> at_alice;
  ASSERT_TRUE(pair.receive(*pair.alice, kCount / 10, at_alice, 3));
  EXPECT_EQ(at_alice[7].size(), payload_of(70).size());
  EXPECT_TRUE(pair.failures.empty());
}

TEST_P(MessagesTest, UnreliableMessagesArrive) {
  Pair pair(own_thread());
  pair.connect();
  std::vector<Message> got;
  // Loopback loses nothing that is asked for as it comes.
  for (std::uint8_t i = 0; i < 50; ++i) {
    pair.send(*pair.alice, pair.bob_id, payload_of(700, i), kSendUnreliable);
    ASSERT_TRUE(pair.receive(*pair.bob, i + 1u, got));
  }
  EXPECT_EQ(got[49].flags(), kSendUnreliable);
  EXPECT_EQ(got[49].payload()[0], 49);
}

TEST_P(MessagesTest, LargestMessageAndEmptyMessage) {
  Pair pair(own_thread());
  const auto large = payload_of(kMessageBytesMax);
  pair.send(*pair.alice, pair.bob_id, large, kSendReliable, 1);
  pair.send(*pair.alice, pair.bob_id, {}, kSendReliable, -5);
  std::vector<Message> got;
  ASSERT_TRUE(pair.receive(*pair.bob, 1, got, 1));
  EXPECT_TRUE(
      std::equal(large.begin(), large.end(), got[0].payload().begin(), got[0].payload().end()));
  got.clear();
  ASSERT_TRUE(pair.receive(*pair.bob, 1, got, -5));
  EXPECT_EQ(got[0].size(), 0u);
  EXPECT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(kMessageBytesMax + 1), 8, 0),
            Result::kInvalidParam);
}

TEST_P(MessagesTest, BulkArrivesWithAndWithoutOffload) {
  for (const bool offload : {true, false}) {
    Pair pair(own_thread(), [&](Config& config) { config.offload = offload; });
    const auto block = payload_of(65536);
    std::vector<Message> got;
    for (int i = 0; i < 100; ++i) {
      pair.send(*pair.alice, pair.bob_id, block, kSendReliable);
      for (auto& message : pair.bob->receive_messages_on_channel(0, 100)) {
        got.push_back(std::move(message));
      }
    }
    ASSERT_TRUE(pair.receive(*pair.bob, 100, got));
    for (const Message& message : got) {
      ASSERT_TRUE(std::equal(block.begin(), block.end(), message.payload().begin(),
                             message.payload().end()));
    }
  }
}

TEST_P(MessagesTest, AReaderWhoSleepsHoldsTheSenderBack) {
  Pair pair(own_thread());
  pair.connect();
  const auto block = payload_of(16384);
  // 1 MiB at the reader and 512 KiB at the sender fit: nowhere near 4 MiB.
  std::size_t taken = 0;
  for (int i = 0; i < 2000 && taken < 256; ++i) {
    if (pair.alice->send_message_to_user(pair.bob_id, block, kSendReliable, 0) == Result::kOk) {
      ++taken;
    }
    pair.alice->wait(100us);
    pair.bob->wait(100us);
    pair.bob->run_callbacks();
  }
  EXPECT_LT(taken, 110u);
  EXPECT_GT(taken, 60u);
  EXPECT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(400000), kSendReliable, 0),
            Result::kLimitExceeded);
  std::vector<Message> got;
  ASSERT_TRUE(pair.receive(*pair.bob, taken, got));
  EXPECT_EQ(got.size(), taken);
  // Room again: wait() says so.
  EXPECT_TRUE(pair.run_until([&] {
    return pair.alice->send_message_to_user(pair.bob_id, payload_of(400000), kSendReliable, 0) ==
           Result::kOk;
  }));
}

TEST_P(MessagesTest, ClosingTellsThePeerAndDropsWhatIsUnread) {
  Pair pair(own_thread());
  pair.connect();
  pair.bob_was_told = false;
  pair.send(*pair.alice, pair.bob_id, payload_of(10), kSendReliable);
  ASSERT_TRUE(pair.run_until([&] { return pair.bob_was_told; }));
  ASSERT_TRUE(pair.bob->close_session_with_user(pair.alice_id));
  EXPECT_EQ(pair.bob->get_session_connection_info(pair.alice_id, nullptr, nullptr),
            ConnectionState::kNone);
  EXPECT_TRUE(pair.bob->receive_messages_on_channel(0, 10).empty());
  ConnectionInfo info;
  ASSERT_TRUE(pair.run_until([&] {
    return pair.alice->get_session_connection_info(pair.bob_id, &info, nullptr) ==
           ConnectionState::kClosedByPeer;
  }));
  EXPECT_EQ(info.end_reason, kEndSessionClosed);
  EXPECT_TRUE(pair.failures.empty());
  EXPECT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(1), kSendReliable, 0),
            Result::kNoConnection);
  EXPECT_FALSE(pair.bob->close_session_with_user(pair.alice_id));
}

TEST_P(MessagesTest, WhatWasTakenBeforeCloseStillArrives) {
  Pair pair(own_thread());
  pair.connect();
  for (int i = 0; i < 300; ++i) {
    pair.send(*pair.alice, pair.bob_id, payload_of(1000), kSendReliable);
  }
  ASSERT_TRUE(pair.alice->close_session_with_user(pair.bob_id));
  std::vector<Message> got;
  EXPECT_TRUE(pair.receive(*pair.bob, 300, got));
}

TEST_P(MessagesTest, TheFirstMessageArrivesThoughItsSenderGoesAtOnce) {
  for (const bool destroyed : {false, true}) {
    Pair pair(own_thread(), [](Config& config) {
      config.options = {{Option::kLingerTime, 20000}};
    });
    std::atomic<bool> stop{false};
    std::size_t got = 0;
    std::thread reader([&] {
      while (!stop) {
        pair.bob->wait(1ms);
        pair.bob->run_callbacks();
        got += pair.bob->receive_messages_on_channel(0, 10).size();
        if (got > 0) stop = true;
      }
    });
    EXPECT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(9), kSendReliable, 0),
              Result::kOk);
    if (destroyed) {
      pair.alice.reset();
    } else {
      EXPECT_TRUE(pair.alice->close_session_with_user(pair.bob_id));
      const auto give_up = std::chrono::steady_clock::now() + 20s;
      while (!stop && std::chrono::steady_clock::now() < give_up) pair.alice->wait(1ms);
    }
    for (int i = 0; i < 1000 && !stop; ++i) std::this_thread::sleep_for(1ms);
    stop = true;
    reader.join();
    EXPECT_EQ(got, 1u) << (destroyed ? "destroyed" : "closed");
    EXPECT_TRUE(pair.failures.empty());
  }
}

TEST_P(MessagesTest, ClosingAChannelDropsExactlyItsMessages) {
  Pair pair(own_thread());
  pair.connect();
  pair.send(*pair.alice, pair.bob_id, payload_of(10), kSendReliable, 1);
  pair.send(*pair.alice, pair.bob_id, payload_of(20), kSendReliable, 2);
  std::vector<Message> got;
  ASSERT_TRUE(pair.receive(*pair.bob, 1, got, 2));
  EXPECT_TRUE(pair.bob->close_channel_with_user(pair.alice_id, 1));
  EXPECT_FALSE(pair.bob->close_channel_with_user(pair.alice_id, 1));
  EXPECT_TRUE(pair.bob->receive_messages_on_channel(1, 10).empty());
  EXPECT_EQ(pair.bob->get_session_connection_info(pair.alice_id, nullptr, nullptr),
            ConnectionState::kConnected);
}

TEST_P(MessagesTest, ABadNetworkLosesNothingReliable) {
  Pair pair(own_thread(), [](Config& config) {
    config.options = {{Option::kFakePacketLossSend, 5},    {Option::kFakePacketLagSend, 3},
                      {Option::kFakePacketReorderSend, 5}, {Option::kFakePacketReorderTime, 4},
                      {Option::kFakePacketDupSend, 5},     {Option::kFakePacketDupTimeMax, 3},
                      {Option::kFakePacketLossRecv, 2}};
  });
  std::vector<Message> got;
  for (std::size_t i = 0; i < 500; ++i) {
    pair.send(*pair.alice, pair.bob_id, payload_of(i), kSendReliable);
  }
  ASSERT_TRUE(pair.receive(*pair.bob, 500, got));
  EXPECT_EQ(got.size(), 500u);
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i].size(), i);
}

TEST_P(MessagesTest, TheEventHandleWakesAPollLoop) {
  Pair pair(own_thread());
  pair.connect();
  const int handle = pair.bob->event_handle();
  pair.bob->poll();
  pair.send(*pair.alice, pair.bob_id, payload_of(5), kSendReliable);
  std::vector<Message> got;
  for (int i = 0; i < 200 && got.empty(); ++i) {
    pair.alice->poll();
    pollfd waiting{handle, POLLIN, 0};
    if (poll(&waiting, 1, 100) == 1) {
      pair.bob->poll();
      got = pair.bob->receive_messages_on_channel(0, 10);
    }
  }
  ASSERT_EQ(got.size(), 1u);
  if (!own_thread()) return;
  pollfd waiting{handle, POLLIN, 0};
  EXPECT_EQ(poll(&waiting, 1, 0), 0);
}

TEST_P(MessagesTest, MessagesToOneselfStayInside) {
  auto node = make_node(loopback_config("me", own_thread()));
  const Identity me = Identity::generic_string("me");
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(node->send_message_to_user(me, payload_of(300), kSendReliable, 0), Result::kOk) << i;
    if (i % 500 == 0) {
      ASSERT_TRUE(node->wait(5s));
    }
    node->receive_messages_on_channel(0, 1000);
  }
  ConnectionInfo info;
  node->get_session_connection_info(me, &info, nullptr);
  EXPECT_EQ(info.flags & kInfoLoopbackBuffers, kInfoLoopbackBuffers);
}

TEST_P(MessagesTest, OnePayloadGoesToSeveralUsers) {
  Pair pair(own_thread());
  pair.connect();
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{100000}}) {
    const auto payload = payload_of(size);
    for (int round = 0; round < 2; ++round) {  // the first one on channels that are new
      const std::vector<Identity> users = {pair.bob_id, Identity(), pair.alice_id};
      std::vector<Result> results(2, Result::kFail);
      EXPECT_EQ(pair.alice->send_message_to_users(users, payload, kSendReliable,
                                                  static_cast<int>(size), results),
                2u);
      EXPECT_EQ(results, (std::vector<Result>{Result::kOk, Result::kInvalidParam}));
      for (NetworkingMessages* node : {pair.bob.get(), pair.alice.get()}) {
        std::vector<Message> got;
        ASSERT_TRUE(pair.receive(*node, 1, got, static_cast<int>(size)));
        EXPECT_TRUE(std::equal(payload.begin(), payload.end(), got[0].payload().begin(),
                               got[0].payload().end()));
        EXPECT_EQ(got[0].identity(), pair.alice_id);
      }
    }
  }
  std::vector<Result> refused(1, Result::kOk);
  EXPECT_EQ(pair.alice->send_message_to_users({&pair.bob_id, 1}, payload_of(kMessageBytesMax + 1),
                                              kSendReliable, 0, refused),
            0u);
  EXPECT_EQ(refused[0], Result::kInvalidParam);
}

TEST_P(MessagesTest, SessionsThatComeAndGoAreTold) {
  Pair pair(own_thread());
  using Change = std::pair<Identity, ConnectionState>;
  std::vector<Change> at_alice;
  std::vector<Change> at_bob;
  const auto note = [](std::vector<Change>& changes) {
    return [&changes](const Identity& user, ConnectionState state, const ConnectionInfo& info) {
      EXPECT_EQ(info.state, state);
      changes.emplace_back(user, state);
    };
  };
  pair.alice->on_session_changed(note(at_alice));
  pair.bob->on_session_changed(note(at_bob));
  pair.connect();
  const Change bob_came{pair.bob_id, ConnectionState::kConnected};
  const Change alice_came{pair.alice_id, ConnectionState::kConnected};
  ASSERT_TRUE(pair.run_until([&] { return !at_alice.empty() && !at_bob.empty(); }));
  EXPECT_EQ(at_alice, std::vector<Change>{bob_came});
  EXPECT_EQ(at_bob, std::vector<Change>{alice_came});
  pair.bob->close_session_with_user(pair.alice_id);
  ASSERT_TRUE(pair.run_until([&] { return at_alice.size() == 2; }));
  EXPECT_EQ(at_alice[1], (Change{pair.bob_id, ConnectionState::kClosedByPeer}));
  EXPECT_TRUE(pair.failures.empty());
  const Identity nobody = Identity::generic_string("nobody");
  pair.alice->send_message_to_user(nobody, payload_of(1), kSendReliable, 0);
  ASSERT_TRUE(pair.run_until([&] { return at_alice.size() == 3; }));
  EXPECT_EQ(at_alice[2], (Change{nobody, ConnectionState::kProblemDetectedLocally}));
  EXPECT_EQ(pair.failures.size(), 1u);
  EXPECT_EQ(at_bob.size(), 1u) << "he closed it himself";
  pair.alice->on_session_changed(nullptr);
  pair.alice->send_message_to_user(Identity::generic_string("none"), payload_of(1), 8, 0);
  ASSERT_TRUE(pair.run_until([&] { return pair.failures.size() == 2; }));
  EXPECT_EQ(at_alice.size(), 3u);
}

TEST_P(MessagesTest, UserDataGoesWithTheMessagesOfItsSession) {
  Pair pair(own_thread());
  EXPECT_FALSE(pair.bob->set_user_data(pair.alice_id, 7));
  pair.connect();
  const auto next = [&] {
    std::vector<Message> got;
    pair.send(*pair.alice, pair.bob_id, payload_of(3), kSendReliable);
    EXPECT_TRUE(pair.receive(*pair.bob, 1, got));
    return got.empty() ? 0 : got[0].user_data();
  };
  EXPECT_EQ(next(), -1);
  EXPECT_TRUE(pair.bob->set_user_data(pair.alice_id, 1234567890123));
  EXPECT_EQ(next(), 1234567890123);
  EXPECT_TRUE(pair.bob->set_user_data(pair.alice_id, 5));
  EXPECT_EQ(next(), 5);
  // What has come already has it too: who accepts somebody gives the number after the first
  // message.
  pair.bob_was_told = false;
  pair.send(*pair.alice, pair.bob_id, payload_of(3), kSendReliable);
  ASSERT_TRUE(pair.run_until([&] { return pair.bob_was_told; }));
  EXPECT_TRUE(pair.bob->set_user_data(pair.alice_id, 6));
  std::vector<Message> got;
  EXPECT_TRUE(pair.receive(*pair.bob, 1, got));
  EXPECT_EQ(got.empty() ? 0 : got[0].user_data(), 6);
  EXPECT_TRUE(pair.bob->set_user_data(pair.alice_id, 5));
  ConnectionInfo info;
  pair.bob->get_session_connection_info(pair.alice_id, &info, nullptr);
  EXPECT_EQ(info.user_data, 5);
  pair.alice->close_session_with_user(pair.bob_id);
  ASSERT_TRUE(pair.run_until([&] {
    return pair.bob->get_session_connection_info(pair.alice_id, nullptr, nullptr) ==
           ConnectionState::kClosedByPeer;
  }));
  EXPECT_EQ(next(), -1) << "another session";
}

TEST_P(MessagesTest, StrangersWaitForAccept) {
  Pair pair(own_thread());
  std::vector<Identity> asked;
  pair.bob->on_session_request([&](const Identity& who) { asked.push_back(who); });
  ASSERT_EQ(pair.alice->send_message_to_user(pair.bob_id, std::string_view("hello"), 8, 0),
            Result::kOk);
  ASSERT_TRUE(pair.run_until([&] { return !asked.empty(); }));
  EXPECT_EQ(asked[0], pair.alice_id);
  EXPECT_TRUE(pair.bob->receive_messages_on_channel(0, 1).empty());
  EXPECT_TRUE(pair.bob->close_session_with_user(pair.alice_id));
  ASSERT_TRUE(pair.run_until([&] { return !pair.failures.empty(); }));
  EXPECT_EQ(pair.failures[0].state, ConnectionState::kClosedByPeer);
  EXPECT_EQ(pair.failures[0].end_reason, kEndSessionClosed);
}

TEST_P(MessagesTest, DestroyedUnderLoad) {
  for (int round = 0; round < 3; ++round) {
    Pair pair(own_thread());
    pair.connect();
    const auto block = payload_of(3000);
    for (int i = 0; i < 100; ++i) {
      pair.alice->send_message_to_user(pair.bob_id, block, i % 2 == 0 ? kSendReliable : 0, 0);
      pair.bob->send_message_to_user(pair.alice_id, block, kSendReliable, 0);
    }
    auto messages = pair.bob->receive_messages_on_channel(0, 5);
    (round % 2 == 0 ? pair.alice : pair.bob).reset();
    for (const Message& message : messages) EXPECT_EQ(message.size(), block.size());
  }
}

TEST(Threads, ManySendAndOneReceives) {
  Pair pair(true);
  pair.connect();
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&pair, thread] {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        const std::array<std::uint8_t, 2> bytes = {static_cast<std::uint8_t>(i >> 8),
                                                   static_cast<std::uint8_t>(i)};
        while (pair.alice->send_message_to_user(pair.bob_id, bytes, kSendReliable, thread) ==
               Result::kLimitExceeded) {
          pair.alice->wait(1ms);
        }
        if (i % 100 == 0) pair.alice->get_session_connection_info(pair.bob_id, nullptr, nullptr);
      }
    });
  }
  std::array<int, kThreads> seen{};
  ASSERT_TRUE(pair.run_until([&] {
    for (int channel = 0; channel < kThreads; ++channel) {
      for (const auto& message : pair.bob->receive_messages_on_channel(channel, 100)) {
        int& next = seen[static_cast<std::size_t>(channel)];
        EXPECT_EQ(message.payload()[0] << 8 | message.payload()[1], next);
        ++next;
      }
    }
    return seen == std::array<int, kThreads>{kEach, kEach, kEach, kEach};
  }));
  for (auto& thread : threads) thread.join();
}

TEST(Threads, ManyWaitAtOnce) {
  Pair pair(true);
  pair.connect();
  std::atomic<int> received{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      while (received < 100) {
        pair.bob->wait(20ms);
        received += static_cast<int>(pair.bob->receive_messages_on_channel(0, 2).size());
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(10), kSendReliable, 0),
              Result::kOk);
    if (i % 10 == 0) std::this_thread::sleep_for(1ms);
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(received, 100);
}

// A thread that was long inside wait() leaves and does not come back: the I/O thread must drive
// again.
TEST(Threads, TheIoThreadTakesOverFromWait) {
  Pair pair(true);
  pair.connect();
  std::size_t got = 0;
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(pair.bob->wait(60ms));
    ASSERT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(9), kSendReliable, 0),
              Result::kOk);
    for (int i = 0; i < 2000 && got <= static_cast<std::size_t>(round); ++i) {
      std::this_thread::sleep_for(1ms);
      got += pair.bob->receive_messages_on_channel(0, 10).size();
    }
    ASSERT_EQ(got, static_cast<std::size_t>(round) + 1);
  }
}

// The peer has no name of its own and waits under the address it is seen at, while we dial it by
// the name we gave it.
TEST(Crossing, DiallingAStrangerWhoWaitsAcceptsIt) {
  Pair pair(true, [](Config& config) { config.identity = Identity(); });
  std::vector<Identity> asked;
  pair.bob->on_session_request([&](const Identity& who) { asked.push_back(who); });
  ASSERT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(3), kSendReliable, 0),
            Result::kOk);
  ASSERT_TRUE(pair.run_until([&] { return !asked.empty(); }));
  EXPECT_EQ(asked[0].type(), IdentityType::kIpAddress);
  ASSERT_EQ(pair.bob->send_message_to_user(pair.alice_id, payload_of(4), kSendReliable, 0),
            Result::kOk);
  std::vector<Message> got;
  ASSERT_TRUE(pair.receive(*pair.bob, 1, got));
  EXPECT_EQ(got[0].identity(), pair.alice_id);
  got.clear();
  ASSERT_TRUE(pair.receive(*pair.alice, 1, got));
}

TEST(Create, SaysWhatIsWrong) {
  const auto fault = [](const std::function<void(Config&)>& change) {
    Config config = loopback_config("x", false);
    change(config);
    std::string error;
    EXPECT_EQ(NetworkingMessages::create(config, &error), nullptr);
    return error;
  };
  const auto taken = make_node(loopback_config("x", false));
  const std::string port = std::to_string(taken->port_v4());
  EXPECT_THAT(fault([&](Config& c) { c.bind_v4 = "127.0.0.1:" + port; }),
              testing::AllOf(HasSubstr("127.0.0.1:" + port), HasSubstr("Another program")));
  EXPECT_THAT(fault([](Config& c) { c.bind_v4 = "localhost"; }), HasSubstr("'localhost'"));
  EXPECT_THAT(fault([](Config& c) { c.bind_v4 = ""; }), HasSubstr("no address to bind"));
  EXPECT_THAT(fault([](Config& c) {
                c.options = {{Option::kSendBufferSize, 1}};
              }),
              HasSubstr("4096 to 268435456"));
  // Below a regular file nobody can make anything, root neither.
  std::string file = (std::filesystem::temp_directory_path() / "whimbrel-XXXXXX").string();
  ASSERT_EQ(close(mkstemp(file.data())), 0);
  const std::string nowhere = file + "/key";
  EXPECT_THAT(fault([&](Config& c) { c.key_file = nowhere; }), HasSubstr("key file"));
  EXPECT_THAT(fault([&](Config& c) { c.certificate_file = nowhere; }), HasSubstr("certificate"));
  EXPECT_THAT(fault([&](Config& c) { c.authority_files = {nowhere}; }), HasSubstr("authority"));
  std::filesystem::remove(file);
  EXPECT_THAT(fault([](Config& c) {
                c.options = {{Option::kAllowWithoutAuth, 0}};
              }),
              HasSubstr("authority files"));
  EXPECT_THAT(fault([](Config& c) {
                c.routes = {{Identity::generic_string("b"), "nowhere", ""}};
              }),
              HasSubstr("'nowhere'"));
}

TEST(Options, AreCheckedWhenTheyAreSet) {
  const auto node = make_node(loopback_config("x", true));
  std::string error;
  EXPECT_TRUE(node->set_option("idletimeout", 5000));
  EXPECT_FALSE(node->set_option("NoSuch", 5000, &error));
  EXPECT_THAT(error, HasSubstr("NoSuch"));
  EXPECT_FALSE(node->set_option(Option::kFakePacketLossSend, 101, &error));
  EXPECT_THAT(error, HasSubstr("0 to 100"));
  const Identity bob = Identity::generic_string("bob");
  EXPECT_TRUE(node->set_session_option(bob, Option::kSendBufferSize, 4096));
  EXPECT_FALSE(node->set_session_option(bob, Option::kFakePacketLossSend, 1, &error));
  EXPECT_THAT(error, HasSubstr("all sessions"));
  EXPECT_EQ(node->send_message_to_user(Identity(), payload_of(1), 0, 0), Result::kInvalidParam);
  EXPECT_EQ(node->send_message_to_user(bob, payload_of(1), 64, 0), Result::kInvalidParam);
}

TEST(Options, ThoseOfTheWholeInstanceChangeWhileItRuns) {
  const auto node = make_node(loopback_config("x", true));
  std::string error;
  EXPECT_TRUE(node->set_option(Option::kSessionsMax, 1, &error)) << error;
  EXPECT_TRUE(node->set_option(Option::kPendingRequestsMax, 1, &error)) << error;
  EXPECT_TRUE(node->set_option(Option::kAllowWithoutAuth, 1, &error)) << error;
  EXPECT_FALSE(node->set_option(Option::kAllowWithoutAuth, 0, &error));
  EXPECT_THAT(error, HasSubstr("authority files"));
  const Identity own = node->identity();
  EXPECT_EQ(node->send_message_to_user(own, payload_of(1), kSendReliable, 0), Result::kOk);
  const Identity other = *Identity::parse("ip:127.0.0.1:9");
  EXPECT_EQ(node->send_message_to_user(other, payload_of(1), kSendReliable, 0),
            Result::kLimitExceeded);
  EXPECT_TRUE(node->set_option(Option::kSessionsMax, 2, &error)) << error;
  EXPECT_EQ(node->send_message_to_user(other, payload_of(1), kSendReliable, 0), Result::kOk);
}

TEST_P(MessagesTest, ClosingDropsWhatAnEarlierSessionOfTheUserLeft) {
  Pair pair(own_thread());
  pair.send(*pair.alice, pair.bob_id, payload_of(10), kSendReliable);
  // What was acknowledged is in the other's inbox.
  const auto arrived = [&] {
    return pair.run_until([&] {
      ConnectionStatus status;
      return pair.alice->get_session_connection_info(pair.bob_id, nullptr, &status) ==
                 ConnectionState::kConnected &&
             status.pending_reliable + status.sent_unacknowledged_reliable == 0;
    });
  };
  ASSERT_TRUE(arrived());
  ASSERT_TRUE(pair.alice->close_session_with_user(pair.bob_id));
  ASSERT_TRUE(pair.run_until([&] {
    return pair.bob->get_session_connection_info(pair.alice_id, nullptr, nullptr) ==
           ConnectionState::kClosedByPeer;
  }));
  pair.send(*pair.alice, pair.bob_id, payload_of(10), kSendReliable);
  ASSERT_TRUE(arrived());
  EXPECT_TRUE(pair.bob->close_session_with_user(pair.alice_id));
  EXPECT_TRUE(pair.bob->receive_messages_on_channel(0, 10).empty());
}

// The farewell of an instance that is destroyed reaches the peer though packets are held back on
// the way out.
class FakeLineTest : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(LagMs, FakeLineTest, testing::Values(100, 5000));

TEST_P(FakeLineTest, DestructionDoesNotSwallowTheFarewell) {
  Pair pair(true);
  pair.connect();
  ASSERT_TRUE(pair.alice->set_option(Option::kFakePacketLagSend, GetParam()));
  pair.send(*pair.alice, pair.bob_id, payload_of(100), kSendReliable);
  pair.alice.reset();
  ConnectionInfo info;
  const auto give_up = std::chrono::steady_clock::now() + 5s;
  while (pair.bob->get_session_connection_info(pair.alice_id, &info, nullptr) !=
             ConnectionState::kClosedByPeer &&
         std::chrono::steady_clock::now() < give_up) {
    pair.bob->wait(1ms);
    pair.bob->run_callbacks();
  }
  EXPECT_EQ(info.state, ConnectionState::kClosedByPeer);
  EXPECT_EQ(info.end_reason, kEndSessionClosed);
}

}  // namespace
}  // namespace whimbrel
