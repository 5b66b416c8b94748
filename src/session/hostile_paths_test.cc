// A peer that has the keys of its session, and breaks the protocol with frames of paths.
#include "session/test_paths.h"

namespace whimbrel {
namespace {

using HostilePaths = PathsTest;

TEST_F(HostilePaths, AStatusOfAPathThatNeverWasBreaksTheProtocol) {
  begin_over_relay(true);
  carriers({up(kFra)});
  say_frame([](ByteWriter& out) { write_path_status(out, {PathId{5}, 0, true}); });
  EXPECT_TRUE(ended_badly());
}

TEST_F(HostilePaths, AnAbandonmentOfAPathThatNeverWasBreaksTheProtocol) {
  begin_over_relay(true);
  carriers({up(kFra)});
  say_frame([](ByteWriter& out) { write_path_abandon(out, {PathId{5}}); });
  EXPECT_TRUE(ended_badly());
}

TEST_F(HostilePaths, AnAckOfAPathThatNeverWasBreaksTheProtocol) {
  begin_over_relay(true);
  carriers({up(kFra)});
  AckFrame ack;
  ack.count = 1;
  ack.ranges[0] = {0, 1};
  say_frame([&](ByteWriter& out) { write_path_ack(out, PathId{5}, ack); });
  EXPECT_TRUE(ended_badly());
}

TEST_F(HostilePaths, WhoDoesNotLeadOpensNoPath) {
  begin_over_relay(true);
  carriers({up(kFra)});
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 200}); });
  EXPECT_TRUE(ended_badly());
}

// What the peer leaves out between its numbers is kept, and it may leave out anything.
class HostileNumbers : public HostilePaths {
 protected:
  static constexpr std::uint32_t kGapsMax = 64;
  static constexpr std::uint32_t kIdsMax = 1u << 30;

  HostileNumbers() {
    begin_over_relay(false);
    carriers({up(kFra)});
  }
  void open(std::uint32_t id) {
    say_frame([&](ByteWriter& out) { write_path_index(out, {PathId{id}, 1000 + id}); });
  }
  void give_up(std::uint32_t id) {
    say_frame([&](ByteWriter& out) { write_path_abandon(out, {PathId{id}}); });
  }
};

TEST_F(HostileNumbers, GivenUpUnopenedTheyAreKeptUpToALimit) {
  for (std::uint32_t i = 1; i <= kGapsMax; ++i) give_up(2 * i);
  EXPECT_FALSE(session->end());
  give_up(3);
  give_up(2 * kGapsMax + 2);
  EXPECT_FALSE(session->end()) << "one gap was filled";
  give_up(2 * kGapsMax + 4);
  EXPECT_TRUE(ended_badly());
}

TEST_F(HostileNumbers, OpenedAndGivenUpTheyAreKeptUpToALimit) {
  for (std::uint32_t i = 1; i <= kGapsMax; ++i) {
    open(2 * i);
    give_up(2 * i);
    ASSERT_FALSE(session->end()) << i;
    ASSERT_FALSE(exists(2 * i));
  }
  for (std::uint32_t i = 1; i < kPathsMax; ++i) open(1000 + 2 * i);
  EXPECT_FALSE(session->end()) << "at the limit";
  for (std::uint32_t i = 1; i < kPathsMax; ++i) give_up(1000 + 2 * i);
  EXPECT_FALSE(session->end()) << "they were opened before";
  open(2000);
  EXPECT_TRUE(ended_badly());
}

TEST_F(HostileNumbers, TheLastThatASessionHasIsOpened) {
  open(kIdsMax - 1);
  EXPECT_TRUE(exists(kIdsMax - 1));
  give_up(kIdsMax - 2);
  EXPECT_FALSE(session->end());
}

TEST_F(HostileNumbers, OpeningOneBeyondTheLastBreaksTheProtocol) {
  open(kIdsMax);
  EXPECT_TRUE(ended_badly());
}

TEST_F(HostileNumbers, GivingUpOneBeyondTheLastBreaksTheProtocol) {
  give_up(kIdsMax);
  EXPECT_TRUE(ended_badly());
}

// The peer leads, opens a path from one address, goes on from another one and answers no challenge.
TEST_F(HostilePaths, AnAddressThatChangesBeforeItIsProvedSpinsNobody) {
  begin_over_relay(false);
  carriers({up(kFra)});
  path_of[200] = PathId{1};
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 200}); });
  ASSERT_TRUE(exists(1));
  const std::array<std::uint8_t, 1> frame{1};
  for (std::uint16_t port = 1; port <= 5; ++port)
    say_on(1, last_index, IpAddress::v4(10, 0, 0, 66, port), frame);
  ASSERT_TRUE(entry(1).is<PathEntry::Probing>());
  for (int i = 0; i < 100; ++i) {
    now = std::max(now + milliseconds(10), std::min(session->next_deadline(), now + seconds(1)));
    run();
    ping();
    EXPECT_GT(session->next_deadline(), now);
  }
}

TEST_F(HostilePaths, AbandoningTheLastPathLeavesTheSessionToItsTimeout) {
  begin_over_relay(true);
  carriers({up(kFra)});
  say_frame([](ByteWriter& out) { write_path_abandon(out, {PathId{0}}); });
  EXPECT_FALSE(ended_badly());
  send_reliable(10);
  run();
  run_for(seconds(12));
  EXPECT_TRUE(session->end());
}

}  // namespace
}  // namespace whimbrel
