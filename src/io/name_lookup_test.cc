#include "io/name_lookup.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>

namespace whimbrel {
namespace {

const IpAddress kSome = IpAddress::v4(192, 0, 2, 1, 4040);

TEST(NameLookup, AnswersOnceAndWakes) {
  std::promise<void> woken;
  NameLookup lookup([] { return NameLookup::Answer({kSome}); }, [&] { woken.set_value(); });
  EXPECT_FALSE(lookup.take());
  lookup.start();
  woken.get_future().wait();
  const auto answer = lookup.take();
  ASSERT_TRUE(answer && answer->ok());
  EXPECT_EQ(answer->value(), std::vector{kSome});
  EXPECT_FALSE(lookup.take());
}

TEST(NameLookup, OneAtATime) {
  std::atomic<int> asked = 0;
  std::promise<void> go;
  std::promise<void> woken;
  NameLookup lookup(
      [&, may = go.get_future().share()] {
        ++asked;
        may.wait();
        return NameLookup::Answer(Error{"not there"});
      },
      [&] { woken.set_value(); });
  lookup.start();
  lookup.start();
  go.set_value();
  woken.get_future().wait();
  EXPECT_EQ(lookup.take()->error(), "not there");
  EXPECT_EQ(asked, 1);
}

// A resolver that hangs holds nobody up, and what it says later reaches nobody.
TEST(NameLookup, TheEndDoesNotWaitForTheResolver) {
  const auto go = std::make_shared<std::promise<void>>();
  const auto ended = std::make_shared<std::promise<void>>();
  {
    NameLookup lookup(
        [go, ended, may = go->get_future().share()] {
          may.wait();
          ended->set_value();
          return NameLookup::Answer({kSome});
        },
        [] { FAIL() << "nobody waits"; });
    lookup.start();
  }
  go->set_value();
  ended->get_future().wait();
}

}  // namespace
}  // namespace whimbrel
