#include "path/congestion/delivery_rate.h"

#include <gtest/gtest.h>

#include <vector>

namespace whimbrel {
namespace {

constexpr Instant kStart{};

TEST(DeliveryRate, MeasuresASteadyFlow) {
  // A packet of 1000 bytes each millisecond, acknowledged 20 ms later.
  DeliveryRate rate(kStart);
  std::vector<SentPacket> packets(200);
  DeliverySample sample;
  std::uint64_t in_flight = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    const Instant now = kStart + milliseconds(static_cast<std::int64_t>(i));
    if (i >= 20) {
      rate.on_acked(packets[i - 20], now);
      sample = rate.finish();
      in_flight -= 1000;
    }
    packets[i].sent_time = now;
    packets[i].bytes = 1000;
    rate.on_sent(packets[i], in_flight, now);
    in_flight += 1000;
  }
  const double bytes = static_cast<double>(rate.delivered() - sample.delivered_prior);
  EXPECT_NEAR(bytes / to_seconds(sample.interval), 1e6, 1e5);
  EXPECT_FALSE(sample.app_limited);
}

TEST(DeliveryRate, ABurstOfAcksDoesNotLookLikeAFastLine) {
  DeliveryRate rate(kStart);
  std::vector<SentPacket> packets(20);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const Instant now = kStart + milliseconds(static_cast<std::int64_t>(i));
    packets[i].sent_time = now;
    packets[i].bytes = 1000;
    rate.on_sent(packets[i], i * 1000, now);
  }
  // All acknowledged at once: the time that sending took counts.
  for (const SentPacket& packet : packets) rate.on_acked(packet, kStart + milliseconds(20));
  const DeliverySample sample = rate.finish();
  EXPECT_GE(sample.interval, milliseconds(19));
}

TEST(DeliveryRate, MarksSamplesOfAnIdleApplication) {
  DeliveryRate rate(kStart);
  SentPacket before;
  before.bytes = 1000;
  rate.on_sent(before, 0, kStart);
  rate.on_app_limited(1000);
  SentPacket after;
  after.bytes = 1000;
  rate.on_sent(after, 1000, kStart);
  rate.on_acked(before, kStart + milliseconds(10));
  EXPECT_FALSE(rate.finish().app_limited);
  rate.on_acked(after, kStart + milliseconds(10));
  EXPECT_TRUE(rate.finish().app_limited);
  // Past that point the line is full again.
  SentPacket later;
  rate.on_sent(later, 0, kStart + milliseconds(11));
  EXPECT_FALSE(later.app_limited);
}

TEST(DeliveryRate, NothingAcknowledgedNoSample) {
  DeliveryRate rate(kStart);
  EXPECT_EQ(rate.finish().interval, Duration::zero());
}

}  // namespace
}  // namespace whimbrel
