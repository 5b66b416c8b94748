#include "path/mtu_search.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"

namespace whimbrel {
namespace {

// RFC 8899 5.1.2: MAX_PROBES; 5.1.1: PMTU_RAISE_TIMER.
constexpr unsigned kProbesMax = 3;
constexpr Duration kRaiseTime = seconds(600);
// After a black hole, before the search starts again.
constexpr Duration kBlackHolePause = seconds(10);
// Distinct times at which full datagrams were lost, none acknowledged between.
constexpr unsigned kBlackHoleLosses = 4;
constexpr unsigned kBlackHoleProbeTimeouts = 3;
// The search ends when it could gain less than this.
constexpr std::size_t kGainMin = 16;
// Sizes that are worth a try before halving: Ethernet over IPv4 and IPv6, jumbo frames.
constexpr std::array<std::size_t, 3> kLikelySizes = {1472, 1452, 8972};

}  // namespace

MtuSearch::MtuSearch(std::size_t size_min, std::size_t size_max, bool enabled)
    : base_(size_min),
      limit_(std::max(size_min, size_max)),
      size_(size_min),
      ceiling_(limit_),
      searching_(enabled && size_max >= size_min + kGainMin) {}

std::optional<std::size_t> MtuSearch::probe_size(Instant) const {
  if (!searching_ || in_flight_ != 0) return std::nullopt;
  return candidate();
}

// RFC 8899 5.3.2: likely sizes first, then half-way between what passes and what does not.
std::size_t MtuSearch::candidate() const {
  for (const std::size_t likely : kLikelySizes)
    if (likely >= size_ + kGainMin && likely <= ceiling_) return likely;
  if (ceiling_ == limit_) return limit_;
  return size_ + (ceiling_ - size_ + 1) / 2;
}

Instant MtuSearch::next_deadline() const { return resume_time_; }

void MtuSearch::on_deadline(Instant now) {
  if (now < resume_time_) return;
  resume_time_ = kNever;
  ceiling_ = limit_;
  probes_lost_ = 0;
  searching_ = true;
}

void MtuSearch::on_probe_sent(std::size_t size) {
  ASSERT(in_flight_ == 0);
  in_flight_ = size;
}

bool MtuSearch::on_probe_acked(std::size_t size, Instant now) {
  if (size != in_flight_) return false;
  in_flight_ = 0;
  probes_lost_ = 0;
  large_losses_ = 0;
  if (size <= size_) return false;
  size_ = size;
  finish_if_narrow(now);
  return true;
}

void MtuSearch::on_probe_lost(Instant now) {
  const std::size_t size = std::exchange(in_flight_, 0);
  if (!searching_ || size <= size_ || ++probes_lost_ < kProbesMax) return;
  // RFC 8899 5.1.2: MAX_PROBES lost: the size does not pass.
  probes_lost_ = 0;
  ceiling_ = std::max(size_, std::min(ceiling_, size - 1));
  finish_if_narrow(now);
}

void MtuSearch::finish_if_narrow(Instant now) {
  if (ceiling_ >= size_ + kGainMin) return;
  searching_ = false;
  // RFC 8899 5.3.3: the path may carry more one day.
  resume_time_ = limit_ >= size_ + kGainMin ? now + kRaiseTime : kNever;
}

void MtuSearch::on_acked(std::size_t size_max) {
  if (size_max > base_) large_losses_ = 0;
  if (size_max > 0) probe_timeouts_ = 0;
}

// RFC 8899 4.3: black hole detection.
bool MtuSearch::on_lost(std::size_t size_max, Instant now) {
  if (size_max <= base_ || size_ == base_ || ++large_losses_ < kBlackHoleLosses) return false;
  restart(kBlackHolePause, now);
  return true;
}

bool MtuSearch::on_probe_timeout(Instant now) {
  if (++probe_timeouts_ < kBlackHoleProbeTimeouts || size_ == base_) return false;
  restart(kBlackHolePause, now);
  return true;
}

void MtuSearch::restart(Duration pause, Instant now) {
  size_ = base_;
  ceiling_ = limit_;
  probes_lost_ = 0;
  large_losses_ = 0;
  probe_timeouts_ = 0;
  searching_ = false;
  resume_time_ = now + pause;
}

}  // namespace whimbrel
