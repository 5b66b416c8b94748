// An endpoint wakes its thread when there is something to do, and not otherwise: a timer that stays
// due costs a whole processor.
#include "endpoint/endpoint_pair.h"

namespace whimbrel {
namespace {

class WakeUps : public EndpointPair {
 protected:
  WakeUps() {
    know_each_other(true);
    b.accept_all = true;
  }
  void connect() {
    EXPECT_EQ(send(a, b.name(), "hello"), Result::kOk);
    run_for(seconds(1));
    ASSERT_EQ(state(a, b.name()), ConnectionState::kConnected);
  }
  void end(Host& host) {
    drop = [&host](Host& from) { return &from == &host; };
  }
};

TEST_F(WakeUps, AQuietSessionHasFew) {
  connect();
  run_for(seconds(10));
  run_for(seconds(60));
  // Twelve keep-alives, each with its packets and with key schedules that are given back later.
  EXPECT_LE(steps, 80);
}

// A shorter time counts at once, though nothing else wakes anybody.
TEST_F(WakeUps, AShorterTimeIsNotSleptOver) {
  connect();
  SessionOptions options;
  options.keep_alive = options.idle_timeout = seconds(100);
  options.timeout_connected = seconds(300);
  a.endpoint->set_session_options(b.name(), options);
  b.endpoint->set_session_options(a.name(), options);
  run_for(seconds(60));
  ASSERT_GT(a.endpoint->next_deadline(), now + seconds(5));
  options.idle_timeout = seconds(62);
  a.endpoint->set_session_options(b.name(), options);
  EXPECT_LE(a.endpoint->next_deadline(), now + seconds(3));
  run_for(seconds(3));
  EXPECT_NE(state(a, b.name()), ConnectionState::kConnected);
}

// A message that waits for its session grows old, also when the dial sleeps for longer.
TEST_F(WakeUps, AMessageThatGrowsOldIsNotSleptOver) {
  SessionOptions options;
  options.timeout_initial = seconds(60);
  a.endpoint->set_options(options);
  end(a);
  EXPECT_EQ(send(a, b.name(), "hello"), Result::kOk);
  run_for(seconds(30));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(send(a, b.name(), "and now", kSendUnreliable), Result::kOk);
    drain(a);
    EXPECT_LE(a.endpoint->next_deadline(), now + seconds(5));
    run_for(milliseconds(900));
  }
}

// What was taken waits for a peer that is gone: it is asked for ever more rarely.
TEST_F(WakeUps, LingeringWithoutAnAnswerHasFew) {
  SessionOptions options;
  options.linger = seconds(30);
  a.endpoint->set_options(options);
  connect();
  end(b);
  EXPECT_EQ(send(a, b.name(), "are you there?"), Result::kOk);
  EXPECT_TRUE(a.endpoint->close_session(b.name(), now));
  run_for(seconds(60));
  EXPECT_LE(steps, 150);
  EXPECT_EQ(a.endpoint->session_count(), 0u);
}

TEST_F(WakeUps, ClosingTwiceOnBothSidesHasFew) {
  connect();
  for (int i = 0; i < 2; ++i) {
    a.endpoint->close_session(b.name(), now);
    b.endpoint->close_session(a.name(), now);
  }
  a.endpoint->close_all(now);
  run_for(seconds(20));
  EXPECT_LE(steps, 30);
  EXPECT_EQ(a.endpoint->session_count(), 0u);
  EXPECT_EQ(b.endpoint->session_count(), 0u);
}

// The peer's close comes while ours still delivers.
TEST_F(WakeUps, APeerThatClosesAtOnceWhileWeLingerHasFew) {
  connect();
  EXPECT_EQ(send(a, b.name(), std::string(100'000, 'x')), Result::kOk);
  EXPECT_TRUE(a.endpoint->close_session(b.name(), now));
  run_for(milliseconds(11));
  b.endpoint->close_session(a.name(), now);
  run_for(seconds(20));
  EXPECT_LE(steps, 200);
  EXPECT_EQ(a.endpoint->session_count(), 0u);
}

// A socket is full for long, so nothing is asked for: time passes all the same.
TEST_F(WakeUps, ASessionTimesOutThoughNothingCanLeave) {
  connect();
  EXPECT_EQ(send(a, b.name(), "are you there?"), Result::kOk);
  drain(a);
  line.clear();
  EXPECT_EQ(send(a, b.name(), "and this?"), Result::kOk);
  const Instant end = now + seconds(30);
  int wakes = 0;
  for (; now < end && a.endpoint->next_deadline() < end; ++wakes) {
    ASSERT_LT(wakes, 1000);
    now = std::max(now + milliseconds(1), a.endpoint->next_deadline());
    a.endpoint->advance(now);
  }
  std::optional<Event> event;
  while (const auto next = a.endpoint->poll_event()) event = next;
  ASSERT_TRUE(event);
  const auto* failed = std::get_if<SessionFailedEvent>(&*event);
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->info.end_reason, kEndRemoteTimeout);
}

TEST_F(WakeUps, ACallThatNobodyAnswersHasFew) {
  end(b);
  EXPECT_EQ(send(a, b.name(), "hello"), Result::kOk);
  run_for(seconds(30));
  EXPECT_LE(steps, 60);
  EXPECT_EQ(a.failures.size(), 1u);
}

}  // namespace
}  // namespace whimbrel
