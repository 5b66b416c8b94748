// What the two sides of a session tell each other of its paths, with a peer made by hand.
#include <deque>
#include <map>

#include "session/test_peer.h"

namespace whimbrel {
namespace {

constexpr RelayRemote kFra{1, 11}, kAms{2, 22}, kLon{3, 33};

// Reads what the session says, by path.
class PathsTest : public SessionPeer {
 protected:
  struct Said {
    Remote to;
    PathId path{};
    std::vector<FrameType> types;
    std::optional<PathIndexFrame> index;
    std::optional<PathStatusFrame> status;
    std::optional<PathAbandonFrame> abandon;
    std::optional<PathId> path_ack;
    std::optional<PathData> challenge;
    bool has(FrameType type) const {
      return std::find(types.begin(), types.end(), type) != types.end();
    }
  };

  void begin_over_relay(bool leads) {
    Establishment with;
    with.keys = PacketKeys(AeadSuite::kAesGcm, session_secret(), session_secret(),
                           packet_key_limits(AeadSuite::kAesGcm));
    with.local_index = 1;
    with.remote_index = 2;
    with.remote = SignalRemote{1};
    with.peer = {{1 << 20, 1000, 1 << 20, 1000}, milliseconds(25), 1472};
    with.leads = leads;
    session =
        std::make_unique<Session>(SessionOptions{}, std::move(with), random, counters, slabs, now);
    source = kFra;
  }
  void carriers(const std::vector<RelayCarrier>& all) {
    session->set_carriers(all, now);
    run();
  }
  static RelayCarrier up(RelayRemote remote, int ms = 20) {
    return {remote, CarrierState::kUp, milliseconds(ms)};
  }
  static RelayCarrier is(RelayRemote remote, CarrierState state, int ms = 20) {
    return {remote, state, milliseconds(ms)};
  }
  // What the session has to do and to say at this moment; an index that it wants is given.
  void run() {
    session->advance(now);
    for (bool more = true; more;) {
      more = false;
      while (session->wants_index()) {
        session->give_index(++last_index);
        more = true;
      }
      while (const auto out = session->poll_transmit(buffer, now)) read(*out);
    }
  }
  void run_for(Duration time) {
    for (const Instant end = now + time; now < end;) {
      now = std::min(end, std::max(now + microseconds(10), session->next_deadline()));
      run();
    }
  }
  void read(const RemoteTransmit& out) {
    for (std::size_t at = 0; at < out.size; at += out.segment_size) {
      const MutableBytes datagram =
          MutableBytes(buffer).subspan(at, std::min(out.segment_size, out.size - at));
      const auto header = read_data_header(datagram);
      ASSERT_TRUE(header);
      Said one{.to = out.to};
      one.path = path_of.at(header->receiver_index);
      const Bytes head = datagram.first(header->size());
      const MutableBytes sealed = datagram.subspan(header->size());
      std::uint64_t& next = numbers[value(one.path)];
      const std::uint64_t with =
          value(recover_packet_number(next, header->truncated_number, header->number_size));
      ASSERT_TRUE(key.open(value(one.path), with, head, sealed));
      ByteReader in(Bytes(sealed).first(sealed.size() - kTagSize));
      while (!in.empty()) ASSERT_TRUE(read_one(in, one));
      next = with + 1;
      said.push_back(one);
    }
  }
  static bool read_one(ByteReader& in, Said& one) {
    const auto type = static_cast<FrameType>(in.u8());
    one.types.push_back(type);
    AckFrame ack;
    StreamFrame stream;
    CloseFrame close;
    switch (type) {
      case FrameType::kClose:
        return read_close(in, close);
      case FrameType::kPathIndex:
        return read_path_index(in, one.index.emplace());
      case FrameType::kPathStatus:
        return read_path_status(in, one.status.emplace());
      case FrameType::kPathAbandon:
        return read_path_abandon(in, one.abandon.emplace());
      case FrameType::kPathAck:
        return read_path_ack(in, one.path_ack.emplace(), ack);
      case FrameType::kPathChallenge:
      case FrameType::kPathResponse:
        return read_path_data(in, one.challenge.emplace());
      case FrameType::kAck:
        return read_ack(in, ack);
      case FrameType::kStream:
      case FrameType::kStreamToEnd:
        return read_stream(in, type, stream);
      case FrameType::kQuality:
        in.u8();
        return in.ok();
      default:
        return type == FrameType::kPing || type == FrameType::kPadding ||
               type == FrameType::kHandshakeDone;
    }
  }
  // The peer says something on a path, from one of its slots.
  void say_on(std::uint32_t path, ReceiverIndex index, const Remote& where, Bytes frames) {
    std::vector<std::uint8_t> packet(kDataHeaderSizeMax + frames.size() + kTagSize);
    const std::uint64_t with = said_numbers[path]++;
    const std::size_t head = write_data_header(packet.data(), false, index, PacketNumber{with}, 4);
    std::copy(frames.begin(), frames.end(), packet.begin() + static_cast<std::ptrdiff_t>(head));
    key.seal(path, with, Bytes(packet).first(head), packet.data() + head, frames.size());
    session->receive(where, *read_data_header(packet), packet, now, received);
    run();
  }
  void say_first(Bytes frames) { say_on(0, 1, source, frames); }
  template <typename Write>
  void say_frame(Write write) {
    std::array<std::uint8_t, 64> frame;
    ByteWriter out(frame);
    write(out);
    say_first(Bytes(frame).first(out.size()));
  }
  void ping() {
    say_frame([](ByteWriter& out) { out.u8(1); });
  }
  // Acknowledges all that has come on a path, on that path.
  void acknowledge_on(std::uint32_t path, ReceiverIndex index, const Remote& where) {
    if (numbers[path] == 0) return;
    AckFrame ack;
    ack.count = 1;
    ack.ranges[0] = {0, numbers[path]};
    std::array<std::uint8_t, 64> frame;
    ByteWriter out(frame);
    write_ack(out, ack);
    say_on(path, index, where, Bytes(frame).first(out.size()));
  }
  // The first of what was said since the last clear() that has this frame.
  const Said* find(FrameType type) const {
    const auto at =
        std::find_if(said.begin(), said.end(), [&](const Said& one) { return one.has(type); });
    return at == said.end() ? nullptr : &*at;
  }
  // A session that leads, with two relays, and the second path open.
  void open_second() {
    begin_over_relay(true);
    carriers({up(kFra), up(kAms, 40)});
    ping();
    const Said* opening = find(FrameType::kPathIndex);
    ASSERT_NE(opening, nullptr);
    path_of[200] = PathId{1};
    say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 200}); });
    const Said* challenge = find(FrameType::kPathChallenge);
    ASSERT_NE(challenge, nullptr);
    std::array<std::uint8_t, 16> frame;
    ByteWriter out(frame);
    write_path_data(out, FrameType::kPathResponse, *challenge->challenge);
    say_on(1, last_index, kAms, Bytes(frame).first(out.size()));
    acknowledge_on(0, 1, kFra);
    said.clear();
  }
  const PathEntry& entry(std::uint32_t id) {
    const PathEntry* found = nullptr;
    session->paths().for_each([&](const PathEntry& one) {
      if (one.id() == PathId{id}) found = &one;
    });
    return *found;
  }
  bool exists(std::uint32_t id) {
    bool found = false;
    session->paths().for_each([&](const PathEntry& one) { found |= one.id() == PathId{id}; });
    return found;
  }
  bool ended_badly() const {
    return session->end() && session->end()->kind == SessionEnd::Kind::kLocalProblem;
  }

  std::map<ReceiverIndex, PathId> path_of{{2, PathId{0}}};
  std::map<std::uint32_t, std::uint64_t> numbers, said_numbers;
  std::vector<Said> said;
  ReceiverIndex last_index = 100;
  Remote source = kFra;
};

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

TEST_F(PathsTest, TheSideThatLeadsOpensAPathOverEachRelay) {
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

TEST_F(PathsTest, TheSideThatFollowsOpensNone) {
  begin_over_relay(false);
  carriers({up(kFra), up(kAms)});
  ping();
  EXPECT_EQ(find(FrameType::kPathIndex), nullptr);
}

TEST_F(PathsTest, TheSideThatFollowsAnswersWithAnIndexOfItsOwn) {
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

TEST_F(PathsTest, TheSideThatFollowsGoesWithThePeer) {
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
TEST_F(PathsTest, TheSideThatFollowsTakesPath0WhereThePeerHasIt) {
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
  talk(seconds(6));  // the other path has been asked, and has not answered
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

TEST_F(PathsTest, NumbersWithoutEndAreNotKept) {
  begin_over_relay(false);
  carriers({up(kFra)});
  for (std::uint32_t id = 1; id < 1000 && !session->end(); ++id)
    say_frame([&](ByteWriter& out) { write_path_abandon(out, {PathId{2 * id}}); });
  EXPECT_TRUE(ended_badly());
}

// --- a peer that breaks the protocol -------------------------------------------------------------

TEST_F(PathsTest, AStatusOfAPathThatNeverWasBreaksTheProtocol) {
  begin_over_relay(true);
  carriers({up(kFra)});
  say_frame([](ByteWriter& out) { write_path_status(out, {PathId{5}, 0, true}); });
  EXPECT_TRUE(ended_badly());
}

TEST_F(PathsTest, AnAbandonmentOfAPathThatNeverWasBreaksTheProtocol) {
  begin_over_relay(true);
  carriers({up(kFra)});
  say_frame([](ByteWriter& out) { write_path_abandon(out, {PathId{5}}); });
  EXPECT_TRUE(ended_badly());
}

TEST_F(PathsTest, AnAckOfAPathThatNeverWasBreaksTheProtocol) {
  begin_over_relay(true);
  carriers({up(kFra)});
  AckFrame ack;
  ack.count = 1;
  ack.ranges[0] = {0, 1};
  say_frame([&](ByteWriter& out) { write_path_ack(out, PathId{5}, ack); });
  EXPECT_TRUE(ended_badly());
}

TEST_F(PathsTest, WhoDoesNotLeadOpensNoPath) {
  begin_over_relay(true);
  carriers({up(kFra)});
  say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 200}); });
  EXPECT_TRUE(ended_badly());
}

TEST_F(PathsTest, AbandoningTheLastPathLeavesTheSessionToItsTimeout) {
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
