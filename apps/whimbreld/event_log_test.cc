#include "event_log.h"

#include <gtest/gtest.h>

namespace {

using namespace whimbrel;
using rendezvous::RefusalCode;
using rendezvous::RendezvousEvent;

SiteEvents refused(RefusalCode code, const IpAddress& from, int count = 1) {
  SiteEvents events;
  const RendezvousEvent event{
      RendezvousEvent::Kind::kLoginRefused, from, code, 7, "str:al\nice\x1b[2J\xff",
      "it \"says\"\r\n2026 info forged",    {}};
  events.rendezvous.events.assign(static_cast<std::size_t>(count), event);
  return events;
}

const IpAddress kFrom = IpAddress::v4(203, 0, 113, 77, 5000);

TEST(EventLog, NetworksAndNoAddresses) {
  EXPECT_EQ(network_text(kFrom), "203.0.113.0/24");
  EXPECT_EQ(network_text(*IpAddress::parse("[2001:db8:7:1::5]:9")), "2001:db8:7::/48");
}

TEST(EventLog, ARefusedLoginIsALineWithoutNames) {
  EventLog log;
  const auto lines = log.look({refused(RefusalCode::kNameTaken, kFrom)}, false, {});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_FALSE(lines[0].debug);
  EXPECT_EQ(lines[0].text,
            "login refused: the name belongs to another key, or the key has as many as it may "
            "(names_of_key); from 203.0.113.0/24");
}

TEST(EventLog, WhatOthersChoseIsQuoted) {
  EventLog log;
  const auto lines = log.look({refused(RefusalCode::kBadToken, kFrom)}, true, {});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].debug);
  EXPECT_NE(lines[0].text.find(R"("str:al\nice\u001b[2J\ufffd", application 7)"), std::string::npos)
      << lines[0].text;
  for (const char c : lines[0].text) EXPECT_TRUE(c >= ' ' && c < 0x7f) << lines[0].text;
}

TEST(EventLog, AFloodIsCounted) {
  EventLog log;
  EventLog::Clock::time_point now{};
  now += std::chrono::hours(1);
  const auto once = log.look({refused(RefusalCode::kBadToken, kFrom, 15)}, false, now);
  ASSERT_EQ(once.size(), 1u);
  EXPECT_EQ(once[0].text, "login refused: its token is not valid; from 203.0.113.0/24 (15 times)");
  std::size_t lines = once.size();
  for (int second = 1; second < 60; ++second) {
    lines += log.look({refused(RefusalCode::kTooOften, kFrom, 10),
                       refused(RefusalCode::kFull, IpAddress::v4(198, 51, 100, 1, 5), 5)},
                      false, now + std::chrono::seconds(second))
                 .size();
  }
  EXPECT_EQ(lines, EventLog::kLinesOfMinute);
  const auto counted = log.look({}, false, now + std::chrono::seconds(60));
  ASSERT_EQ(counted.size(), 1u);
  EXPECT_NE(counted[0].text.find("times login refused: too many new names"), std::string::npos)
      << counted[0].text;
  EXPECT_NE(counted[0].text.find("times login refused: the server is full"), std::string::npos);
  EXPECT_NE(counted[0].text.find("most from 203.0.113.0/24 (500)"), std::string::npos)
      << counted[0].text;
  EXPECT_TRUE(log.look({}, false, now + std::chrono::seconds(200)).empty());
  EXPECT_EQ(
      log.look({refused(RefusalCode::kBadToken, kFrom)}, false, now + std::chrono::seconds(201))
          .size(),
      1u);
}

TEST(EventLog, ManyNetworksCostLittle) {
  EventLog log;
  std::vector<SiteEvents> events;
  for (int i = 0; i < 5000; ++i) {
    events.push_back(refused(
        RefusalCode::kBadToken,
        IpAddress::v4(10, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 1, 5)));
  }
  EventLog::Clock::time_point now{};
  now += std::chrono::hours(1);
  log.look(events, false, now);
  const auto counted = log.look({}, false, now + std::chrono::minutes(2));
  ASSERT_EQ(counted.size(), 1u);
  EXPECT_NE(counted[0].text.find("4980 times"), std::string::npos) << counted[0].text;
}

}  // namespace
