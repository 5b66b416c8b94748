#include "log_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

namespace {

class LogSinkTest : public testing::TestWithParam<bool> {
 protected:
  LogSinkTest() {
    std::signal(SIGPIPE, SIG_IGN);
    const bool made = GetParam() ? ::pipe(ends_.data()) == 0
                                 : ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()) == 0;
    EXPECT_TRUE(made);
  }
  ~LogSinkTest() override {
    for (const int end : ends_) {
      if (end >= 0) ::close(end);
    }
  }
  // All that is there.
  std::string read() {
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string all;
    std::array<char, 4096> piece{};
    for (ssize_t got = 0; (got = ::read(ends_[0], piece.data(), piece.size())) > 0;)
      all.append(piece.data(), static_cast<std::size_t>(got));
    return all;
  }

  std::array<int, 2> ends_{-1, -1};
};

TEST_P(LogSinkTest, NobodyWaitsForAReader) {
  LogSink sink(ends_[1]);
  std::uint64_t lines = 0;
  for (; sink.lost() == 0 && lines < 1'000'000; ++lines) sink.write("a line of the log\n");
  ASSERT_GT(sink.lost(), 0u);
  for (int i = 0; i < 99; ++i) sink.write("a line of the log\n");
  lines += 99;
  EXPECT_EQ(sink.lost(), 100u);
  std::string all = read();
  sink.write("one more\n");
  EXPECT_EQ(sink.lost(), 0u);
  all += read();
  const std::string end = "100 lines of the log are missing: nobody read them\none more\n";
  ASSERT_GT(all.size(), end.size());
  EXPECT_EQ(all.substr(all.size() - end.size()), end);
}

TEST_P(LogSinkTest, AReaderThatIsGoneIsNoEnd) {
  LogSink sink(ends_[1]);
  ::close(ends_[0]);
  ends_[0] = -1;
  for (int i = 0; i < 10; ++i) sink.write("a line\n");
  EXPECT_EQ(sink.lost(), 10u);
}

INSTANTIATE_TEST_SUITE_P(PipesAndSockets, LogSinkTest, testing::Bool());

}  // namespace
