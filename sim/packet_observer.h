// Who watches the packets of a simulation from outside.
#pragma once

#include "base/ip_address.h"
#include "base/time.h"
#include "sim/node.h"

namespace whimbrel::sim {

struct PacketView {
  Instant now;
  std::uint64_t number =
      0;  // of all datagrams that were sent; a duplicate has the number of its original
  NodeId sender = kNobody;    // kNobody: injected by the test
  NodeId receiver = kNobody;  // on_delivered() only
  IpAddress from;  // as the sender has it (on_sent) or as the receiver sees it (on_delivered)
  IpAddress to;    // as the sender wrote it
  Bytes bytes;
};

class PacketObserver {
 public:
  virtual ~PacketObserver() = default;
  virtual void on_sent(const PacketView&) {}
  virtual void on_delivered(const PacketView&) {}
  // All that this node knew is gone: a new life begins.
  virtual void on_restart(NodeId) {}
};

}  // namespace whimbrel::sim
