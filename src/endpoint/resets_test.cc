// Resets that end a session, and those that do not.
#include "handshake/reset.h"

#include "endpoint/endpoint_pair.h"

namespace whimbrel {
namespace {

// The key of the one who is asked is known to the test, so that it can make genuine resets.
class Forgotten : public EndpointPair {
 protected:
  Forgotten() {
    EndpointConfig config;
    config.identity = b.name();
    config.keys = generate_x25519(b.random);
    key.emplace(config.keys.secret);
    b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kTestClock);
  }
  std::optional<ResetKey> key;
};

class Resets : public Forgotten {
 protected:
  Resets() {
    know_each_other(true);
    b.accept_all = true;
    send(a, b.name(), "hello");
    run_for(seconds(1));
  }
  // A genuine one of the peer's, with a number of the test's choice.
  void reset(std::uint64_t nonce) {
    const auto known = a.endpoint->line_of(b.name());
    ASSERT_TRUE(known);
    auto packet = write_reset({.receiver_index = known->local_index, .nonce = nonce},
                              key->token(known->remote_index));
    a.endpoint->receive(b.address, packet, now);
  }
};

// It was recorded once, and is played back.
TEST_F(Resets, ThatAnswerNoQuestionEndNothing) {
  const std::uint64_t before = a.endpoint->counters()[Count::kDroppedUnknownIndex];
  reset(12345);
  EXPECT_EQ(a.endpoint->counters()[Count::kDroppedUnknownIndex], before + 1);
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected);
}

// So a server that has started again says it; whoever still knows the session does not answer.
TEST_F(Resets, ThatNobodyAskedForAreAQuestion) {
  packets = 0;
  reset(0);
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected);
  drain(a);
  EXPECT_EQ(packets, 1) << "the question";
  run_for(seconds(1));
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected);
  EXPECT_TRUE(a.failures.empty());
}

TEST_F(Resets, OfAPeerThatKnowsTheSessionNoMoreEndIt) {
  EndpointConfig config;
  config.identity = b.name();
  config.keys = generate_x25519(b.random);
  const ResetKey other(config.keys.secret);
  b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kTestClock);
  reset(0);
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected) << "not by the question alone";
  std::vector<std::uint8_t> packet(65536);
  packet.resize(a.endpoint->poll_transmit(packet, now)->size);
  const auto ask = read_reset_ask(packet);
  ASSERT_TRUE(ask);
  auto answer = write_reset({.receiver_index = ask->sender_index, .nonce = ask->nonce},
                            other.token(ask->receiver_index));
  a.endpoint->receive(b.address, answer, now);
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected) << "of another key";
  answer = write_reset({.receiver_index = ask->sender_index, .nonce = ask->nonce},
                       key->token(ask->receiver_index));
  a.endpoint->receive(b.address, answer, now);
  EXPECT_EQ(state(a, b.name()), ConnectionState::kProblemDetectedLocally);
}

// A request was forgotten, and one turn brings: any packet for the session, the Reset, a timer.
TEST_F(Forgotten, ACallThatBeginsAnewInABusyTurnStillEnds) {
  know_each_other(false);
  EXPECT_EQ(send(a, b.name(), "hello"), Result::kOk);
  run_for(milliseconds(100));
  ASSERT_EQ(b.requests.size(), 1u);
  const auto line_now = a.endpoint->line_of(b.name());
  ASSERT_TRUE(line_now) << "XX: it waits to be let in";
  auto question = write_reset({.receiver_index = line_now->local_index, .nonce = 0},
                              key->token(line_now->remote_index));
  a.endpoint->receive(b.address, question, now);
  std::vector<std::uint8_t> packet(65536);
  const auto out = a.endpoint->poll_transmit(packet, now);
  ASSERT_TRUE(out);
  packet.resize(out->size);
  const auto ask = read_reset_ask(packet);
  ASSERT_TRUE(ask);
  drain(a);
  drop = [](Host&) { return true; };  // from here on nobody hears anybody
  line.clear();
  now = std::max(now, a.endpoint->next_deadline());  // the thread has slept for as long as it may
  std::vector<std::uint8_t> noise(60);
  write_data_header(noise.data(), false, line_now->local_index, PacketNumber{1}, 4);
  a.endpoint->receive(b.address, noise, now);
  auto answer = write_reset({.receiver_index = ask->sender_index, .nonce = ask->nonce},
                            key->token(ask->receiver_index));
  a.endpoint->receive(b.address, answer, now);
  a.endpoint->advance(now);
  drain(a);
  EXPECT_NE(a.endpoint->next_deadline(), kNever) << "nobody will ever look at it again";
  run_for(seconds(60));
  EXPECT_EQ(a.failures.size(), 1u);
}

}  // namespace
}  // namespace whimbrel
