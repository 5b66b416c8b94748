// What an endpoint's queues and tables do when they are full, each made small.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "endpoint/endpoint_pair.h"
#include "endpoint/peer.h"
#include "handshake/packets.h"
#include "wire/packet.h"

namespace whimbrel {
namespace {

class TableLimits : public EndpointPair {
 protected:
  template <typename Change>
  void remake_b(Change change) {
    EndpointConfig config;
    config.identity = b.name();
    config.keys = generate_x25519(b.random);
    change(config.limits);
    b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kTestClock);
  }
  // A stranger to b, who knows b's key or calls without.
  Host& caller(std::uint8_t number, bool with_key = true) {
    const std::string name = "str:caller" + std::to_string(number);
    Host& host = *callers.emplace_back(
        std::make_unique<Host>(name, std::uint8_t(100 + number), 100u + number));
    const auto key = with_key ? std::optional(b.endpoint->public_key()) : std::nullopt;
    host.endpoint->set_route(b.name(), b.address, key);
    send(host, b.name(), "hello");
    return host;
  }
  std::vector<std::uint8_t> packet_of(Host& host) {
    std::vector<std::uint8_t> packet(65536);
    const auto out = host.endpoint->poll_transmit(packet, now);
    packet.resize(out ? out->size : 0);
    return packet;
  }
  void give_b(const Remote& from, std::vector<std::uint8_t> packet) {
    b.endpoint->receive(from, packet, now);
  }
  void call_b(Host& host) { give_b(host.address, packet_of(host)); }
  // Whom b sends handshake packets to, in this order.
  std::vector<Remote> b_sends_to() {
    std::vector<Remote> to;
    std::vector<std::uint8_t> buffer(65536);
    while (const auto out = b.endpoint->poll_transmit(buffer, now)) {
      if (packet_kind(buffer[0]) == PacketKind::kHandshake) to.push_back(out->to);
    }
    return to;
  }
  // "failed str:x" or "request str:x", the oldest first.
  std::vector<std::string> events_of_b() {
    std::vector<std::string> events;
    while (const auto event = b.endpoint->poll_event()) {
      const auto* request = std::get_if<SessionRequestEvent>(&*event);
      events.push_back(request != nullptr
                           ? "request " + request->identity.text()
                           : "failed " + std::get<SessionFailedEvent>(*event).info.identity.text());
    }
    return events;
  }
  // No address is known for this user.
  void fail(int number) {
    const Identity user = *Identity::parse("str:u" + std::to_string(number));
    EXPECT_EQ(send(b, user, "x"), Result::kOk);
  }
  std::uint64_t count(Count what) const { return b.endpoint->counters()[what]; }
  using Events = std::vector<std::string>;

  std::vector<std::unique_ptr<Host>> callers;
};

TEST_F(TableLimits, StrangersPushOutEventsOfStrangersAlone) {
  remake_b([](EndpointLimits& limits) { limits.events_max = 4; });
  fail(1);
  call_b(caller(1));
  fail(2);
  for (std::uint8_t i = 2; i <= 6; ++i) call_b(caller(i));
  EXPECT_EQ(count(Count::kEventsDropped), 4u);
  EXPECT_EQ(events_of_b(), (Events{"failed str:u1", "failed str:u2", "request str:caller5",
                                   "request str:caller6"}));
  EXPECT_EQ(b.endpoint->pending_request_count(), 6u);
  EXPECT_TRUE(b.endpoint->accept(callers[0]->name(), now)) << "it was not told of, and waits";
}

TEST_F(TableLimits, AStrangerPushesOutNoFailure) {
  remake_b([](EndpointLimits& limits) { limits.events_max = 2; });
  fail(1);
  fail(2);
  Host& host = caller(1);
  const auto init = packet_of(host);
  give_b(host.address, init);
  EXPECT_EQ(count(Count::kEventsDropped), 1u);
  EXPECT_EQ(events_of_b(), (Events{"failed str:u1", "failed str:u2"}));
  EXPECT_EQ(b.endpoint->pending_request_count(), 1u);
  // It keeps trying, and is told of when there is room.
  for (int i = 0; i < 6; ++i) {
    now += seconds(1);
    give_b(host.address, init);
    b.endpoint->advance(now);
  }
  EXPECT_EQ(events_of_b(), Events{"request str:caller1"});
}

TEST_F(TableLimits, OfFailuresAloneTheOldestGoes) {
  remake_b([](EndpointLimits& limits) { limits.events_max = 2; });
  for (int i = 1; i <= 5; ++i) fail(i);
  EXPECT_EQ(count(Count::kEventsDropped), 3u);
  EXPECT_EQ(events_of_b(), (Events{"failed str:u4", "failed str:u5"}));
}

TEST_F(TableLimits, OfHandshakePacketsThatWaitToLeaveTheOldestGoes) {
  remake_b([](EndpointLimits& limits) { limits.packets_waiting_max = 3; });
  for (std::uint8_t i = 1; i <= 5; ++i) call_b(caller(i, false));
  EXPECT_EQ(b_sends_to(),
            (std::vector<Remote>{callers[2]->address, callers[3]->address, callers[4]->address}));
  // A repetition is answered again.
  now += seconds(1);
  callers[0]->endpoint->advance(now);
  call_b(*callers[0]);
  EXPECT_EQ(b_sends_to(), std::vector<Remote>{callers[0]->address});
}

TEST_F(TableLimits, AnswersThatKeepNoStateAreDroppedWhileOthersWait) {
  remake_b([](EndpointLimits& limits) { limits.stateless_replies_max = 3; });
  for (int i = 0; i < 5; ++i)
    give_b(IpAddress::v4(9, 9, 9, 9, 9), {0xe2, 9, 1, 0, 0, 0, 0, 1});  // of another version
  EXPECT_EQ(count(Count::kDroppedHandshakeLoad), 2u);
  call_b(caller(1, false));
  EXPECT_EQ(b_sends_to().size(), 4u) << "who calls is answered all the same";
}

TEST_F(TableLimits, TheOldestFirstPacketIsNotKnownWhenItComesAgain) {
  remake_b([](EndpointLimits& limits) { limits.recent_first_packets_max = 2; });
  std::vector<std::vector<std::uint8_t>> inits;
  for (std::uint8_t i = 1; i <= 3; ++i) {
    Host& host = caller(i);
    give_b(host.address, inits.emplace_back(packet_of(host)));
    ASSERT_TRUE(b.endpoint->accept(host.name(), now));
  }
  EXPECT_EQ(b_sends_to().size(), 3u);
  // The answers were lost.
  give_b(callers[1]->address, inits[1]);
  give_b(callers[2]->address, inits[2]);
  EXPECT_EQ(b_sends_to(), (std::vector<Remote>{callers[1]->address, callers[2]->address}));
  EXPECT_EQ(count(Count::kDroppedReplayedHandshake), 0u);
  give_b(callers[0]->address, inits[0]);
  EXPECT_TRUE(b_sends_to().empty()) << "as if it were played back";
  EXPECT_EQ(count(Count::kDroppedReplayedHandshake), 1u);
  EXPECT_EQ(b.endpoint->session_count(), 3u);
}

TEST_F(TableLimits, SoManyStrangersAreToldNo) {
  remake_b([](EndpointLimits& limits) { limits.refused_max = 2; });
  for (std::uint8_t i = 1; i <= 3; ++i) call_b(caller(i));
  for (const auto& host : callers) EXPECT_TRUE(b.endpoint->close_session(host->name(), now));
  EXPECT_EQ(count(Count::kDroppedSessionLimit), 1u);
  const auto to = b_sends_to();
  const auto told = [&](int i) {
    return std::count(to.begin(), to.end(), Remote(callers[static_cast<std::size_t>(i)]->address));
  };
  EXPECT_GT(told(0), 0);
  EXPECT_GT(told(1), 0);
  EXPECT_EQ(told(2), 0);
  EXPECT_EQ(b.endpoint->pending_request_count(), 0u);
}

TEST_F(TableLimits, WhoCannotBeReachedIsToldOfAgainWhereThereWasNoRoom) {
  remake_b([](EndpointLimits& limits) { limits.cut_off_max = 2; });
  const auto told = [&] {
    std::vector<std::uint32_t> users;
    while (const auto user = b.endpoint->poll_cut_off()) users.push_back(user->user);
    return users;
  };
  // They have come by the rendezvous, and no relay leads to them yet.
  for (std::uint8_t i = 1; i <= 3; ++i) {
    give_b(SignalRemote{i}, packet_of(caller(i)));
    ASSERT_TRUE(b.endpoint->accept(callers.back()->name(), now));
  }
  for (int round = 0; round < 2; ++round) {
    for (const auto& host : callers) send(b, host->name(), "hello");
    b_sends_to();
  }
  EXPECT_EQ(told(), (std::vector<std::uint32_t>{1, 2})) << "each once";
  send(b, callers[2]->name(), "hello");
  b_sends_to();
  EXPECT_EQ(told(), std::vector<std::uint32_t>{3});
}

TEST_F(TableLimits, WhatOvertakesTheAnswerIsKeptUpToASize) {
  know_each_other(true);
  send(a, b.name(), "hello");
  const auto init = packet_of(a);
  const auto index = read_init(init)->sender_index;
  const auto give_early = [&](std::size_t size) {
    std::vector<std::uint8_t> packet(size);
    write_data_header(packet.data(), false, index, PacketNumber{0}, 1);
    a.endpoint->receive(b.address, packet, now);
    return a.endpoint->counters()[Count::kDroppedUnknownIndex];
  };
  EXPECT_EQ(give_early(kEarlyPacketSizeMax), 0u);
  EXPECT_EQ(give_early(kEarlyPacketSizeMax + 1), 1u);
  // What is no packet of the session spoils nothing.
  b.accept_all = true;
  give_b(a.address, init);
  run_for(seconds(1));
  EXPECT_EQ(b.got, std::vector<std::string>{"hello"});
}

}  // namespace
}  // namespace whimbrel
