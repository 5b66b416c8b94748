// What somebody without a session can do to those who have one, and to those who wait for one.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

using Datagram = std::vector<std::uint8_t>;

// Makes hosts, with certificates or without, that trust it.
class Authority {
 public:
  explicit Authority(World& world) : world_(world) {
    FastRandom random(77);
    key_ = SigningKey::generate(random);
  }

  // `proved`: the host has a certificate of its name.
  Host& add(std::string_view name, bool proved, bool requires_certificates,
            const EndpointLimits& limits = {}) {
    HostConfig config = host_config();
    config.limits = limits;
    FastRandom random(world_.simulation().random().u64());
    config.keys = generate_x25519(random);
    config.authorities.push_back(key_.verify_key());
    config.require_certificate = requires_certificates;
    Certificate certificate;
    certificate.not_before = kUnixStart / 1000 - 1000;
    certificate.not_after = kUnixStart / 1000 + 100'000;
    certificate.static_key = config.keys.public_key;
    certificate.identity = name;
    if (proved) config.certificate = sign_certificate(certificate, key_);
    return world_.add(name, std::move(config));
  }

 private:
  World& world_;
  SigningKey key_;
};

// Strangers whose first messages push those of `victim` out of what `at` remembers.
void forget_first_messages(World& world, Host& at) {
  for (unsigned i = 0; i < 2100; ++i) {
    Datagram init(1200);
    const std::uint8_t head[] = {
        0xe2, 1, 1, 0, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 1};
    std::copy(std::begin(head), std::end(head), init.begin());
    for (unsigned k = 0; k < 32; ++k) init[24 + k] = static_cast<std::uint8_t>(k * 7 + i);
    world.simulation().inject(IpAddress::v4(9, 9, 9, 9, 9), at.address(), init);
    if (i % 400 == 399) world.run_for(milliseconds(150));
  }
  world.run_for(milliseconds(300));
}

TEST(Strangers, ARecordedFirstMessageDoesNotEndTheSessionThatItMade) {
  World world(1);
  Authority authority(world);
  EndpointLimits few;
  few.stamps_max = 4;
  Host& b = authority.add("str:bob", true, true, few);
  Host& a = authority.add("str:alice", true, true);
  world.introduce(a, b, true);
  world.set_lines(line());
  std::vector<Datagram> recorded;
  world.simulation().set_filter([&](const PacketView& packet) {
    if (packet.sender == a.id() && packet.bytes[0] == 0xe0)
      recorded.emplace_back(packet.bytes.begin(), packet.bytes.end());
    return Fate{};
  });
  a.say(b);
  world.run_for(milliseconds(500));
  ASSERT_TRUE(a.connected(b) && b.connected(a));
  ASSERT_FALSE(recorded.empty());
  // Accepted by nobody, and more than there are stamps kept.
  for (int i = 0; i < 8; ++i) {
    Host& stranger = authority.add("str:m" + std::to_string(i), i % 2 == 0, false);
    stranger.knows(b, true);
    stranger.send(b.identity(), "hi");
  }
  world.run_for(milliseconds(500));
  forget_first_messages(world, b);
  world.simulation().inject(IpAddress::v4(9, 9, 9, 9, 9), b.address(), recorded[0]);
  world.run_for(milliseconds(500));
  EXPECT_TRUE(a.connected(b)) << a.info(b).end_debug;
  EXPECT_TRUE(b.connected(a));
}

TEST(Strangers, WhoProvesANameComesBeforeWhoClaimsIt) {
  World world(1);
  Authority authority(world);
  Host& server = authority.add("str:srv", true, false);
  Host& squatter = authority.add("str:bob", false, false);
  Host& bob = authority.add("str:bob", true, false);
  squatter.knows(server, true);
  bob.knows(server, true);
  world.set_lines(line());
  server.on_request = OnRequest::kIgnore;
  server.checked = false;
  std::vector<std::string> got;
  server.on_message = [&](const InboxMessage& message) { got.emplace_back(message.text()); };
  squatter.send(server.identity(), "I am bob");
  world.run_for(milliseconds(300));
  bob.send(server.identity(), "I can prove it");
  world.run_for(seconds(2));
  server.accept(bob.identity());
  world.run_for(seconds(1));
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got[0], "I can prove it");
}

TEST(Strangers, TheRefusedAreFewAtATime) {
  World world(1);
  Authority authority(world);
  EndpointLimits limits;
  limits.sessions_max = 1;
  Host& server = authority.add("str:srv", true, true, limits);
  world.set_lines(line());
  for (int i = 0; i < 200; ++i) {
    Host& stranger = authority.add("str:m" + std::to_string(i), false, false);
    stranger.knows(server, true);
    stranger.send(server.identity(), "hi");
  }
  std::size_t most = 0;
  for (int i = 0; i < 50; ++i) {
    world.run_for(milliseconds(10));
    most = std::max(most, server.endpoint().session_count());
  }
  EXPECT_GE(most, 10u);
  EXPECT_LE(most, 64u);
  EXPECT_GE(server.count(Count::kDroppedSessionLimit), 100u);
}

TEST(Strangers, ARefusedClaimLeavesTheRecordOfAFailureAlone) {
  World world(1);
  Authority authority(world);
  Host& server = authority.add("str:srv", true, true);
  Host& claimant = authority.add("str:bob", false, false);
  claimant.knows(server, true);
  world.set_lines(line());
  server.send(claimant.identity(), "no route");
  world.run_for(milliseconds(100));
  ASSERT_EQ(server.state(claimant.identity()), ConnectionState::kProblemDetectedLocally);
  claimant.send(server.identity(), "hi");
  world.run_for(milliseconds(500));
  EXPECT_EQ(server.state(claimant.identity()), ConnectionState::kProblemDetectedLocally);
}

TEST(Strangers, SessionsMaxHoldsForThem) {
  World world(1);
  HostConfig config = host_config();
  config.limits.sessions_max = 1;
  Host& server = world.add("str:srv", std::move(config));
  world.set_lines(line());
  for (int i = 0; i < 3; ++i) {
    Host& stranger = world.add("str:m" + std::to_string(i), host_config());
    stranger.knows(server, true);
    stranger.send(server.identity(), "hi");
    world.run_for(seconds(1));
  }
  EXPECT_EQ(server.endpoint().session_count(), 1u);
  EXPECT_GE(server.count(Count::kDroppedSessionLimit), 2u);
}

// --- names that are claimed, or proved, while a session has them ---------------------------------

// The session of alice and bob after an outage of `outage`; in it somebody else says that he is
// bob.
ConnectionInfo after_an_outage_with_a_claim(Duration outage) {
  Duo duo;
  Host& other = duo.world.add("str:bob");
  other.knows(duo.a, false);
  EXPECT_TRUE(duo.connect());
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  other.send(duo.a.identity(), "hi");
  duo.world.run_for(outage);
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), false);
  const ConnectionInfo info = duo.a.info(duo.b);
  if (info.state == ConnectionState::kConnected) {
    duo.a.say(duo.b);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(6)));
    EXPECT_TRUE(duo.a.failures().empty());
  }
  EXPECT_EQ(duo.world.finish(), "");
  return info;
}

TEST(Strangers, AMereClaimDoesNotShortenTheTimeoutOfASession) {
  EXPECT_EQ(after_an_outage_with_a_claim(seconds(5)).state, ConnectionState::kConnected);
  EXPECT_EQ(after_an_outage_with_a_claim(seconds(9)).state, ConnectionState::kConnected);
  const ConnectionInfo late = after_an_outage_with_a_claim(milliseconds(10'100));
  EXPECT_EQ(late.state, ConnectionState::kProblemDetectedLocally);
  EXPECT_EQ(late.end_reason, kEndRemoteTimeout);
  EXPECT_NE(late.end_debug.find("in 10 s"), std::string::npos) << late.end_debug;
}

TEST(Strangers, WhoProvesANameNeedNotWaitSoLongForADeadSession) {
  World world(1);
  Authority authority(world);
  Host& server = authority.add("str:srv", true, true);
  Host& first = authority.add("str:bob", true, true);
  Host& second = authority.add("str:bob", true, true);  // with a new key
  world.introduce(server, first, true);
  second.knows(server, true);
  world.set_lines(line());
  first.say(server);
  world.run_for(milliseconds(500));
  ASSERT_TRUE(server.connected(first));
  world.simulation().set_blocked(server.id(), first.id(), true);
  server.checked = false;
  std::string got;
  server.on_message = [&](const InboxMessage& message) { got = message.text(); };
  second.send(server.identity(), "back again");
  world.run_for(milliseconds(2900));
  EXPECT_TRUE(server.failures().empty());
  world.run_for(milliseconds(2000));
  ASSERT_EQ(server.failures().size(), 1u);
  const ConnectionInfo& info = server.failures()[0].info;
  EXPECT_EQ(info.end_reason, kEndRemoteTimeout);
  EXPECT_NE(info.end_debug.find("in 3 s"), std::string::npos) << info.end_debug;
  EXPECT_NE(info.end_debug.find("proved"), std::string::npos) << info.end_debug;
  EXPECT_EQ(got, "back again");
}

TEST(Strangers, WhoAnswersStaysEvenWhereAnotherProvesTheName) {
  World world(1);
  Authority authority(world);
  Host& server = authority.add("str:srv", true, true);
  Host& first = authority.add("str:bob", true, true);
  Host& second = authority.add("str:bob", true, true);
  world.introduce(server, first, true);
  second.knows(server, true);
  world.set_lines(line());
  first.say(server);
  world.run_for(milliseconds(500));
  second.send(server.identity(), "me too");
  world.run_for(seconds(9));
  EXPECT_TRUE(server.connected(first));
  EXPECT_TRUE(server.failures().empty());
  const std::uint64_t packets = world.simulation().packets_from(server.id());
  EXPECT_LE(packets, 60u) << "one question at a time";
}

}  // namespace
}  // namespace whimbrel::sim
