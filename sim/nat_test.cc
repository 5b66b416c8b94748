#include "sim/nat.h"

#include <gtest/gtest.h>

namespace whimbrel::sim {
namespace {

const IpAddress kInside = IpAddress::v4(192, 168, 0, 2, 4000);
const IpAddress kServer = IpAddress::v4(9, 9, 9, 9, 53);
const IpAddress kServerOtherPort = IpAddress::v4(9, 9, 9, 9, 54);
const IpAddress kOther = IpAddress::v4(8, 8, 8, 8, 53);
const IpAddress kOutside = IpAddress::v4(1, 2, 3, 4, 0);

struct NatCase {
  NatKind kind;
  bool same_host_other_port;  // mapped alike, let in
  bool other_host;
};

class NatKinds : public testing::TestWithParam<NatCase> {};

TEST_P(NatKinds, MapsByItsKind) {
  FastRandom random(1);
  Nat nat({.outside = kOutside, .mapping = GetParam().kind});
  const IpAddress first = *nat.outbound(kInside, kServer, random, Instant{});
  EXPECT_EQ(first.bytes, kOutside.bytes);
  EXPECT_EQ(first, *nat.outbound(kInside, kServer, random, Instant{}));
  EXPECT_EQ(first == *nat.outbound(kInside, kServerOtherPort, random, Instant{}),
            GetParam().same_host_other_port);
  EXPECT_EQ(first == *nat.outbound(kInside, kOther, random, Instant{}), GetParam().other_host);
}

TEST_P(NatKinds, FiltersByItsKind) {
  FastRandom random(1);
  Nat nat({.outside = kOutside, .filtering = GetParam().kind});
  const std::uint16_t port = nat.outbound(kInside, kServer, random, Instant{})->port;
  EXPECT_EQ(nat.inbound(port, kServer, Instant{}), kInside);
  EXPECT_EQ(nat.inbound(port, kServerOtherPort, Instant{}).has_value(),
            GetParam().same_host_other_port);
  EXPECT_EQ(nat.inbound(port, kOther, Instant{}).has_value(), GetParam().other_host);
}

INSTANTIATE_TEST_SUITE_P(Rfc4787, NatKinds,
                         testing::Values(NatCase{NatKind::kEndpointIndependent, true, true},
                                         NatCase{NatKind::kAddressDependent, true, false},
                                         NatCase{NatKind::kAddressAndPortDependent, false, false}));

TEST(Nat, ForgetsAMappingThatIsNotRenewed) {
  FastRandom random(1);
  Nat nat({.outside = kOutside, .mapping_timeout = seconds(30)});
  const std::uint16_t port = nat.outbound(kInside, kServer, random, Instant{})->port;
  EXPECT_TRUE(nat.inbound(port, kServer, Instant{} + seconds(29)));
  EXPECT_FALSE(nat.inbound(port, kServer, Instant{} + seconds(30)));
  EXPECT_NE(nat.outbound(kInside, kServer, random, Instant{} + seconds(31))->port, port);
}

TEST(Nat, ForgetsEverythingWhenItRestarts) {
  FastRandom random(1);
  Nat nat({.outside = kOutside});
  const std::uint16_t port = nat.outbound(kInside, kServer, random, Instant{})->port;
  nat.forget();
  EXPECT_FALSE(nat.inbound(port, kServer, Instant{}));
}

TEST(Nat, HoldsNoMoreMappingsThanItMay) {
  FastRandom random(1);
  Nat nat({.outside = kOutside, .mappings_max = 3});
  for (std::uint16_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(nat.outbound(IpAddress::v4(192, 168, 0, 2, i), kServer, random, Instant{}));
  }
  EXPECT_FALSE(nat.outbound(IpAddress::v4(192, 168, 0, 2, 99), kServer, random, Instant{}));
  EXPECT_EQ(nat.mapping_count(), 3u);
}

}  // namespace
}  // namespace whimbrel::sim
