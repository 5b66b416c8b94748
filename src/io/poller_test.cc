#include "io/poller.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <thread>

#include "io/test_kernel.h"

namespace whimbrel {
namespace {

class PollerTest : public testing::Test {
 protected:
  Clock clock;
  Poller poller{clock};
};

TEST_F(PollerTest, ReturnsAtItsDeadline) {
  const Instant deadline = clock.now() + milliseconds(3);
  const auto ready = poller.wait(deadline);
  EXPECT_EQ(ready.readable, 0u);
  EXPECT_GE(clock.now(), deadline);
}

// One that took the past for "never" would hang here.
TEST_F(PollerTest, OnlyLooksWhenTheDeadlineHasPassed) {
  for (const Instant past : {Instant(), kNow, Instant(Duration(-1)), Instant(-seconds(1)),
                             kNow + Duration(1), clock.now()}) {
    const auto ready = poller.wait(past);
    EXPECT_EQ(ready.readable, 0u);
    EXPECT_FALSE(ready.woken);
  }
}

TEST_F(PollerTest, SleepsUntilItIsWokenHoweverFarTheDeadline) {
  for (const Instant far : {kNever, kNever - Duration(1), clock.now() + seconds(1'000'000'000)}) {
    poller.wake();
    EXPECT_TRUE(poller.wait(far).woken);
  }
}

TEST_F(PollerTest, AWakeInThePastIsAtOnce) {
  for (const Instant past : {kNow, Instant(), Instant(-seconds(1)), clock.now()}) {
    poller.wake_at(past);
    EXPECT_TRUE(poller.wait(kNever).woken);
    EXPECT_FALSE(poller.wait(kNow).woken) << "it is told once";
  }
  poller.wake_at(kNever - Duration(1));
  EXPECT_FALSE(poller.wait(kNow).woken);
}

TEST_F(PollerTest, TellsWhatIsReady) {
  const FileDescriptor quiet(eventfd(0, 0));
  const FileDescriptor loud(eventfd(5, 0));
  poller.add(quiet.get());
  poller.add(loud.get());
  auto ready = poller.wait(kNever);
  EXPECT_EQ(ready.readable, 2u);
  EXPECT_EQ(ready.writable, 0u);
  poller.watch_writable(0, true);
  EXPECT_EQ(poller.wait(kNever).writable, 1u);
  poller.watch_writable(0, false);
  EXPECT_EQ(poller.wait(kNever).writable, 0u);
}

TEST_F(PollerTest, WakesOnceForManyCalls) {
  std::thread other([this] {
    poller.wake();
    poller.wake();
  });
  poller.wait(kNever);
  other.join();
  poller.wait(Instant());
  const Instant deadline = clock.now() + milliseconds(2);
  poller.wait(deadline);
  EXPECT_GE(clock.now(), deadline);
}

TEST_F(PollerTest, AnEarlierDeadlineCanBeSetMeanwhile) {
  const Instant at = clock.now() + milliseconds(3);
  poller.wake_at(at);
  poller.wait(kNever);
  EXPECT_GE(clock.now(), at);
  poller.wake_at(clock.now());
  poller.wake_at(kNever);
  const Instant deadline = clock.now() + milliseconds(2);
  poller.wait(deadline);
  EXPECT_GE(clock.now(), deadline);
}

// Linux before 5.11 waits by whole milliseconds: too long rather than not at all, which would spin.
TEST(PollerOnAnOlderKernel, WaitsToItsDeadline) {
  TestThreads threads(1);
  TestKernel kernel(threads);
  kernel.has_pwait2 = false;
  const Clock clock;
  Poller poller(clock);
  for (const Duration time : {Duration(1), microseconds(300), microseconds(1700), seconds(2)}) {
    const Instant deadline = clock.now() + time;
    poller.wait(deadline);
    EXPECT_GE(clock.now(), deadline);
    EXPECT_LT(clock.now(), deadline + milliseconds(2));
  }
}

TEST(ClockTest, StartsNearZeroAndNeverRunsBackwards) {
  const Clock clock;
  const Instant first = clock.now();
  EXPECT_GT(first, Instant());
  EXPECT_LT(first, Instant(seconds(10)));
  EXPECT_GE(clock.now(), first);
  EXPECT_GT(unix_now(), 1'600'000'000'000);
}

TEST_F(PollerTest, APauseLeavesWhatComesAlone) {
  const FileDescriptor loud(eventfd(5, 0));
  poller.add(loud.get());
  const Instant until = clock.now() + milliseconds(2);
  EXPECT_FALSE(poller.pause(until));
  EXPECT_GE(clock.now(), until);
  EXPECT_EQ(poller.wait(kNever).readable, 1u);
}

TEST_F(PollerTest, APauseEndsWithACall) {
  poller.wake();
  EXPECT_TRUE(poller.pause(kNever));
  EXPECT_FALSE(poller.wait(kNow).woken) << "it is told once";
  poller.wake_at(clock.now() + milliseconds(1));
  EXPECT_TRUE(poller.pause(kNever));
}

// A program that has used up its descriptors gets an error, and lives.
TEST(PollerFault, NamesTheLimitOfOpenFiles) {
  EXPECT_EQ(Poller::fault(3), "");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 4;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const std::string fault = Poller::fault(1);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_NE(fault.find("Too many open files. Raise the limit"), std::string::npos) << fault;
  EXPECT_EQ(Poller::fault(1), "") << "and gives back what it tried";
}

}  // namespace
}  // namespace whimbrel
