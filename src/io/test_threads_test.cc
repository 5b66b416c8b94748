#include "io/test_threads.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "io/test_kernel.h"
#include "io/thread.h"

namespace whimbrel {
namespace {

// A flag that is looked at without the lock, and a wake-up that comes between the look and the
// sleep.
struct Sleepy {
  Mutex mutex;
  Condition condition;
  bool flag = false;
  void set() {
    flag = true;
    condition.notify_one();
  }
  void wait_wrongly() {
    if (flag) return;
    const MutexLock lock(mutex);
    condition.wait(mutex);
  }
};

void run_sleepy(std::uint64_t seed) {
  TestThreads threads(seed);
  Sleepy sleepy;
  Thread sleeper([&] { sleepy.wait_wrongly(); });
  threads.step("test");
  sleepy.set();
  sleeper.join();
}

TEST(TestThreadsDeathTest, ALostWakeUpIsFoundAndTheSeedIsSaid) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        for (std::uint64_t seed = 1; seed < 1000; ++seed) run_sleepy(seed);
        std::_Exit(0);
      },
      testing::ExitedWithCode(1), "seed [0-9]+, .*all threads wait, and nothing will end it");
}

TEST(TestThreads, EachLockIsHeldByOne) {
  for (std::uint64_t seed = 1; seed < 50; ++seed) {
    TestThreads threads(seed);
    Mutex mutex;
    int inside = 0;
    int done = 0;
    const auto work = [&] {
      for (int i = 0; i < 5; ++i) {
        const MutexLock lock(mutex);
        EXPECT_EQ(++inside, 1);
        threads.step("inside");
        --inside;
        ++done;
      }
    };
    Thread a(work), b(work), c(work);
    a.join();
    b.join();
    c.join();
    EXPECT_EQ(done, 15);
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  }
}

TEST(TestThreads, TimeJumpsWhenAllSleep) {
  TestThreads threads(1);
  Mutex mutex;
  Condition condition;
  const std::int64_t begin = threads.now_ns();
  Thread other([&] { threads.sleep(seconds(2)); });
  {
    const MutexLock lock(mutex);
    const std::int64_t end = begin + seconds(5).count();
    while (threads.now_ns() < end) condition.wait_for(mutex, Duration(end - threads.now_ns()));
  }
  other.join();
  EXPECT_GE(threads.now_ns() - begin, seconds(5).count());
  EXPECT_LT(threads.now_ns() - begin, seconds(6).count());
}

TEST(TestThreads, OrdersDifferBySeedAndNotByRun) {
  const auto order = [](std::uint64_t seed) {
    TestThreads threads(seed);
    std::string text;
    const auto say = [&](char letter) {
      for (int i = 0; i < 4; ++i) {
        text += letter;
        threads.step("say");
      }
    };
    Thread a([&] { say('a'); }), b([&] { say('b'); });
    a.join();
    b.join();
    return text;
  };
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    orders.insert(order(seed));
    EXPECT_EQ(order(seed), order(seed));
  }
  EXPECT_GT(orders.size(), 5u);
}

}  // namespace
}  // namespace whimbrel
