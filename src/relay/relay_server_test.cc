#include "relay/relay_server.h"

#include "relay/test_relay.h"

namespace whimbrel::relay {
namespace {

using RelayTest = TestRelay;

TEST_F(RelayTest, OpensInOneRoundTripAndForwardsWhatWasGranted) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  EXPECT_EQ(server->slot_count(), 2u);
  EXPECT_EQ(alice.leg.observed(), alice.address);
  ASSERT_TRUE(connect(alice, bob));
  ASSERT_TRUE(send(alice, bob, "hello"));
  ASSERT_EQ(bob.got.size(), 1u);
  EXPECT_EQ(bob.got[0].first, alice.leg.slot());
  EXPECT_EQ(bob.got[0].second, "hello");
  EXPECT_EQ(server->counters().forwarded, 1u);
}

TEST_F(RelayTest, AGrantIsForOneDirection) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  EXPECT_FALSE(send(bob, alice, "nobody granted this"));
  EXPECT_TRUE(connect(bob, alice));
  EXPECT_TRUE(send(bob, alice, "now it is"));
  EXPECT_EQ(alice.got.size(), 1u);
}

TEST_F(RelayTest, EachGrantLeadsToItsOwner) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  Client& carol = opened("str:carol");
  ASSERT_TRUE(connect(alice, bob));
  ASSERT_TRUE(connect(alice, carol));
  ASSERT_TRUE(send(alice, bob, "to bob"));
  ASSERT_TRUE(send(alice, carol, "to carol"));
  ASSERT_EQ(bob.got.size(), 1u);
  EXPECT_EQ(bob.got[0].second, "to bob");
  ASSERT_EQ(carol.got.size(), 1u);
  EXPECT_EQ(carol.got[0].second, "to carol");
}

TEST_F(RelayTest, AGrantNamesOnePeer) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  Client& eve = opened("str:eve");
  eve.leg.bind(bob.leg.make_grant(alice.identity, unix_now() + 600), now);
  run();
  EXPECT_FALSE(eve.leg.bound(bob.leg.slot()));
  EXPECT_EQ(std::get<LegBound>(eve.events.back()).result, BindResult::kBadGrant);
  Grant forged = bob.leg.make_grant(eve.identity, unix_now() + 600);
  forged.mac[0] ^= 1;
  eve.leg.bind(forged, now);
  run();
  EXPECT_FALSE(eve.leg.bound(bob.leg.slot()));
}

TEST_F(RelayTest, AGrantExpires) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  EXPECT_FALSE(connect(alice, bob, -1));
  EXPECT_EQ(std::get<LegBound>(alice.events.back()).result, BindResult::kExpired);
}

TEST_F(RelayTest, RepeatedOpensMakeOneSlot) {
  Client& alice = add("str:alice");
  alice.leg.open(ticket_for(token_for(alice.identity)), now);
  std::array<std::uint8_t, kOpenSizeMax> buffer;
  const std::size_t size = alice.leg.poll_transmit(buffer, now);
  const std::vector<std::uint8_t> open(buffer.begin(), buffer.begin() + static_cast<long>(size));
  for (int i = 0; i < 3; ++i) to_relay(alice.address, open);
  EXPECT_EQ(server->slot_count(), 1u);
  EXPECT_EQ(alice.leg.state(), Leg::State::kOpen);
  // A copy from elsewhere gets no answer while the slot lives, and no slot.
  replies_bytes = 0;
  to_relay(IpAddress::v4(10, 66, 0, 1, 1), open);
  EXPECT_EQ(replies_bytes, 0u);
  EXPECT_EQ(server->slot_count(), 1u);
}

TEST_F(RelayTest, AnOpenThatNobodyConfirmsIsForgotten) {
  Client& alice = add("str:alice");
  alice.leg.open(ticket_for(token_for(alice.identity)), now);
  std::array<std::uint8_t, kOpenSizeMax> buffer;
  const std::size_t size = alice.leg.poll_transmit(buffer, now);
  // From an address where nobody is.
  to_relay(IpAddress::v4(10, 66, 0, 1, 1),
           {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  EXPECT_EQ(server->slot_count(), 1u);
  alice.leg.close();
  run_for(seconds(12));
  EXPECT_EQ(server->slot_count(), 0u);
}

TEST_F(RelayTest, NothingIsForwardedToASlotThatIsNotConfirmed) {
  Client& alice = opened("str:alice");
  // Bob's answer is on its way: the relay knows his slot, he has not shown that he does.
  Client& bob = add("str:bob");
  const Ticket ticket = ticket_for(token_for(bob.identity));
  bob.leg.open(ticket, now);
  std::array<std::uint8_t, kOpenSizeMax> buffer;
  const std::size_t size = bob.leg.poll_transmit(buffer, now);
  to_relay(bob.address, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  ASSERT_EQ(bob.leg.state(), Leg::State::kOpen);
  alice.leg.bind(bob.leg.make_grant(alice.identity, unix_now() + 60), now);
  alice.leg.advance(now);
  drain(alice);
  ASSERT_TRUE(send(alice, bob, "too early"));
  EXPECT_TRUE(bob.got.empty());
  run();
  ASSERT_TRUE(send(alice, bob, "now"));
  EXPECT_EQ(bob.got.size(), 1u);
}

TEST_F(RelayTest, RepliesToStrangersAreNoLargerThanWhatTheySent) {
  for (std::size_t size = 1; size <= 1300; size += 7) {
    for (int first = 0x80; first < 0xc0; ++first) {
      std::vector<std::uint8_t> junk(size);
      random.fill(junk);
      junk[0] = static_cast<std::uint8_t>(first);
      junk[size > 1 ? 1 : 0] = size > 1 ? kVersion : junk[0];
      replies_bytes = 0;
      to_relay(IpAddress::v4(10, 66, 0, 1, 1), junk);
      EXPECT_LE(replies_bytes, size);
    }
  }
  EXPECT_EQ(server->slot_count(), 0u);
}

// Prefetches look at bytes that nobody has checked yet, and at places that they name.
TEST_F(RelayTest, PrefetchesTakeAnyBytes) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  for (std::size_t size = 0; size <= 64; ++size) {
    for (int first = 0; first < 256; ++first) {
      std::vector<std::uint8_t> junk(size);
      random.fill(junk);
      if (size > 0) junk[0] = static_cast<std::uint8_t>(first);
      // A slot that there is, and any handle.
      if (size >= 8 && first % 2 == 0)
        ByteWriter(MutableBytes(junk).subspan(4)).u32(static_cast<std::uint32_t>(first % 4));
      server->prefetch_source(junk);
      server->prefetch_destination(junk);
    }
  }
  EXPECT_TRUE(send(alice, bob, "as before"));
  EXPECT_EQ(bob.got.size(), 1u);
}

TEST_F(RelayTest, ATokenOfAnotherSiteIsSilence) {
  Client& alice = add("str:alice");
  Secret other_master;
  other_master.bytes.fill(1);
  SiteKeys other(other_master);
  const Token token = token_for(alice.identity);
  const SealedToken sealed = other.seal(token, random, unix_now());
  alice.leg.open({relay_address, {sealed.begin(), sealed.end()}, token.secret}, now);
  run();
  EXPECT_EQ(delivered, 0u);
  EXPECT_EQ(server->counters().dropped_bad_token, 1u);
}

// Whoever saw a token pass by has no use for it.
TEST_F(RelayTest, ATokenWithoutItsSecretIsSilence) {
  Client& eve = add("str:alice");
  Ticket stolen = ticket_for(token_for(eve.identity));
  stolen.secret.bytes[0] ^= 1;
  eve.leg.open(stolen, now);
  run();
  EXPECT_EQ(delivered, 0u);
  EXPECT_EQ(server->counters().dropped_bad_mac, 1u);
}

TEST_F(RelayTest, AnExpiredTokenIsRefused) {
  Client& alice = add("str:alice");
  alice.leg.open(ticket_for(token_for(alice.identity, -1)), now);
  run();
  ASSERT_EQ(alice.count<LegLost>(), 1u);
  EXPECT_EQ(std::get<LegLost>(alice.events[0]).why, LegLost::Why::kNoToken);
  EXPECT_EQ(server->slot_count(), 0u);
}

TEST_F(RelayTest, PacketsAreNotForwardedTwice) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  ASSERT_TRUE(send(alice, bob, "once"));
  to_relay(alice.address, last);
  EXPECT_EQ(bob.got.size(), 1u);
  EXPECT_EQ(server->counters().dropped_replayed, 1u);
}

TEST_F(RelayTest, AnyChangedBitOfAHeaderIsSeen) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  std::array<std::uint8_t, 1500> buffer;
  const std::size_t size =
      alice.leg.wrap(bob.leg.slot(), as_bytes("0123456789abcdef"), buffer, now);
  const std::uint64_t before = server->counters().forwarded;
  for (std::size_t bit = 0; bit < size * 8; ++bit) {
    std::vector<std::uint8_t> changed(buffer.begin(), buffer.begin() + static_cast<long>(size));
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1 << bit % 8);
    to_relay(alice.address, changed);
  }
  EXPECT_EQ(server->counters().forwarded, before);
  EXPECT_TRUE(bob.got.empty());
}

TEST_F(RelayTest, ANewAddressIsBelievedOnlyAfterItsAnswer) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  ASSERT_TRUE(connect(bob, alice));
  // A packet of bob's that was caught and comes from elsewhere first: forwarded, and nothing else
  // changes.
  std::array<std::uint8_t, 1500> buffer;
  const std::size_t size = bob.leg.wrap(alice.leg.slot(), as_bytes("caught"), buffer, now);
  to_relay(IpAddress::v4(10, 66, 0, 1, 1),
           {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  EXPECT_EQ(alice.got.size(), 1u);
  ASSERT_TRUE(send(alice, bob, "to where he was"));
  EXPECT_EQ(bob.got.size(), 1u);
  // He really moves.
  bob.address = IpAddress::v4(10, 0, 7, 7, 4001);
  now += seconds(3);
  ASSERT_TRUE(send(bob, alice, "he has moved"));
  run();
  ASSERT_TRUE(send(alice, bob, "to where he is"));
  EXPECT_EQ(bob.got.size(), 2u);
}

// The relay and Bob by hand, who sends from another address than before.
class AClientThatMoves : public TestRelay {
 protected:
  using Datagram = std::vector<std::uint8_t>;

  AClientThatMoves() : alice(opened("str:alice")), bob(opened("str:bob")), before(bob.address) {
    EXPECT_TRUE(connect(alice, bob) && connect(bob, alice));
  }
  Datagram packet(Client& from, Client& to) {
    Datagram datagram(kHeaderSize + 100);
    const Datagram payload(100);
    EXPECT_EQ(from.leg.wrap(to.leg.slot(), payload, datagram, now), datagram.size());
    return datagram;
  }
  // Where the relay sends what is for Bob.
  std::optional<IpAddress> goes_to() {
    Datagram datagram = packet(alice, bob);
    return server->receive(alice.address, datagram, now);
  }
  // A packet of Bob's comes from there: what the relay says to that.
  Datagram comes_from(const IpAddress& address) {
    Datagram datagram = packet(bob, alice);
    EXPECT_EQ(server->receive(address, datagram, now), alice.address) << "it is good all the same";
    Datagram said(kOpenSizeMax);
    const auto reply = server->poll_transmit(said);
    if (!reply) return {};
    EXPECT_EQ(reply->to, address);
    EXPECT_LE(reply->size, datagram.size());
    EXPECT_FALSE(server->poll_transmit(buffer)) << "nothing else is said";
    said.resize(reply->size);
    return said;
  }
  Datagram answer_to(Datagram challenge) {
    EXPECT_EQ(read_leg_header(challenge).value_or(LegHeader()).detail,
              static_cast<std::uint8_t>(Tell::kPathChallenge));
    EXPECT_FALSE(bob.leg.receive(challenge, now));
    Datagram answer(kOpenSizeMax);
    answer.resize(bob.leg.poll_transmit(answer, now));
    return answer;
  }
  void answer_from(const IpAddress& address, Datagram answer) {
    EXPECT_FALSE(server->receive(address, answer, now));
    while (server->poll_transmit(buffer)) {
    }
  }

  Client& alice;
  Client& bob;
  const IpAddress before;
  const IpAddress moved = IpAddress::v4(10, 0, 7, 7, 4001);
  const IpAddress elsewhere = IpAddress::v4(10, 66, 0, 1, 1);
  std::array<std::uint8_t, kOpenSizeMax> buffer{};
};

TEST_F(AClientThatMoves, IsChallengedAndOnlyThenFollowed) {
  EXPECT_TRUE(comes_from(before).empty()) << "it has not moved";
  const Datagram challenge = comes_from(moved);
  ASSERT_FALSE(challenge.empty());
  EXPECT_EQ(goes_to(), before);
  answer_from(moved, answer_to(challenge));
  EXPECT_EQ(goes_to(), moved);
  EXPECT_TRUE(comes_from(moved).empty()) << "it is known there";
}

TEST_F(AClientThatMoves, IsNotFollowedToWhereItsAnswerComesFromByChance) {
  const Datagram challenge = comes_from(moved);
  ASSERT_FALSE(challenge.empty());
  answer_from(elsewhere, answer_to(challenge));
  EXPECT_EQ(goes_to(), before);
}

TEST_F(AClientThatMoves, IsNotFollowedForTheAnswerToAnEarlierChallenge) {
  const Datagram first = comes_from(moved);
  ASSERT_FALSE(first.empty());
  const Datagram late = answer_to(first);
  now += seconds(3);
  const Datagram second = comes_from(moved);
  ASSERT_FALSE(second.empty());
  answer_from(moved, late);
  EXPECT_EQ(goes_to(), before);
  answer_from(moved, answer_to(second));
  EXPECT_EQ(goes_to(), moved);
}

TEST_F(RelayTest, RaisingTheEpochEndsGrantsAndBindings) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  bob.leg.revoke_grants();
  run();
  send(alice, bob, "revoked");
  run();
  EXPECT_TRUE(bob.got.empty());
  EXPECT_EQ(alice.count<LegPeerGone>(), 1u);
  EXPECT_TRUE(connect(alice, bob)) << "a new grant works";
}

TEST_F(RelayTest, WhoIsGoneIsToldToWhoSends) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  const SlotId old = bob.leg.slot();
  bob.leg.close();
  run();
  EXPECT_EQ(server->slot_count(), 1u);
  std::array<std::uint8_t, 1500> buffer;
  const std::size_t size = alice.leg.wrap(old, as_bytes("anybody?"), buffer, now);
  to_relay(alice.address, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  run();
  EXPECT_EQ(alice.count<LegPeerGone>(), 1u);
  EXPECT_FALSE(alice.leg.bound(old));
}

TEST_F(RelayTest, APlaceThatIsGivenAwayAgainIsAnotherSlot) {
  config.limits.slots_max = 2;
  restart();
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  const SlotId old = bob.leg.slot();
  bob.leg.close();
  run();
  Client& carol = opened("str:carol");
  EXPECT_EQ(carol.leg.slot().index(), old.index());
  EXPECT_NE(carol.leg.slot(), old);
  std::array<std::uint8_t, 1500> buffer;
  const std::size_t size = alice.leg.wrap(old, as_bytes("for bob"), buffer, now);
  to_relay(alice.address, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  EXPECT_TRUE(carol.got.empty());
}

// Who still holds a grant for a slot of an earlier life must not find another client behind it.
TEST_F(RelayTest, ANewLifeGivesOutOtherSlots) {
  const SlotId before = opened("str:alice").leg.slot();
  restart();
  const SlotId after = opened("str:bob").leg.slot();
  EXPECT_EQ(before.index(), after.index());
  EXPECT_NE(before, after);
}

}  // namespace
}  // namespace whimbrel::relay
