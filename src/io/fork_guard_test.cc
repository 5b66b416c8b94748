#include "io/fork_guard.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/system_random.h"

namespace whimbrel {
namespace {

// Runs `check` in a child process; true if it said so there.
template <typename Check>
bool holds_in_child(Check check) {
  const pid_t child = fork();
  if (child == 0) _exit(check() ? 0 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(ForkGuard, KnowsAChild) {
  const ForkGuard guard;
  EXPECT_FALSE(guard.forked());
  EXPECT_TRUE(holds_in_child([&] { return guard.forked(); }));
  EXPECT_FALSE(guard.forked());
}

TEST(ForkGuard, AChildMayMakeItsOwn) {
  const ForkGuard guard;
  EXPECT_TRUE(holds_in_child([&] {
    const ForkGuard own;
    const ForkGuard another;
    return guard.forked() && !own.forked() && !another.forked();
  }));
}

TEST(ForkGuard, KnowsAGrandchildOfAnyDepth) {
  const ForkGuard guard;
  EXPECT_TRUE(holds_in_child([&] {
    const ForkGuard own;
    return holds_in_child([&] {
      const ForkGuard third;
      return guard.forked() && own.forked() && !third.forked();
    });
  }));
}

TEST(ForkGuard, SiblingsAndParentHaveOtherSeeds) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::vector<Secret> seeds(3);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(holds_in_child([&] {
      const Secret seed = system_random_seed();
      return write(ends[1], seed.bytes.data(), seed.bytes.size()) ==
             static_cast<ssize_t>(seed.bytes.size());
    }));
  }
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(read(ends[0], seeds[i].bytes.data(), seeds[i].bytes.size()), 32);
  }
  seeds[2] = system_random_seed();
  EXPECT_NE(seeds[0].bytes, seeds[1].bytes);
  EXPECT_NE(seeds[0].bytes, seeds[2].bytes);
  EXPECT_NE(seeds[1].bytes, seeds[2].bytes);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace whimbrel
