// A game server and its players, for each rival: at 60 Hz the server sends each player the state of
// the world, and each player sends its input, at a moment of the tick of its own. Both unreliable.
// The players share one process, which never sleeps in a socket: so nothing that the server sends
// pays for a wake-up of theirs. It has a thread for each kPlayersPerThread of them, where there is
// a core for it beside the server's.
#pragma once

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <atomic>
#include <span>
#include <thread>

#include "measure.h"

namespace bench {

inline constexpr std::size_t kStateBytes = 300;
inline constexpr std::size_t kInputBytes = 100;
inline constexpr double kTickSeconds = 1.0 / 60;
// Players look at their sockets so often; no delivery is measured finer.
inline constexpr double kLookSeconds = 250e-6;
inline constexpr std::size_t kPlayersAtOnce = 16;  // of a thread, on their way in
inline constexpr std::size_t kPlayersPerThread = 500;
// How long all of them may take to come in.
inline constexpr double kJoinSecondsMax = 15;

// Rows are named server_<players>.
inline std::size_t players_of(const Arguments& arguments) {
  const std::size_t at = arguments.row.find('_');
  const int count = at == std::string::npos ? 0 : std::atoi(arguments.row.c_str() + at + 1);
  if (count <= 0 || count > 4000) fail("the row is server_<players>");
  return static_cast<std::size_t>(count);
}

inline void allow_many_files() {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

// What the server counts: whole ticks with all players, and the CPU time that they took.
class TickMeter {
 public:
  TickMeter(std::size_t players, double seconds) : players_(players), seconds_wanted_(seconds) {}

  // A tick begins. `players`: that are in.
  void tick(double now, std::size_t players) {
    if (players < players_ || over()) return;
    if (full_at_ == 0) full_at_ = now;
    if (begin_ == 0 && now >= full_at_ + 2 * kWarmUpSeconds) {
      begin_ = now;
      cpu_ = cpu_s();
      ticks_ = received_ = 0;
    }
    if (begin_ != 0 && now >= begin_ + seconds_wanted_) {
      end_ = now;
      cpu_ = cpu_s() - cpu_;
      return;
    }
    ++ticks_;
  }
  void received(std::size_t count) {
    if (!over()) received_ += count;
  }
  bool over() const { return end_ != 0; }

  void print() const {
    if (!over()) fail("the window never ended");
    print_result({{"players", static_cast<double>(players_)},
                  {"ticks", static_cast<double>(ticks_)},
                  {"received", static_cast<double>(received_)},
                  {"seconds", end_ - begin_},
                  {"cpu_s", cpu_}});
  }

 private:
  std::size_t players_;
  double seconds_wanted_;
  double full_at_ = 0, begin_ = 0, end_ = 0, cpu_ = 0;
  std::uint64_t ticks_ = 0, received_ = 0;
};

// The beginnings of ticks; one that would begin more than a tick late is left out.
class TickClock {
 public:
  double next() const { return next_; }
  void advance(double now) {
    next_ += kTickSeconds;
    if (now > next_ + kTickSeconds) next_ = now;
  }

 private:
  double next_ = now_s();
};

// A state begins with the time at which its tick began.
inline void stamp(std::span<std::uint8_t> state, double now) {
  std::memcpy(state.data(), &now, sizeof now);
}
inline double stamp_of(std::span<const std::uint8_t> state) {
  double at = 0;
  if (state.size() == kStateBytes) std::memcpy(&at, state.data(), sizeof at);
  return at;
}

// All players, over all threads.
struct Crowd {
  std::size_t size = 0;
  std::atomic<std::size_t> in{0};
};

// The players of one thread. `Player` has: fd(), join(), send(input), receive(on_state), advance().
template <typename Player>
class Players {
 public:
  Players(std::vector<Player>& all, Crowd& crowd, double seconds)
      : all_(all), crowd_(crowd), due_(all.size(), 0), in_(all.size(), false), seconds_(seconds) {
    // What sleeps 250 us shall not sleep 300.
    prctl(PR_SET_TIMERSLACK, 1000);
    for (std::size_t i = 0; i < all_.size(); ++i) {
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u64 = i;
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, all_[i].fd(), &event) != 0) fail("epoll");
    }
    events_.resize(all_.size());
  }

  // How long each state was on its way, in seconds.
  std::vector<double> play() {
    const double begin = now_s();
    double measure_from = 0, end = 0;
    for (double look = begin; end == 0 || look < end; look += kLookSeconds) {
      sleep_until(look);
      const double now = now_s();
      if (end == 0 && now > begin + kJoinSecondsMax) fail("not all players came in");
      let_in(now);
      receive(measure_from);
      send(now);
      if (end == 0 && crowd_.in == crowd_.size) {
        measure_from = now + 2 * kWarmUpSeconds;
        end = measure_from + seconds_ + 2 * kAfterSeconds;
      }
      look = std::max(look, now - kLookSeconds);
    }
    return std::move(times_);
  }

 private:
  static void sleep_until(double at) {
    const auto whole = static_cast<time_t>(at);
    const timespec time = {whole, static_cast<long>((at - static_cast<double>(whole)) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
  }
  void let_in(double now) {
    for (; begun_ < all_.size() && begun_ - joined_ < kPlayersAtOnce; ++begun_) {
      all_[begun_].join();
      // Spread over the tick, whatever the order in which they came in.
      const double share =
          static_cast<double>(begun_ * 7919 % all_.size()) / static_cast<double>(all_.size());
      due_[begun_] = now + share * kTickSeconds;
    }
  }
  void receive(double measure_from) {
    const int count = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0);
    for (int i = 0; i < count; ++i) {
      const std::size_t which = events_[static_cast<std::size_t>(i)].data.u64;
      all_[which].receive([&](std::span<const std::uint8_t> state) {
        if (!in_[which]) note_in(which);
        const double sent = stamp_of(state);
        if (measure_from != 0 && sent > measure_from) times_.push_back(now_s() - sent);
      });
    }
  }
  void note_in(std::size_t which) {
    in_[which] = true;
    ++joined_;
    ++crowd_.in;
  }
  void send(double now) {
    static const std::vector<std::uint8_t> input(kInputBytes, 0x5a);
    for (std::size_t i = 0; i < begun_; ++i) {
      if (due_[i] > now) continue;
      due_[i] += kTickSeconds;
      if (due_[i] < now) due_[i] = now + kTickSeconds;
      if (in_[i]) all_[i].send(input);
      all_[i].advance();
    }
  }

  std::vector<Player>& all_;
  Crowd& crowd_;
  std::vector<double> due_;
  std::vector<bool> in_;
  std::vector<epoll_event> events_;
  std::vector<double> times_;
  double seconds_;
  std::size_t begun_ = 0, joined_ = 0;
  const int epoll_ = epoll_create1(0);
};

// `make(i)` makes player i. Prints how long the states were on their way.
template <typename Make>
void play_all(const Arguments& arguments, const Make& make) {
  const std::size_t count = players_of(arguments);
  const std::size_t cores = std::max(2u, std::thread::hardware_concurrency());
  std::vector<std::vector<double>> times(
      std::min(cores - 1, (count + kPlayersPerThread - 1) / kPlayersPerThread));
  const std::size_t share = (count + times.size() - 1) / times.size();
  Crowd crowd{.size = count};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < times.size(); ++i) {
    threads.emplace_back([&, i] {
      std::vector<decltype(make(i))> players;
      const std::size_t end = std::min(count, (i + 1) * share);
      for (std::size_t n = i * share; n < end; ++n) players.push_back(make(n));
      times[i] = Players(players, crowd, arguments.seconds).play();
    });
  }
  std::vector<double> all;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i].join();
    all.insert(all.end(), times[i].begin(), times[i].end());
  }
  print_times(std::move(all));
}

}  // namespace bench
