// In which order, and how fast, the clients of the last life are told to come back: as fast as the server lets them in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/time.h"
#include "base/token_bucket.h"
#include "endpoint/endpoint.h"

namespace whimbrel {

class Returns {
 public:
  // A login costs the server half a millisecond, and a client some round trips.
  static constexpr double kPerSecond = 1500;
  static constexpr double kAtOnce = 32;
  // Told, and not here again yet. Who does not come in kPatience is gone, or slow.
  static constexpr std::size_t kUnderWayMax = 512;
  static constexpr Duration kPatience = milliseconds(500);

  Returns(std::vector<SessionLine> clients, Instant now)
      : clients_(std::move(clients)), rate_(kPerSecond, kAtOnce, now) {}

  // The next one that is to be told now.
  std::optional<SessionLine> next(Instant now) {
    while (!told_.empty() && now >= told_.front() + kPatience) told_.pop_front();
    if (at_ == clients_.size() || told_.size() >= kUnderWayMax || !rate_.take(1, now))
      return std::nullopt;
    told_.push_back(now);
    const SessionLine line = clients_[at_++];
    if (at_ == clients_.size()) std::vector<SessionLine>().swap(clients_), at_ = 0;
    return line;
  }
  // Somebody has come.
  void on_login() {
    if (!told_.empty()) told_.pop_front();
  }
  Instant next_deadline() const {
    if (at_ == clients_.size()) return kNever;
    return told_.size() >= kUnderWayMax ? told_.front() + kPatience : rate_.when(1);
  }

 private:
  std::vector<SessionLine> clients_;
  std::size_t at_ = 0;
  std::deque<Instant> told_;
  TokenBucket rate_;
};

}  // namespace whimbrel
