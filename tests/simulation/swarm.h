// A random simulation made from a seed: hosts, lines, faults and what the applications do. First
// everything may go wrong and nothing forbidden may happen (safety); then the network heals and
// everybody must reach everybody (liveness).
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace whimbrel::sim {

struct SwarmResult {
  std::string problems;  // one a line; empty: all is well
  std::string summary;   // what the run was, in a line
  std::uint64_t trace_hash = 0;
  std::uint64_t packets = 0;
  Duration recovery{};  // of blocks: from its end until everybody had heard something
};

// Peers alone: each knows where the others are.
SwarmResult run_swarm(std::uint64_t seed);
// Peers behind address translators that know each other's names, and the server that brings them
// together.
SwarmResult run_online_swarm(std::uint64_t seed);
// Two peers and the server, which one of them or both cannot reach for a while.
SwarmResult run_block_swarm(std::uint64_t seed);

// The command that runs this seed again.
std::string replay_command(std::uint64_t seed);
std::string online_replay_command(std::uint64_t seed);
std::string block_replay_command(std::uint64_t seed);

}  // namespace whimbrel::sim
