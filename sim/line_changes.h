// A session on a line that changes while it is used: the grid of changes, the traffic on it, and
// what came of it. One place for the test that judges it (tests/simulation) and for the program
// that prints it (bench_sim). Deterministic.
#pragma once

#include <string>
#include <vector>

#include "sim/link.h"

namespace whimbrel::sim {

// A stream is 60 messages a second of 1000 bytes; bulk never runs dry and has a channel of its own.
enum class Traffic : std::uint8_t {
  kUnreliableStream,
  kReliableStream,
  kBulk,
  kUnreliableStreamAndBulk,
  kReliableStreamAndBulk,
};
inline constexpr Traffic kAllTraffic[] = {Traffic::kUnreliableStream, Traffic::kReliableStream,
                                          Traffic::kBulk, Traffic::kUnreliableStreamAndBulk,
                                          Traffic::kReliableStreamAndBulk};
const char* to_string(Traffic traffic);
bool has_stream(Traffic traffic);
bool has_bulk(Traffic traffic);

struct LineChange {
  std::string name;
  // The line of the data. On the way back it has the same delay, jitter, loss and reordering, and
  // no limit.
  LinkConfig before, after;
  Duration gap{};  // nothing passes for this long, then the line is as after
};
// Every change of the grid, of each line it begins with.
std::vector<LineChange> line_changes();

// Of one change in the middle of a session, from the time on when it must have settled: two seconds
// or five round trips.
struct LineChangeResult {
  // Of the stream's messages: how much later than the longest delay of the line itself the worst
  // one came, in ms.
  double late_max_ms = 0;
  double arrived = 1;        // share of the messages
  double goodput = 0;        // of the bulk transfer, bytes/s
  double goodput_fresh = 0;  // of a session that began on the new line
  double share() const { return goodput_fresh > 0 ? goodput / goodput_fresh : 1; }
};
inline constexpr double kLateMaxMs = 150;
inline constexpr double kGoodputShareMin = 0.8;
inline constexpr double kArrivedMin = 0.98;  // of what the line does not lose
// Whether the session has come to terms with the new line.
bool is_settled(const LineChange& change, Traffic traffic, const LineChangeResult& result);

struct LineChangeResults {
  LineChangeResult there, back;
};
LineChangeResults run_line_change(const LineChange& change, Traffic traffic, std::uint64_t seed);

}  // namespace whimbrel::sim
