// A relay of several shards, in one thread: what they have for one another is carried by hand.
#include <deque>

#include "relay/test_relay.h"

namespace whimbrel::relay {
namespace {

class RelayShards : public TestRelay {
 protected:
  static constexpr std::uint32_t kShards = 3;

  // Everything that shard `from` has for others.
  struct Outlet : HandoverOutlet {
    struct Item {
      std::uint32_t shard;
      Handover handover;
      std::vector<std::uint8_t> bytes;
    };
    bool hand_over(std::uint32_t shard, const Handover& handover, Bytes bytes) override {
      if (items.size() >= room) return false;
      items.push_back({shard, handover, {bytes.begin(), bytes.end()}});
      return true;
    }
    std::deque<Item> items;
    std::size_t room = 1000;
  };

  RelayShards() { start({}); }
  void start(const RelayLimits& limits) {
    shards.clear();
    for (std::uint32_t i = 0; i < kShards; ++i) {
      RelayConfig shard = config;
      shard.shard = i;
      shard.shards = kShards;
      shard.limits = limits.share_of(i, kShards);
      shards.push_back(std::make_unique<RelayServer>(shard, keys, random, now, clock, &outlets[i]));
    }
  }

  void to_relay(const IpAddress& from, std::vector<std::uint8_t> datagram) override {
    const std::uint32_t shard = shard_of(datagram, kShards);
    to_shard(shard, from, std::move(datagram));
  }
  void to_shard(std::uint32_t shard, const IpAddress& from, std::vector<std::uint8_t> datagram) {
    if (const auto to = shards[shard]->receive(from, datagram, now)) to_client(*to, datagram);
    take_replies();
  }
  void take_replies() override {
    if (carry) carry_handovers();
    for (auto& shard : shards) take_replies_of(*shard);
  }
  void carry_handovers() {
    for (bool any = true; any;) {
      any = false;
      for (Outlet& outlet : outlets) {
        if (outlet.items.empty()) continue;
        any = true;
        Outlet::Item item = std::move(outlet.items.front());
        outlet.items.pop_front();
        if (const auto to = shards[item.shard]->take(item.handover, item.bytes, now)) {
          to_client(*to, item.bytes);
        }
      }
    }
  }
  Instant relay_deadline() const override {
    Instant next = kNever;
    for (const auto& shard : shards) next = std::min(next, shard->next_deadline());
    return next;
  }
  void advance_relay() override {
    for (auto& shard : shards) shard->advance(now);
  }
  std::uint32_t shard_of_client(const Client& client) const {
    return relay::shard_of(client.leg.slot(), kShards);
  }
  // A client of this shard; those that got another one stay, and do nothing.
  Client& opened_on(std::uint32_t shard, const std::string& name) {
    for (int i = 0;; ++i) {
      now += milliseconds(50);
      Client& client = opened(name + std::to_string(i));
      if (shard_of_client(client) == shard) return client;
    }
  }
  RelayCounters counters() const {
    RelayCounters sum;
    for (const auto& shard : shards) sum += shard->counters();
    return sum;
  }

  std::array<Outlet, kShards> outlets;
  std::vector<std::unique_ptr<RelayServer>> shards;
  bool carry = true;
};

TEST_F(RelayShards, SlotsAreOfTheShardThatTheirNonceNamed) {
  for (std::uint32_t shard = 0; shard < kShards; ++shard) opened_on(shard, "str:c");
  std::size_t slots = 0;
  for (const auto& shard : shards) slots += shard->slot_count();
  EXPECT_EQ(slots, clients.size());
  EXPECT_EQ(counters().opened, clients.size());
  EXPECT_EQ(counters().misdirected, 0u);
}

TEST_F(RelayShards, ForwardsBetweenAnyTwo) {
  std::vector<Client*> all;
  for (std::uint32_t shard = 0; shard < kShards; ++shard) {
    all.push_back(&opened_on(shard, "str:first"));
    all.push_back(&opened_on(shard, "str:second"));
  }
  std::size_t pairs = 0;
  for (Client* from : all) {
    for (Client* to : all) {
      if (from == to) continue;
      now += milliseconds(10);
      ASSERT_TRUE(connect(*from, *to)) << shard_of_client(*from) << " to " << shard_of_client(*to);
      const std::string text = "for " + std::to_string(++pairs);
      ASSERT_TRUE(send(*from, *to, text));
      ASSERT_FALSE(to->got.empty());
      EXPECT_EQ(to->got.back(), std::pair(from->leg.slot(), text));
    }
  }
  EXPECT_EQ(counters().forwarded, pairs);
  EXPECT_EQ(counters().dropped_handover, 0u);
}

TEST_F(RelayShards, AGrantIsCheckedWhereItsOwnerIs) {
  Client& alice = opened_on(0, "str:alice");
  Client& bob = opened_on(1, "str:bob");
  Client& eve = opened_on(2, "str:eve");
  const auto refused = [&](Client& client, const Grant& grant) {
    client.leg.bind(grant, now);
    run();
    EXPECT_FALSE(client.leg.bound(grant.slot));
    return std::get<LegBound>(client.events.back()).result;
  };
  EXPECT_EQ(refused(eve, bob.leg.make_grant(alice.identity, unix_now() + 60)),
            BindResult::kBadGrant);
  Grant forged = bob.leg.make_grant(eve.identity, unix_now() + 60);
  forged.mac[0] ^= 1;
  EXPECT_EQ(refused(eve, forged), BindResult::kBadGrant);
  EXPECT_EQ(refused(alice, bob.leg.make_grant(alice.identity, unix_now() - 1)),
            BindResult::kExpired);
  Grant nowhere = bob.leg.make_grant(eve.identity, unix_now() + 60);
  nowhere.slot = SlotId{nowhere.slot.value + 300 * kShards};
  EXPECT_EQ(refused(eve, nowhere), BindResult::kNoSlot);
  EXPECT_TRUE(connect(alice, bob));
}

TEST_F(RelayShards, RaisingTheEpochEndsBindingsElsewhere) {
  Client& alice = opened_on(0, "str:alice");
  Client& bob = opened_on(1, "str:bob");
  ASSERT_TRUE(connect(alice, bob));
  bob.leg.revoke_grants();
  run();
  for (int i = 0; i < 3; ++i) send(alice, bob, "revoked");
  run();
  EXPECT_TRUE(bob.got.empty());
  EXPECT_EQ(alice.count<LegPeerGone>(), 1u);
  EXPECT_TRUE(connect(alice, bob)) << "a new grant works";
  EXPECT_TRUE(send(alice, bob, "again"));
  EXPECT_EQ(bob.got.size(), 1u);
}

TEST_F(RelayShards, WhoIsGoneIsToldOnceAcrossShards) {
  Client& alice = opened_on(2, "str:alice");
  Client& bob = opened_on(0, "str:bob");
  ASSERT_TRUE(connect(alice, bob));
  const SlotId old = bob.leg.slot();
  bob.leg.close();
  run();
  // Several are on their way before the first answer.
  carry = false;
  std::array<std::uint8_t, 1500> buffer;
  for (int i = 0; i < 3; ++i) {
    const std::size_t size = alice.leg.wrap(old, as_bytes("anybody?"), buffer, now);
    to_relay(alice.address, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  }
  replies_bytes = 0;
  carry = true;
  take_replies();
  run();
  EXPECT_EQ(counters().dropped_gone, 3u);
  EXPECT_EQ(alice.count<LegPeerGone>(), 1u);
  EXPECT_EQ(replies_bytes, kHeaderSize + 4);
  EXPECT_FALSE(alice.leg.bound(old));
}

// An answer that comes late must not end what the handle leads to by then.
TEST_F(RelayShards, ALateGoneIsNotForTheNextBinding) {
  Client& alice = opened_on(0, "str:alice");
  Client& bob = opened_on(1, "str:bob");
  Client& carol = opened_on(1, "str:carol");
  ASSERT_TRUE(connect(alice, bob));
  ASSERT_TRUE(send(alice, bob, "x"));
  Handover gone;
  gone.kind = Handover::Kind::kGone;
  gone.source = alice.leg.slot();
  gone.destination = carol.leg.slot();
  shards[0]->take(gone, {}, now);
  gone.destination = bob.leg.slot();
  gone.epoch = 77;
  shards[0]->take(gone, {}, now);
  gone.source = SlotId{gone.source.value + 300 * kShards};
  shards[0]->take(gone, {}, now);
  run();
  EXPECT_EQ(alice.count<LegPeerGone>(), 0u);
  EXPECT_TRUE(send(alice, bob, "y"));
  EXPECT_EQ(bob.got.size(), 2u);
}

TEST_F(RelayShards, AFullWayLosesPacketsAndIsCounted) {
  Client& alice = opened_on(0, "str:alice");
  Client& bob = opened_on(1, "str:bob");
  ASSERT_TRUE(connect(alice, bob));
  outlets[0].room = 2;
  carry = false;
  for (int i = 0; i < 5; ++i) send(alice, bob, "x");
  EXPECT_EQ(counters().dropped_handover, 3u);
  carry = true;
  take_replies();
  EXPECT_EQ(bob.got.size(), 2u);
}

TEST_F(RelayShards, WhatCameToTheWrongShardIsHandedOn) {
  Client& alice = opened_on(0, "str:alice");
  Client& bob = opened_on(1, "str:bob");
  ASSERT_TRUE(connect(alice, bob));
  std::array<std::uint8_t, 1500> buffer;
  const std::size_t size = alice.leg.wrap(bob.leg.slot(), as_bytes("astray"), buffer, now);
  to_shard(2, alice.address, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  ASSERT_EQ(bob.got.size(), 1u);
  EXPECT_EQ(bob.got[0].second, "astray");
  EXPECT_EQ(shards[2]->counters().misdirected, 1u);
  // An Open too: repeated to another shard, it makes no second slot.
  Client& carol = add("str:carol");
  carol.leg.open(ticket_for(token_for(carol.identity)), now);
  const std::size_t open = carol.leg.poll_transmit(buffer, now);
  const std::size_t before = counters().opened;
  for (std::uint32_t shard = 0; shard < kShards; ++shard) {
    to_shard(shard, carol.address, {buffer.begin(), buffer.begin() + static_cast<long>(open)});
  }
  EXPECT_EQ(counters().opened, before + 1);
}

TEST_F(RelayShards, AClientThatMovesStaysWithItsShard) {
  Client& alice = opened_on(0, "str:alice");
  Client& bob = opened_on(1, "str:bob");
  ASSERT_TRUE(connect(alice, bob));
  ASSERT_TRUE(connect(bob, alice));
  now += seconds(3);
  bob.address = IpAddress::v4(10, 0, 7, 7, 4001);
  ASSERT_TRUE(send(bob, alice, "he has moved"));
  run();
  ASSERT_TRUE(send(alice, bob, "to where he is"));
  EXPECT_EQ(bob.got.size(), 1u);
}

TEST_F(RelayShards, LimitsAreDivided) {
  RelayLimits limits;
  limits.slots_max = 7;
  limits.opens_per_prefix_per_second_max = 1000;
  start(limits);
  std::size_t places = 0;
  for (std::uint32_t i = 0; i < kShards; ++i) {
    places += limits.share_of(i, kShards).slots_max;
  }
  EXPECT_EQ(places, 7u);
  EXPECT_EQ(limits.share_of(0, kShards).opens_per_second_max, 1667u);
  EXPECT_EQ(limits.share_of(0, kShards).slots_per_identity_max, limits.slots_per_identity_max);
  for (int i = 0; i < 60; ++i) {
    Client& client = add("str:c" + std::to_string(i));
    client.leg.open(ticket_for(token_for(client.identity)), now);
  }
  run();
  std::size_t slots = 0;
  for (const auto& shard : shards) slots += shard->slot_count();
  EXPECT_EQ(slots, 7u) << "a full shard refuses, and no slot's index is another's";
  EXPECT_GT(counters().refused_full, 0u);
}

TEST_F(RelayShards, TheLargestTableIsDividedToo) {
  RelayLimits limits;
  limits.slots_max = std::size_t{1} << SlotId::kIndexBits;
  for (std::uint32_t i = 0; i < kShards; ++i) {
    const std::size_t places = limits.share_of(i, kShards).slots_max;
    EXPECT_LT((places - 1) * kShards + i, limits.slots_max);
  }
  start(limits);  // checks it as well
}

TEST_F(RelayShards, DrainingIsToldByAll) {
  for (std::uint32_t shard = 0; shard < kShards; ++shard) opened_on(shard, "str:c");
  for (auto& shard : shards) shard->drain(seconds(5), now);
  run_for(seconds(1));
  for (auto& client : clients) EXPECT_EQ(client->count<LegDraining>(), 1u);
}

TEST_F(RelayShards, AnyBytesFromAnywhere) {
  for (std::size_t size = 1; size < 700; size += 3) {
    std::vector<std::uint8_t> junk(size);
    random.fill(junk);
    junk[0] = static_cast<std::uint8_t>(0x80 | (junk[0] & 0x3f));
    for (std::uint32_t shard = 0; shard < kShards; ++shard) {
      to_shard(shard, IpAddress::v4(10, 66, 0, 1, 1), junk);
    }
  }
  EXPECT_EQ(counters().opened, 0u);
  EXPECT_EQ(delivered, 0u);
}

}  // namespace
}  // namespace whimbrel::relay
