#include "api/news.h"

#include <gtest/gtest.h>

#include <thread>

namespace whimbrel {
namespace {

TEST(News, TellsWhatGrew) {
  const News told{.messages = 5, .callbacks = 1};
  EXPECT_FALSE(told.tells(told));
  EXPECT_FALSE(News{}.tells(told)) << "all of it was taken";
  EXPECT_TRUE((News{.messages = 6}.tells(told)));
  EXPECT_TRUE((News{.callbacks = 2}.tells(told)));
  EXPECT_TRUE((News{.lobbies = 1}.tells(told)));
  EXPECT_TRUE((News{.room = 1}.tells(told)));
}

TEST(News, AWakeEndsAWaitAndTellsNothing) {
  const News woken{.wakes = 1};
  EXPECT_FALSE(woken.tells({}));
  EXPECT_TRUE(woken.ends_wait_of({}));
  EXPECT_FALSE(woken.ends_wait_of(woken));
}

TEST(ToldNews, KeepsThreadsApart) {
  ToldNews told;
  told.tell(1, {.messages = 3});
  EXPECT_EQ(told.of(1).messages, 3u);
  EXPECT_EQ(told.of(2).messages, 0u);
  told.tell(1, {.callbacks = 2});
  EXPECT_EQ(told.of(1).messages, 3u);
  EXPECT_EQ(told.of(1).callbacks, 2u);
}

TEST(ToldNews, RemembersOnlySoMany) {
  ToldNews told;
  for (std::uint64_t thread = 1; thread <= ToldNews::kThreadsMax + 1; ++thread) {
    told.tell(thread, {.messages = 1});
  }
  EXPECT_EQ(told.of(1).messages, 0u);
  EXPECT_EQ(told.of(2).messages, 1u);
}

TEST(ToldNews, NumbersThreads) {
  const std::uint64_t here = ToldNews::this_thread();
  EXPECT_EQ(here, ToldNews::this_thread());
  std::uint64_t there = here;
  std::thread([&] { there = ToldNews::this_thread(); }).join();
  EXPECT_NE(here, there);
}

}  // namespace
}  // namespace whimbrel
