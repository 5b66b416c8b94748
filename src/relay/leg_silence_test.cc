#include "relay/leg_silence.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace whimbrel::relay {
namespace {

constexpr int kNoTime = -1;

// A leg that heard something at 0 ms. All times are in milliseconds.
struct Line {
  static Instant at(int ms) { return Instant{} + seconds(1000) + milliseconds(ms); }
  static int ms_of(Instant when) {
    return when == kNever ? kNoTime : static_cast<int>(to_milliseconds(when - at(0)));
  }

  Line& rtt(int ms) { return history.measured(milliseconds(ms)), *this; }
  Line& sends(int ms) {
    history.sent_payload(at(ms));
    silence.sent_payload(at(ms));
    return *this;
  }
  // Payloads before the silence: traffic, if there are five in two seconds.
  Line& sent_before(int count) {
    for (int i = count - 1; i >= 0; --i) history.sent_payload(at(-10 * i));
    return *this;
  }
  Line& came_before(int count) {
    for (int i = count - 1; i >= 0; --i) history.delivered_payload(at(-10 * i));
    return *this;
  }
  Line& pings(int ms) { return silence.asked(at(ms), history.rtt()), *this; }
  Line& is_told(int ms) {
    pings(ms);
    silence.suspect();
    return *this;
  }
  Line& is_doubted() { return silence.doubt(), *this; }
  Line& opens(int ms) {
    silence.owe_open();
    EXPECT_TRUE(silence.take_open());
    history.sent_open(at(ms));
    return *this;
  }
  Line& opened_needlessly(int ms) { return history.needless_open(at(ms)), *this; }

  LegHistory history;
  LegSilence silence{at(0)};
};

struct Due {
  int ask = kNoTime;
  int open = kNoTime;
  int doubt = kNoTime;
  int dead = kNoTime;
};
struct Case {
  const char* what;
  std::function<void(Line&)> happens;
  Due due;
};

void expect_due(const Line& line, const Due& due) {
  EXPECT_EQ(Line::ms_of(line.silence.ask_at(line.history)), due.ask) << "the next Ping";
  EXPECT_EQ(Line::ms_of(line.silence.open_at(line.history)), due.open) << "the next Open";
  EXPECT_EQ(Line::ms_of(line.silence.doubt_at(line.history)), due.doubt) << "doubted";
  EXPECT_EQ(Line::ms_of(line.silence.dead_at(line.history)), due.dead) << "dead";
}

void try_all(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    Line line;
    one.happens(line);
    expect_due(line, one.due);
  }
}

TEST(LegSilence, WhenTheRelayIsAsked) {
  try_all({
      {"nothing passes", [](Line&) {}, {.ask = 15000}},
      {"something came after a long time", [](Line& l) { l.came_before(1); }, {.ask = 1000}},
      {"traffic came", [](Line& l) { l.came_before(20); }, {.ask = 1000}},
      {"one packet leaves", [](Line& l) { l.sends(100); }, {.ask = 450}},
      {"a second one", [](Line& l) { l.sends(100).sends(200); }, {.ask = 450}},
      {"a third one",
       [](Line& l) { l.sends(100).sends(110).sends(120); },
       {.ask = 150, .doubt = 250}},
      {"one of traffic", [](Line& l) { l.sent_before(4).sends(100); }, {.ask = 150, .doubt = 250}},
  });
}

TEST(LegSilence, AfterAPing) {
  try_all({
      {"of an idle leg",
       [](Line& l) { l.pings(15000); },
       {.ask = 15050, .open = 15050, .dead = 18000}},
      {"of a leg that is told that its slot is gone",
       [](Line& l) { l.is_told(15000); },
       {.ask = 15050, .open = 15050, .dead = 15400}},
      {"after traffic came",
       [](Line& l) { l.came_before(20).pings(1000); },
       {.ask = 1050, .open = 1050, .dead = 1400}},
      {"after one packet: the clock starts with it",
       [](Line& l) { l.sends(100).pings(450); },
       {.ask = 500, .open = 500, .doubt = 250, .dead = 500}},
      {"that left late: it has its time for an answer",
       [](Line& l) { l.sends(100).pings(490); },
       {.ask = 540, .open = 540, .doubt = 250, .dead = 540}},
      {"before the packet: the clock starts with the Ping",
       [](Line& l) { l.pings(1000).sends(1100); },
       {.ask = 1050, .open = 1050, .doubt = 1250, .dead = 1400}},
      {"and another one",
       [](Line& l) { l.pings(15000).pings(15050); },
       {.ask = 15100, .open = 15050, .dead = 18000}},
      {"of a leg that is doubted already",
       [](Line& l) { l.sends(100).sends(110).sends(120).is_doubted().pings(300); },
       {.ask = 350, .open = 350, .dead = 500}},
  });
}

TEST(LegSilence, LongRoundTripsGiveMoreTime) {
  try_all({
      {"to a leg with traffic",
       [](Line& l) { l.rtt(200).sent_before(4).sends(100).pings(150); },
       {.ask = 400, .open = 450, .doubt = 550, .dead = 900}},
      {"to the answer of a late Ping",
       [](Line& l) { l.rtt(200).sends(100).pings(700); },
       {.ask = 950, .open = 1000, .doubt = 550, .dead = 1150}},
      {"to an idle leg",
       [](Line& l) { l.rtt(1000).pings(15000); },
       {.ask = 16250, .open = 16500, .dead = 19000}},
      {"but not to the Pings of a leg that is doubted",
       [](Line& l) { l.rtt(200).sends(100).is_doubted().pings(600); },
       {.ask = 650, .open = 900, .dead = 1050}},
  });
}

TEST(LegSilence, TrafficThatStopsSuddenlyCostsAnOpenBesideThePing) {
  try_all({
      {"it stops in both directions",
       [](Line& l) { l.sent_before(9).came_before(9).sends(10).pings(60); },
       {.ask = 110, .open = 60, .doubt = 160, .dead = 410}},
      {"so long a round trip is waited for",
       [](Line& l) { l.rtt(100).sent_before(9).came_before(9).sends(10).pings(60); },
       {.ask = 185, .open = 160, .doubt = 260, .dead = 410}},
      {"only we have sent traffic",
       [](Line& l) { l.sent_before(9).came_before(1).sends(10).pings(60); },
       {.ask = 110, .open = 110, .doubt = 160, .dead = 410}},
      {"only the peer has",
       [](Line& l) { l.came_before(9).sends(10).sends(20).sends(30).pings(60); },
       {.ask = 110, .open = 110, .doubt = 160, .dead = 410}},
      {"we begin to talk",
       [](Line& l) { l.sent_before(9).came_before(9).sends(50).pings(100); },
       {.ask = 150, .open = 150, .doubt = 200, .dead = 450}},
      {"the relay knew us when the last one came, just now",
       [](Line& l) {
         l.sent_before(9).came_before(9).opened_needlessly(-9999).sends(10).pings(60);
       },
       {.ask = 110, .open = 110, .doubt = 160, .dead = 410}},
      {"or long ago",
       [](Line& l) {
         l.sent_before(9).came_before(9).opened_needlessly(-10000).sends(10).pings(60);
       },
       {.ask = 110, .open = 60, .doubt = 160, .dead = 410}},
  });
}

TEST(LegSilence, OpensBackOff) {
  Line line;
  line.is_told(0);
  int last = 50;
  for (int pause = 100; pause <= 3200; pause *= 2) {
    line.opens(last);
    EXPECT_EQ(Line::ms_of(line.silence.open_at(line.history)), last + pause);
    last += pause;
  }
  line.opens(last);
  EXPECT_EQ(Line::ms_of(line.silence.open_at(line.history)), last + 3200) << "and no further";
}

TEST(LegSilence, AnOpenThatIsOwedLeavesOnce) {
  Line line;
  EXPECT_FALSE(line.silence.take_open());
  line.is_told(0);
  EXPECT_FALSE(line.silence.take_open());
  line.silence.owe_open();
  line.silence.owe_open();
  EXPECT_TRUE(line.silence.owes_open());
  EXPECT_EQ(line.silence.opens(), 0u);
  EXPECT_TRUE(line.silence.take_open());
  EXPECT_FALSE(line.silence.take_open());
  EXPECT_EQ(line.silence.opens(), 1u);
}

TEST(LegSilence, CookiesCauseTwoMoreOpensAtMost) {
  Line line;
  line.silence.on_cookie();
  EXPECT_FALSE(line.silence.take_open()) << "nothing was asked";
  line.is_told(0);
  line.silence.on_cookie();
  EXPECT_FALSE(line.silence.take_open()) << "no Open was sent";
  line.opens(0);
  int more = 0;
  for (int i = 0; i < 100; ++i) {
    line.silence.on_cookie();
    while (line.silence.take_open()) ++more;
  }
  EXPECT_EQ(more, 2);
}

TEST(LegSilence, SaysWhatBecameOfTheLeg) {
  Line line;
  EXPECT_FALSE(line.silence.doubted());
  EXPECT_FALSE(line.silence.suspected());
  line.sends(100).pings(150);
  EXPECT_FALSE(line.silence.doubted());
  EXPECT_FALSE(line.silence.suspected());
  line.is_doubted();
  EXPECT_TRUE(line.silence.doubted());
  line.silence.suspect();
  EXPECT_TRUE(line.silence.suspected());
}

}  // namespace
}  // namespace whimbrel::relay
