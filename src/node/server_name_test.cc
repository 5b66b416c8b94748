#include "node/server_name.h"

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

  Instant now_{seconds(5)};
  std::atomic<int> asked_ = 0;
  std::counting_semaphore<> answered_{0};
  ServerName name_{[this] {
                     ++asked_;
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
  advance(true, seconds(1));
  EXPECT_EQ(name_.next_deadline(), now_ + ServerName::kInterval);
  answered_.acquire();
  EXPECT_TRUE(advance(true, seconds(1)));
  EXPECT_FALSE(advance(true, seconds(1)));
  EXPECT_EQ(asked_, 1);
  advance(true, ServerName::kInterval);
  answered_.acquire();
  EXPECT_EQ(asked_, 2);
  // Reached meanwhile: the answer is handed out, and there is no next question.
  EXPECT_TRUE(advance(false, seconds(1)));
  EXPECT_EQ(name_.next_deadline(), kNever);
}

}  // namespace
}  // namespace whimbrel
