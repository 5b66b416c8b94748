// Scenarios: somebody on the way, or anywhere, sends what they like. Nothing breaks, everything is
// counted.
#include "handshake/handshake.h"
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

class HostileBoth : public BothHandshakes {};

using Datagram = std::vector<std::uint8_t>;

// Keeps a copy of everything that `host` sends.
std::vector<Datagram>& record(Duo& duo, const Host& host, std::vector<Datagram>& copies) {
  duo.simulation().set_filter([&copies, id = host.id()](const PacketView& packet) {
    if (packet.sender == id) copies.emplace_back(packet.bytes.begin(), packet.bytes.end());
    return Fate{};
  });
  return copies;
}

std::uint64_t dropped(const Host& host) {
  std::uint64_t sum = 0;
  for (auto i = static_cast<std::size_t>(Count::kDroppedEmpty);
       i <= static_cast<std::size_t>(Count::kDroppedSpoofedAddress); ++i) {
    sum += host.count(static_cast<Count>(i));
  }
  return sum;
}

void exchange(Duo& duo) {
  for (int i = 0; i < 10; ++i) {
    duo.a.say(duo.b, 500 + 100 * static_cast<std::size_t>(i));
    duo.b.say(duo.a, 500);
    duo.world.run_for(milliseconds(30));
  }
}

TEST(Hostile, JunkIsCountedAndAnsweredByNothing) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  FastRandom random(4);
  const std::uint64_t before = dropped(duo.b);
  const std::uint64_t sent = duo.simulation().packets_from(duo.b.id());
  for (int i = 0; i < 5000; ++i) {
    Datagram junk(random.below(1500));
    random.fill(junk);
    if (!junk.empty() && i % 2 == 0) junk[0] = static_cast<std::uint8_t>(0xc0 | (junk[0] & 0x3f));
    duo.simulation().inject(IpAddress::v4(9, 9, 9, 9, 9), duo.b.address(), junk);
  }
  duo.world.run_for(milliseconds(100));
  // What looks like a first message of another version gets a VersionReply, which is smaller.
  EXPECT_EQ(dropped(duo.b) - before, 5000u);
  EXPECT_LE(duo.b.count(Count::kDroppedBadVersion), 150u);
  EXPECT_LE(duo.simulation().packets_from(duo.b.id()) - sent,
            duo.b.count(Count::kDroppedBadVersion));
  duo.a.say(duo.b);
  EXPECT_TRUE(duo.world.run_until_complete(milliseconds(100)));
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(HostileBoth, ReplayOfEverythingChangesNothing) {
  Duo duo(GetParam());
  std::vector<Datagram> copies;
  record(duo, duo.a, copies);
  ASSERT_TRUE(duo.connect());
  exchange(duo);
  duo.simulation().set_filter({});
  const std::uint64_t received = duo.b.messages_received();
  for (int round = 0; round < 3; ++round) {
    for (const Datagram& copy : copies) {
      duo.simulation().inject(duo.a.address(), duo.b.address(), copy);
      duo.simulation().inject(IpAddress::v4(9, 9, 9, 9, 9), duo.b.address(), copy);
    }
    duo.world.run_for(milliseconds(100));
  }
  EXPECT_EQ(duo.b.messages_received(), received);
  EXPECT_EQ(duo.b.requests().size(), 1u);
  EXPECT_TRUE(duo.b.connected(duo.a));
  EXPECT_EQ(duo.b.info(duo.a).remote_address, duo.a.address().text());
  exchange(duo);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1)));
  EXPECT_TRUE(duo.b.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(HostileBoth, ReplayAfterTheSessionMakesNoRequest) {
  Duo duo(GetParam());
  std::vector<Datagram> copies;
  record(duo, duo.a, copies);
  ASSERT_TRUE(duo.connect());
  duo.a.close_session(duo.b);
  duo.world.run_for(seconds(10));
  EXPECT_EQ(duo.b.requests().size(), 1u);
  for (const Datagram& copy : copies) {
    duo.simulation().inject(duo.a.address(), duo.b.address(), copy);
  }
  duo.world.run_for(seconds(2));
  EXPECT_EQ(duo.b.requests().size(), 1u);
  EXPECT_EQ(duo.b.endpoint().session_count(), 0u);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(HostileBoth, TruncationOfEveryPacket) {
  Duo duo(GetParam());
  FastRandom random(2);
  // Before each packet comes a shorter copy of it, and one that is longer.
  duo.simulation().set_filter([&](const PacketView& packet) {
    Datagram shorter(packet.bytes.begin(), packet.bytes.end());
    shorter.resize(random.below(shorter.size() + 1));
    duo.simulation().inject(packet.from, packet.to, shorter);
    Datagram longer(packet.bytes.begin(), packet.bytes.end());
    longer.resize(longer.size() + 1 + random.below(20));
    duo.simulation().inject(packet.from, packet.to, longer);
    return Fate{1, milliseconds(11)};
  });
  duo.a.say(duo.b);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  exchange(duo);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_TRUE(duo.a.failures().empty());
  EXPECT_TRUE(duo.b.failures().empty());
  EXPECT_EQ(duo.world.finish(), "");
}

TEST_P(HostileBoth, BitFlipsInEveryPacket) {
  // One run for each byte of a handshake packet that is changed, in a copy that comes before the
  // packet itself.
  for (std::size_t position = 0; position < 200; position += 3) {
    Duo duo(GetParam());
    duo.simulation().set_filter([&](const PacketView& packet) {
      Datagram copy(packet.bytes.begin(), packet.bytes.end());
      copy[position % copy.size()] ^= 0x40;
      duo.simulation().inject(packet.from, packet.to, copy);
      return Fate{1, milliseconds(11)};
    });
    duo.a.say(duo.b);
    EXPECT_TRUE(duo.world.run_until_complete(seconds(3))) << "byte " << position;
    EXPECT_EQ(duo.world.finish(), "") << "byte " << position;
  }
}

TEST_P(HostileBoth, ForgedRepliesToADialAreSurvived) {
  Duo duo(GetParam());
  // Whoever sees message 1 can answer it with a cookie or another version.
  duo.simulation().set_filter([&](const PacketView& packet) {
    if (packet.sender != duo.a.id() || packet_kind(packet.bytes[0]) != PacketKind::kHandshake) {
      return Fate{};
    }
    Datagram cookie(24, 0xaa);
    cookie[0] = 0xe5;
    cookie[1] = packet.bytes[1];
    cookie[2] = cookie[3] = 0;
    std::copy_n(packet.bytes.begin() + 4, 4, cookie.begin() + 4);
    duo.simulation().inject(packet.to, packet.from, cookie);
    Datagram response(200, 0x11);
    response[0] = GetParam() == Keys::kKnown ? 0xe1 : 0xe3;
    std::copy_n(packet.bytes.begin() + 1, 3, response.begin() + 1);
    std::copy_n(packet.bytes.begin() + 4, 4, response.begin() + 8);
    duo.simulation().inject(packet.to, packet.from, response);
    return Fate{};
  });
  duo.a.say(duo.b);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(2)));
  EXPECT_LE(duo.simulation().packets_from(duo.a.id()), 20u);
  EXPECT_EQ(duo.world.finish(), "");
}

INSTANTIATE_TEST_SUITE_P(Hostile, HostileBoth, testing::Values(Keys::kKnown, Keys::kUnknown),
                         keys_name);

TEST(Hostile, PeerWhoseSealedFramesAreWrongIsCutOff) {
  // Only the holder of the keys can do this; from outside it is a corrupted packet, which never
  // opens.
  Duo duo;
  ASSERT_TRUE(duo.connect());
  const std::uint64_t before = duo.b.count(Count::kDroppedBadSeal);
  duo.world.set_lines({.delay = milliseconds(5), .corrupt = 1});
  duo.a.say(duo.b);
  duo.world.run_for(seconds(2));
  EXPECT_GT(duo.b.count(Count::kDroppedBadSeal) + duo.b.count(Count::kDroppedUnknownIndex) +
                duo.b.count(Count::kDroppedMalformed),
            before);
  duo.world.set_lines(line());
  EXPECT_TRUE(duo.world.run_until_complete(seconds(5)));
  EXPECT_EQ(duo.b.count(Count::kProtocolViolations), 0u);
  EXPECT_EQ(duo.world.finish(), "");
}

TEST(Hostile, AnotherKeyUnderATakenNameGetsNothing) {
  Duo duo(Keys::kUnknown);
  ASSERT_TRUE(duo.connect());
  HostConfig config;
  Host& mallory = duo.world.add("str:alice", std::move(config));
  mallory.knows(duo.b, true);
  mallory.checked = false;
  const std::uint64_t received = duo.b.messages_received();
  mallory.send(duo.b.identity(), "let me in");
  duo.world.run_for(seconds(12));
  EXPECT_EQ(duo.b.messages_received(), received);
  EXPECT_TRUE(duo.b.connected(duo.a));
  EXPECT_EQ(mallory.failures().size(), 1u);
  EXPECT_EQ(duo.b.say(duo.a), Result::kOk);
  EXPECT_TRUE(duo.world.run_until_complete(seconds(1)));
}

}  // namespace
}  // namespace whimbrel::sim
