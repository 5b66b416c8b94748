#include "base/timers.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace whimbrel {
namespace {

enum class Timer { kFirst, kSecond, kThird, kCount };

struct Machine {
  std::array<Instant, 3> due{kNever, kNever, kNever};
  std::vector<Timer> fired;

  Instant deadline_of(Timer timer) const { return due[static_cast<std::size_t>(timer)]; }
  void advance(Instant now) {
    fire_due<Timer>(
        now, [&](Timer timer) { return deadline_of(timer); },
        [&](Timer timer) {
          fired.push_back(timer);
          due[static_cast<std::size_t>(timer)] = kNever;
          if (timer == Timer::kFirst) due[1] = now;
          if (timer == Timer::kThird) due[0] = now;
        });
  }
  Instant next() const {
    return earliest_of<Timer>([&](Timer timer) { return deadline_of(timer); });
  }
};

constexpr Instant kStart{seconds(100)};

TEST(Timers, NoneRunsIsNever) { EXPECT_EQ(Machine().next(), kNever); }

TEST(Timers, TheNextDeadlineIsTheLeast) {
  Machine machine;
  machine.due = {kStart + seconds(3), kStart + seconds(1), kNever};
  EXPECT_EQ(machine.next(), kStart + seconds(1));
}

TEST(Timers, OnlyWhatIsDueFires) {
  Machine machine;
  machine.due = {kNever, kStart, kStart + seconds(1)};
  machine.advance(kStart - Duration(1));
  EXPECT_TRUE(machine.fired.empty());
  machine.advance(kStart);
  EXPECT_EQ(machine.fired, std::vector{Timer::kSecond});
  EXPECT_EQ(machine.next(), kStart + seconds(1));
}

TEST(Timers, OneThatMakesALaterOneDueIsFollowedByIt) {
  Machine machine;
  machine.due = {kStart, kNever, kNever};
  machine.advance(kStart);
  EXPECT_EQ(machine.fired, (std::vector{Timer::kFirst, Timer::kSecond}));
}

TEST(Timers, OneThatMakesAnEarlierOneDueLeavesItForTheNextCall) {
  Machine machine;
  machine.due = {kNever, kNever, kStart};
  machine.advance(kStart);
  EXPECT_EQ(machine.fired, std::vector{Timer::kThird});
  EXPECT_EQ(machine.next(), kStart);
  machine.advance(kStart);
  EXPECT_EQ(machine.fired, (std::vector{Timer::kThird, Timer::kFirst, Timer::kSecond}));
}

TEST(SetTimers, OneThatFiresIsClearedFirstAndMayBeSetAgain) {
  Timers<Timer> timers;
  EXPECT_EQ(timers.next(), kNever);
  timers.set(Timer::kSecond, kStart);
  timers.set(Timer::kThird, kStart + seconds(9));
  timers.hasten(Timer::kThird, kStart + seconds(10));
  EXPECT_EQ(timers.due(Timer::kThird), kStart + seconds(9));
  timers.hasten(Timer::kThird, kStart + seconds(5));
  EXPECT_EQ(timers.next(), kStart);
  std::vector<Timer> fired;
  timers.fire(kStart, [&](Timer timer) {
    fired.push_back(timer);
    EXPECT_EQ(timers.due(timer), kNever);
    timers.set(timer, kStart + seconds(1));
  });
  EXPECT_EQ(fired, std::vector{Timer::kSecond});
  EXPECT_EQ(timers.next(), kStart + seconds(1));
  timers.clear(Timer::kSecond);
  EXPECT_EQ(timers.next(), kStart + seconds(5));
}

}  // namespace
}  // namespace whimbrel
