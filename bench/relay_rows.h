// The parts of bench_relay.
#pragma once

#include "relay_load.h"

namespace bench {

inline constexpr std::size_t kPairs = 16;
// Packets of one direction on their way: enough that the relay never waits, too few to fill a socket's buffer.
inline constexpr std::uint32_t kWindow = 8;
inline constexpr double kSettleSeconds = 0.2;

// Rows are called RIVAL_WHAT, as in turn_plain_1200B. Of the rival that a row names.
std::vector<EndPair> make_pairs(std::size_t count, const Arguments& arguments);

void measure_latency(const Arguments& arguments);

}  // namespace bench
