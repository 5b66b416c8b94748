// The parts of bench_relay.
#pragma once

#include "relay_load.h"

namespace bench {

inline constexpr std::size_t kPairs = 16;
// Packets of one direction on their way: enough that the relay never waits, too few to fill a
// socket's buffer.
inline constexpr std::uint32_t kWindow = 8;
inline constexpr double kSettleSeconds = 0.2;

// Rows are called RIVAL_WHAT, as in turn_plain_1200B. Of the rival that a row names.
std::vector<EndPair> make_pairs(std::size_t count, const Arguments& arguments);

void measure_latency(const Arguments& arguments);
void measure_flood(const Arguments& arguments);
void measure_opens(const Arguments& arguments);
void send_junk(const Arguments& arguments);

// The i-th client that shares no /24 with another: relays count opens by that. Loopback has 2^16 of
// them, and this is one.
inline sockaddr_in lone_address(std::size_t i) {
  sockaddr_in address = loopback(0);
  address.sin_addr.s_addr =
      htonl(static_cast<std::uint32_t>(127u << 24 | (1 + (i >> 8)) << 16 | (i & 0xff) << 8 | 1));
  return address;
}

}  // namespace bench
