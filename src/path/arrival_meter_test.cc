#include "path/arrival_meter.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

constexpr Instant kStart{};

TEST(ArrivalMeter, UnknownWithoutPackets) { EXPECT_LT(ArrivalMeter(kStart).share(kStart), 0); }

TEST(ArrivalMeter, CountsWhatArrived) {
  ArrivalMeter meter(kStart);
  for (std::uint64_t n = 0; n < 1000; ++n)
    if (n % 4 != 0) meter.on_received(n + 1, kStart + milliseconds(static_cast<std::int64_t>(n)));
  EXPECT_NEAR(meter.share(kStart + seconds(1)), 0.75, 0.01);
}

TEST(ArrivalMeter, ForgetsAfterTenSeconds) {
  ArrivalMeter meter(kStart);
  meter.on_received(100, kStart);  // 99 lost
  EXPECT_NEAR(meter.share(kStart), 0.01, 0.001);
  for (std::int64_t s = 1; s <= 12; ++s)
    meter.on_received(100 + static_cast<std::uint64_t>(s), kStart + seconds(s));
  EXPECT_DOUBLE_EQ(meter.share(kStart + seconds(12)), 1.0);
  EXPECT_LT(meter.share(kStart + seconds(40)), 0);
}

TEST(ArrivalMeter, NeverMoreThanAll) {
  ArrivalMeter meter(kStart);
  meter.on_received(1, kStart);
  meter.on_received(1, kStart);  // came late: no new number was due
  EXPECT_DOUBLE_EQ(meter.share(kStart), 1.0);
}

}  // namespace
}  // namespace whimbrel
