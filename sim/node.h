// Something in a simulation that has an address and obeys the core's contract: inputs, then
// outputs, then sleep until the next deadline. Peers are nodes; a relay or a rendezvous server can
// be one as well.
#pragma once

#include <optional>

#include "endpoint/endpoint.h"

namespace whimbrel::sim {

using NodeId = std::uint32_t;
inline constexpr NodeId kNobody = ~NodeId{0};

class Node {
 public:
  virtual ~Node() = default;
  virtual void receive(const IpAddress& from, MutableBytes datagram, Instant now) = 0;
  virtual void advance(Instant now) = 0;
  virtual std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now) = 0;
  virtual Instant next_deadline() const = 0;
  // What the application does once everything has left: takes events and messages, answers them.
  // True: it gave the node something to do, so the outputs are drained again.
  virtual bool turn(Instant) { return false; }
};

}  // namespace whimbrel::sim
