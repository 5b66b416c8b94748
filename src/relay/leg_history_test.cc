#include "relay/leg_history.h"

#include <gtest/gtest.h>

namespace whimbrel::relay {
namespace {

Instant at(int ms) { return Instant{} + seconds(1000) + milliseconds(ms); }

TEST(LegHistory, SmoothsTheRoundTrip) {
  LegHistory history;
  EXPECT_EQ(history.rtt(), Duration::zero());
  history.measured(milliseconds(80));
  EXPECT_EQ(history.rtt(), milliseconds(80));
  history.measured(milliseconds(160));
  EXPECT_EQ(history.rtt(), milliseconds(90));
}

TEST(LegHistory, ARoundTripOfNoTimeIsMeasuredStill) {
  LegHistory history;
  history.measured(Duration::zero());
  EXPECT_GT(history.rtt(), Duration::zero());
}

TEST(LegHistory, FivePacketsInTwoSecondsAreTraffic) {
  LegHistory history;
  for (int i = 0; i < 4; ++i) history.sent_payload(at(400 * i));
  EXPECT_FALSE(history.sends_traffic());
  history.sent_payload(at(1999));
  EXPECT_TRUE(history.sends_traffic());
  EXPECT_FALSE(history.brings_traffic()) << "one direction says nothing of the other";
}

TEST(LegHistory, TrafficLastsIntoTheNextTwoSeconds) {
  for (const int pause : {2000, 3999, 4000}) {
    SCOPED_TRACE(pause);
    LegHistory history;
    for (int i = 0; i < 5; ++i) history.delivered_payload(at(i));
    history.delivered_payload(at(pause));
    EXPECT_EQ(history.brings_traffic(), pause < 4000);
    history.delivered_payload(at(pause + 2000));
    EXPECT_FALSE(history.brings_traffic()) << "one packet in two seconds is none";
  }
}

TEST(LegHistory, MoreIsExpectedAfterTrafficAndAfterTheFirstPacketInALongTime) {
  LegHistory history;
  EXPECT_FALSE(history.delivers_at(at(0)));
  history.delivered_payload(at(0));
  EXPECT_TRUE(history.delivers_at(at(9999)));
  EXPECT_FALSE(history.delivers_at(at(10000)));
  history.delivered_payload(at(9000));
  EXPECT_FALSE(history.delivers_at(at(10000))) << "a keep-alive";
  history.delivered_payload(at(19000));
  EXPECT_TRUE(history.delivers_at(at(20000)));
  for (int i = 1; i <= 5; ++i) history.delivered_payload(at(19500 + i));
  EXPECT_TRUE(history.delivers_at(at(29504)));
}

TEST(LegHistory, IsWantedForTenSecondsAfterAnythingPassed) {
  EXPECT_FALSE(LegHistory().wanted_lately(at(0)));
  LegHistory sent, delivered, waiting;
  sent.sent_payload(at(0));
  delivered.delivered_payload(at(0));
  waiting.wanted(at(0));
  for (const LegHistory* history : {&sent, &delivered, &waiting}) {
    EXPECT_TRUE(history->wanted_lately(at(9999)));
    EXPECT_FALSE(history->wanted_lately(at(10000)));
  }
}

TEST(LegHistory, AnotherSlotKeepsTheRoundTripAndWhatWasSent) {
  LegHistory history;
  history.measured(milliseconds(80));
  history.delivered_payload(at(0));
  history.needless_open(at(0));
  for (int i = 0; i < 5; ++i) history.sent_payload(at(i));
  history.begin_slot();
  EXPECT_FALSE(history.delivered_at());
  EXPECT_FALSE(history.needless_at());
  EXPECT_FALSE(history.delivers_at(at(10)));
  EXPECT_EQ(history.rtt(), milliseconds(80));
  EXPECT_TRUE(history.sends_traffic());
  EXPECT_TRUE(history.wanted_lately(at(10)));
}

}  // namespace
}  // namespace whimbrel::relay
