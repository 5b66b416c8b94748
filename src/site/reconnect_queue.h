// The clients of the last life, who are told after a restart to log in again: as fast as the server
// can let them in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/time.h"
#include "base/token_bucket.h"
#include "endpoint/endpoint.h"

namespace whimbrel {

class ReconnectQueue {
 public:
  // More than a core can let in: kUnderWayMax is what limits the rate, unless nobody answers.
  static constexpr double kPerSecond = 3000;
  static constexpr double kAtOnce = 32;
  // Clients that were told and are not back yet. A client that does not come within kPatience is
  // gone, or slow.
  static constexpr std::size_t kUnderWayMax = 512;
  static constexpr Duration kPatience = milliseconds(500);

  ReconnectQueue(std::vector<SessionLine> clients, Instant now)
      : clients_(std::move(clients)), rate_(kPerSecond, kAtOnce, now) {}

  struct Next {
    SessionLine line;
    bool is_here;  // it has come by itself and need not be told
  };
  // The next client, if it is time; each once.
  std::optional<Next> next(Instant now) {
    while (!told_.empty() && now >= told_.front() + kPatience) told_.pop_front();
    if (at_ == clients_.size()) return std::nullopt;
    const Next next{clients_[at_], here_.contains(clients_[at_].remote)};
    if (!next.is_here) {
      if (told_.size() >= kUnderWayMax || !rate_.take(1, now)) return std::nullopt;
      told_.push_back(now);
    }
    if (++at_ == clients_.size()) {
      std::vector<SessionLine>().swap(clients_);
      here_.clear();
      at_ = 0;
    }
    return next;
  }
  // A client has logged in.
  void on_login(const IpAddress& from) {
    if (!told_.empty()) told_.pop_front();
    if (at_ < clients_.size()) here_.insert(from);
  }
  Instant next_deadline() const {
    if (at_ == clients_.size()) return kNever;
    return told_.size() >= kUnderWayMax ? told_.front() + kPatience : rate_.when(1);
  }

 private:
  std::vector<SessionLine> clients_;
  std::size_t at_ = 0;
  std::deque<Instant> told_;
  std::set<IpAddress> here_;  // kept until all have been told
  TokenBucket rate_;
};

}  // namespace whimbrel
