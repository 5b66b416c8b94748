// Closed while the session was still being made: what was taken before still arrives, for as long
// as LingerTime.
#include "endpoint/endpoint_pair.h"

namespace whimbrel {
namespace {

// With a key the handshake is IK, without it XX.
class Farewell : public Handshake {
 protected:
  Farewell() {
    know_each_other(GetParam());
    b.accept_all = true;
    SessionOptions options;
    options.linger = seconds(3);
    a.endpoint->set_options(options);
  }
  bool close(const Identity& user) { return a.endpoint->close_session(user, now); }
  using Texts = std::vector<std::string>;
};
INSTANTIATE_TEST_SUITE_P(Kinds, Farewell, testing::Bool(), [](const auto& kind) {
  return kind.param ? std::string("Ik") : std::string("Xx");
});

TEST_P(Farewell, WhatWasTakenArrivesThoughItIsClosedAtOnce) {
  EXPECT_EQ(send(a, b.name(), "score"), Result::kOk);
  EXPECT_EQ(send(a, b.name(), "and this", 0, 5), Result::kOk);
  EXPECT_TRUE(close(b.name()));
  EXPECT_EQ(state(a, b.name()), ConnectionState::kNone);
  EXPECT_FALSE(close(b.name()));
  EXPECT_TRUE(a.endpoint->lingering());
  run_for(seconds(1));
  EXPECT_EQ(b.got, (Texts{"score", "and this"}));
  EXPECT_EQ(state(b, a.name()), ConnectionState::kClosedByPeer);
  EXPECT_FALSE(a.endpoint->lingering());
  EXPECT_TRUE(a.failures.empty());
  EXPECT_TRUE(b.failures.empty());
  run_for(seconds(30));
  EXPECT_EQ(a.endpoint->session_count(), 0u);
}

TEST_P(Farewell, SoItDoesWhereTheProgramEnds) {
  send(a, b.name(), "score");
  a.endpoint->close_all(now);
  run_for(seconds(1));
  EXPECT_EQ(b.got, Texts{"score"});
  EXPECT_FALSE(a.endpoint->lingering());
}

TEST_P(Farewell, AgainAndAgainInOrder) {
  Texts said;
  for (int gap_ms = 0; gap_ms <= 40; gap_ms += gap_ms < 10 ? 1 : 5) {
    for (int i = 0; i < 4; ++i) {
      said.push_back(std::to_string(i) + " after " + std::to_string(gap_ms));
      EXPECT_EQ(send(a, b.name(), said.back()), Result::kOk);
      EXPECT_TRUE(close(b.name()));
      run_for(milliseconds(gap_ms));
    }
    run_for(seconds(2));
    ASSERT_EQ(b.got, said);
    EXPECT_FALSE(a.endpoint->lingering());
  }
  run_for(seconds(30));
  EXPECT_EQ(a.endpoint->session_count(), 0u);
}

TEST_P(Farewell, AtAnyMomentOfTheHandshake) {
  for (int ms = 0; ms <= 60; ms += 5) {
    send(a, b.name(), "at " + std::to_string(ms));
    run_for(milliseconds(ms));
    close(b.name());
    run_for(seconds(1));
    ASSERT_EQ(b.got.size(), static_cast<std::size_t>(ms / 5 + 1)) << ms;
    EXPECT_EQ(b.got.back(), "at " + std::to_string(ms));
    b.endpoint->close_session(a.name(), now);
    run_for(seconds(10));
  }
  EXPECT_TRUE(a.failures.empty());
}

TEST_P(Farewell, ALineThatLosesOnlyDelaysIt) {
  int count = 0;
  drop = [&](Host&) { return ++count % 3 == 0; };
  send(a, b.name(), "score");
  close(b.name());
  run_for(seconds(4));
  EXPECT_EQ(b.got, Texts{"score"});
}

TEST_P(Farewell, NobodyAnswersAndItEndsInSilence) {
  drop = [&](Host& from) { return &from == &a; };
  send(a, b.name(), "score");
  close(b.name());
  run_for(seconds(2));
  EXPECT_TRUE(a.endpoint->lingering());
  run_for(seconds(2));
  EXPECT_FALSE(a.endpoint->lingering());
  EXPECT_EQ(a.endpoint->session_count(), 0u);
  EXPECT_TRUE(a.failures.empty());
  drop = nullptr;
  run_for(seconds(10));
  EXPECT_TRUE(b.got.empty());
}

// LingerTime counts from the close, also where the session is made late.
TEST_P(Farewell, APeerThatAcceptsTooLateGetsNothing) {
  b.accept_all = false;
  send(a, b.name(), "score");
  close(b.name());
  run_for(seconds(4));
  EXPECT_FALSE(a.endpoint->lingering());
  b.endpoint->accept(a.name(), now);
  run_for(seconds(5));
  EXPECT_TRUE(b.got.empty());
  EXPECT_TRUE(a.failures.empty());
}

TEST_P(Farewell, WithoutLingerTimeNothingLingers) {
  a.endpoint->set_options([] {
    SessionOptions options;
    options.linger = Duration::zero();
    return options;
  }());
  send(a, b.name(), "score");
  close(b.name());
  EXPECT_FALSE(a.endpoint->lingering());
  run_for(seconds(1));
  EXPECT_TRUE(b.got.empty());
}

TEST_P(Farewell, TheNextSessionComesAfterIt) {
  send(a, b.name(), "first");
  close(b.name());
  EXPECT_EQ(send(a, b.name(), "second"), Result::kOk);
  run_for(seconds(2));
  EXPECT_EQ(b.got, (Texts{"first", "second"}));
  EXPECT_EQ(state(a, b.name()), ConnectionState::kConnected);
  EXPECT_TRUE(a.failures.empty());
  EXPECT_TRUE(b.failures.empty());
}

}  // namespace
}  // namespace whimbrel
