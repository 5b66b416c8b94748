#include "relay/leg_bindings.h"

#include <gtest/gtest.h>

namespace whimbrel::relay {
namespace {

Instant at(int ms) { return Instant{} + seconds(1000) + milliseconds(ms); }

Grant grant_of(std::uint32_t slot, std::uint8_t epoch = 0) {
  Grant grant;
  grant.slot = SlotId{slot};
  grant.epoch = epoch;
  return grant;
}

TEST(LegBindings, AsksAtOnceAndThenEverMoreRarely) {
  LegBindings bindings;
  EXPECT_EQ(bindings.ask_at(), kNever);
  EXPECT_TRUE(bindings.add(grant_of(7), at(0)));
  int now = 0;
  for (const int pause : {200, 400, 800, 1600, 2000, 2000}) {
    EXPECT_EQ(bindings.ask_at(), at(now));
    EXPECT_TRUE(bindings.take_due(at(now - 1)).empty());
    EXPECT_EQ(bindings.take_due(at(now)).size(), 1u);
    now += pause;
  }
}

TEST(LegBindings, AnAnswerEndsThat) {
  LegBindings bindings;
  bindings.add(grant_of(7), at(0));
  bindings.add(grant_of(8), at(0));
  EXPECT_FALSE(bindings.handle_of(SlotId{7}));
  EXPECT_TRUE(bindings.answered(SlotId{7}, BindResult::kBound, 3));
  EXPECT_EQ(bindings.handle_of(SlotId{7}), 3);
  EXPECT_TRUE(bindings.answered(SlotId{8}, BindResult::kExpired, 0));
  EXPECT_FALSE(bindings.contains(SlotId{8}));
  EXPECT_EQ(bindings.ask_at(), kNever);
  EXPECT_TRUE(bindings.take_due(at(60000)).empty());
}

TEST(LegBindings, AnswersThatNobodyWaitsForChangeNothing) {
  LegBindings bindings;
  bindings.add(grant_of(7), at(0));
  EXPECT_FALSE(bindings.answered(SlotId{8}, BindResult::kBound, 3));
  EXPECT_TRUE(bindings.answered(SlotId{7}, BindResult::kBound, 3));
  EXPECT_FALSE(bindings.answered(SlotId{7}, BindResult::kBound, 4));
  EXPECT_FALSE(bindings.answered(SlotId{7}, BindResult::kNoSlot, 0));
  EXPECT_EQ(bindings.handle_of(SlotId{7}), 3);
}

TEST(LegBindings, TheSameGrantIsNotAskedForAnew) {
  LegBindings bindings;
  bindings.add(grant_of(7), at(0));
  bindings.take_due(at(0));
  bindings.add(grant_of(7), at(100));
  EXPECT_EQ(bindings.ask_at(), at(200)) << "it waits for its time";
  bindings.answered(SlotId{7}, BindResult::kBound, 3);
  bindings.add(grant_of(7), at(300));
  EXPECT_EQ(bindings.ask_at(), kNever) << "it is bound";
  EXPECT_EQ(bindings.handle_of(SlotId{7}), 3);
}

TEST(LegBindings, AGrantOfAnotherEpochIsAskedForAnew) {
  LegBindings bindings;
  bindings.add(grant_of(7), at(0));
  bindings.take_due(at(0));
  bindings.add(grant_of(7, 1), at(100));
  EXPECT_EQ(bindings.ask_at(), at(100));
  bindings.answered(SlotId{7}, BindResult::kBound, 3);
  bindings.add(grant_of(7, 2), at(300));
  EXPECT_EQ(bindings.ask_at(), at(300));
  EXPECT_FALSE(bindings.handle_of(SlotId{7})) << "the relay drops what is for the old one";
  bindings.remove(SlotId{7});
  EXPECT_EQ(bindings.ask_at(), kNever);
}

TEST(LegBindings, AfterASilenceAllIsAskedForAtOnce) {
  LegBindings bindings;
  for (std::uint32_t slot = 1; slot <= 3; ++slot) bindings.add(grant_of(slot), at(0));
  bindings.answered(SlotId{2}, BindResult::kBound, 3);
  bindings.take_due(at(0));
  bindings.ask_again(at(100));
  EXPECT_EQ(bindings.ask_at(), at(100));
  EXPECT_EQ(bindings.take_due(at(100)).size(), 2u);
  EXPECT_EQ(bindings.ask_at(), at(500)) << "its pauses go on";
}

TEST(LegBindings, HasALimit) {
  LegBindings bindings;
  for (std::uint32_t slot = 1; slot <= 1024; ++slot)
    EXPECT_TRUE(bindings.add(grant_of(slot), at(0)));
  EXPECT_FALSE(bindings.add(grant_of(2000), at(0)));
  EXPECT_TRUE(bindings.add(grant_of(1024, 1), at(0))) << "it takes the place of the old one";
  bindings.remove(SlotId{1});
  EXPECT_TRUE(bindings.add(grant_of(2000), at(0)));
}

}  // namespace
}  // namespace whimbrel::relay
