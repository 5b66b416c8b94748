// Sessions that follow one another with the same user: what one leaves behind must not harm the
// next.
#include <thread>

#include "tests/integration/pair.h"

namespace whimbrel {
namespace {

class RestartTest : public testing::Test {
 protected:
  // Both drive their sockets only when asked: what is in one pass is decided here.
  void SetUp() override { pair.connect(); }
  void settle() {
    for (int i = 0; i < 30; ++i) {
      pair.alice->poll();
      pair.bob->poll();
      std::this_thread::sleep_for(2ms);
    }
  }
  bool all_confirmed() {
    ConnectionStatus status;
    const auto state = pair.alice->get_session_connection_info(pair.bob_id, nullptr, &status);
    return state == ConnectionState::kConnected && status.pending_reliable == 0 &&
           status.sent_unacknowledged_reliable == 0;
  }
  bool ends_at_bob() {
    return pair.run_until([&] {
      return pair.bob->get_session_connection_info(pair.alice_id, nullptr, nullptr) !=
             ConnectionState::kConnected;
    });
  }

  Pair pair{false};
};

TEST_F(RestartTest, MessagesQueuedForTheOldSessionAreChargedToTheNewOne) {
  const int flags = kSendReliable | kSendAutoRestartBrokenSession;
  std::vector<Message> messages;
  pair.send(*pair.alice, pair.bob_id, payload_of(100), flags);
  ASSERT_TRUE(pair.receive(*pair.bob, 1, messages));
  settle();
  pair.bob->close_session_with_user(pair.alice_id);
  pair.bob->poll();
  std::this_thread::sleep_for(20ms);
  // They wait beside the peer's CLOSE, which has come and was not read.
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(1000), flags, 0),
              Result::kOk);
  }
  messages.clear();
  EXPECT_TRUE(pair.receive(*pair.bob, 10, messages));
  ASSERT_TRUE(pair.run_until([&] { return all_confirmed(); }));
  EXPECT_TRUE(pair.failures.empty());
  // Nothing is held: all of SendBufferSize is there, and no more.
  EXPECT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(524288), flags, 0),
            Result::kOk);
  EXPECT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(1), flags, 0),
            Result::kLimitExceeded);
}

TEST_F(RestartTest, AMessageWhoseSessionEndsInTheSamePassHasItsSender) {
  // An application that starts again: it has not heard of the session yet.
  pair.alice->close_session_with_user(pair.bob_id);
  ASSERT_TRUE(ends_at_bob());
  pair.alice->on_session_request(
      [&](const Identity& who) { pair.alice->accept_session_with_user(who); });
  std::vector<Message> messages;
  pair.send(*pair.bob, pair.alice_id, payload_of(1), kSendReliable | kSendAutoRestartBrokenSession,
            5);
  ASSERT_TRUE(pair.receive(*pair.alice, 1, messages, 5));
  settle();
  ASSERT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(10),
                                             kSendUnreliable | kSendNoNagle, 5),
            Result::kOk);
  pair.alice->poll();
  pair.alice->close_session_with_user(pair.bob_id);
  pair.alice->poll();
  std::this_thread::sleep_for(20ms);
  pair.bob->poll();
  const auto got = pair.bob->receive_messages_on_channel(5, 10);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].identity(), pair.alice_id);
}

TEST_F(RestartTest, AUserWhoComesAgainLeavesNoMoreUnreadThanItsLimit) {
  for (int visit = 0; visit < 4; ++visit) {
    for (int i = 0; i < 450; ++i) {
      ASSERT_EQ(pair.alice->send_message_to_user(pair.bob_id, payload_of(600), kSendReliable, 77),
                Result::kOk);
    }
    ASSERT_TRUE(pair.run_until([&] { return all_confirmed(); }));
    pair.alice->close_session_with_user(pair.bob_id);
    ASSERT_TRUE(ends_at_bob());
  }
  std::vector<Message> unread;
  for (auto& message : pair.bob->receive_messages_on_channel(77, 100000)) {
    unread.push_back(std::move(message));
  }
  EXPECT_EQ(unread.size(), 900u) << "the last two visits', of 1000 that are allowed";
}

}  // namespace
}  // namespace whimbrel
