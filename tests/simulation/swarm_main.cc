// swarm [n] [--seed s]: n random simulations, from seed s on. Without a seed it begins at a different one each time.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <random>

#include "tests/simulation/swarm.h"

namespace {

bool read_number(const char* text, std::uint64_t& number) {
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, number);
  return error == std::errc() && at == end;
}

int usage() {
  std::fprintf(stderr, "usage: swarm [n] [--seed s]\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t count = 100;
  std::uint64_t seed = std::random_device{}() % 1'000'000'000;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--seed") == 0) {
      if (++i >= argc || !read_number(argv[i], seed)) return usage();
    } else if (!read_number(argv[i], count)) {
      return usage();
    }
  }
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seed + count - 1));
  std::uint64_t failed = 0, packets = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto result = whimbrel::sim::run_swarm(seed + i);
    packets += result.packets;
    if (!result.problems.empty()) {
      ++failed;
      std::printf("\nseed %llu (%s) failed:\n%sreplay with: %s\n",
                  static_cast<unsigned long long>(seed + i), result.summary.c_str(),
                  result.problems.c_str(), whimbrel::sim::replay_command(seed + i).c_str());
    } else if (count == 1) {
      std::printf("%s\ntrace %016llx\n", result.summary.c_str(),
                  static_cast<unsigned long long>(result.trace_hash));
    } else if ((i + 1) % 20 == 0 || i + 1 == count) {
      std::printf("%llu of %llu, %llu failed, %llu packets\n",
                  static_cast<unsigned long long>(i + 1), static_cast<unsigned long long>(count),
                  static_cast<unsigned long long>(failed),
                  static_cast<unsigned long long>(packets));
      std::fflush(stdout);
    }
  }
  return failed == 0 ? 0 : 1;
}
