// Scenarios: one side starts again, with its key or another, or runs twice.
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

TEST(Restart, OfThePeerIsNoticedAndASendTellsSo) {
  for (const bool same_key : {true, false}) {
    Duo duo(Keys::kUnknown);
    ASSERT_TRUE(duo.connect());
    duo.b.restart(same_key);
    duo.a.say(duo.b);
    duo.world.run_for(seconds(12));
    ASSERT_EQ(duo.a.failures().size(), 1u);
    const int reason = duo.a.failures()[0].info.end_reason;
    EXPECT_TRUE(reason == kEndRemoteTimeout || reason == kEndMiscPeerSentNoConnection) << reason;
    EXPECT_EQ(duo.a.say(duo.b, 64, kSendReliable | kSendAutoRestartBrokenSession), Result::kOk);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
    EXPECT_EQ(duo.world.finish(), "");
  }
}

// Sixty times a second, and the line is far: each packet that leaves puts the probe off.
TEST(Restart, WhoSendsSteadilyIsToldByAReset) {
  for (const int flags : {kSendReliable, kSendUnreliable}) {
    Duo duo(Keys::kKnown, line(milliseconds(50)));
    ASSERT_TRUE(duo.connect());
    duo.b.restart(true);
    const Instant at = duo.world.now();
    for (int i = 0; i < 120; ++i) {
      duo.a.say(duo.b, 64, flags);
      duo.world.run_for(milliseconds(16));
    }
    ASSERT_EQ(duo.a.failures().size(), 1u);
    EXPECT_LE(duo.a.failures()[0].at - at, milliseconds(1500));
    EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndMiscPeerSentNoConnection);
  }
}

TEST(Restart, WhoWaitsToBeLetInAsksTheNextLife) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    Duo duo(keys);
    duo.b.on_request = OnRequest::kIgnore;
    duo.a.say(duo.b);
    duo.world.run_for(seconds(2));
    duo.b.restart(true);
    duo.b.on_request = OnRequest::kAccept;
    EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
    EXPECT_TRUE(duo.a.failures().empty());
    EXPECT_EQ(duo.world.finish(), "");
  }
}

// Called by its address, and by its name with its key: one session. Who takes its place at that
// address when it is called anew has not its key, and must not get what was meant for it.
TEST(Restart, WhoIsCalledAnewIsWhoWasCalledBefore) {
  Duo duo;
  Host& thief = duo.world.add("str:thief");
  duo.b.on_request = OnRequest::kIgnore;
  thief.checked = duo.b.checked = false;
  const IpAddress place = duo.b.address();
  duo.a.send(Identity::ip_address(place.bytes, place.port), "by address");
  duo.world.run_for(milliseconds(100));
  duo.a.send(duo.b.identity(), "by name");
  duo.world.run_for(milliseconds(400));
  duo.b.restart(true);
  const std::uint64_t before = duo.simulation().packets_from(duo.b.id());
  const auto reset = [&] { return duo.simulation().packets_from(duo.b.id()) > before; };
  ASSERT_TRUE(duo.world.run_until(reset, seconds(3)));
  duo.b.move(duo.world.fresh_address());
  thief.move(place);
  duo.world.run_for(seconds(3));
  EXPECT_EQ(thief.messages_received(), 0u);
  thief.move(duo.world.fresh_address());
  duo.b.move(place);
  duo.b.on_request = OnRequest::kAccept;
  duo.world.run_for(seconds(2));
  EXPECT_EQ(duo.b.messages_received(), 2u);
  EXPECT_TRUE(duo.a.failures().empty());
}

TEST(Restart, PeerWithTheSameKeyGetsInAtOnce) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    Duo duo(keys);
    ASSERT_TRUE(duo.connect());
    duo.b.restart(true);
    EXPECT_EQ(duo.b.say(duo.a), Result::kOk);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(1)));
    EXPECT_TRUE(duo.a.connected(duo.b));
    EXPECT_TRUE(duo.a.failures().empty()) << "nothing was lost";
    EXPECT_EQ(duo.world.finish(), "");
  }
}

TEST(Restart, PeerWithTheSameKeyAndReliableDataUnderWayIsAFailure) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.b.restart(true);
  duo.a.say(duo.b, 1000);
  duo.world.run_for(milliseconds(30));
  duo.b.say(duo.a);
  duo.world.run_for(seconds(15));
  EXPECT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.world.finish(), "");
}

// At whatever moment of an idle session, and though nothing but its address tells who it is: by its
// first dial.
TEST(Restart, PeerWithAFreshKeyGetsInByItsFirstDial) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    for (int phase = 0; phase < 14; ++phase) {
      Duo duo(keys);
      ASSERT_TRUE(duo.connect());
      duo.world.run_for(milliseconds(500 * phase));
      duo.b.restart(false);
      if (phase % 2 == 1) {  // another port, as most programs have after a restart
        IpAddress moved = duo.b.address();
        ++moved.port;
        duo.b.move(moved);
      }
      EXPECT_EQ(duo.b.say(duo.a), Result::kOk);
      EXPECT_TRUE(duo.world.run_until_complete(milliseconds(4900))) << phase;
      EXPECT_TRUE(duo.a.connected(duo.b)) << phase;
      EXPECT_TRUE(duo.b.failures().empty()) << phase;
      EXPECT_EQ(duo.world.finish(), "");
    }
  }
}

// An impostor at the very address of the peer, behind the same NAT for one: who answers stays, and
// who is back after a moment.
TEST(Restart, WhoOnlySharesThePeersAddressPushesNobodyOut) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    for (const Duration outage : {Duration::zero(), milliseconds(2500)}) {
      Duo duo(keys);
      Host& other = duo.world.add("str:bob");
      IpAddress beside = duo.b.address();
      ++beside.port;
      other.move(beside);
      other.knows(duo.a, keys == Keys::kKnown);
      ASSERT_TRUE(duo.connect());
      duo.simulation().set_blocked(duo.a.id(), duo.b.id(), outage > Duration::zero());
      other.send(duo.a.identity(), "hi");
      duo.world.run_for(outage);
      duo.simulation().set_blocked(duo.a.id(), duo.b.id(), false);
      duo.world.run_for(seconds(15));
      EXPECT_TRUE(duo.a.failures().empty()) << duo.a.failures()[0].info.end_debug;
      EXPECT_TRUE(duo.a.connected(duo.b));
      EXPECT_EQ(other.failures().size(), 1u);
    }
  }
}

// Two programs with one name and key, both of which would come back every time: the later one
// stays.
TEST(Restart, TheSameKeyInTwoPlacesIsSettledOnce) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    Duo duo(keys);
    HostConfig same = host_config();
    same.keys = duo.a.config().keys;
    Host& later = duo.world.add("str:alice", std::move(same));
    later.knows(duo.b, keys == Keys::kKnown);
    duo.a.checked = later.checked = duo.b.checked = false;
    constexpr int kFlags = kSendReliable | kSendAutoRestartBrokenSession;
    std::map<std::string, int> got;
    duo.b.on_message = [&](const InboxMessage& message) { ++got[message.text()]; };
    for (int i = 0; i < 600; ++i) {
      duo.a.send(duo.b.identity(), "earlier", kFlags);
      if (i >= 100) later.send(duo.b.identity(), "later", kFlags);
      duo.world.run_for(milliseconds(16));
    }
    EXPECT_EQ(got["later"], 500);
    EXPECT_GE(got["earlier"], 95);
    EXPECT_LE(got["earlier"], 102);
    EXPECT_TRUE(later.failures().empty());
    EXPECT_LE(duo.b.requests().size(), 2u);
    ASSERT_EQ(duo.a.failures().size(), 1u);
    const ConnectionInfo& info = duo.a.failures()[0].info;
    EXPECT_EQ(info.state, ConnectionState::kClosedByPeer);
    EXPECT_EQ(info.end_reason, kEndRemoteElsewhere);
    EXPECT_NE(info.end_debug.find("logged in elsewhere as str:alice"), std::string::npos)
        << info.end_debug;
    // Only a word of the application brings it back.
    duo.world.run_for(seconds(400));
    EXPECT_EQ(duo.a.send(duo.b.identity(), "earlier", kFlags), Result::kNoConnection);
    later.send(duo.b.identity(), "later", kFlags);
    duo.world.run_for(seconds(1));
    EXPECT_TRUE(duo.a.close_session(duo.b));
    EXPECT_EQ(duo.a.send(duo.b.identity(), "earlier again", kFlags), Result::kOk);
    duo.world.run_for(seconds(1));
    EXPECT_EQ(got["earlier again"], 1);
    EXPECT_EQ(later.failures().size(), 1u);
    EXPECT_EQ(duo.a.failures().size(), 1u);
  }
}

// A peer that was killed and started again with its key: whoever says something learns of it at
// once, and whoever is quiet at its next keep-alive.
TEST(Restart, IsToldByAReset) {
  for (const Keys keys : {Keys::kKnown, Keys::kUnknown}) {
    for (const bool opener : {true, false}) {
      for (const bool quiet : {true, false}) {
        Duo duo(keys);
        ASSERT_TRUE(duo.connect());
        duo.world.run_for(seconds(1));
        Host& restarted = opener ? duo.a : duo.b;
        Host& other = opener ? duo.b : duo.a;
        restarted.restart(true);
        const Instant at = duo.world.now();
        if (!quiet) other.say(restarted);
        duo.world.run_for(seconds(8));
        ASSERT_EQ(other.failures().size(), 1u);
        EXPECT_LE(other.failures()[0].at - at, quiet ? milliseconds(6500) : milliseconds(300));
        EXPECT_EQ(other.failures()[0].info.end_reason, kEndMiscPeerSentNoConnection);
        EXPECT_EQ(other.info(restarted).state, ConnectionState::kProblemDetectedLocally);
        EXPECT_TRUE(restarted.failures().empty());
        EXPECT_EQ(duo.world.finish(), "");
      }
    }
  }
}

// No oracle: only who has the token of an index is answered. And a recorded answer ends nothing
// later.
TEST(Restart, ResetsAreForThePeerAlone) {
  Duo duo;
  std::vector<std::uint8_t> data, ask, answer;
  duo.simulation().set_filter([&](const PacketView& packet) {
    auto* kept = packet.bytes[0] == 0xe7   ? &ask
                 : packet.bytes[0] == 0xe8 ? &answer
                 : packet.bytes[0] >= 0xe0 ? nullptr
                                           : &data;
    if (kept != nullptr) kept->assign(packet.bytes.begin(), packet.bytes.end());
    return Fate{};
  });
  ASSERT_TRUE(duo.connect());
  duo.b.restart(true);
  duo.a.say(duo.b);
  duo.world.run_for(seconds(1));
  ASSERT_FALSE(ask.empty());
  ASSERT_FALSE(answer.empty());
  EXPECT_LE(answer.size(), ask.size());
  const IpAddress stranger = duo.world.fresh_address();
  const auto answers_to = [&](std::vector<std::uint8_t> packet) {
    const std::uint64_t before = duo.simulation().packets_from(duo.b.id());
    duo.simulation().inject(stranger, duo.b.address(), packet);
    duo.world.run_for(milliseconds(100));
    return duo.simulation().packets_from(duo.b.id()) - before;
  };
  EXPECT_EQ(answers_to(data), 0u) << "a packet of a session that is forgotten";
  std::vector<std::uint8_t> other_index = ask;
  ++other_index[8];
  EXPECT_EQ(answers_to(other_index), 0u);
  std::vector<std::uint8_t> guessed = ask;
  ++guessed.back();
  EXPECT_EQ(answers_to(guessed), 0u);
  EXPECT_EQ(answers_to(ask), 1u) << "the question itself, recorded";
  // A new session; the old answer is nothing to it.
  duo.a.say(duo.b, 64, kSendReliable | kSendAutoRestartBrokenSession);
  ASSERT_TRUE(duo.world.run_until_complete(seconds(2)));
  duo.simulation().inject(duo.b.address(), duo.a.address(), answer);
  duo.world.run_for(milliseconds(100));
  EXPECT_TRUE(duo.a.connected(duo.b));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Restart, OfBothAtOnce) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.a.restart(true);
  duo.b.restart(true);
  duo.a.say(duo.b);
  duo.b.say(duo.a);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Restart, AgainAndAgain) {
  Duo duo;
  for (int i = 0; i < 10; ++i) {
    duo.a.say(duo.b, 64, kSendReliable | kSendAutoRestartBrokenSession);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(2))) << "round " << i;
    duo.world.run_for(milliseconds(300 * i));
    duo.a.restart(true);
  }
  EXPECT_EQ(duo.world.finish(), "");
}

}  // namespace
}  // namespace whimbrel::sim
