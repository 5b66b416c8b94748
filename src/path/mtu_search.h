// Finds the largest datagram that the path carries (RFC 8899): padded probes upwards from a base
// that every path must carry, and a fall back to the base when full datagrams stop arriving.
//
// Not thread-safe. Sizes are bytes of UDP payload.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace whimbrel {

class MtuSearch {
 public:
  // With `enabled` false the size stays `size_min`.
  MtuSearch(std::size_t size_min, std::size_t size_max, bool enabled);

  // Size of a full datagram now.
  std::size_t datagram_size() const { return size_; }
  // Size of the probe to send now, if one is wanted. One is in flight at a time.
  std::optional<std::size_t> probe_size(Instant now) const;
  // When the search goes on by itself; kNever while it runs or if it is off.
  Instant next_deadline() const;
  // At next_deadline() or later.
  void on_deadline(Instant now);

  void on_probe_sent(std::size_t size);
  // The answers; true if datagram_size() has changed.
  bool on_probe_acked(std::size_t size, Instant now);
  void on_probe_lost(Instant now);
  // Ordinary packets: the largest that one ACK frame acknowledged, or all lost at one time. True
  // if datagram_size() has changed.
  void on_acked(std::size_t size_max);
  bool on_lost(std::size_t size_max, Instant now);
  // Several of them without an acknowledgement between: the path may have turned into a black hole
  // for full datagrams.
  bool on_probe_timeout(Instant now);

 private:
  void restart(Duration pause, Instant now);
  std::size_t candidate() const;
  void finish_if_narrow(Instant now);

  std::size_t base_;
  std::size_t limit_;
  std::size_t size_;           // the largest known to pass
  std::size_t ceiling_;        // the largest not known to fail
  std::size_t in_flight_ = 0;  // size of the probe that is out, 0 if none
  unsigned probes_lost_ = 0;   // of the current candidate
  unsigned large_losses_ = 0;  // in a row
  unsigned probe_timeouts_ = 0;
  bool searching_;
  Instant resume_time_ = kNever;
};

}  // namespace whimbrel
