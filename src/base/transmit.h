#pragma once

#include <cstddef>

#include "base/ip_address.h"
#include "base/remote.h"

namespace whimbrel {

// A batch of equally sized datagrams to one address, ready for UDP_SEGMENT: `size` bytes in the
// caller's buffer, cut every `segment_size` bytes; the last one may be shorter.
struct Transmit {
  IpAddress to;
  std::size_t size = 0;
  std::size_t segment_size = 0;
};

// The same before its carrier has taken it: the remote may be no address.
struct RemoteTransmit {
  Remote to;
  std::size_t size = 0;
  std::size_t segment_size = 0;

  // For those who have only addresses to send to.
  Transmit by_udp() const { return {*to.udp(), size, segment_size}; }
};

}  // namespace whimbrel
