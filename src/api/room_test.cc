#include "api/room.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

class RoomTest : public testing::Test {
 protected:
  void SetUp() override {
    gate->open = true;
    gate->held_bytes_max = 1000;
    gate->held_bytes = 1000;
  }
  Room room;
  std::shared_ptr<SendGate> gate = std::make_shared<SendGate>();
};

TEST_F(RoomTest, WaitsForHalfOfTheBuffer) {
  EXPECT_FALSE(room.available());
  room.want(gate, 10);
  EXPECT_FALSE(room.available());
  gate->held_bytes = 501;
  EXPECT_FALSE(room.available());
  gate->held_bytes = 500;
  EXPECT_TRUE(room.available());
  room.taken(gate.get());
  EXPECT_FALSE(room.available());
}

TEST_F(RoomTest, WaitsUntilALargeMessageFits) {
  room.want(gate, 900);
  gate->held_bytes = 101;
  EXPECT_FALSE(room.available());
  gate->held_bytes = 100;
  EXPECT_TRUE(room.available());
}

TEST_F(RoomTest, DoesNotWaitForWhatCanNeverFit) {
  room.want(gate, 1001);
  gate->held_bytes = 0;
  EXPECT_FALSE(room.available());
}

TEST_F(RoomTest, TellsWhenTheSessionIsOver) {
  room.want(gate, 10);
  gate->open = false;
  EXPECT_TRUE(room.available());
}

TEST_F(RoomTest, ASessionThatIsNotUpYetIsNotOver) {
  gate->open = false;
  room.want(gate, 10);
  EXPECT_FALSE(room.available());
  gate->open = true;
  EXPECT_FALSE(room.available());
  gate->open = false;
  EXPECT_TRUE(room.available());
}

TEST_F(RoomTest, RemembersOnlySoMany) {
  for (std::size_t i = 0; i < Room::kWaitingMax; ++i) {
    const auto other = std::make_shared<SendGate>();
    other->held_bytes = 1u << 30;
    room.want(other, 1);
  }
  room.want(gate, 1);
  gate->held_bytes = 0;
  EXPECT_TRUE(room.available());
  room.taken(gate.get());
  EXPECT_FALSE(room.available());
}

TEST_F(RoomTest, NewsGrowWithEachRoomThatCame) {
  EXPECT_EQ(room.news(), 0u);
  room.want(gate, 10);
  EXPECT_EQ(room.news(), 0u);
  gate->held_bytes = 0;
  EXPECT_EQ(room.news(), 1u);
  EXPECT_EQ(room.news(), 1u);
  gate->held_bytes = 1000;
  room.want(gate, 10);
  EXPECT_FALSE(room.available());
  gate->held_bytes = 0;
  EXPECT_EQ(room.news(), 2u);
}

TEST_F(RoomTest, RoomThatNobodyUsesIsForgotten) {
  room.want(gate, 10);
  room.end_turn();
  gate->held_bytes = 0;
  EXPECT_TRUE(room.available());
  room.end_turn();
  EXPECT_TRUE(room.available());
  room.end_turn();
  EXPECT_FALSE(room.available());
}

TEST_F(RoomTest, AMessageThatWasTakenBeforeThereWasRoomEndsNoWait) {
  room.want(gate, 10);
  room.taken(gate.get());
  gate->held_bytes = 0;
  EXPECT_TRUE(room.available());
}

}  // namespace
}  // namespace whimbrel
