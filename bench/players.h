// A server with many players: 60 times a second it sends 300 bytes to each, and each player sends it
// 100 bytes at a moment of its own. What the server's process uses of the CPU per player and tick, and
// how long after a tick's begin its packets arrive.
#pragma once

#include <sys/epoll.h>
#include <sys/resource.h>

#include "measure.h"

namespace bench {

inline constexpr std::size_t kFromServerBytes = 300;
inline constexpr std::size_t kFromPlayerBytes = 100;
inline constexpr double kTickSeconds = 1.0 / 60;

// "players_200": 200; 0 for any other row.
inline std::size_t players_of(const std::string& row) {
  return row.starts_with("players_") ? std::strtoul(row.c_str() + 8, nullptr, 10) : 0;
}

// The payload of a tick: when it began, and filling.
inline std::vector<std::uint8_t> tick_payload(double at) {
  std::vector<std::uint8_t> bytes(kFromServerBytes, 0x5a);
  std::memcpy(bytes.data(), &at, sizeof at);
  return bytes;
}

// All players of a run, in one process and one thread. A rival says how one of them is dialled, read
// and made to send.
class PlayerCrowd {
 public:
  explicit PlayerCrowd(std::size_t count) : count_(count), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    rlimit files = {};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  std::size_t count() const { return count_; }

  void watch(std::size_t player, int descriptor) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = player;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
  }
  // Calls `read(player)` for whoever has something, until the moment `until`.
  template <typename Read>
  void read_until(double until, const Read& read) {
    do {
      epoll_event events[256];
      const double left = std::max(0.0, until - now_s());
      const timespec timeout = {0, static_cast<long>(std::min(left, 0.5) * 1e9)};
      const int ready = epoll_pwait2(epoll_, events, 256, &timeout, nullptr);
      for (int i = 0; i < ready; ++i) read(static_cast<std::size_t>(events[i].data.u64));
    } while (now_s() < until);
  }
  // Every player sends once in each tick, one after another, for `seconds` after the warm-up.
  template <typename Read, typename Send>
  void play(double seconds, const Read& read, const Send& send) {
    const double begin = now_s();
    measured_from_ = begin + kWarmUpSeconds;
    const double end = measured_from_ + seconds;
    for (std::size_t turn = 0;; ++turn) {
      const double due =
          begin + static_cast<double>(turn) * kTickSeconds / static_cast<double>(count_);
      if (due >= end) return;
      read_until(due, read);
      send(turn % count_);
    }
  }
  // A packet of a tick has arrived.
  void note(const void* payload, std::size_t size) {
    double at = 0;
    if (size != kFromServerBytes) return;
    std::memcpy(&at, payload, sizeof at);
    if (measured_from_ > 0 && at > measured_from_) delays_.push_back(now_s() - at);
  }
  void print() { print_times(std::move(delays_)); }

 private:
  const std::size_t count_;
  const int epoll_;
  double measured_from_ = 0;
  std::vector<double> delays_;
};

}  // namespace bench
