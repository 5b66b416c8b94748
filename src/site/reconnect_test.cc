// A server that was killed and comes back: its clients are told, and log in again.
#include <gtest/gtest.h>

#include "handshake/reset.h"
#include "site/test_callers.h"

namespace whimbrel {
namespace {

class MemoryBook final : public ClientBook {
 public:
  std::vector<SessionLine> take_last() override {
    std::vector<SessionLine> all;
    for (const auto& [place, line] : lines) all.push_back(line);
    lines.clear();
    return all;
  }
  void note(std::size_t place, const SessionLine& line) override { lines[place] = line; }
  void erase(std::size_t place) override { lines.erase(place); }

  std::map<std::size_t, SessionLine> lines;
};

class SiteReconnects : public SiteWithCallers {
 protected:
  SiteReconnects() {
    config.clients = &book;
    make();
  }
  static IpAddress address(std::size_t i) {
    return IpAddress::v4(10, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i),
                         7000);
  }
  std::size_t online() const {
    return static_cast<std::size_t>(std::count_if(callers.begin(), callers.end(),
                                                  [](const auto& one) { return one->online(); }));
  }
  void all_log_in(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      add("str:user" + std::to_string(i), address(i));
      if (i % 10 == 9) run_for(milliseconds(20));
    }
    run_for(seconds(1));
    ASSERT_EQ(online(), count);
  }
  void restart() {
    make();
    for (auto& caller : callers) caller->lost = false;
  }

  MemoryBook book;
};

TEST_F(SiteReconnects, AreAskedForAtOnce) {
  all_log_in(300);
  EXPECT_EQ(book.lines.size(), 300u);
  restart();
  EXPECT_EQ(server().user_count(), 0u);
  run_for(seconds(1));
  EXPECT_EQ(server().user_count(), 300u);
  EXPECT_EQ(online(), 300u);
  EXPECT_EQ(book.lines.size(), 300u);
}

TEST_F(SiteReconnects, AreOfThoseWhoWereThereAtTheEnd) {
  all_log_in(3);
  callers[1]->endpoint.close_session(Caller::server_name(), now);
  exchange();
  callers.erase(callers.begin() + 1);
  EXPECT_EQ(book.lines.size(), 2u);
  // Whoever comes next has the free place.
  add("str:late", address(77));
  run_for(seconds(1));
  EXPECT_EQ(book.lines.size(), 3u);
  EXPECT_EQ(book.lines.rbegin()->first, 2u);
}

TEST_F(SiteReconnects, FollowTheClientThatMoved) {
  all_log_in(1);
  const IpAddress moved = address(500);
  Caller& caller = *callers[0];
  const_cast<IpAddress&>(caller.address) = moved;
  run_for(seconds(15));  // its ping comes from there
  EXPECT_EQ(book.lines.at(0).remote, moved);
}

// A server that crashes again and again: whoever was not called back yet is called back by the next
// life.
TEST_F(SiteReconnects, AreAskedForAfterSeveralRestartsInARow) {
  all_log_in(300);
  for (int life = 0; life < 3; ++life) {
    restart();
    run_for(milliseconds(1));
    EXPECT_GE(book.lines.size(), 300u);
  }
  restart();
  run_for(seconds(1));
  EXPECT_GE(server().user_count(), 260u)
      << "those who have lost two sessions at once wait a little";
  EXPECT_EQ(book.lines.size(), server().user_count()) << "nothing stays that is over";
}

// Questions after sessions that there never were: whoever was called back asks such a one, too, and
// is answered among them.
TEST_F(SiteReconnects, AreAnsweredInAFloodOfQuestions) {
  all_log_in(30);
  restart();
  const auto junk = write_reset_ask({.sender_index = 1, .receiver_index = 2, .nonce = 3}, {});
  const std::vector<std::uint8_t> packet(junk.begin(), junk.end());
  for (std::uint8_t i = 0; i < 200; ++i) {
    for (int n = 0; n < (i == 0 ? 1500 : 20); ++n)
      give(IpAddress::v4(198, 51, 100, i, 999), packet);
    run_for(milliseconds(1));
  }
  EXPECT_EQ(server().user_count(), 30u);
}

// What an old life said, or somebody else, ends no session: the client only asks.
TEST_F(SiteReconnects, EndNoSessionThatIsKnown) {
  all_log_in(1);
  const SessionLine line = book.lines.at(0);
  restart();
  const auto told = [&] {
    const auto out = site->poll_transmit(buffer, now);
    return out ? std::vector<std::uint8_t>(buffer.begin(),
                                           buffer.begin() + static_cast<long>(out->size))
               : std::vector<std::uint8_t>();
  };
  site->advance(now);
  const std::vector<std::uint8_t> reset = told();
  ASSERT_FALSE(reset.empty());
  std::vector<std::uint8_t> forged = reset;
  forged.back() ^= 1;
  Caller& caller = *callers[0];
  caller.endpoint.receive(kServer, forged, now);
  EXPECT_FALSE(caller.endpoint.poll_transmit(buffer, now)) << "not even a question";
  std::vector<std::uint8_t> genuine = reset;
  caller.endpoint.receive(kServer, genuine, now);
  EXPECT_TRUE(caller.online());
  exchange();
  EXPECT_TRUE(caller.lost) << "its question was answered";
  run_for(seconds(1));
  EXPECT_TRUE(caller.online());
  // Played back into the new session.
  caller.lost = false;
  genuine = reset;
  caller.endpoint.receive(kServer, genuine, now);
  run_for(seconds(1));
  EXPECT_FALSE(caller.lost);
  ASSERT_EQ(book.lines.size(), 1u);
  EXPECT_NE(book.lines.begin()->second.local_index, line.local_index);
}

// --- how fast -----------------------------------------------------------------------------------

std::vector<SessionLine> lines(std::size_t count) {
  std::vector<SessionLine> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    all[i].remote =
        IpAddress::v4(10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                      static_cast<std::uint8_t>(i), 7);
  }
  return all;
}

TEST(ReconnectQueue, CallsAtARateThatTheServerCanBear) {
  Instant now{};
  ReconnectQueue queue(lines(100'000), now);
  std::size_t called = 0;
  for (; now < Instant() + seconds(10); now += milliseconds(1)) {
    while (const auto next = queue.next(now)) {
      ++called;
      queue.on_login(next->line.remote);
    }
  }
  EXPECT_NEAR(static_cast<double>(called),
              10 * ReconnectQueue::kPerSecond + ReconnectQueue::kAtOnce, 10);
}

// Also where nobody answers: then the pace is the slowest.
TEST(ReconnectQueue, CallsAllWhileTheirLobbiesCanBeRestored) {
  Instant now{};
  ReconnectQueue queue(lines(rendezvous::RendezvousLimits().clients_max), now);
  while (queue.next_deadline() != kNever) {
    now = std::max(now, queue.next_deadline());
    while (queue.next(now)) continue;
  }
  EXPECT_LT(now - Instant(), rendezvous::LobbyLimits().restore_time);
}

TEST(ReconnectQueue, PassesOverWhoIsHere) {
  Instant now{};
  const auto all = lines(2000);
  ReconnectQueue queue(all, now);
  for (std::size_t i = 0; i < all.size(); i += 2) queue.on_login(all[i].remote);
  std::size_t told = 0, turns = 0;
  for (; now < Instant() + seconds(2); now += milliseconds(1)) {
    while (const auto next = queue.next(now)) {
      EXPECT_EQ(next->is_here, turns % 2 == 0);
      told += next->is_here ? 0 : 1;
      ++turns;
    }
  }
  EXPECT_EQ(turns, all.size());
  EXPECT_EQ(told, all.size() / 2);
}

TEST(ReconnectQueue, WaitsForThoseWhoAreUnderWay) {
  Instant now{};
  ReconnectQueue queue(lines(100'000), now);
  std::size_t called = 0;
  for (; now < Instant() + ReconnectQueue::kPatience; now += milliseconds(1))
    while (queue.next(now)) ++called;
  EXPECT_EQ(called, ReconnectQueue::kUnderWayMax);
  EXPECT_GE(queue.next_deadline(), now);
  for (; now < Instant() + seconds(20); now += milliseconds(1))
    while (queue.next(now)) ++called;
  EXPECT_GT(called, 15 * ReconnectQueue::kUnderWayMax)
      << "whoever does not come keeps nobody out for long";
}

TEST(ReconnectQueue, EndsWithTheLast) {
  Instant now{};
  ReconnectQueue queue(lines(2), now);
  EXPECT_TRUE(queue.next(now) && queue.next(now));
  EXPECT_FALSE(queue.next(now));
  EXPECT_EQ(queue.next_deadline(), kNever);
}

}  // namespace
}  // namespace whimbrel
