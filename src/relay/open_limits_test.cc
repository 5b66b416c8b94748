#include "relay/open_limits.h"

#include <gtest/gtest.h>

namespace whimbrel::relay {
namespace {

TEST(OpenLimits, ACookieIsGoodForOneToTwoLifetimes) {
  constexpr Duration kLifetime = OpenLimits::kCookieLifetime;
  const IpAddress from = IpAddress::v4(192, 0, 2, 1, 4000);
  const Nonce nonce{7};
  const Instant begin{};
  FastRandom random(1);
  OpenLimits limits({100, 100, 100, 100}, random, begin);
  const RelayCookie cookie = limits.make_cookie(from, nonce, begin);
  const auto is_good = [&](Duration age) {
    return limits.check_cookie(from, nonce, cookie, begin + age);
  };
  EXPECT_TRUE(is_good(kLifetime - milliseconds(1)));
  EXPECT_TRUE(is_good(2 * kLifetime - milliseconds(1)));
  EXPECT_FALSE(is_good(4 * kLifetime));
}

TEST(OpenLimits, ACookieIsOfOneAddressAndOneNonce) {
  const IpAddress from = IpAddress::v4(192, 0, 2, 1, 4000);
  const Instant now{};
  FastRandom random(1);
  OpenLimits limits({100, 100, 100, 100}, random, now);
  const RelayCookie cookie = limits.make_cookie(from, Nonce{7}, now);
  EXPECT_TRUE(limits.check_cookie(from, Nonce{7}, cookie, now));
  EXPECT_FALSE(limits.check_cookie(from, Nonce{8}, cookie, now));
  EXPECT_FALSE(limits.check_cookie(IpAddress::v4(192, 0, 2, 2, 4000), Nonce{7}, cookie, now));
}

}  // namespace
}  // namespace whimbrel::relay
