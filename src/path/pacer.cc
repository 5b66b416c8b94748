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
    : datagram_size_(static_cast<double>(datagram_size)), updated_(now) {
  update_limits();
  tokens_ = burst_;
}

void Pacer::update_limits() {
  // RFC 9002 7.7: bursts are limited to the initial window.
  burst_ = std::max(kWindowPacketsInitial * datagram_size_, bytes_in(kBurstTime, rate_));
  quantum_ = std::max(datagram_size_, std::min(bytes_in(kQuantumTime, rate_), kQuantumBytesMax));
}

double Pacer::tokens(Instant now) const {
  const double gained = now > updated_ ? bytes_in(now - updated_, rate_) : 0;
  return std::min(tokens_ + gained, burst_);
}

void Pacer::set_datagram_size(std::size_t bytes) {
  datagram_size_ = static_cast<double>(bytes);
  update_limits();
}

void Pacer::set_rate(std::uint64_t rate, Instant now) {
  if (rate == rate_) return;
  const bool was_off = rate_ == 0;
  tokens_ = tokens(now);
  updated_ = std::max(updated_, now);
  rate_ = rate;
  update_limits();
  if (!was_off) return;
  tokens_ = burst_;
  drained_ = false;
}

void Pacer::on_sent(std::uint64_t bytes, Instant now) {
  if (rate_ == 0) return;
  tokens_ = tokens(now) - static_cast<double>(bytes);
  updated_ = std::max(updated_, now);
  drained_ = tokens_ < datagram_size_;
}

std::size_t Pacer::allowance(Instant now) const {
  if (rate_ == 0) return std::numeric_limits<std::size_t>::max();
  const double available = tokens(now);
  return available < wanted() ? 0 : static_cast<std::size_t>(available);
}

Instant Pacer::next_send_time(Instant now) const {
  if (rate_ == 0) return now;
  const double missing = wanted() - tokens(now);
  if (missing <= 0) return now;
  // Rounded up, and one byte's time more, so that the bucket is never found just short.
  const double wait = (missing + 1) / static_cast<double>(rate_) * 1e9;
  return now + Duration(static_cast<std::int64_t>(wait) + 1);
}

}  // namespace whimbrel
