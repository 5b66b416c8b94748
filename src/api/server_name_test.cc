#include "api/server_name.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>

namespace whimbrel {
namespace {

class ServerNameTest : public ::testing::Test {
 protected:
  std::optional<NameLookup::Answer> advance(bool seeks, Duration by) {
    now_ += by;
    return name_.advance(seeks, now_);
  }

  // The resolver answers when the test lets it: never within the call that asks.
  void answer() {
    may_answer_.release();
    answered_.acquire();
  }

  Instant now_{seconds(5)};
  std::atomic<int> asked_ = 0;
  std::counting_semaphore<> may_answer_{0}, answered_{0};
  ServerName name_{[this] {
                     ++asked_;
                     may_answer_.acquire();
                     return NameLookup::Answer({IpAddress::v4(192, 0, 2, 9, 4040)});
                   },
                   [this] { answered_.release(); }};
};

TEST_F(ServerNameTest, IsAskedAgainOnlyWhileTheServerIsNotReached) {
  EXPECT_FALSE(advance(false, seconds(1)));
  EXPECT_EQ(name_.next_deadline(), kNever);
  EXPECT_FALSE(advance(true, seconds(1)));
  EXPECT_EQ(name_.next_deadline(), now_ + ServerName::kFirst);
  EXPECT_FALSE(advance(true, ServerName::kFirst - seconds(1)));
  EXPECT_EQ(asked_, 0);
  EXPECT_FALSE(advance(true, seconds(1)));
  EXPECT_EQ(name_.next_deadline(), now_ + ServerName::kInterval);
  answer();
  EXPECT_TRUE(advance(true, seconds(1)));
  EXPECT_FALSE(advance(true, seconds(1)));
  EXPECT_EQ(asked_, 1);
  EXPECT_FALSE(advance(true, ServerName::kInterval));
  answer();
  EXPECT_EQ(asked_, 2);
  // Reached meanwhile: the answer is handed out, and there is no next question.
  EXPECT_TRUE(advance(false, seconds(1)));
  EXPECT_EQ(name_.next_deadline(), kNever);
}

}  // namespace
}  // namespace whimbrel
