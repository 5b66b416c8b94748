// One direction of a line, with everything that may happen to a datagram on it. Computes arrival
// times; keeps no packets.
#pragma once

#include <array>
#include <cstdint>

#include "base/random.h"
#include "base/time.h"

namespace whimbrel::sim {

// Loss in bursts: a two-state chain, stepped once a packet (Gilbert 1960, Elliott 1963).
struct GilbertElliott {
  double to_bad = 0;  // 0: never
  double to_good = 1;
  double loss_good = 0;
  double loss_bad = 1;
};

struct LinkConfig {
  std::uint64_t rate = 0;  // bytes/s, IP and UDP headers counted; 0 = unlimited
  Duration delay{};
  Duration jitter{};             // 0 to this is added
  bool jitter_reorders = false;  // false: a packet never passes an earlier one by jitter alone
  double loss = 0;
  GilbertElliott bursts{};
  double duplicate = 0;
  Duration duplicate_delay_max = milliseconds(5);
  double reorder = 0;  // share of packets that are held back by reorder_delay
  Duration reorder_delay = milliseconds(5);
  double corrupt = 0;       // one to four bytes are changed
  std::size_t mtu = 65507;  // UDP payload; anything larger vanishes without a word
  // What waits for the line; over it the new packet is dropped. Only with a rate.
  std::uint64_t queue_bytes_max = 256 * 1024;
  // A policer before the line: what exceeds this rate on average, in bytes/s, is dropped and never
  // waits; 0 = none.
  std::uint64_t policer_rate = 0;
  std::uint64_t policer_burst = 30'000;  // bytes
  std::uint32_t header_bytes = 28;       // IPv4 and UDP
  bool up = true;
};

struct LinkStats {
  std::uint64_t packets_in = 0, packets_out = 0, bytes_out = 0;
  std::uint64_t lost = 0, tail_dropped = 0, too_large = 0, duplicated = 0, corrupted = 0,
                reordered = 0;
  std::uint64_t dropped_down = 0, policed = 0;
  std::uint64_t queue_bytes_peak = 0;
};

// What became of one packet: up to two arrivals.
struct Passage {
  struct Arrival {
    Instant at;
    bool corrupted = false;
  };
  std::array<Arrival, 2> arrivals;
  unsigned count = 0;
};

class Link {
 public:
  explicit Link(const LinkConfig& config = {}) : config_(config) {}

  // The faults may be changed at any time; what is under way is not touched.
  LinkConfig& config() { return config_; }
  const LinkConfig& config() const { return config_; }
  const LinkStats& stats() const { return stats_; }

  Passage pass(std::size_t bytes, Random& random, Instant now);
  // Bytes that wait for the line.
  std::uint64_t queued_bytes(Instant now) const;
  // Time that a packet sent now would wait for the line.
  Duration queue_delay(Instant now) const;

 private:
  bool is_lost(Random& random);
  bool is_policed(std::size_t wire_bytes, Instant now);
  Instant leave_queue(std::size_t wire_bytes, Instant now);

  LinkConfig config_;
  LinkStats stats_;
  bool burst_ = false;
  Instant free_at_;           // when the line has sent all it was given
  Instant last_arrival_;      // of packets that keep their order
  double policer_bytes_ = 0;  // taken and not yet worn off
  Instant policer_at_;
};

}  // namespace whimbrel::sim
