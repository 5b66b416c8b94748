#include "api/settings.h"

#include <gmock/gmock.h>

namespace whimbrel {
namespace {

TEST(Settings, DefaultsAreThoseOfTheCore) {
  const SessionOptions made = Settings().session_options();
  const SessionOptions core;
  EXPECT_EQ(made.timeout_initial, core.timeout_initial);
  EXPECT_EQ(made.timeout_connected, core.timeout_connected);
  EXPECT_EQ(made.idle_timeout, core.idle_timeout);
  EXPECT_EQ(made.linger, core.linger);
  EXPECT_EQ(made.keep_alive, core.keep_alive);
  EXPECT_EQ(made.nagle_max, core.nagle_max);
  EXPECT_EQ(made.unreliable_age_max, core.unreliable_age_max);
  EXPECT_EQ(made.send_bytes_max, core.send_bytes_max);
  EXPECT_EQ(made.receive_bytes_max, core.receive_bytes_max);
  EXPECT_EQ(made.receive_messages_max, core.receive_messages_max);
  EXPECT_EQ(made.send_rate_min, core.send_rate_min);
  EXPECT_EQ(made.send_rate_max, core.send_rate_max);
  EXPECT_EQ(made.datagram_size_max, core.datagram_size_max);
  EndpointLimits limits;
  Settings().apply_to(limits);
  EXPECT_EQ(limits.sessions_max, EndpointLimits().sessions_max);
  EXPECT_EQ(limits.pending_requests_max, EndpointLimits().pending_requests_max);
  EXPECT_FALSE(Settings().fake_send().active());
}

TEST(Settings, RefusesWithTheRange) {
  EXPECT_EQ(check_option(Option::kSendBufferSize, 4096), std::nullopt);
  EXPECT_EQ(*check_option(Option::kSendBufferSize, 4095),
            "SendBufferSize must be 4096 to 268435456 bytes, not 4095");
  EXPECT_THAT(*check_option(static_cast<Option>(12345), 0), testing::HasSubstr("no option 12345"));
}

TEST(Settings, AUsersValueGoesBeforeThatOfAll) {
  Settings settings;
  const Identity bob = Identity::generic_string("bob");
  EXPECT_TRUE(settings.set_for(bob, Option::kSendBufferSize, 5000));
  settings.set(Option::kSendBufferSize, 6000);
  settings.set(Option::kLingerTime, 7);
  EXPECT_EQ(settings.session_options_for(bob).send_bytes_max, 5000u);
  EXPECT_EQ(settings.session_options_for(bob).linger, milliseconds(7));
  EXPECT_EQ(settings.session_options_for(Identity()).send_bytes_max, 6000u);
  EXPECT_FALSE(settings.is_set(Option::kNagleTime));
  EXPECT_TRUE(settings.is_set(Option::kLingerTime));
}

TEST(Settings, FakesGoEachWay) {
  Settings settings;
  settings.set(Option::kFakePacketLossSend, 3);
  settings.set(Option::kFakePacketLagRecv, 40);
  settings.set(Option::kFakeRateLimitRecv, 5000);
  EXPECT_EQ(settings.fake_send().loss_percent, 3);
  EXPECT_EQ(settings.fake_send().lag, milliseconds(0));
  EXPECT_EQ(settings.fake_receive().loss_percent, 0);
  EXPECT_EQ(settings.fake_receive().lag, milliseconds(40));
  EXPECT_EQ(settings.fake_receive().rate, 5000u);
}

TEST(Settings, BoundsTheUsersWithValuesOfTheirOwn) {
  Settings settings;
  for (std::uint64_t i = 1; i <= Settings::kUsersMax; ++i) {
    ASSERT_TRUE(settings.set_for(Identity::steam_id(i), Option::kLingerTime, 1));
  }
  EXPECT_FALSE(settings.set_for(Identity::psn(1), Option::kLingerTime, 1));
  EXPECT_TRUE(settings.set_for(Identity::steam_id(1), Option::kLingerTime, 2));
}

}  // namespace
}  // namespace whimbrel
