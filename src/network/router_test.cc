#include "network/router.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "handshake/packets.h"
#include "relay/relay_server.h"

namespace whimbrel {
namespace {

constexpr UnixMillis kUnixStart = 1'800'000'000'000;
constexpr Duration kLeg = milliseconds(25);  // from a host to the relay or the rendezvous

// Users, a relay between them, and a rendezvous that does what the real one does: answers lookups
// and carries signals.
class RouterTest : public ::testing::Test {
 protected:
  struct Host {
    Host(RouterTest& test, const std::string& name, std::uint8_t number)
        : random(number), address(IpAddress::v4(10, 0, 0, number, 4000)) {
      EndpointConfig config;
      config.identity = *Identity::parse(name);
      config.keys = generate_x25519(random);
      config.app_id = 7;
      config.asks_routes = true;
      endpoint = std::make_unique<Endpoint>(std::move(config), random, test.now, test.clock);
      router = std::make_unique<Router>(*endpoint, 7, random, test.now, test.clock);
    }
    Identity name() const { return endpoint->identity(); }

    FastRandom random;
    IpAddress address;
    std::unique_ptr<Endpoint> endpoint;
    std::unique_ptr<Router> router;
    bool online = true;
    bool accepts = true;
    std::vector<std::string> got;
    std::vector<Instant> got_at;
    std::vector<Identity> requests;
    std::vector<ConnectionInfo> failures;
    std::size_t direct_packets = 0;
  };
  struct Flight {
    Instant due;
    std::function<void()> land;
  };

  RouterTest() : keys(master()) {
    relay_config.relay_id = relay::site_id("home");
    start_relay();
  }

  static Secret master() {
    Secret secret;
    secret.bytes.fill(5);  // a test key
    return secret;
  }
  void start_relay() {
    relay = std::make_unique<relay::RelayServer>(relay_config, keys, random, now, clock);
  }

  Host& add(const std::string& name) {
    hosts.push_back(
        std::make_unique<Host>(*this, name, static_cast<std::uint8_t>(hosts.size() + 1)));
    give_ticket(*hosts.back());
    return *hosts.back();
  }
  void give_ticket(Host& host) {
    relay::Token token;
    token.identity = relay::identity_hash(7, host.name().text());
    token.app_id = 7;
    token.not_after = clock.seconds_at(now) + 600;
    random.fill(token.secret.bytes);
    const relay::SealedToken sealed = keys.seal(token, random, clock.seconds_at(now));
    host.router->on_tickets(
        {{"home", {relay_address, {sealed.begin(), sealed.end()}, token.secret}}}, now);
  }
  Host* find(const Identity& user) {
    for (auto& host : hosts) {
      if (host->online && host->name() == user) return host.get();
    }
    return nullptr;
  }

  void later(Duration delay, std::function<void()> land) {
    // Kept in order: equal delays land as they left.
    const Instant due = now + delay;
    auto at = flights.end();
    while (at != flights.begin() && std::prev(at)->due > due) --at;
    flights.insert(at, {due, std::move(land)});
  }

  void to_relay(const IpAddress& from, std::vector<std::uint8_t> datagram) {
    if (relay_dead) return;
    const auto to = relay->receive(from, datagram, now);
    if (to) to_host(*to, datagram);
    take_replies();
  }
  void take_replies() {
    std::array<std::uint8_t, relay::kOpenSizeMax> buffer;
    while (const auto reply = relay->poll_transmit(buffer)) {
      to_host(reply->to, {buffer.begin(), buffer.begin() + static_cast<long>(reply->size)});
    }
  }
  void to_host(const IpAddress& to, const std::vector<std::uint8_t>& datagram) {
    later(kLeg, [this, to, datagram] {
      for (auto& host : hosts) {
        if (host->address != to) continue;
        std::vector<std::uint8_t> copy = datagram;
        EXPECT_TRUE(host->router->receive(relay_address, copy, now));
      }
    });
  }
  void serve(Host& from, const RouterRequest& request) {
    if (const auto* lookup = std::get_if<LookupRequest>(&request)) {
      later(2 * kLeg, [this, &from, user = lookup->user] {
        Host* host = find(user);
        if (host == nullptr) {
          return from.router->on_not_found(user, kEndMiscRendezvous, "is not online", now);
        }
        from.router->on_found(user, host->endpoint->public_key(), now);
      });
      return;
    }
    const auto& signal = std::get<SignalRequest>(request);
    ++signals;
    if (rendezvous_away) return;
    later(2 * kLeg, [this, user = signal.user, body = signal.body, name = from.name()] {
      note_grants(name, user, body);
      if (Host* host = find(user)) host->router->on_signal(name, body, now);
    });
  }
  void note_grants(const Identity& from, const Identity& to, Bytes body) {
    const auto signal = read_signal(body);
    if (!signal) return;
    for (const PeerSlot& slot : signal->slots) {
      std::int64_t& until = granted_until[{from, to}];
      until = std::max<std::int64_t>(until, slot.grant.not_after);
    }
  }
  // For how many seconds `to` may bind what it has of `from`.
  std::int64_t granted_for(const Host& from, const Host& to) {
    return granted_until[{from.name(), to.name()}] - clock.seconds_at(now);
  }
  void drain(Host& host) {
    static std::array<std::uint8_t, 65536> buffer;
    while (const auto request = host.router->poll_request(now)) serve(host, *request);
    while (const auto out = host.router->poll_transmit(buffer, now)) {
      for (std::size_t at = 0; at < out->size; at += out->segment_size) {
        const std::size_t size = std::min(out->segment_size, out->size - at);
        if (out->to != relay_address) {
          ++host.direct_packets;
          continue;
        }
        EXPECT_LE(size, 1500u);
        later(kLeg,
              [this, from = host.address,
               datagram = std::vector<std::uint8_t>(
                   buffer.begin() + static_cast<long>(at),
                   buffer.begin() + static_cast<long>(at + size))] { to_relay(from, datagram); });
      }
    }
    while (const auto request = host.router->poll_request(now)) serve(host, *request);
    std::vector<DeliveredMessage> messages;
    host.endpoint->take_messages(messages);
    for (auto& m : messages) {
      host.got.emplace_back(as_text(m.message.payload.view()));
      host.got_at.push_back(now);
      host.endpoint->consumed(m.session, m.message.place, m.message.reliable,
                              m.message.payload.size(), 1, now);
    }
    while (auto event = host.endpoint->poll_event()) {
      if (auto* request = std::get_if<SessionRequestEvent>(&*event)) {
        host.requests.push_back(request->identity);
        if (host.accepts) host.endpoint->accept(request->identity, now);
      } else {
        host.failures.push_back(std::get<SessionFailedEvent>(*event).info);
      }
    }
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0; steps < 1'000'000; ++steps) {
      for (auto& host : hosts) drain(*host);
      for (auto& host : hosts) drain(*host);
      Instant next = relay->next_deadline();
      for (auto& host : hosts) {
        next = std::min({next, host->endpoint->next_deadline(), host->router->next_deadline()});
      }
      if (!flights.empty()) next = std::min(next, flights.front().due);
      if (next > end) break;
      now = std::max(now, next);
      relay->advance(now);
      take_replies();
      for (auto& host : hosts) {
        host->endpoint->advance(now);
        host->router->advance(now);
      }
      while (!flights.empty() && flights.front().due <= now) {
        const auto land = std::move(flights.front().land);
        flights.pop_front();
        land();
      }
    }
    now = end;
  }
  Result send(Host& from, Host& to, const std::string& text, int flags = kSendReliable) {
    return from.endpoint->send(to.name(), SharedBytes::copy(as_bytes(text)), flags, 0, now);
  }

  Instant now{};
  const WallClock clock{now, kUnixStart};
  FastRandom random{99};
  relay::SiteKeys keys;
  relay::RelayConfig relay_config;
  IpAddress relay_address = IpAddress::v4(10, 9, 9, 9, 4040);
  std::unique_ptr<relay::RelayServer> relay;
  std::vector<std::unique_ptr<Host>> hosts;
  std::deque<Flight> flights;
  bool relay_dead = false;
  bool rendezvous_away = false;
  std::size_t signals = 0;
  std::map<std::pair<Identity, Identity>, std::int64_t> granted_until;  // as it arrived
};

TEST_F(RouterTest, StrangersMeetByNameAlone) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  const Instant begin = now;
  ASSERT_EQ(send(alice, bob, "hello"), Result::kOk);
  run_for(seconds(2));
  ASSERT_EQ(bob.got, std::vector<std::string>{"hello"});
  EXPECT_EQ(bob.requests, std::vector<Identity>{alice.name()});
  // A lookup, a signal there and one back, a bind, and the way over the relay.
  EXPECT_LE(to_milliseconds(bob.got_at[0] - begin), 250);
  ASSERT_EQ(send(bob, alice, "hello yourself"), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(alice.got, std::vector<std::string>{"hello yourself"});
  EXPECT_EQ(alice.direct_packets + bob.direct_packets, 0u);
}

TEST_F(RouterTest, AStrangerLearnsNothingBeforeAccept) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  bob.accepts = false;
  run_for(seconds(1));
  send(alice, bob, "let me in");
  run_for(seconds(3));
  EXPECT_EQ(bob.requests.size(), 1u);
  EXPECT_EQ(bob.router->stats().signals_out, 0u);
  EXPECT_EQ(bob.router->stats().packets_out, 0u);
  EXPECT_TRUE(bob.endpoint->accept(alice.name(), now));
  run_for(seconds(2));
  EXPECT_EQ(bob.got, std::vector<std::string>{"let me in"});
}

TEST_F(RouterTest, WhoIsOfflineIsSaidAtOnce) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  bob.online = false;
  run_for(seconds(1));
  send(alice, bob, "anybody?");
  run_for(milliseconds(100));
  ASSERT_EQ(alice.failures.size(), 1u);
  EXPECT_EQ(alice.failures[0].end_reason, kEndMiscRendezvous);
}

TEST_F(RouterTest, BothAtOnceMakeOneSession) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  send(alice, bob, "from alice");
  send(bob, alice, "from bob");
  run_for(seconds(3));
  EXPECT_EQ(bob.got, std::vector<std::string>{"from alice"});
  EXPECT_EQ(alice.got, std::vector<std::string>{"from bob"});
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
}

TEST_F(RouterTest, LargeMessagesPass) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  std::string large(524'288, 'x');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31);
  ASSERT_EQ(send(alice, bob, large), Result::kOk);
  run_for(seconds(10));
  ASSERT_EQ(bob.got.size(), 1u);
  EXPECT_TRUE(bob.got[0] == large);
}

TEST_F(RouterTest, ARestartedRelayIsSurvived) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  send(alice, bob, "before");
  run_for(seconds(1));
  start_relay();
  for (int i = 0; i < 50; ++i) {
    send(alice, bob, std::to_string(i));
    send(bob, alice, std::to_string(i));
    run_for(milliseconds(50));
  }
  run_for(seconds(3));
  ASSERT_EQ(bob.got.size(), 51u);
  EXPECT_EQ(alice.got.size(), 50u);
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty()) << "the session lives through it";
  Duration gap{};
  for (std::size_t i = 1; i < bob.got_at.size(); ++i) {
    gap = std::max(gap, bob.got_at[i] - bob.got_at[i - 1]);
  }
  RecordProperty("outage_ms", static_cast<int>(to_milliseconds(gap)));
  EXPECT_LE(to_milliseconds(gap), 1500);
}

TEST_F(RouterTest, ARelayThatHasForgottenUsIsToldFromOneThatIsNew) {
  Host& alice = add("str:alice");
  run_for(seconds(1));
  EXPECT_EQ(alice.router->take_reopened({relay_address}), Router::Reached::kOpened);
  EXPECT_EQ(alice.router->take_reopened({relay_address}), Router::Reached::kNothingNew);
  start_relay();
  alice.router->suspect(relay_address, true, now);
  run_for(2 * kLeg);
  EXPECT_EQ(alice.router->take_reopened({relay_address}), Router::Reached::kForgotten);
  // One that was merely out of reach.
  relay_dead = true;
  alice.router->suspect(relay_address, false, now);
  run_for(seconds(1));
  relay_dead = false;
  run_for(seconds(1));
  EXPECT_EQ(alice.router->take_reopened({relay_address}), Router::Reached::kOpened);
  // Somebody else's.
  start_relay();
  alice.router->suspect(relay_address, true, now);
  run_for(seconds(1));
  EXPECT_EQ(alice.router->take_reopened({IpAddress::v4(10, 9, 9, 8, 4040)}),
            Router::Reached::kNothingNew);
}

// Whoever must bind again may find no rendezvous to ask, so what it has must be good for a while at
// any time.
TEST_F(RouterTest, GrantsAreRenewedLongBeforeTheyEnd) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  send(alice, bob, "hello");
  for (int i = 0; i < 150; ++i) {
    run_for(seconds(10));
    send(alice, bob, "tick");
    send(bob, alice, "tock");
    ASSERT_GE(granted_for(alice, bob), 300) << i;
    ASSERT_GE(granted_for(bob, alice), 300) << i;
  }
  EXPECT_LE(signals, 30u) << "and not all the time";
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
}

TEST_F(RouterTest, ARelayThatIsRestartedIsSurvivedAfterTheRendezvousWasAway) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  std::vector<std::string> sent;
  const auto talk_for = [&](int times) {
    for (int i = 0; i < times; ++i) {
      if (i % 240 == 239 && !rendezvous_away) {
        for (auto& host : hosts) give_ticket(*host);
      }
      sent.push_back(std::to_string(i));
      send(alice, bob, sent.back());
      run_for(seconds(1));
      ASSERT_GE(granted_for(alice, bob), 0) << sent.size();
      ASSERT_GE(granted_for(bob, alice), 0) << sent.size();
    }
  };
  talk_for(480);
  rendezvous_away = true;
  talk_for(300);
  rendezvous_away = false;
  for (auto& host : hosts) host->router->on_online(now);
  talk_for(300);
  start_relay();
  talk_for(10);
  EXPECT_EQ(bob.got, sent);
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
}

TEST_F(RouterTest, AnEndedSessionIsMadeAgain) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(send(alice, bob, std::to_string(i)), Result::kOk);
    run_for(seconds(2));
    EXPECT_TRUE(alice.endpoint->close_session(bob.name(), now));
    run_for(seconds(90));
    EXPECT_EQ(alice.router->contact_count(), 0u) << "nothing is kept of it";
  }
  EXPECT_EQ(bob.got.size(), 5u);
}

TEST_F(RouterTest, JunkSignalsAreCounted) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  for (std::size_t size = 0; size < 200; ++size) {
    std::vector<std::uint8_t> junk(size);
    random.fill(junk);
    if (size > 1) junk[0] = 1, junk[1] = static_cast<std::uint8_t>(size % 2);
    bob.router->on_signal(alice.name(), junk, now);
  }
  run_for(seconds(1));
  EXPECT_TRUE(bob.requests.empty());
  EXPECT_EQ(bob.router->stats().signals_out, 0u);
  send(alice, bob, "still well");
  run_for(seconds(1));
  EXPECT_EQ(bob.got.size(), 1u);
}

// A stranger who says that another's slot is his own takes nothing from it.
TEST_F(RouterTest, AClaimOfAnothersSlotIsIgnored) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  Host& eve = add("str:eve");
  run_for(seconds(1));
  send(alice, bob, "one");
  run_for(seconds(1));
  relay::Grant claim;
  claim.relay_id = relay_config.relay_id;
  claim.slot = bob.router->relays().home()->leg->slot();
  const auto body = write_signal({SignalKind::kPacket, {{claim, 0}}, {}});
  alice.router->on_signal(eve.name(), body, now);
  send(alice, bob, "two");
  send(bob, alice, "three");
  run_for(seconds(1));
  EXPECT_EQ(bob.got.size(), 2u);
  EXPECT_EQ(alice.got.size(), 1u);
}

// One whom we do talk to says that another's slot is his: the relay knows better, and its owner
// gets it back.
TEST_F(RouterTest, AFriendsClaimOfAnothersSlotHoldsForARoundTripOnly) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  Host& eve = add("str:eve");
  run_for(seconds(1));
  send(eve, alice, "hello");
  run_for(seconds(1));
  relay::Grant claim;
  claim.relay_id = relay_config.relay_id;
  claim.slot = bob.router->relays().home()->leg->slot();
  for (int i = 0; i < 20; ++i) {
    alice.router->on_signal(eve.name(),
                            write_signal({SignalKind::kGrant, {{claim, 0}, {claim, 0}}, {}}), now);
    if (i == 0) send(bob, alice, "from bob");
    run_for(milliseconds(100));
  }
  send(alice, bob, "to bob");
  run_for(seconds(2));
  EXPECT_EQ(bob.got, std::vector<std::string>{"to bob"});
  EXPECT_EQ(alice.got, (std::vector<std::string>{"hello", "from bob"}));
}

// The rendezvous took Bob for logged in, and he was not; what Alice told him went nowhere. When he
// is back he asks.
TEST_F(RouterTest, ANoticeThatGotLostIsAskedFor) {
  Host& alice = add("str:alice");
  Host& bob = add("str:bob");
  run_for(seconds(1));
  send(alice, bob, "hello");
  run_for(seconds(2));
  ASSERT_EQ(bob.got.size(), 1u);
  bob.online = false;
  start_relay();
  run_for(seconds(4));
  ASSERT_EQ(send(alice, bob, "are you there?"), Result::kOk);
  run_for(seconds(1));
  EXPECT_EQ(bob.got.size(), 1u);
  bob.online = true;
  bob.router->on_online(now);
  run_for(milliseconds(1500));
  EXPECT_EQ(bob.got.size(), 2u);
  EXPECT_TRUE(alice.failures.empty() && bob.failures.empty());
}

TEST_F(RouterTest, WhoAsksForGrantsIsAnsweredNowAndThen) {
  Host& alice = add("str:alice");
  Host& eve = add("str:eve");
  run_for(seconds(1));
  send(eve, alice, "hello");
  run_for(seconds(1));
  const std::uint64_t before = alice.router->stats().signals_out;
  for (int i = 0; i < 1000; ++i) {
    alice.router->on_signal(eve.name(), write_signal({SignalKind::kAskGrant, {}, {}}), now);
    run_for(milliseconds(1));
  }
  EXPECT_LE(alice.router->stats().signals_out - before, 5u);
  EXPECT_GE(alice.router->stats().signals_out - before, 2u);
}

TEST_F(RouterTest, StrangersAreLimited) {
  Host& alice = add("str:alice");
  run_for(seconds(1));
  const std::vector<std::uint8_t> packet{static_cast<std::uint8_t>(HandshakeKind::kInitIk)};
  for (int i = 0; i < 5000; ++i) {
    alice.router->on_signal(*Identity::parse("str:s" + std::to_string(i)),
                            write_signal({SignalKind::kPacket, {}, packet}), now);
  }
  EXPECT_EQ(alice.router->contact_count(), RouterLimits().contacts_max * 3 / 4);
  Host& bob = add("str:bob");
  run_for(seconds(1));
  send(alice, bob, "hello");
  run_for(seconds(1));
  EXPECT_EQ(bob.got.size(), 1u) << "there is room for those whom we dial";
  run_for(seconds(80));
  EXPECT_EQ(alice.router->contact_count(), 1u) << "bob";
}

}  // namespace
}  // namespace whimbrel
