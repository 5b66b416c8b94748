#include "session/choose_path.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace whimbrel {
namespace {

const Instant kStart = Instant() + seconds(100);

PathView relayed(std::uint32_t id, int ms) {
  return {.id = PathId{id}, .usable = true, .rtt = milliseconds(ms)};
}
PathView direct(std::uint32_t id, int ms, bool v6 = false) {
  PathView path = relayed(id, ms);
  path.direct = true;
  path.v6 = v6;
  return path;
}
PathView with(PathView path, bool PathView::*flag, bool value = true) {
  path.*flag = value;
  return path;
}

class ChoosePath : public testing::Test {
 protected:
  // The number of the path that is taken; -1: none.
  int choose(const std::vector<PathView>& views, Duration after = Duration::zero()) {
    now += after;
    choice = choose_path(views, policy, choice, now);
    return choice.active ? static_cast<int>(value(*choice.active)) : -1;
  }
  int also() const { return choice.also ? static_cast<int>(value(*choice.also)) : -1; }
  void use(std::uint32_t id) { choice = {.active = PathId{id}}; }

  Instant now = kStart;
  PathPolicy policy;
  PathChoice choice;
};

TEST_F(ChoosePath, NothingWhereNothingCanBeUsed) {
  EXPECT_EQ(choose({}), -1);
  EXPECT_EQ(choose({with(relayed(0, 20), &PathView::usable, false)}), -1);
}

TEST_F(ChoosePath, TheShortestFirst) {
  EXPECT_EQ(choose({relayed(0, 30), relayed(1, 20), relayed(2, 25)}), 1);
  EXPECT_EQ(choice.move_at, kNever);
}

TEST_F(ChoosePath, ATieGoesToTheLowerNumberAtBothEnds) {
  for (const bool leads : {true, false}) {
    policy.leads = leads;
    choice = {};
    EXPECT_EQ(choose({relayed(2, 20), relayed(1, 20)}), 1);
  }
}

TEST_F(ChoosePath, DirectBeforeARelayUnlessThatIsMuchShorter) {
  EXPECT_EQ(choose({relayed(0, 20), direct(1, 24)}), 1);
  choice = {};
  EXPECT_EQ(choose({relayed(0, 20), direct(1, 26)}), 0);
}

TEST_F(ChoosePath, Ipv6IsPreferredByALittle) {
  EXPECT_EQ(choose({direct(0, 20), direct(1, 22, true)}), 1);
  choice = {};
  EXPECT_EQ(choose({direct(0, 20), direct(1, 24, true)}), 0);
}

// Every combination of what may speak against the active path and the other, for both roles.
TEST_F(ChoosePath, WhatSpeaksAgainstAPath) {
  struct Row {
    bool doubted, dead, draining, usable;
    int leaves;  // the active one, for a healthy other: 0 no, 1 yes, 2 sends over both
  };
  const Row rows[] = {{false, false, false, true, 0}, {true, false, false, true, 2},
                      {false, true, false, true, 1},  {true, true, false, true, 1},
                      {false, false, true, true, 1},  {true, false, true, true, 1},
                      {false, false, false, false, 1}};
  for (const bool leads : {true, false}) {
    for (const Row& row : rows) {
      policy.leads = leads;
      PathView active = relayed(0, 20);
      active.doubted = row.doubted;
      active.dead = row.dead;
      active.draining = row.draining;
      active.usable = row.usable;
      use(0);
      EXPECT_EQ(choose({active, relayed(1, 21)}), row.leaves == 1 ? 1 : 0);
      EXPECT_EQ(also(), row.leaves == 2 ? 1 : -1);
      // Where the other is no better, nothing is gained by moving.
      PathView other = active;
      other.id = PathId{1};
      other.usable = true;
      use(0);
      EXPECT_EQ(choose({active, other}), row.usable ? 0 : 1);
      EXPECT_EQ(also(), -1);
    }
  }
}

TEST_F(ChoosePath, ABetterOneMustStayBetterForAWhile) {
  use(0);
  const std::vector<PathView> views{relayed(0, 40), relayed(1, 20)};
  EXPECT_EQ(choose(views), 0);
  EXPECT_EQ(choice.move_at, now + policy.move_time);
  EXPECT_EQ(choose(views, milliseconds(4999)), 0);
  EXPECT_EQ(choose(views, milliseconds(1)), 1);
  EXPECT_EQ(choice.move_at, kNever);
}

TEST_F(ChoosePath, WhatIsBetterForAMomentChangesNothing) {
  use(0);
  choose({relayed(0, 40), relayed(1, 20)});
  EXPECT_EQ(choose({relayed(0, 40), relayed(1, 38)}, seconds(3)), 0);
  EXPECT_EQ(choice.move_at, kNever);
  EXPECT_EQ(choose({relayed(0, 40), relayed(1, 20)}, seconds(3)), 0);
  EXPECT_EQ(choice.move_at, now + policy.move_time);
}

TEST_F(ChoosePath, ByFiveMillisecondsAndATenth) {
  use(0);
  choose({relayed(0, 20), relayed(1, 15)});
  EXPECT_FALSE(choice.better);
  choose({relayed(0, 21), relayed(1, 15)});
  EXPECT_TRUE(choice.better);
  choose({relayed(0, 200), relayed(1, 181)});
  EXPECT_FALSE(choice.better);
}

TEST_F(ChoosePath, TheFollowerLeavesThatToTheOther) {
  policy.leads = false;
  use(0);
  EXPECT_EQ(choose({relayed(0, 40), relayed(1, 20)}, seconds(60)), 0);
  EXPECT_EQ(choice.move_at, kNever);
}

// The leader says which path it uses: the others are on standby.
TEST_F(ChoosePath, TheFollowerGoesWithTheOther) {
  policy.leads = false;
  use(0);
  const PathView left = with(relayed(0, 20), &PathView::peer_standby);
  EXPECT_EQ(choose({left, relayed(1, 90)}), 1);
  use(0);
  EXPECT_EQ(choose({left, with(relayed(1, 90), &PathView::doubted)}), 1);
  // Unless it cannot.
  use(0);
  EXPECT_EQ(choose({left, with(relayed(1, 90), &PathView::usable, false)}), 0);
  use(0);
  EXPECT_EQ(choose({left, with(relayed(1, 90), &PathView::dead)}), 0);
}

TEST_F(ChoosePath, TheLeaderDoesNotUseWhatThePeerCannot) {
  use(0);
  EXPECT_EQ(choose({with(relayed(0, 20), &PathView::peer_standby), relayed(1, 90)}), 1);
  use(1);
  EXPECT_EQ(choose({with(relayed(0, 20), &PathView::peer_standby), relayed(1, 90)}, seconds(60)),
            1);
  EXPECT_EQ(choice.move_at, kNever);
}

TEST_F(ChoosePath, ADeadPathIsNoHelpInDoubt) {
  use(0);
  EXPECT_EQ(
      choose({with(relayed(0, 20), &PathView::doubted), with(relayed(1, 20), &PathView::dead)}), 0);
  EXPECT_EQ(also(), -1);
}

TEST_F(ChoosePath, WhatIsDeadIsTakenOnlyWhereNothingElseIs) {
  EXPECT_EQ(choose({with(relayed(0, 20), &PathView::dead), relayed(1, 500)}), 1);
  choice = {};
  EXPECT_EQ(choose({with(relayed(0, 20), &PathView::dead)}), 0);
}

// Whatever the views: a path that is taken can be used, and the second is another that is healthy.
TEST_F(ChoosePath, EveryChoiceMakesSense) {
  for (unsigned bits = 0; bits < 1u << 12; ++bits) {
    std::vector<PathView> views;
    for (unsigned i = 0; i < 2; ++i) {
      const unsigned mine = bits >> (6 * i);
      PathView path = relayed(i, i == 0 ? 20 : 40);
      path.usable = (mine & 1) != 0;
      path.doubted = (mine & 2) != 0;
      path.dead = (mine & 4) != 0;
      path.draining = (mine & 8) != 0;
      path.peer_standby = (mine & 16) != 0;
      path.direct = (mine & 32) != 0;
      views.push_back(path);
    }
    for (const bool leads : {true, false}) {
      for (const int before : {-1, 0, 1}) {
        policy.leads = leads;
        choice = {};
        if (before >= 0) use(static_cast<std::uint32_t>(before));
        const int active = choose(views);
        ASSERT_EQ(active >= 0, views[0].usable || views[1].usable) << bits;
        if (active < 0) continue;
        ASSERT_TRUE(views[static_cast<std::size_t>(active)].usable) << bits;
        if (also() < 0) continue;
        ASSERT_NE(also(), active);
        ASSERT_TRUE(views[static_cast<std::size_t>(also())].healthy()) << bits;
      }
    }
  }
}

}  // namespace
}  // namespace whimbrel
