#include "relay/test_relay.h"

namespace whimbrel::relay {
namespace {

using RelayLimitsTest = TestRelay;

TEST_F(RelayLimitsTest, SlotsOfOneIdentity) {
  for (int i = 0; i < 8; ++i) opened("str:alice");
  Client& ninth = add("str:alice");
  ninth.leg.open(ticket_for(token_for(ninth.identity)), now);
  run();
  EXPECT_EQ(ninth.leg.state(), Leg::State::kOpening);
  ASSERT_EQ(ninth.count<LegLost>(), 1u);
  EXPECT_EQ(std::get<LegLost>(ninth.events[0]).refusal, Refusal::kIdentityLimit);
  // It goes on trying, and gets in when one of them leaves.
  clients[0]->leg.close();
  run_for(seconds(5));
  EXPECT_EQ(ninth.leg.state(), Leg::State::kOpen);
}

TEST_F(RelayLimitsTest, Slots) {
  config.limits.slots_max = 3;
  restart();
  for (const char* name : {"str:a", "str:b", "str:c"}) opened(name);
  Client& late = add("str:d");
  late.leg.open(ticket_for(token_for(late.identity)), now);
  run();
  EXPECT_EQ(std::get<LegLost>(late.events.at(0)).refusal, Refusal::kFull);
  EXPECT_EQ(server->slot_count(), 3u);
}

TEST_F(RelayLimitsTest, ChangeWhileItServes) {
  config.limits.slots_max = 3;
  restart();
  for (const char* name : {"str:a", "str:b", "str:c"}) opened(name);
  RelayLimits limits = config.limits;
  limits.slots_max = 2;
  server->set_limits(limits, now);
  EXPECT_EQ(server->slot_count(), 3u) << "who is there stays";
  clients[0]->leg.close();
  run();
  Client& late = add("str:d");
  late.leg.open(ticket_for(token_for(late.identity)), now);
  run();
  EXPECT_EQ(std::get<LegLost>(late.events.at(0)).refusal, Refusal::kFull);
  EXPECT_EQ(server->slot_count(), 2u);
  limits.slots_max = 50;
  limits.packets_per_second = 1000;
  server->set_limits(limits, now);
  run_for(seconds(5));
  EXPECT_EQ(late.leg.state(), Leg::State::kOpen);
  for (int i = 0; i < 40; ++i) opened("str:e" + std::to_string(i));
  Client& slow = opened("str:slow");
  ASSERT_TRUE(connect(slow, *clients[1]));
  const std::size_t before = clients[1]->got.size();
  now += seconds(1);
  for (int i = 0; i < 1000; ++i) send(slow, *clients[1], "x");
  EXPECT_EQ(clients[1]->got.size() - before, 250u) << "the rate of a slot that is opened now";
}

TEST_F(RelayLimitsTest, SilenceOfAClient) {
  opened("str:alice");
  const Instant end = now + config.limits.idle_time;
  const auto advance_until = [this](Instant until) {
    for (; now < until; now += milliseconds(100)) server->advance(now);
  };
  advance_until(end - seconds(1));
  EXPECT_EQ(server->slot_count(), 1u);
  advance_until(end + seconds(10));
  EXPECT_EQ(server->slot_count(), 0u);
}

TEST_F(RelayLimitsTest, RateOfASlot) {
  config.limits.packets_per_second = 1000;
  restart();
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  ASSERT_TRUE(connect(alice, bob));
  now += seconds(1);
  for (int i = 0; i < 1000; ++i) send(alice, bob, "x");
  EXPECT_EQ(bob.got.size(), 250u) << "a quarter of a second's at once";
  EXPECT_EQ(server->counters().dropped_rate, 750u);
  now += milliseconds(100);
  for (int i = 0; i < 1000; ++i) send(alice, bob, "x");
  EXPECT_EQ(bob.got.size(), 350u);
}

TEST_F(RelayLimitsTest, RateThatATokenGives) {
  Client& alice = add("str:alice");
  Client& bob = opened("str:bob");
  Token token = token_for(alice.identity);
  token.bytes_per_second = 400'000;
  alice.leg.open(ticket_for(token), now);
  run();
  ASSERT_TRUE(connect(alice, bob));
  now += seconds(1);
  for (int i = 0; i < 1000; ++i) send(alice, bob, std::string(980, 'x'));
  EXPECT_EQ(bob.got.size(), 100u);
}

TEST_F(RelayLimitsTest, OpensOfOnePrefix) {
  config.limits.opens_per_prefix_per_second_max = 5;
  config.always_cookie = true;  // without one the address may be anybody's, and counts for nothing
  restart();
  for (int i = 0; i < 20; ++i) {
    Client& client = add("str:c" + std::to_string(i));
    client.leg.open(ticket_for(token_for(client.identity)), now);
  }
  run();
  EXPECT_EQ(server->slot_count(), 5u);
  EXPECT_GE(server->counters().dropped_open_rate, 15u);
  Client& elsewhere = add("str:elsewhere");
  elsewhere.address = IpAddress::v4(10, 200, 0, 1, 4000);
  elsewhere.leg.open(ticket_for(token_for(elsewhere.identity)), now);
  run();
  EXPECT_EQ(elsewhere.leg.state(), Leg::State::kOpen) << "others are not harmed";
}

TEST_F(RelayLimitsTest, ManyOpensNeedACookie) {
  config.limits.opens_without_cookie_per_second = 2;
  restart();
  for (int i = 0; i < 5; ++i) opened("str:c" + std::to_string(i));
  EXPECT_EQ(server->counters().cookies, 3u);
  EXPECT_EQ(server->slot_count(), 5u);
}

TEST_F(RelayLimitsTest, ACookieIsOfOneAddress) {
  config.always_cookie = true;
  restart();
  Client& alice = add("str:alice");
  alice.leg.open(ticket_for(token_for(alice.identity)), now);
  std::array<std::uint8_t, kOpenSizeMax> buffer;
  std::size_t size = alice.leg.poll_transmit(buffer, now);
  to_relay(alice.address, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  size = alice.leg.poll_transmit(buffer, now);  // with the cookie
  ASSERT_GT(size, 0u);
  to_relay(IpAddress::v4(10, 66, 0, 1, 1),
           {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  EXPECT_EQ(server->slot_count(), 0u);
  to_relay(alice.address, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
  EXPECT_EQ(server->slot_count(), 1u);
}

TEST_F(RelayLimitsTest, BindingsOfASlot) {
  Client& alice = opened("str:alice");
  config.limits.slots_per_identity_max = 1000;
  for (std::size_t i = 0; i < Slot::kBindingsMax; ++i) {
    now += milliseconds(20);
    Client& peer = opened("str:p" + std::to_string(i));
    ASSERT_TRUE(connect(alice, peer)) << i;
  }
  now += milliseconds(20);
  Client& one_too_many = opened("str:late");
  EXPECT_FALSE(connect(alice, one_too_many));
  EXPECT_EQ(std::get<LegBound>(alice.events.back()).result, BindResult::kFull);
  alice.leg.unbind(clients[5]->leg.slot());
  EXPECT_TRUE(connect(alice, one_too_many));
  EXPECT_TRUE(send(alice, one_too_many, "there is room again"));
  EXPECT_EQ(one_too_many.got.size(), 1u);
}

// One who keeps to no limit of a leg.
class ClientByHand : public TestRelay {
 protected:
  struct Own {
    IpAddress address;
    IdentityHash identity{};
    LegKeys keys;
    SlotId slot;
    std::uint32_t sequence = 0;
  };
  struct Bound {
    SlotId slot;
    std::uint16_t handle = 0;
    BindResult result{};
  };
  using Datagram = std::vector<std::uint8_t>;

  ClientByHand() {
    config.limits.opens_without_cookie_per_second = 10'000;
    restart();
  }
  Datagram reply() {
    Datagram out(kOpenSizeMax);
    const auto said = server->poll_transmit(out);
    out.resize(said ? said->size : 0);
    return out;
  }
  Own open(int number) {
    Own own;
    const auto low = static_cast<std::uint8_t>(number);
    own.address = IpAddress::v4(10, 1, static_cast<std::uint8_t>(number >> 8), low, 4000);
    own.identity = identity_hash(7, "str:u" + std::to_string(number));
    const Ticket ticket = ticket_for(token_for(own.identity));
    Nonce nonce;
    random.fill(nonce);
    Datagram buffer(kOpenSizeMax);
    const MutableBytes packet = write_open(buffer, nonce, {}, ticket.token);
    write_mac(ticket.secret, Kind::kOpen, packet);
    server->receive(own.address, packet, now);
    const auto opened = read_opened(reply());
    EXPECT_TRUE(opened) << number;
    if (!opened) return own;
    own.slot = opened->slot;
    own.keys = leg_keys(ticket.secret, nonce, opened->relay_nonce);
    return own;
  }
  Datagram packet_of(Own& from, LegHeader header, Bytes body) {
    header.slot = from.slot;
    header.sequence = ++from.sequence;
    Datagram packet(kHeaderSize);
    write_leg_header(packet.data(), header);
    packet.insert(packet.end(), body.begin(), body.end());
    write_leg_tag(from.keys.up, packet);
    return packet;
  }
  void ask(Own& from, Ask what, Bytes body) {
    LegHeader header;
    header.kind = Kind::kAsk;
    header.detail = static_cast<std::uint8_t>(what);
    Datagram packet = packet_of(from, header, body);
    server->receive(from.address, packet, now);
  }
  // `to` has granted it.
  Bound bind(Own& from, const Own& to) {
    Grant grant;
    grant.relay_id = config.relay_id;
    grant.slot = to.slot;
    grant.peer = from.identity;
    grant.not_after = static_cast<std::uint32_t>(unix_now() + 600);
    sign_grant(grant, to.keys.grant);
    std::array<std::uint8_t, kGrantSize> body;
    ByteWriter out(body);
    write_grant(out, grant);
    ask(from, Ask::kBind, body);
    const Datagram answer = reply();
    if (answer.size() != kHeaderSize + 7) return {};
    ByteReader in(Bytes(answer).subspan(kHeaderSize));
    Bound bound;
    bound.slot = SlotId{in.u32()};
    bound.handle = in.u16();
    bound.result = static_cast<BindResult>(in.u8());
    return bound;
  }
  // Where a packet with this handle goes.
  std::optional<IpAddress> send_by(Own& from, std::uint16_t handle) {
    LegHeader header;
    header.kind = Kind::kSend;
    header.handle = handle;
    Datagram packet = packet_of(from, header, as_bytes("0123456789abcdef"));
    return server->receive(from.address, packet, now);
  }
};

TEST_F(ClientByHand, HasSoManyBindings) {
  Own alice = open(0);
  std::vector<Own> peers;
  for (std::size_t i = 0; i <= Slot::kBindingsMax; ++i) {
    Own& peer = peers.emplace_back(open(static_cast<int>(i) + 1));
    ask(peer, Ask::kNewEpoch, std::array<std::uint8_t, 1>{0});  // confirms its slot
  }
  for (std::size_t i = 0; i < Slot::kBindingsMax; ++i) {
    const Bound bound = bind(alice, peers[i]);
    ASSERT_EQ(bound.result, BindResult::kBound) << i;
    ASSERT_EQ(bound.handle, i);
  }
  const Bound refused = bind(alice, peers.back());
  EXPECT_EQ(refused.slot, peers.back().slot);
  EXPECT_EQ(refused.result, BindResult::kFull);
  EXPECT_EQ(server->counters().bind_refused, 1u);
  EXPECT_EQ(server->counters().bound, Slot::kBindingsMax);
  // What there is serves on, and may be asked for again.
  EXPECT_EQ(send_by(alice, Slot::kBindingsMax - 1), peers[Slot::kBindingsMax - 1].address);
  EXPECT_EQ(send_by(alice, 0), peers[0].address);
  EXPECT_FALSE(send_by(alice, Slot::kBindingsMax));
  EXPECT_EQ(server->counters().dropped_unbound, 1u);
  const Bound again = bind(alice, peers[700]);
  EXPECT_EQ(again.result, BindResult::kBound);
  EXPECT_EQ(again.handle, 700);
  // The place of one that is given up goes to the next.
  ask(alice, Ask::kUnbind, std::array<std::uint8_t, 2>{1, 44});
  EXPECT_FALSE(send_by(alice, 300));
  const Bound late = bind(alice, peers.back());
  EXPECT_EQ(late.result, BindResult::kBound);
  EXPECT_EQ(late.handle, 300);
  EXPECT_EQ(send_by(alice, 300), peers.back().address);
  EXPECT_EQ(bind(alice, peers[300]).result, BindResult::kFull);
}

// Whoever made up its address costs the relay no more answers than these.
TEST_F(RelayLimitsTest, CookiesOfASecond) {
  config.always_cookie = true;
  config.limits.cookies_per_second = 3;
  restart();
  for (int i = 0; i < 10; ++i) {
    Client& client = add("str:c" + std::to_string(i));
    client.leg.open(ticket_for(token_for(client.identity)), now);
  }
  run();
  EXPECT_EQ(server->counters().cookies, 3u);
  EXPECT_EQ(server->counters().dropped_open_rate, 7u);
  EXPECT_EQ(server->slot_count(), 3u) << "those who have one come in";
  run_for(seconds(30));
  EXPECT_EQ(server->slot_count(), 10u);
}

// The newest are not told; what the leg does goes on without them.
TEST_F(RelayLimitsTest, EventsOfALegThatNobodyTakes) {
  Client& alice = opened("str:alice");
  Client& bob = opened("str:bob");
  Grant grant = bob.leg.make_grant(alice.identity, unix_now() + 600);
  const auto slot = [](std::size_t i) { return SlotId::of(static_cast<std::uint32_t>(i), 7); };
  for (std::size_t i = 0; i < Slot::kBindingsMax + 1500; ++i) {
    grant.slot = slot(i);
    alice.leg.bind(grant, now);
  }
  std::size_t refused = 0;
  while (const auto event = alice.leg.poll_event()) {
    EXPECT_EQ(std::get<LegBound>(*event).result, BindResult::kFull);
    ++refused;
  }
  EXPECT_EQ(refused, 1024u);
  for (std::size_t i = 0; i < Slot::kBindingsMax; ++i) alice.leg.unbind(slot(i));
  EXPECT_TRUE(connect(alice, bob));
  ASSERT_TRUE(send(alice, bob, "hello"));
  EXPECT_EQ(bob.got.size(), 1u);
}

TEST_F(RelayLimitsTest, RepliesWait) {
  config.limits.replies_max = 4;
  restart();
  Client& alice = opened("str:alice");
  // Pings that nobody takes the answers of.
  std::array<std::uint8_t, kOpenSizeMax> buffer;
  now += seconds(16);
  for (int i = 0; i < 20; ++i) {
    alice.leg.advance(now);
    while (const std::size_t size = alice.leg.poll_transmit(buffer, now)) {
      std::vector<std::uint8_t> datagram(buffer.begin(), buffer.begin() + static_cast<long>(size));
      server->receive(alice.address, datagram, now);
    }
    now += milliseconds(60);
  }
  EXPECT_GT(server->counters().dropped_replies, 0u);
  std::size_t waiting = 0;
  while (server->poll_transmit(buffer)) ++waiting;
  EXPECT_EQ(waiting, 4u);
}

}  // namespace
}  // namespace whimbrel::relay
