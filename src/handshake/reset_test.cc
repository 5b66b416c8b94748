#include "handshake/reset.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace whimbrel {
namespace {

struct Keys {
  explicit Keys(std::uint64_t seed) : random(seed), pair(generate_x25519(random)) {}
  FastRandom random;
  KeyPair pair;
};

TEST(Reset, TokensFollowFromTheKeyAndTheIndex) {
  const Keys bob(1), eve(2);
  const ResetToken token = ResetKey(bob.pair.secret).token(7);
  EXPECT_EQ(ResetKey(bob.pair.secret).token(7), token) << "the next life knows it too";
  EXPECT_NE(ResetKey(bob.pair.secret).token(8), token);
  EXPECT_NE(ResetKey(eve.pair.secret).token(7), token);
}

TEST(Reset, PacketsAreReadBackAndTheAnswerIsNoLarger) {
  const ResetToken token = ResetKey(Keys(1).pair.secret).token(7);
  const auto ask = write_reset_ask({.sender_index = 5, .receiver_index = 7, .nonce = 99}, token);
  const auto asked = read_reset_ask(ask);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->sender_index, 5u);
  EXPECT_EQ(asked->receiver_index, 7u);
  EXPECT_EQ(asked->nonce, 99u);
  EXPECT_TRUE(is_authentic(ask, token));
  const auto answer = write_reset({.receiver_index = 5, .nonce = 99}, token);
  EXPECT_LE(answer.size(), ask.size());
  const auto read = read_reset(answer);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->receiver_index, 5u);
  EXPECT_EQ(read->nonce, 99u);
  EXPECT_TRUE(is_authentic(answer, token));
}

TEST(Reset, NothingOfThemCanBeChanged) {
  const ResetToken token = ResetKey(Keys(1).pair.secret).token(7);
  const auto ask = write_reset_ask({.sender_index = 5, .receiver_index = 7, .nonce = 99}, token);
  for (std::size_t i = 1; i < ask.size(); ++i) {
    auto changed = ask;
    changed[i] ^= 1;
    EXPECT_FALSE(is_authentic(changed, token)) << i;
  }
  EXPECT_FALSE(is_authentic(ask, ResetKey(Keys(2).pair.secret).token(7)));
  EXPECT_FALSE(read_reset(ask));
  EXPECT_FALSE(read_reset_ask(Bytes(ask).first(ask.size() - 1)));
}

}  // namespace
}  // namespace whimbrel
