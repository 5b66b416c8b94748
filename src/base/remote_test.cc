#include "base/remote.h"

#include <gtest/gtest.h>

#include <set>

namespace whimbrel {
namespace {

const IpAddress kAddress = IpAddress::v4(192, 0, 2, 1, 4000);

TEST(Remote, KnowsItsKind) {
  const Remote udp = kAddress;
  EXPECT_EQ(*udp.udp(), kAddress);
  EXPECT_EQ(udp.relay(), nullptr);
  EXPECT_EQ(udp.signal(), nullptr);
  const Remote relay = RelayRemote{7, 9};
  EXPECT_EQ(*relay.relay(), (RelayRemote{7, 9}));
  EXPECT_EQ(relay.udp(), nullptr);
  const Remote signalled = SignalRemote{3};
  EXPECT_EQ(signalled.signal()->user, 3u);
  EXPECT_EQ(signalled.udp(), nullptr);
  EXPECT_TRUE(Remote().udp()->empty());
}

TEST(Remote, DifferentOnesHaveDifferentBytes) {
  const Remote all[] = {kAddress,
                        IpAddress::v4(192, 0, 2, 1, 4001),
                        *IpAddress::parse("[::1]:4000"),
                        RelayRemote{1, 2},
                        RelayRemote{2, 1},
                        RelayRemote{1, 0},
                        SignalRemote{1},
                        SignalRemote{2},
                        Remote()};
  std::set<std::array<std::uint8_t, 19>> seen;
  for (const Remote& one : all) {
    EXPECT_TRUE(seen.insert(one.bytes()).second) << one.text();
    for (const Remote& other : all) EXPECT_EQ(one == other, &one == &other);
  }
}

TEST(Remote, HostsAndFamilies) {
  const Remote v4 = kAddress, port = IpAddress::v4(192, 0, 2, 1, 4001);
  const Remote v6 = *IpAddress::parse("[2001:db8::1]:1"), relay = RelayRemote{1, 2};
  EXPECT_TRUE(v4.same_host(port));
  EXPECT_FALSE(v4.same_host(v6));
  EXPECT_FALSE(relay.same_host(relay));
  EXPECT_TRUE(v4.same_family(port));
  EXPECT_FALSE(v4.same_family(v6));
  EXPECT_FALSE(v4.same_family(relay));
  EXPECT_TRUE(relay.same_family(SignalRemote{1}));
}

TEST(Remote, SaysWhereItIs) {
  EXPECT_EQ(Remote(kAddress).text(), "192.0.2.1:4000");
  EXPECT_EQ(Remote(kAddress).place(), "at 192.0.2.1:4000");
  EXPECT_EQ(Remote(RelayRemote{1, 2}).place(), "over the relay");
  EXPECT_EQ(Remote(SignalRemote{1}).text(), "the server");
}

}  // namespace
}  // namespace whimbrel
