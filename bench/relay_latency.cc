// What a relay adds to a packet's time while it carries half of what it can: a pair that plays ping-pong through it, and by
// turns with bare sockets, both with a thread at each end.
#include <poll.h>
#include <sys/prctl.h>

#include <atomic>
#include <thread>

#include "relay_rows.h"

namespace bench {
namespace {

constexpr std::size_t kPingBytes = 100;
constexpr double kMaximumSeconds = 0.4;  // for finding out what the relay carries
constexpr int kPatienceMs = 100;
constexpr long kBetweenPingsNs = 200'000;

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

double at_share(std::vector<double>& sorted, double share) {
  if (sorted.empty()) fail("no ping came back");
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

void measure_latency(const Arguments& arguments) {
  std::vector<EndPair> pairs = make_pairs(kPairs + 1, arguments);
  const EndPair relayed = std::move(pairs.back());
  pairs.pop_back();
  const EndPair bare = make_direct_pair();
  Load load(std::move(pairs), kFullBytes, kWindow);
  load.run(kSettleSeconds);
  const std::uint64_t before = load.counts().received;
  load.run(kMaximumSeconds);
  const double maximum = static_cast<double>(load.counts().received - before) / kMaximumSeconds;
  const Load::Counts at_start = load.counts();
  std::thread background([&] { load.run_paced(arguments.seconds, maximum / 2); });
  std::vector<double> times, bare_times;
  {
    PingPong through_relay(relayed), direct(bare);
    for (const double end = now_s() + arguments.seconds; now_s() < end;) {
      through_relay.ping(times);
      direct.ping(bare_times);
      const timespec pause = {0, kBetweenPingsNs};
      nanosleep(&pause, nullptr);
    }
  }
  background.join();
  std::sort(times.begin(), times.end());
  std::sort(bare_times.begin(), bare_times.end());
  // One way of the two; what is added is added to a usual trip of bare sockets.
  const double usual = at_share(bare_times, 0.5);
  print_result(
      {{"added_p50_us", (at_share(times, 0.5) - usual) / 2 * 1e6},
       {"added_p99_us", (at_share(times, 0.99) - usual) / 2 * 1e6},
       {"bare_rtt_p50_us", usual * 1e6},
       {"bare_rtt_p99_us", at_share(bare_times, 0.99) * 1e6},
       {"pings", static_cast<double>(times.size())},
       {"load_packets_per_s",
        static_cast<double>(load.counts().received - at_start.received) / arguments.seconds},
       {"maximum_packets_per_s", maximum}});
}

}  // namespace bench
