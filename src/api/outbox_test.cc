#include "api/outbox.h"

#include <gtest/gtest.h>
#include <whimbrel/send_flags.h>

#include <thread>

namespace whimbrel {
namespace {

const Identity kBob = Identity::generic_string("bob");
constexpr std::array<std::uint8_t, 4> kBytes = {1, 2, 3, 4};

class OutboxTest : public testing::Test {
 protected:
  void SetUp() override {
    gate->open = true;
    outbox.learn(kBob, gate, 0);
  }
  std::vector<Outbox::Message> take() {
    std::vector<Outbox::Message> out;
    outbox.take(out);
    return out;
  }

  Outbox outbox;
  std::shared_ptr<SendGate> gate = std::make_shared<SendGate>();
  std::weak_ptr<SendGate> first;
};

TEST_F(OutboxTest, KeepsWhatIsPushedInOrder) {
  EXPECT_EQ(outbox.push(kBob, kBytes, kSendReliable, 0).result, Result::kOk);
  const std::vector<std::uint8_t> large(10000, 9);
  EXPECT_EQ(outbox.push(kBob, large, 0, 0).result, Result::kOk);
  EXPECT_EQ(outbox.push(kBob, {}, 0, 0).queued, 3u);
  const auto messages = take();
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(*messages[0].user, kBob);
  EXPECT_TRUE(equal(messages[0].payload, kBytes));
  EXPECT_EQ(messages[0].flags, kSendReliable);
  EXPECT_TRUE(equal(messages[1].payload, large));
  EXPECT_TRUE(messages[2].payload.empty());
  EXPECT_EQ(gate->held_bytes, 10005u);
  EXPECT_TRUE(take().empty());
}

TEST_F(OutboxTest, SendsTheRestToTheCore) {
  EXPECT_FALSE(outbox.push(Identity::generic_string("eve"), kBytes, 0, 0).result.has_value());
  EXPECT_FALSE(outbox.push(kBob, kBytes, 0, 1).result.has_value());   // channel not used yet
  EXPECT_FALSE(outbox.push(kBob, kBytes, 0, 64).result.has_value());  // never remembered
  EXPECT_FALSE(outbox.push(kBob, kBytes, 0, -1).result.has_value());
  outbox.learn(kBob, gate, 64);
  EXPECT_FALSE(outbox.push(kBob, kBytes, 0, 64).result.has_value());
  gate->open = false;
  EXPECT_FALSE(outbox.push(kBob, kBytes, 0, 0).result.has_value());
  EXPECT_TRUE(take().empty());
}

TEST_F(OutboxTest, ANewSessionStartsWithoutChannels) {
  const auto next = std::make_shared<SendGate>();
  next->open = true;
  outbox.learn(kBob, next, 5);
  EXPECT_FALSE(outbox.push(kBob, kBytes, 0, 0).result.has_value());
  EXPECT_EQ(outbox.push(kBob, kBytes, 0, 5).result, Result::kOk);
  EXPECT_EQ(gate->held_bytes, 0u);
}

TEST_F(OutboxTest, AMessageNamesTheGateThatItWasChargedTo) {
  first = gate;
  EXPECT_EQ(outbox.push(kBob, kBytes, 0, 0).result, Result::kOk);
  const auto next = std::make_shared<SendGate>();
  outbox.learn(kBob, next, 0);
  gate.reset();
  const auto messages = take();
  ASSERT_EQ(messages.size(), 1u);
  ASSERT_EQ(first.use_count(), 1);  // the outbox keeps it while it is named
  EXPECT_EQ(messages[0].gate, first.lock().get());
  EXPECT_EQ(messages[0].gate->held_bytes, 4u);
  take();
  EXPECT_EQ(first.use_count(), 0);
}

TEST_F(OutboxTest, HoldsTheLimitExactly) {
  gate->held_bytes_max = 8;
  EXPECT_EQ(outbox.push(kBob, kBytes, 0, 0).result, Result::kOk);
  EXPECT_EQ(outbox.push(kBob, kBytes, 0, 0).result, Result::kOk);
  const auto refused = outbox.push(kBob, std::span(kBytes).first(1), 0, 0);
  EXPECT_EQ(refused.result, Result::kLimitExceeded);
  EXPECT_EQ(refused.full, gate);
  EXPECT_EQ(gate->held_bytes, 8u);
  EXPECT_EQ(outbox.push(kBob, {}, 0, 0).result, Result::kLimitExceeded) << "it counts as a byte";
  EXPECT_EQ(take().size(), 2u);
}

TEST_F(OutboxTest, TheCoreIsAskedWhetherNoDelayCanLeaveWhereItIsNotCertain) {
  EXPECT_EQ(outbox.push(kBob, std::span(kBytes).first(1), kSendNoDelay, 0).result, Result::kOk);
  take();
  gate->held_bytes = 0;
  gate->no_delay_open = false;
  EXPECT_FALSE(outbox.push(kBob, kBytes, kSendNoDelay, 0).result.has_value());
  EXPECT_EQ(outbox.push(kBob, kBytes, 0, 0).result, Result::kOk);
  EXPECT_EQ(gate->held_bytes, 4u);
}

TEST_F(OutboxTest, NobodySleepsOverAPush) {
  EXPECT_TRUE(outbox.set_driver(DriverState::kAsleep));
  EXPECT_EQ(outbox.push(kBob, kBytes, 0, 0).driver, DriverState::kAsleep);
  EXPECT_TRUE(outbox.claim_wake());
  EXPECT_FALSE(outbox.claim_wake());
  EXPECT_FALSE(outbox.set_driver(DriverState::kAsleep));
  take();
  EXPECT_TRUE(outbox.set_driver(DriverState::kAsleep));
}

TEST_F(OutboxTest, NobodySleepsOverACall) {
  outbox.set_driver(DriverState::kRunning);
  EXPECT_FALSE(outbox.claim_wake()) << "it looks again before it sleeps";
  EXPECT_FALSE(outbox.set_driver(DriverState::kAsleep));
  EXPECT_TRUE(outbox.set_driver(DriverState::kAsleep)) << "it has looked";
}

TEST_F(OutboxTest, ForgetsUsersWhoseSessionIsOver) {
  // Over the bound at which it looks: the memory of those who left goes.
  for (int i = 0; i < 5000; ++i) {
    const auto brief = std::make_shared<SendGate>();
    const Identity user = Identity::steam_id(static_cast<std::uint64_t>(i) + 1);
    outbox.learn(user, brief, 0);
    if (i == 0) first = brief;
  }
  EXPECT_EQ(first.use_count(), 0);
  EXPECT_EQ(outbox.push(kBob, kBytes, 0, 0).result, Result::kOk);
}

TEST_F(OutboxTest, ManyThreadsPush) {
  gate->held_bytes_max = 1 << 30;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) outbox.push(kBob, kBytes, 0, 0);
    });
  }
  std::size_t taken = 0;
  while (taken < 8000) taken += take().size();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(taken, 8000u);
  EXPECT_EQ(gate->held_bytes, 32000u);
}

}  // namespace
}  // namespace whimbrel
