#pragma once

#include <cstddef>

#include "base/ip_address.h"

namespace whimbrel {

// A batch of equally sized datagrams to one address, ready for UDP_SEGMENT: `size` bytes in the caller's buffer, cut every
// `segment_size` bytes; the last one may be shorter.
struct Transmit {
  IpAddress to;
  std::size_t size = 0;
  std::size_t segment_size = 0;
};

}  // namespace whimbrel
