// What random simulations roll: lines, options and sizes, from nearly harmless to absurd.
#pragma once

#include <cstdint>

#include "base/random.h"
#include "session/session_options.h"
#include "sim/ledger.h"
#include "sim/link.h"

namespace whimbrel::sim {

class SwarmDice {
 public:
  // `random` must outlive it.
  explicit SwarmDice(FastRandom& random) : random_(random) {}

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low +
           static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(high - low + 1)));
  }

  SessionOptions options() {
    SessionOptions options;
    options.timeout_initial = milliseconds(2000 + between(0, 8000));
    options.timeout_connected = milliseconds(3000 + between(0, 7000));
    if (random_.chance(0.3)) options.idle_timeout = milliseconds(8000 + between(0, 20'000));
    options.linger = milliseconds(between(0, 2000));
    options.keep_alive = milliseconds(1000 + between(0, 14'000));
    options.nagle_max = microseconds(between(0, 5000));
    if (random_.chance(0.3)) options.send_bytes_max = 20'000 + random_.below(500'000);
    if (random_.chance(0.3)) options.receive_messages_max = 1 + random_.below(200);
    if (random_.chance(0.3)) options.receive_bytes_max = kReceiveBytesMin;
    if (random_.chance(0.3)) options.datagram_size_max = 1200 + random_.below(8000);
    if (random_.chance(0.1)) options.send_rate_max = 100'000 + random_.below(1'000'000);
    return options;
  }

  // `severity` is how likely each fault is.
  LinkConfig line(double severity, std::size_t mtu_min = 1200) {
    LinkConfig line;
    line.delay = microseconds(between(100, 60'000));
    if (random_.chance(severity)) line.loss = random_.unit() * 0.2;
    if (random_.chance(severity)) line.jitter = microseconds(between(0, 30'000));
    line.jitter_reorders = random_.chance(severity);
    if (random_.chance(severity)) line.duplicate = random_.unit() * 0.3;
    if (random_.chance(severity)) line.reorder = random_.unit() * 0.3;
    if (random_.chance(severity)) line.corrupt = random_.unit() * 0.1;
    if (random_.chance(severity)) line.bursts = {.to_bad = 0.02, .to_good = 0.2};
    if (random_.chance(severity)) line.mtu = mtu_min + random_.below(400);
    if (random_.chance(severity)) {
      line.rate = 50'000 + random_.below(2'000'000);
      line.queue_bytes_max = 5000 + random_.below(100'000);
    }
    line.up = !random_.chance(severity / 10);
    return line;
  }

  std::size_t message_size() {
    if (random_.chance(0.01)) return 100'000 + random_.below(kMessageSizeMax - 100'000);
    std::size_t bound = 40;
    for (int i = 0; i < 9 && random_.chance(0.7); ++i) bound *= 2;
    return Ledger::kSizeMin + random_.below(bound);
  }

 private:
  FastRandom& random_;
};

}  // namespace whimbrel::sim
