// What the two sides of a session tell each other of its paths.
#include "session/test_paths.h"

namespace whimbrel {
namespace {

TEST_F(PathsTest, NothingLeavesBeforeARelayIsOpen) {
  begin_over_relay(true);
  send_reliable(10);
  run();
  carriers({is(kFra, CarrierState::kDown)});
  EXPECT_TRUE(said.empty());
  EXPECT_TRUE(session->take_cut_off());
  EXPECT_FALSE(session->take_cut_off());
  carriers({up(kFra)});
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(said.front().to, Remote(kFra));
}

TEST_F(PathsTest, WhoCanSendNothingGivesUpLikeWhoGetsNoAnswer) {
  begin_over_relay(true);
  send_reliable(10);
  run();
  run_for(seconds(9));
  EXPECT_FALSE(session->end());
  run_for(seconds(2));
  ASSERT_TRUE(session->end());
  EXPECT_EQ(session->end()->kind, SessionEnd::Kind::kTimedOut);
}

// A quiet line, then a relay that is gone for a while: the peer had no chance to answer.
TEST_F(PathsTest, ARelaysOutageIsNotHeldAgainstThePeer) {
  begin_over_relay(true);
  carriers({up(kFra)});
  send_reliable(10);
  run();
  ping();
  acknowledge_on(0, 1, kFra);
  run_for(seconds(4));
  carriers({is(kFra, CarrierState::kDown)});
  run_for(seconds(8));
  ASSERT_FALSE(session->end()) << session->end()->text;
  carriers({up(kFra)});
  run_for(seconds(4));
  ASSERT_FALSE(session->end()) << session->end()->text;
  run_for(seconds(7));
  ASSERT_TRUE(session->end()) << "it has had its chance";
  EXPECT_EQ(session->end()->kind, SessionEnd::Kind::kTimedOut);
}

TEST_F(PathsTest, TheLeaderOpensAPathOverEachRelay) {
  begin_over_relay(true);
  carriers({up(kFra), up(kAms, 40)});
  EXPECT_EQ(find(FrameType::kPathIndex), nullptr) << "the peer has said nothing yet";
  ping();
  const Said* opening = find(FrameType::kPathIndex);
  ASSERT_NE(opening, nullptr);
  EXPECT_EQ(opening->index->path, PathId{1});
  EXPECT_EQ(opening->index->index, last_index);
  EXPECT_EQ(opening->to, Remote(kFra));
  EXPECT_EQ(find(FrameType::kPathChallenge), nullptr) << "the peer's index is not known";
}

TEST_F(PathsTest, APathIsReadyWhenTheChallengeIsAnswered) {
  open_second();
  EXPECT_TRUE(entry(1).is<PathEntry::Standby>());
  EXPECT_EQ(entry(1).remote, Remote(kAms));
  EXPECT_EQ(session->remote(), Remote(kFra)) << "the nearer one stays in use";
}

TEST_F(PathsTest, AChallengeIsRepeatedUntilItIsAnswered) {
  begin_over_relay(true);
  carriers({up(kFra), up(kAms)});
  ping();
  path_of[200] = PathId{1};
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 200}); });
  for (int second = 0; second < 20; ++second) {
    run_for(seconds(1));
    ping();
  }
  const auto challenges = std::count_if(
      said.begin(), said.end(), [](const Said& one) { return one.has(FrameType::kPathChallenge); });
  EXPECT_GE(challenges, 6);
  EXPECT_LE(challenges, 12);
}

TEST_F(PathsTest, TheFollowerOpensNone) {
  begin_over_relay(false);
  carriers({up(kFra), up(kAms)});
  ping();
  EXPECT_EQ(find(FrameType::kPathIndex), nullptr);
}

TEST_F(PathsTest, TheFollowerAnswersWithAnIndexOfItsOwn) {
  begin_over_relay(false);
  carriers({up(kFra), up(kAms)});
  path_of[200] = PathId{1};
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 200}); });
  const Said* answer = find(FrameType::kPathIndex);
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer->index->path, PathId{1});
  // The challenge on it shows where the peer is.
  std::array<std::uint8_t, 16> frame;
  ByteWriter out(frame);
  write_path_data(out, FrameType::kPathChallenge, {{1, 2, 3}});
  say_on(1, answer->index->index, kAms, Bytes(frame).first(out.size()));
  EXPECT_TRUE(entry(1).is<PathEntry::Standby>());
  const Said* response = find(FrameType::kPathResponse);
  ASSERT_NE(response, nullptr);
  EXPECT_EQ(response->to, Remote(kAms));
  EXPECT_EQ(response->path, PathId{1});
}

TEST_F(PathsTest, TheFollowerGoesWithThePeer) {
  begin_over_relay(false);
  carriers({up(kFra), up(kAms, 40)});
  path_of[200] = PathId{1};
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 200}); });
  const std::array<std::uint8_t, 1> ping_frame{1};
  say_on(1, last_index, kAms, ping_frame);
  EXPECT_EQ(session->remote(), Remote(kFra));
  std::array<std::uint8_t, 16> frame;
  ByteWriter out(frame);
  write_path_status(out, {PathId{0}, 0, true});
  write_path_status(out, {PathId{1}, 1, false});
  say_on(1, last_index, kAms, Bytes(frame).first(out.size()));
  EXPECT_EQ(session->remote(), Remote(kAms));
}

TEST_F(PathsTest, AnAddressMustAnswerAChallenge) {
  begin_over_relay(false);
  carriers({up(kFra)});
  path_of[200] = PathId{1};
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 200}); });
  const std::array<std::uint8_t, 1> ping_frame{1};
  for (int i = 0; i < 3; ++i) say_on(1, last_index, kAddress, ping_frame);
  const Said* challenge = find(FrameType::kPathChallenge);
  ASSERT_NE(challenge, nullptr);
  EXPECT_EQ(challenge->to, Remote(kAddress));
  const auto answer = [&](const PathData& data) {
    std::array<std::uint8_t, 16> frame;
    ByteWriter out(frame);
    write_path_data(out, FrameType::kPathResponse, data);
    say_on(1, last_index, kAddress, Bytes(frame).first(out.size()));
  };
  const PathData right = *challenge->challenge;
  answer({{1, 2, 3}});
  EXPECT_TRUE(entry(1).is<PathEntry::Probing>());
  answer(right);
  EXPECT_TRUE(entry(1).is<PathEntry::Standby>());
}

// Where path 0 leads is not told by a frame.
TEST_F(PathsTest, TheFollowerTakesPath0WhereThePeerHasIt) {
  for (const bool leads : {false, true}) {
    begin_over_relay(leads);
    carriers({up(kFra), up(kAms, 40)});
    source = kAms;
    ping();
    EXPECT_EQ(session->remote(), leads ? Remote(kFra) : Remote(kAms));
  }
}

TEST_F(PathsTest, WhatIsInDoubtLeavesOnBoth) {
  open_second();
  carriers({is(kFra, CarrierState::kDoubted), up(kAms, 40)});
  said.clear();
  send_reliable(10);
  run();
  std::map<Remote, int> times;
  for (const Said& one : said)
    times[one.to] += one.has(FrameType::kStreamToEnd) || one.has(FrameType::kStream);
  EXPECT_EQ(times[kFra], 1);
  EXPECT_EQ(times[kAms], 1);
  EXPECT_EQ(session->remote(), Remote(kFra));
}

TEST_F(PathsTest, WhatWasInFlightOnADeadPathGoesOnTheOther) {
  open_second();
  send_reliable(10);
  run();
  ASSERT_EQ(said.front().to, Remote(kFra));
  said.clear();
  carriers({is(kFra, CarrierState::kDown), up(kAms, 40)});
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(said.front().to, Remote(kAms));
  EXPECT_TRUE(said.front().has(FrameType::kStreamToEnd) || said.front().has(FrameType::kStream));
  const Said* status = find(FrameType::kPathStatus);
  ASSERT_NE(status, nullptr) << "the peer is told";
  EXPECT_TRUE(entry(0).is<PathEntry::Suspect>());
}

// The other has a round trip, window and MTU of its own.
TEST_F(PathsTest, APathThatTakesOverHasItsOwnMeasures) {
  open_second();
  for (int i = 0; i < 5; ++i) {
    send_reliable(10);
    run();
    now += milliseconds(20);
    acknowledge_on(0, 1, kFra);
  }
  EXPECT_LT(session->path_stats().rtt_smoothed, milliseconds(30));
  EXPECT_GT(session->path_stats().packets_sent, 5u);
  const Duration of_near = session->path_stats().rtt_smoothed;
  const Duration of_far = entry(1).path.stats().rtt_smoothed;
  carriers({is(kFra, CarrierState::kDown), up(kAms, 40)});
  EXPECT_EQ(session->path_stats().rtt_smoothed, of_far);
  EXPECT_NE(of_far, of_near);
  EXPECT_LT(session->path_stats().packets_sent, 5u);
}

// Nothing has come from the peer, though the relay is well: it cannot be reached there.
TEST_F(PathsTest, APathThatIsSilentIsDoubtedThenLeft) {
  open_second();
  send_reliable(10);
  run();
  const auto carries = [](const Said& one) {
    return one.to == Remote(kAms) &&
           (one.has(FrameType::kStream) || one.has(FrameType::kStreamToEnd));
  };
  run_for(milliseconds(140));
  EXPECT_TRUE(std::none_of(said.begin(), said.end(), carries));
  run_for(milliseconds(60));
  EXPECT_TRUE(std::any_of(said.begin(), said.end(), carries));
  EXPECT_EQ(session->remote(), Remote(kFra));
  run_for(milliseconds(300));
  EXPECT_EQ(session->remote(), Remote(kAms));
}

// What is in flight on a path that is down says nothing about the peer.
TEST_F(PathsTest, ADeadStandbyPathDoesNotEndTheSession) {
  open_second();
  const auto talk = [&](Duration time) {
    for (const Instant end = now + time; now < end && !session->end();) {
      send_reliable(10);
      run_for(milliseconds(50));
      acknowledge_on(0, 1, kFra);
    }
  };
  talk(seconds(30));  // the other path is asked all the time, and does not answer
  EXPECT_TRUE(entry(1).is<PathEntry::Suspect>());
  ASSERT_FALSE(session->end()) << session->end()->text;
  carriers({up(kFra), is(kAms, CarrierState::kDown, 40)});
  talk(seconds(30));
  EXPECT_FALSE(session->end()) << session->end()->text;
}

TEST_F(PathsTest, APathThatThePeerCannotUseIsLeft) {
  open_second();
  say_frame([](ByteWriter& out) { write_path_status(out, {PathId{0}, 0, true}); });
  EXPECT_EQ(session->remote(), Remote(kAms));
}

TEST_F(PathsTest, OfTwoStatusesTheLaterOneCounts) {
  open_second();
  say_frame([](ByteWriter& out) { write_path_status(out, {PathId{0}, 7, false}); });
  say_frame([](ByteWriter& out) { write_path_status(out, {PathId{0}, 6, true}); });
  EXPECT_EQ(session->remote(), Remote(kFra));
}

TEST_F(PathsTest, ANewSlotAtTheSameRelayIsTheSamePath) {
  open_second();
  const RelayRemote other{kFra.site, 99};
  carriers({up(other), up(kAms, 40)});
  said.clear();
  send_reliable(10);
  run();
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(said.front().to, Remote(other));
  EXPECT_EQ(said.front().path, PathId{0});
}

// Whatever went to the old slot is lost: the session waits for no probe timeout, and the window is
// free.
TEST_F(PathsTest, WhatWasSentToAnOldSlotIsSentToTheNewOneAtOnce) {
  begin_over_relay(true);
  carriers({up(kFra)});
  ping();
  acknowledge_on(0, 1, kFra);
  for (int i = 0; i < 5; ++i) {
    send_reliable(1000);
    run();
  }
  ASSERT_GE(session->paths().active().path.stats().bytes_in_flight, 5000u);
  carriers({is(kFra, CarrierState::kDown)});
  const RelayRemote other{kFra.site, 99};
  carriers({is(other, CarrierState::kDown)});
  EXPECT_EQ(session->paths().active().path.stats().bytes_in_flight, 0u);
  said.clear();
  carriers({up(other)});
  const auto again = std::count_if(said.begin(), said.end(), [&](const Said& one) {
    return one.to == Remote(other) &&
           (one.has(FrameType::kStream) || one.has(FrameType::kStreamToEnd));
  });
  EXPECT_GE(again, 4);
}

TEST_F(PathsTest, APathWhoseRelayIsNoneOfOursAnyMoreIsGivenUp) {
  open_second();
  carriers({up(kFra)});
  const Said* abandon = find(FrameType::kPathAbandon);
  ASSERT_NE(abandon, nullptr);
  EXPECT_EQ(abandon->abandon->path, PathId{1});
  EXPECT_EQ(session->take_retired_index(), std::nullopt) << "the peer may still send there";
  acknowledge_on(0, 1, kFra);
  EXPECT_EQ(session->take_retired_index(), last_index);
  EXPECT_FALSE(exists(1));
}

TEST_F(PathsTest, ThePeerMayGiveAPathUp) {
  open_second();
  say_frame([](ByteWriter& out) { write_path_abandon(out, {PathId{1}}); });
  EXPECT_FALSE(exists(1));
  EXPECT_EQ(session->take_retired_index(), last_index);
  // Once more, late, it says nothing.
  say_frame([](ByteWriter& out) { write_path_abandon(out, {PathId{1}}); });
  EXPECT_FALSE(session->end());
}

TEST_F(PathsTest, TheNumberOfAPathIsNotUsedAgain) {
  open_second();
  say_frame([](ByteWriter& out) { write_path_abandon(out, {PathId{1}}); });
  EXPECT_FALSE(exists(2)) << "not before the relays are told anew";
  carriers({up(kFra), up(kAms, 40), up(kLon, 50)});
  EXPECT_FALSE(exists(1));
  EXPECT_TRUE(exists(2) && exists(3));
}

TEST_F(PathsTest, AnAcknowledgementLeavesOnAnotherPathWhereItsOwnIsShut) {
  open_second();
  carriers({up(kFra), is(kAms, CarrierState::kDown, 40)});
  said.clear();
  const std::array<std::uint8_t, 1> frame{1};
  say_on(1, last_index, kAms, frame);
  run_for(milliseconds(30));
  const Said* ack = find(FrameType::kPathAck);
  ASSERT_NE(ack, nullptr);
  EXPECT_EQ(ack->path_ack, PathId{1});
  EXPECT_EQ(ack->to, Remote(kFra));
}

TEST_F(PathsTest, AtMostEightPaths) {
  begin_over_relay(true);
  std::vector<RelayCarrier> all;
  for (std::uint32_t site = 1; site <= 12; ++site) all.push_back(up({site, 1}));
  carriers(all);
  source = RelayRemote{1, 1};
  ping();
  std::size_t paths = 0;
  session->paths().for_each([&](const PathEntry&) { ++paths; });
  EXPECT_EQ(paths, kPathsMax);
}

TEST_F(PathsTest, ANinthPathOfThePeerIsNotTaken) {
  begin_over_relay(false);
  carriers({up(kFra)});
  for (std::uint32_t id = 1; id <= 7; ++id) {
    say_frame([&](ByteWriter& out) { write_path_index(out, {PathId{id}, 200 + id}); });
  }
  const std::uint64_t before = counters[Count::kDroppedRefusedByLimit];
  say_frame([&](ByteWriter& out) { write_path_index(out, {PathId{8}, 208}); });
  EXPECT_EQ(counters[Count::kDroppedRefusedByLimit], before + 1);
  EXPECT_FALSE(session->end());
}

// The packet with the first PATH_INDEX was lost, and is sent again after that with the second.
TEST_F(PathsTest, PathsMayBeOpenedOutOfTurn) {
  begin_over_relay(false);
  carriers({up(kFra), up(kAms), up(kLon)});
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{2}, 202}); });
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 201}); });
  EXPECT_TRUE(exists(1) && exists(2));
}

TEST_F(PathsTest, APathThatIsGivenUpBeforeItIsOpenedStaysShut) {
  begin_over_relay(false);
  carriers({up(kFra), up(kAms), up(kLon)});
  say_frame([](ByteWriter& out) { write_path_abandon(out, {PathId{2}}); });
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{2}, 202}); });
  EXPECT_FALSE(exists(2));
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 201}); });
  EXPECT_TRUE(exists(1));
  EXPECT_FALSE(session->end());
}

TEST_F(PathsTest, WhoWaitsForAnAnswerFromAnOldSlotAsksAtTheNewOne) {
  begin_over_relay(true);
  carriers({up(kFra)});
  ping();
  acknowledge_on(0, 1, kFra);
  run_for(milliseconds(100));
  session->probe_liveness(Rival::kClaims, now);  // a PING leaves
  run();
  const RelayRemote other{kFra.site, 99};
  carriers({up(other)});
  run_for(seconds(1));
  const auto asked = std::count_if(said.begin(), said.end(), [&](const Said& one) {
    return one.to == Remote(other) && one.has(FrameType::kPing);
  });
  EXPECT_GE(asked, 1);
}

}  // namespace
}  // namespace whimbrel
