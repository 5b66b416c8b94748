// Tells the operator which limits begin to bite: each once a minute, with how often.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/server_loop.h"

// What was refused for a limit, since the start. `text` says what, and what to do.
struct LimitCount {
  const char* text = "";
  std::uint64_t count = 0;
};

std::vector<LimitCount> limit_counts(whimbrel::ServerLoop& loop);

class LimitWarnings {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kInterval{60};

  // Lines for the log.
  std::vector<std::string> look(const std::vector<LimitCount>& counts, Clock::time_point now);

 private:
  struct Told {
    std::uint64_t count = 0;
    Clock::time_point when;
  };
  std::map<std::string, Told> told_;
};
