// What the benchmark programs share: their command line, clocks, the measured window, and the line
// of JSON that each prints at its end. bench/run reads those lines.
//
//   bench_X server --port P --row ROW --seconds S    prints "ready", serves until SIGTERM, prints its result
//   bench_X client --port P --row ROW --seconds S    measures, prints its result, ends
//   bench_X local  --row ROW --seconds S             measures inside one process
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

inline constexpr std::size_t kSmallBytes = 64;
inline constexpr std::size_t kFullBytes = 1200;
inline constexpr std::size_t kBulkBytes = 65536;
// Socket buffers: what the kernel allows by default at most is often less; every rival asks for the
// same.
inline constexpr int kSocketBufferBytes = 4 << 20;
// Before the measured window: caches, windows and estimators settle.
inline constexpr double kWarmUpSeconds = 0.5;
// A sender goes on this long after its window, so that the receiver's window, which began later, is
// full to its end.
inline constexpr double kAfterSeconds = 0.2;
// Burst and memory rows.
inline constexpr std::size_t kSessions = 1000;
inline constexpr std::size_t kSessionsAtOnce = 64;

inline double now_s() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// User and system time of this process.
inline double cpu_s() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(u.ru_utime) + seconds(u.ru_stime);
}

struct Arguments {
  std::string side, row;
  std::uint16_t port = 0;
  double seconds = 2;
  // Of the rows with a server of another process: its id, and where it keeps its keys.
  int pid = 0;
  std::string state;
};

inline volatile std::sig_atomic_t g_stopped = 0;
// SIGTERM came: print the result and end.
inline bool stopped() { return g_stopped != 0; }

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

// Reads the command line; sets an alarm, so that nothing ever hangs.
inline Arguments start(int argc, char** argv) {
  Arguments arguments;
  if (argc > 1) arguments.side = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view key = argv[i];
    if (key == "--port") arguments.port = static_cast<std::uint16_t>(std::atoi(argv[i + 1]));
    if (key == "--row") arguments.row = argv[i + 1];
    if (key == "--seconds") arguments.seconds = std::atof(argv[i + 1]);
    if (key == "--pid") arguments.pid = std::atoi(argv[i + 1]);
    if (key == "--state") arguments.state = argv[i + 1];
  }
  if (arguments.side.empty() || arguments.row.empty())
    fail("usage: server|client|local --port P --row ROW --seconds S");
  struct sigaction action = {};
  action.sa_handler = [](int) { g_stopped = 1; };  // no SA_RESTART: a blocked call returns
  sigaction(SIGTERM, &action, nullptr);
  alarm(static_cast<unsigned>(arguments.seconds) + 25);
  return arguments;
}

// A program's main(): which part of it a command line asks for.
using Part = void (*)(const Arguments&);
inline int run_part(const Arguments& arguments, Part server,
                    std::initializer_list<std::pair<std::string_view, Part>> rows, Part other) {
  Part part = arguments.side == "server" ? server : other;
  for (const auto& [row, of_row] : rows) {
    if (arguments.side != "server" && arguments.row == row) part = of_row;
  }
  part(arguments);
  return 0;
}

inline void say_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

// One line: {"name":value,...}
inline void print_result(std::initializer_list<std::pair<const char*, double>> fields) {
  const char* separator = "{";
  for (const auto& [name, value] : fields) {
    std::printf("%s\"%s\":%.9g", separator, name, value);
    separator = ",";
  }
  std::puts("}");
  std::fflush(stdout);
}

// `values` in seconds; printed in microseconds.
inline void print_times(std::vector<double> values) {
  if (values.empty()) fail("nothing was measured");
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))] * 1e6;
  };
  print_result({{"count", static_cast<double>(values.size())},
                {"p50_us", at(0.5)},
                {"p90_us", at(0.9)},
                {"p99_us", at(0.99)}});
}

// The harness reads this process's memory meanwhile, and then closes our stdin.
inline void wait_for_harness(std::size_t sessions) {
  print_result({{"up", static_cast<double>(sessions)}});
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
}

// Counts what was delivered, and this process's CPU time, in a window that begins kWarmUpSeconds
// after start() (or after the first count).
class Meter {
 public:
  explicit Meter(double seconds) : seconds_wanted_(seconds) {}

  void start() {
    if (started_at_ == 0) started_at_ = now_s();
  }
  void add(std::uint64_t messages, std::uint64_t bytes) {
    start();
    const double now = now_s();
    if (window_at_ == 0) {
      if (now >= started_at_ + kWarmUpSeconds) open(now);
      return;
    }
    if (over()) return;
    messages_ += messages;
    bytes_ += bytes;
    if (now >= window_at_ + seconds_wanted_) close(now);
  }
  // A sender has nothing to count, only time.
  void tick() { add(0, 0); }
  bool over() const { return seconds_ > 0; }
  bool sender_done() const { return over() && now_s() >= window_at_ + seconds_ + kAfterSeconds; }

  void print() {
    if (window_at_ == 0) fail("the window never began");
    if (!over()) close(now_s());
    print_result({{"messages", static_cast<double>(messages_)},
                  {"bytes", static_cast<double>(bytes_)},
                  {"seconds", seconds_},
                  {"cpu_s", cpu_}});
  }

 private:
  void open(double now) {
    window_at_ = now;
    cpu_ = cpu_s();
  }
  void close(double now) {
    seconds_ = now - window_at_;
    cpu_ = cpu_s() - cpu_;
  }

  double seconds_wanted_;
  double started_at_ = 0, window_at_ = 0, seconds_ = 0, cpu_ = 0;
  std::uint64_t messages_ = 0, bytes_ = 0;
};

}  // namespace bench
