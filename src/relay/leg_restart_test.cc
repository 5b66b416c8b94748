// A relay that is started again under traffic, and what must not look like it: a leg hears nothing,
// and asks by an Open beside its Ping whether the relay still knows it.
#include <gtest/gtest.h>

#include <deque>

#include "relay/test_relay.h"

namespace whimbrel::relay {
namespace {

constexpr Duration kInterval = milliseconds(10);

// Two who talk over the relay; datagrams to it take a round trip.
class LegRestart : public TestRelay {
 protected:
  LegRestart() : alice(add("str:alice")), bob(add("str:bob")) {}

  void begin() {
    for (Client* client : {&alice, &bob}) {
      token = token_for(client->identity);
      client->leg.open(ticket_for(token), now);
      run_for(seconds(1));
      ASSERT_EQ(client->leg.state(), Leg::State::kOpen);
    }
    token = token_for(alice.identity);
    alice.leg.open(ticket_for(token), now);
    connect_both();
    talk(seconds(1));
    ASSERT_EQ(opens, 0u);
    ASSERT_EQ(alice.count<LegOpened>(), 1u);
    ASSERT_FALSE(opened_anew(alice));
  }
  void connect_both() {
    alice.leg.bind(bob.leg.make_grant(alice.identity, unix_now() + 600), now);
    bob.leg.bind(alice.leg.make_grant(bob.identity, unix_now() + 600), now);
    run_for(milliseconds(500));
    ASSERT_TRUE(alice.leg.bound(bob.leg.slot()) && bob.leg.bound(alice.leg.slot()));
    opens = 0;
  }
  void talk(Duration time, bool both = true) {
    for (const Instant end = now + time; now < end;) {
      send(alice, bob, "to bob");
      if (both) send(bob, alice, "to alice");
      run_for(kInterval);
    }
  }
  // How long it takes until she has another slot; nothing: not within a second.
  std::optional<Duration> time_to_open_again() {
    const Instant from = now;
    const std::size_t before = alice.count<LegOpened>();
    while (alice.count<LegOpened>() == before) {
      if (now - from > seconds(1)) return std::nullopt;
      talk(kInterval);
    }
    return now - from;
  }
  // Whether the last LegOpened says that the relay knew nothing of the slot before.
  static bool opened_anew(const Client& client) {
    bool found = false;
    for (const LegEvent& event : client.events) {
      if (const auto* one = std::get_if<LegOpened>(&event)) found = one->forgotten;
    }
    return found;
  }
  void receive(Bytes datagram) {
    std::vector<std::uint8_t> copy(datagram.begin(), datagram.end());
    EXPECT_FALSE(alice.leg.receive(copy, now).has_value());
  }

  void take_replies() override {
    std::array<std::uint8_t, kOpenSizeMax> reply_buffer;
    while (const auto reply = server->poll_transmit(reply_buffer)) {
      std::vector<std::uint8_t> one(reply_buffer.begin(),
                                    reply_buffer.begin() + static_cast<long>(reply->size));
      if (reply->to == alice.address && one[0] == static_cast<std::uint8_t>(Kind::kOpened))
        recorded.push_back(one);
      to_client(reply->to, one);
    }
  }
  void to_relay(const IpAddress& from, std::vector<std::uint8_t> datagram) override {
    if (from == alice.address) {
      if (const auto open = read_open(datagram)) {
        ++opens;
        nonce = open->nonce;
      }
    }
    under_way.push_back({now + round_trip, from, std::move(datagram)});
  }
  Instant relay_deadline() const override {
    const Instant next = TestRelay::relay_deadline();
    return under_way.empty() ? next : std::min(next, under_way.front().due);
  }
  void advance_relay() override {
    TestRelay::advance_relay();
    while (!under_way.empty() && under_way.front().due <= now) {
      UnderWay first = std::move(under_way.front());
      under_way.pop_front();
      TestRelay::to_relay(first.from, std::move(first.datagram));
    }
  }

  struct UnderWay {
    Instant due;
    IpAddress from;
    std::vector<std::uint8_t> datagram;
  };
  std::vector<std::vector<std::uint8_t>> recorded;
  Client& alice;
  Client& bob;
  Token token;  // of Alice's ticket
  Duration round_trip = milliseconds(30);
  std::deque<UnderWay> under_way;
  std::size_t opens = 0;  // of Alice, since both are connected
  Nonce nonce{};          // of the last one
};

TEST_F(LegRestart, IsNoticedAfterFiftyMillisecondsAndARoundTrip) {
  begin();
  restart();
  const auto time = time_to_open_again();
  ASSERT_TRUE(time);
  EXPECT_LE(to_milliseconds(*time), 30 + 50 + 30 + 20);
  EXPECT_EQ(opens, 1u);
  EXPECT_TRUE(opened_anew(alice));
  EXPECT_EQ(alice.count<LegLost>(), 0u) << "one slot takes the place of the other";
  EXPECT_FALSE(alice.leg.bound(bob.leg.slot()));
  run_for(milliseconds(200));
  ASSERT_TRUE(opened_anew(bob));
  connect_both();
  alice.got.clear();
  talk(milliseconds(500));
  EXPECT_GE(alice.got.size(), 40u);
}

TEST_F(LegRestart, IsNoticedSoonWhereCookiesAreAskedFor) {
  begin();
  config.always_cookie = true;
  restart();
  const auto time = time_to_open_again();
  ASSERT_TRUE(time);
  EXPECT_LE(to_milliseconds(*time), 30 + 50 + 30 + 30 + 20);
  EXPECT_EQ(opens, 2u);
}

TEST_F(LegRestart, IsNoticedByWhoOnlyAsks) {
  begin();
  run_for(seconds(20));
  restart();
  alice.leg.suspect(now);
  run_for(milliseconds(200));
  EXPECT_EQ(alice.count<LegOpened>(), 2u);
  EXPECT_TRUE(opened_anew(alice));
}

TEST_F(LegRestart, IsNoticedInARoundTripByWhoIsTold) {
  begin();
  run_for(seconds(20));
  restart();
  alice.leg.suspect(now, true);
  for (int i = 0; i < 10; ++i) {
    alice.leg.suspect(now, true);
    run_for(milliseconds(1));
  }
  EXPECT_EQ(opens, 1u) << "however often it is told";
  run_for(round_trip);
  EXPECT_TRUE(opened_anew(alice));
  EXPECT_EQ(alice.count<LegOpened>(), 2u);
}

// Whoever gets no answers sees a relay that answers its pings.
TEST_F(LegRestart, IsNotTakenForAPeerThatSaysNothing) {
  begin();
  run_for(seconds(20));
  talk(seconds(30), false);
  EXPECT_EQ(opens, 0u);
  EXPECT_EQ(alice.count<LegLost>(), 0u);
}

TEST_F(LegRestart, APeerThatFallsSilentCostsOneOpenInTenSeconds) {
  begin();
  for (int i = 0; i < 58; ++i) {
    talk(milliseconds(300));
    talk(milliseconds(200), false);
  }
  EXPECT_GE(opens, 2u);
  EXPECT_LE(opens, 3u);
  EXPECT_EQ(server->counters().reopened, opens);
  EXPECT_EQ(server->counters().opened, 2u) << "nobody got a second slot";
  EXPECT_EQ(alice.count<LegOpened>(), 1u);
  EXPECT_EQ(alice.count<LegLost>(), 0u);
}

TEST_F(LegRestart, ARelayThatIsOutOfReachForAMomentKeepsTheSlot) {
  begin();
  const SlotId slot = alice.leg.slot();
  relay_dead = true;
  talk(milliseconds(350));
  relay_dead = false;
  talk(seconds(5));
  EXPECT_GE(opens, 1u);
  EXPECT_LE(opens, 3u) << "they back off";
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_EQ(alice.count<LegOpened>(), 1u);
  EXPECT_EQ(alice.count<LegLost>(), 0u);
  EXPECT_EQ(server->counters().opened, 2u);
}

// The network becomes slow at once, and stays so.
TEST_F(LegRestart, ASlowNetworkCausesFewOpens) {
  begin();
  const SlotId slot = alice.leg.slot();
  round_trip = milliseconds(300);
  talk(seconds(20));
  EXPECT_LE(opens, 3u);
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_EQ(alice.count<LegOpened>(), 1u);
  EXPECT_EQ(server->counters().opened, 2u);
}

// An Open with another nonce than the slot's would get a second slot.
TEST_F(LegRestart, AfterAResumptionTheNonceIsTheSlotsAgain) {
  begin();
  const SlotId slot = alice.leg.slot();
  relay_dead = true;
  talk(seconds(2));
  ASSERT_EQ(alice.leg.state(), Leg::State::kOpening);
  token = token_for(alice.identity);
  alice.leg.open(ticket_for(token), now);
  relay_dead = false;
  talk(seconds(1));
  ASSERT_EQ(alice.count<LegResumed>(), 1u);
  const std::uint64_t slots = server->counters().opened;
  run_for(seconds(20));
  talk(seconds(1));
  opens = 0;
  relay_dead = true;
  talk(milliseconds(200));
  relay_dead = false;
  talk(seconds(1));
  EXPECT_GE(opens, 1u);
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_EQ(server->counters().opened, slots);
  EXPECT_EQ(alice.count<LegResumed>(), 1u);
}

// A newer token comes while the answer to an Open with the older one is lost: the restarted relay
// has a slot with keys of the older one.
TEST_F(LegRestart, ANewerTokenMeanwhileIsAnotherSlot) {
  begin();
  restart();
  drop_replies = true;
  talk(milliseconds(130));
  ASSERT_GE(opens, 1u);
  ASSERT_EQ(alice.leg.state(), Leg::State::kOpen);
  token = token_for(alice.identity);
  alice.leg.open(ticket_for(token), now);
  drop_replies = false;
  talk(seconds(2));
  ASSERT_EQ(alice.leg.state(), Leg::State::kOpen);
  ASSERT_EQ(bob.leg.state(), Leg::State::kOpen);
  connect_both();
}

// Without the newer token the relay would end the slot when its renewal time after the first one is
// over.
TEST_F(LegRestart, ANewerTokenWhileTheRelayIsOutOfReachKeepsTheSlot) {
  for (const Duration silence : {milliseconds(150), milliseconds(2000)}) {
    SCOPED_TRACE(to_milliseconds(silence));
    begin();
    const SlotId slot = alice.leg.slot();
    relay_dead = true;
    talk(silence);
    ASSERT_TRUE(opens > 0 || alice.leg.state() == Leg::State::kOpening);
    const std::size_t lost = alice.count<LegLost>();
    token = token_for(alice.identity, 2000);
    alice.leg.open(ticket_for(token), now);
    relay_dead = false;
    talk(seconds(1));
    EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
    run_for(seconds(600) + config.limits.renewal_time);
    EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
    EXPECT_EQ(alice.leg.slot(), slot);
    EXPECT_EQ(alice.count<LegOpened>(), 1u);
    EXPECT_EQ(alice.count<LegLost>(), lost);
    restart();
    alice.events.clear();
    alice.leg.close();
    bob.leg.close();
  }
}

TEST_F(LegRestart, ARelayThatHasNoPlaceIsLost) {
  begin();
  config.limits.slots_max = 0;
  restart();
  talk(milliseconds(150));
  ASSERT_EQ(alice.count<LegLost>(), 1u);
  const auto* lost = std::get_if<LegLost>(&alice.events.back());
  ASSERT_NE(lost, nullptr);
  EXPECT_EQ(lost->why, LegLost::Why::kRefused);
  EXPECT_EQ(lost->refusal, Refusal::kFull);
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpening);
  config.limits.slots_max = 10;
  restart();
  run_for(seconds(5));
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
}

// Who sees the Open knows its nonce, but not the secret of the token.
TEST_F(LegRestart, ForgedAnswersChangeNothing) {
  begin();
  const SlotId slot = alice.leg.slot();
  relay_dead = true;
  talk(milliseconds(100));
  ASSERT_EQ(opens, 1u);
  std::array<std::uint8_t, kOpenedSize> buffer;
  Opened other;
  other.nonce = nonce;
  other.slot = SlotId::of(7, 7);
  const MutableBytes opened = write_opened(buffer, other);
  write_mac(Secret(), Kind::kOpened, opened);
  receive(opened);
  const MutableBytes refused = write_refused(buffer, {Refusal::kFull, nonce});
  write_mac(Secret(), Kind::kRefused, refused);
  receive(refused);
  for (std::uint8_t i = 1; i <= 100; ++i) {
    RelayCookie cookie{};
    cookie.fill(i);
    std::array<std::uint8_t, kCookieReplySize> reply;
    write_cookie_reply(reply, {nonce, cookie});
    receive(reply);
    run();
  }
  EXPECT_EQ(opens, 3u) << "two more for a hundred cookies";
  relay_dead = false;
  talk(seconds(1));
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_EQ(alice.count<LegOpened>(), 1u);
  EXPECT_EQ(alice.count<LegLost>(), 0u);
}

// An answer of a former life of the relay may be played back.
TEST_F(LegRestart, AnAnswerThatNobodyWaitsForChangesNothing) {
  begin();
  talk(milliseconds(100), false);
  ASSERT_EQ(opens, 1u);
  talk(seconds(3));
  const SlotId slot = alice.leg.slot();
  std::array<std::uint8_t, kOpenedSize> buffer;
  Opened other;
  other.nonce = nonce;
  other.slot = SlotId::of(7, 7);
  const MutableBytes opened = write_opened(buffer, other);
  write_mac(token.secret, Kind::kOpened, opened);
  receive(opened);
  const MutableBytes refused = write_refused(buffer, {Refusal::kFull, nonce});
  write_mac(token.secret, Kind::kRefused, refused);
  receive(refused);
  talk(kInterval);
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_EQ(alice.count<LegOpened>(), 1u);
  EXPECT_EQ(alice.count<LegLost>(), 0u);
}

// What the relay said in its former life, to the same nonce, is played back while an Open is out.
TEST_F(LegRestart, AnAnswerOfAFormerLifePlayedBackEndsNothing) {
  begin();
  recorded.clear();
  talk(milliseconds(200), false);  // an Open with the slot's nonce, and its answer
  ASSERT_EQ(opens, 1u);
  ASSERT_EQ(recorded.size(), 1u);
  const std::vector<std::uint8_t> old = recorded.front();
  talk(seconds(1));
  restart();
  ASSERT_TRUE(time_to_open_again());
  run_for(milliseconds(300));
  connect_both();
  talk(seconds(10));
  const SlotId slot = alice.leg.slot();
  talk(milliseconds(300), false);  // Bob is quiet: an Open leaves
  alice.leg.suspect(now, true);
  run();
  ASSERT_GE(opens, 1u);
  receive(old);
  run_for(milliseconds(50));
  EXPECT_EQ(alice.count<LegOpened>(), 2u);
  run_for(milliseconds(500));
  alice.leg.bind(bob.leg.make_grant(alice.identity, unix_now() + 600), now);
  for (int i = 0; i < 121; ++i) talk(seconds(1));
  EXPECT_TRUE(alice.leg.bound(bob.leg.slot())) << "two minutes later";
  EXPECT_EQ(alice.leg.slot(), slot);
  EXPECT_EQ(alice.count<LegLost>(), 0u);
}

TEST_F(LegRestart, AFirstLegOverASlowNetworkSendsOneOpen) {
  round_trip = milliseconds(200);
  token = token_for(alice.identity);
  alice.leg.open(ticket_for(token), now);
  run_for(seconds(2));
  ASSERT_EQ(alice.leg.state(), Leg::State::kOpen);
  EXPECT_EQ(opens, 1u);
}

}  // namespace
}  // namespace whimbrel::relay
