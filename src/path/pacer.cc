#include "path/pacer.h"

#include <algorithm>

#include "path/congestion/controller.h"

namespace whimbrel {
namespace {

// At high rates a burst is what leaves in this time: enough for a batch of 64 KiB from 64 MB/s on.
constexpr Duration kBurstTime = milliseconds(1);
// Timers are not set finer than this.
constexpr Duration kQuantumTime = microseconds(100);
constexpr double kQuantumBytesMax = 65536;

double bytes_in(Duration time, std::uint64_t rate) {
  return static_cast<double>(rate) * to_seconds(time);
}

}  // namespace

Pacer::Pacer(std::size_t datagram_size, Instant now)
    : datagram_size_(datagram_size),
      tokens_(static_cast<double>(kWindowPacketsInitial * datagram_size)),
      updated_(now) {}

// RFC 9002 7.7: bursts are limited to the initial window.
std::uint64_t Pacer::burst() const {
  return std::max<std::uint64_t>(kWindowPacketsInitial * datagram_size_,
                                 static_cast<std::uint64_t>(bytes_in(kBurstTime, rate_)));
}

std::uint64_t Pacer::quantum() const {
  const double bytes = std::min(bytes_in(kQuantumTime, rate_), kQuantumBytesMax);
  return std::max<std::uint64_t>(datagram_size_, static_cast<std::uint64_t>(bytes));
}

double Pacer::tokens(Instant now) const {
  const double gained = now > updated_ ? bytes_in(now - updated_, rate_) : 0;
  return std::min(tokens_ + gained, static_cast<double>(burst()));
}

void Pacer::set_rate(std::uint64_t rate, Instant now) {
  if (rate == rate_) return;
  if (rate_ == 0) {
    rate_ = rate;
    tokens_ = static_cast<double>(burst());
  } else {
    tokens_ = tokens(now);
    rate_ = rate;
  }
  updated_ = std::max(updated_, now);
}

void Pacer::on_sent(std::uint64_t bytes, Instant now) {
  if (rate_ == 0) return;
  tokens_ = tokens(now) - static_cast<double>(bytes);
  updated_ = std::max(updated_, now);
}

std::size_t Pacer::allowance(Instant now) const {
  if (rate_ == 0) return std::numeric_limits<std::size_t>::max();
  const double available = tokens(now);
  return available < static_cast<double>(quantum()) ? 0 : static_cast<std::size_t>(available);
}

Instant Pacer::next_send_time(Instant now) const {
  if (rate_ == 0) return now;
  const double missing = static_cast<double>(quantum()) - tokens(now);
  if (missing <= 0) return now;
  // One byte's time more, so that rounding never leaves the bucket just short.
  const double wait = (missing + 1) / static_cast<double>(rate_) * 1e9;
  return now + Duration(static_cast<std::int64_t>(wait) + 1);
}

}  // namespace whimbrel
