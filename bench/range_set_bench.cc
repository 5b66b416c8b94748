// The set of packet numbers received: in order (always), with gaps (loss), and as acknowledgements
// trim it.
#include "base/range_set.h"

#include <benchmark/benchmark.h>

namespace whimbrel {
namespace {

void add_in_order(benchmark::State& state) {
  RangeSet set;
  std::uint64_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(set.add(next++));
}
BENCHMARK(add_in_order);

// Every hundredth is missing; what is older than 64 gaps is forgotten.
void add_with_gaps(benchmark::State& state) {
  RangeSet set;
  std::uint64_t next = 0;
  for (auto _ : state) {
    next += next % 100 == 99 ? 2 : 1;
    benchmark::DoNotOptimize(set.add(next));
    if (set.count() > 64) set.pop_front();
  }
}
BENCHMARK(add_with_gaps);

// A late number closes one of `gaps` gaps, and opens again.
void fill_a_gap(benchmark::State& state) {
  RangeSet set;
  const auto gaps = static_cast<std::uint64_t>(state.range(0));
  for (std::uint64_t i = 0; i < gaps; ++i) set.add(i * 10, i * 10 + 9);
  std::uint64_t at = 0;
  for (auto _ : state) {
    const std::uint64_t missing = at++ % gaps * 10 + 9;
    set.add(missing);
    set.remove(missing, missing + 1);
  }
}
BENCHMARK(fill_a_gap)->Arg(4)->Arg(64)->Arg(1024);

}  // namespace
}  // namespace whimbrel
