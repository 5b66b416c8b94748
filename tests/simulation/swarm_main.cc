// swarm [n] [--seed s] [--world peers|server|both|blocks]: n random simulations of each kind of
// world, from seed s on. Without a seed it begins at a different one each time.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "tests/simulation/swarm.h"

namespace {

using whimbrel::sim::SwarmResult;

struct Kind {
  const char* name;
  SwarmResult (*run)(std::uint64_t seed);
  std::string (*replay)(std::uint64_t seed);
};

constexpr Kind kPeers{"peers", whimbrel::sim::run_swarm, whimbrel::sim::replay_command};
constexpr Kind kServer{"server", whimbrel::sim::run_online_swarm,
                       whimbrel::sim::online_replay_command};
constexpr Kind kBlocks{"blocks", whimbrel::sim::run_block_swarm,
                       whimbrel::sim::block_replay_command};

struct Request {
  std::uint64_t count = 100;
  std::uint64_t seed = 0;
  std::vector<Kind> kinds{kPeers, kServer};
};

bool read_number(const char* text, std::uint64_t& number) {
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, number);
  return error == std::errc() && at == end;
}

bool read_world(const char* text, std::vector<Kind>& kinds) {
  kinds.clear();
  for (const Kind& kind : {kPeers, kServer}) {
    if (std::strcmp(text, kind.name) == 0 || std::strcmp(text, "both") == 0) kinds.push_back(kind);
  }
  if (std::strcmp(text, kBlocks.name) == 0) kinds.push_back(kBlocks);
  return !kinds.empty();
}

bool read_arguments(int argc, char** argv, Request& request) {
  for (int i = 1; i < argc; ++i) {
    const bool last = i + 1 == argc;
    if (std::strcmp(argv[i], "--seed") == 0) {
      if (last || !read_number(argv[++i], request.seed)) return false;
    } else if (std::strcmp(argv[i], "--world") == 0) {
      if (last || !read_world(argv[++i], request.kinds)) return false;
    } else if (!read_number(argv[i], request.count)) {
      return false;
    }
  }
  return true;
}

void print_recovery(std::vector<whimbrel::Duration> took) {
  std::sort(took.begin(), took.end());
  const auto at = [&](std::size_t percent) {
    return static_cast<long long>(
        whimbrel::to_milliseconds(took[(took.size() - 1) * percent / 100]));
  };
  if (took.empty() || took.back() == whimbrel::Duration::zero()) return;
  std::printf("traffic flows again after: p50 %lld, p99 %lld, at most %lld ms\n", at(50), at(99),
              at(100));
}

// The number that failed.
std::uint64_t run(const Kind& kind, const Request& request) {
  std::uint64_t failed = 0, packets = 0;
  std::vector<whimbrel::Duration> took;
  for (std::uint64_t i = 0; i < request.count; ++i) {
    const std::uint64_t seed = request.seed + i;
    const SwarmResult result = kind.run(seed);
    packets += result.packets;
    took.push_back(result.recovery);
    if (!result.problems.empty()) {
      ++failed;
      std::printf("\nseed %llu (%s) failed:\n%sreplay with: %s\n",
                  static_cast<unsigned long long>(seed), result.summary.c_str(),
                  result.problems.c_str(), kind.replay(seed).c_str());
    } else if (request.count == 1) {
      std::printf("%s\ntrace %016llx\n", result.summary.c_str(),
                  static_cast<unsigned long long>(result.trace_hash));
    } else if ((i + 1) % 20 == 0 || i + 1 == request.count) {
      std::printf(
          "%s: %llu of %llu, %llu failed, %llu packets\n", kind.name,
          static_cast<unsigned long long>(i + 1), static_cast<unsigned long long>(request.count),
          static_cast<unsigned long long>(failed), static_cast<unsigned long long>(packets));
    }
    std::fflush(stdout);
  }
  print_recovery(std::move(took));
  return failed;
}

}  // namespace

int main(int argc, char** argv) {
  Request request;
  request.seed = std::random_device{}() % 1'000'000'000;
  if (!read_arguments(argc, argv, request)) {
    std::fprintf(stderr, "usage: swarm [n] [--seed s] [--world peers|server|both|blocks]\n");
    return 2;
  }
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(request.seed),
              static_cast<unsigned long long>(request.seed + request.count - 1));
  std::uint64_t failed = 0;
  for (const Kind& kind : request.kinds) failed += run(kind, request);
  return failed == 0 ? 0 : 1;
}
