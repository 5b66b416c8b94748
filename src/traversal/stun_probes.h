// Measures how far the relays of several sites are, by rounds of STUN binding requests (RFC 8489),
// which they answer to anybody. Sans-I/O.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"
#include "traversal/stun.h"

namespace whimbrel {

class StunProbes {
 public:
  // Probes to one address in a round. The first one may wake devices on the way, so it counts only
  // if no other is answered.
  static constexpr unsigned kProbesPerRound = 5;
  static constexpr std::size_t kAddressesMax = 32;

  explicit StunProbes(Random& random) : random_(random) {}

  // Begins a round, unless one is under way. Addresses are numbered by their place in the list.
  void start(const std::vector<IpAddress>& addresses, Instant now);
  bool running() const { return round_ != 0; }

  // True if the datagram was the answer to a probe.
  bool receive(const IpAddress& from, Bytes datagram, Instant now);
  struct Request {
    IpAddress to;
    std::size_t size = 0;
  };
  std::optional<Request> poll_transmit(MutableBytes buffer, Instant now);
  // The round ends when every probe is answered or has had its time; true once for each.
  bool poll_done(Instant now);
  Instant next_deadline() const;

  // The address that answered first in this round or the last one.
  std::optional<std::size_t> first_answer() const { return first_answer_; }
  // What an address is judged by: the median round trip, half the spread, and a penalty for lost
  // probes. Nothing: no answer.
  std::optional<Duration> score(std::size_t address) const;

 private:
  struct Probe {
    StunTransaction transaction{};
    Instant sent{};
    std::optional<Duration> took;
  };
  struct Target {
    IpAddress address;
    std::vector<Probe> probes;  // sent in this round
  };

  bool all_answered() const;

  Random& random_;
  std::vector<Target> targets_;
  unsigned round_ = 0;     // the number of the next probe of the round, from 1; 0: no round
  std::size_t place_ = 0;  // the index in targets_ of the next request
  Instant next_send_ = kNever;
  Instant end_ = kNever;
  std::optional<std::size_t> first_answer_;
};

}  // namespace whimbrel
