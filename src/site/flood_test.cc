// A server whose port is flooded with first packets: who is one of its users, or wants to be,
// notices nothing.
#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "handshake/handshake.h"
#include "site/test_callers.h"

namespace whimbrel {
namespace {

class SiteFlood : public SiteWithCallers {
 protected:
  // A first packet under a fresh key; the server's key is known to the attacker, or not.
  std::vector<std::uint8_t> first_packet(bool known) {
    HandshakeConfig& own = attackers_.emplace_back();
    own.static_key = generate_x25519(random);
    Initiator initiator = known ? Initiator(own, config.keys.public_key) : Initiator(own);
    std::vector<std::uint8_t> packet(kHandshakePacketSizeMax);
    packet.resize(initiator.write_init(random.u32() | 1, kUnixNow, random, packet));
    inits_.push_back(std::move(initiator));
    return packet;
  }
  static IpAddress spoofed(std::uint32_t i) {
    return IpAddress::v4(static_cast<std::uint8_t>(20 + (i >> 16)),
                         static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 7, 999);
  }
  // `count` in a second, whoever answers cookies with `shown`, and calls in between. `from` says
  // who sends which.
  template <typename From>
  void flood(std::uint32_t count, bool known, bool shown, const From& from) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const IpAddress source = from(i);
      std::vector<std::uint8_t> packet = first_packet(known);
      give(source, packet);
      exchange();
      const auto answer = answers.find(source);
      if (shown && answer != answers.end() &&
          inits_.back().read_cookie_reply(answer->second, packet) == HandshakeError::kNone)
        give(source, packet);
      answers.clear();
      inits_.clear();
      attackers_.clear();
      exchange();
      now += Duration(seconds(1)) / count;
    }
  }

 private:
  std::deque<HandshakeConfig> attackers_;
  std::deque<Initiator> inits_;
};

TEST_F(SiteFlood, FromMadeUpAddressesCostsCookies) {
  for (const bool known : {true, false}) {
    callers.clear();
    make();
    flood(1000, known, false, spoofed);
    EXPECT_LE(endpoint().session_count(), 256u) << known;
    EXPECT_EQ(server().client_count(), 0u) << "nobody has proved anything";
    EXPECT_GT(endpoint().counters()[Count::kCookiesSent], 500u);
    Caller& alice = add("str:alice" + std::to_string(known), IpAddress::v4(203, 0, 113, 5, 7000));
    flood(300, known, false, spoofed);
    EXPECT_TRUE(alice.online());
    EXPECT_FALSE(alice.lost);
  }
}

TEST_F(SiteFlood, ThatShowsItsAddressTakesNoPlaceOfOthers) {
  config.rendezvous_limits.clients_max = 20;
  make();
  Caller& alice = add("str:alice", IpAddress::v4(203, 0, 113, 5, 7000));
  exchange();
  ASSERT_TRUE(alice.online());
  const auto one_network = [](std::uint32_t i) {
    return IpAddress::v4(20, 1, 1, static_cast<std::uint8_t>(i), 999);
  };
  flood(3000, true, true, one_network);
  EXPECT_LE(endpoint().session_count(), 2100u);
  EXPECT_EQ(server().client_count(), 1u);
  Caller& bob = add("str:bob", IpAddress::v4(198, 51, 100, 5, 7000));
  flood(100, true, true, one_network);
  EXPECT_TRUE(bob.online());
  EXPECT_TRUE(alice.online());
  EXPECT_FALSE(alice.lost || bob.lost);
  now += seconds(10);
  exchange();
  now += seconds(1);
  exchange();
  EXPECT_EQ(endpoint().session_count(), 2u) << "who confirms nothing is gone";
}

// What one network sends beyond what it may is not even looked at: no cookie, and no time.
TEST_F(SiteFlood, OfOneNetworkIsLimitedAtTheDoor) {
  config.first_packets.looks_of_network = 100;
  make();
  flood(500, true, false,
        [](std::uint32_t i) { return IpAddress::v4(20, 1, 1, static_cast<std::uint8_t>(i), 999); });
  const Counters& counters = endpoint().counters();
  EXPECT_GE(counters[Count::kDroppedHandshakeLoad], 290u);
  EXPECT_LE(counters[Count::kCookiesSent] + endpoint().session_count(), 210u);
}

// Whoever finishes handshakes and does not log in.
TEST_F(SiteFlood, OfClientsThatDoNotLogInKeepsNobodyOut) {
  config.rendezvous_limits.clients_max = 5;
  config.rendezvous_limits.waiting_max = 50;
  make();
  Caller& alice = add("str:alice", IpAddress::v4(203, 0, 113, 5, 7000));
  exchange();
  ASSERT_TRUE(alice.online());
  for (std::uint32_t i = 0; i < 200; ++i) {
    Caller& idler = add("str:idler" + std::to_string(i), spoofed(i));
    idler.comes_back = false;
    while (idler.client.poll_output()) {  // does not say its login
    }
    idler.endpoint.send(Caller::server_name(), SharedBytes::copy(as_bytes("hello")), kSendReliable,
                        0, now);
    exchange();
    now += milliseconds(5);
  }
  EXPECT_LE(server().client_count(), 51u);
  EXPECT_EQ(server().user_count(), 1u);
  Caller& bob = add("str:bob", IpAddress::v4(198, 51, 100, 5, 7000));
  exchange();
  EXPECT_TRUE(bob.online());
  EXPECT_TRUE(alice.online());
}

// Whoever is sent away and is not there any more leaves a session that is on its way out for a
// while.
TEST_F(SiteFlood, OfClientsThatVanishKeepsNobodyOut) {
  config.rendezvous_limits.clients_max = 5;
  config.rendezvous_limits.waiting_max = 50;
  make();
  Caller& alice = add("str:alice", IpAddress::v4(203, 0, 113, 5, 7000));
  exchange();
  ASSERT_TRUE(alice.online());
  const auto flood_for = [&](std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t i = first; i < first + count; ++i) {
      Caller& idler = add("str:idler" + std::to_string(i), spoofed(i));
      while (idler.client.poll_output()) {  // does not say its login
      }
      idler.endpoint.send(Caller::server_name(), SharedBytes::copy(as_bytes("hello")),
                          kSendReliable, 0, now);
      exchange();
      callers.pop_back();
      now += milliseconds(5);
    }
  };
  flood_for(0, 300);
  Caller& bob = add("str:bob", IpAddress::v4(198, 51, 100, 5, 7000));
  exchange();
  EXPECT_TRUE(bob.online());
  EXPECT_TRUE(alice.online());
  EXPECT_EQ(endpoint().counters()[Count::kDroppedSessionLimit], 0u);
}

}  // namespace
}  // namespace whimbrel
