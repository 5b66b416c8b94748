// A pair of ends that play ping-pong, with a thread at each end.
#pragma once

#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "relay_rows.h"

namespace bench {

inline constexpr std::size_t kPingBytes = 100;
inline constexpr int kPatienceMs = 100;

// One end, used by one thread: a packet out, a packet in.
class Station {
 public:
  explicit Station(End& end) : end_(end) {}

  void send() {
    const std::size_t size = end_.wrap(payload_, out_, bench_now());
    ::send(end_.fd(), out_.data(), size, 0);
  }
  // False: none came in time.
  bool receive() {
    for (const double limit = now_s() + kPatienceMs * 1e-3; now_s() < limit;) {
      pollfd readable = {end_.fd(), POLLIN, 0};
      if (poll(&readable, 1, kPatienceMs) <= 0) return false;
      const ssize_t size = recv(end_.fd(), in_.data(), in_.size(), 0);
      if (size <= 0) continue;
      const auto datagram = MutableBytes(in_).first(static_cast<std::size_t>(size));
      if (end_.unwrap(datagram, bench_now()).size() == kPingBytes) return true;
    }
    return false;
  }

 private:
  End& end_;
  std::vector<std::uint8_t> payload_ = std::vector<std::uint8_t>(kPingBytes, 0x5a);
  std::array<std::uint8_t, kPingBytes + kRelayHeaderMax> out_;
  std::array<std::uint8_t, 2048> in_;
};

// A pair whose second end answers.
class PingPong {
 public:
  explicit PingPong(const EndPair& pair) : asks_(*pair.first), answers_(*pair.second) {
    thread_ = std::thread([this] {
      while (!done_) {
        if (answers_.receive()) answers_.send();
      }
    });
  }
  ~PingPong() {
    done_ = true;
    thread_.join();
  }
  // Adds the round trip to `times`, unless a packet was lost.
  void ping(std::vector<double>& times) {
    const double begin = now_s();
    asks_.send();
    if (asks_.receive()) times.push_back(now_s() - begin);
  }

 private:
  Station asks_, answers_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

inline double at_share(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) fail("no ping came back");
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace bench
