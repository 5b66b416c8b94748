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
