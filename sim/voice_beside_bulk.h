// Voice, 60 messages a second of 100 bytes with NoDelay, beside a transfer that never runs dry on
// another channel of the same session. One place for the test that judges it and for the program
// that prints it (bench_sim). Deterministic.
#pragma once

#include <cstdint>

#include "sim/link.h"

namespace whimbrel::sim {

struct VoiceResult {
  std::uint64_t sent = 0, ignored = 0, arrived = 0;
  // From the call to the other application, in ms.
  double p50_ms = 0, p99_ms = 0;
  double bulk_bytes_per_s = 0;
};

// 10 s, after the transfer has gone on for 5 s. `line`: of the data, the way back has its delay and
// no limit.
VoiceResult run_voice(const LinkConfig& line, bool beside_bulk, std::uint64_t seed);

}  // namespace whimbrel::sim
