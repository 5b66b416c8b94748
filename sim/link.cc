#include "sim/link.h"

#include <algorithm>

namespace whimbrel::sim {

std::uint64_t Link::queued_bytes(Instant now) const {
  if (config_.rate == 0 || free_at_ <= now) return 0;
  return static_cast<std::uint64_t>(to_seconds(free_at_ - now) * static_cast<double>(config_.rate));
}

Duration Link::queue_delay(Instant now) const {
  return free_at_ > now ? free_at_ - now : Duration::zero();
}

bool Link::is_lost(Random& random) {
  const GilbertElliott& chain = config_.bursts;
  bool lost = config_.loss > 0 && random.chance(config_.loss);
  if (chain.to_bad > 0) {
    burst_ = random.chance(burst_ ? 1 - chain.to_good : chain.to_bad);
    lost |= random.chance(burst_ ? chain.loss_bad : chain.loss_good);
  }
  return lost;
}

// RFC 2697 3: a bucket, here counted from its bottom, so that rate and burst may change at any
// time.
bool Link::is_policed(std::size_t wire_bytes, Instant now) {
  if (config_.policer_rate == 0) return false;
  const double worn_off = to_seconds(now - policer_at_) * static_cast<double>(config_.policer_rate);
  policer_bytes_ = std::max(0.0, policer_bytes_ - worn_off);
  policer_at_ = now;
  const double filled = policer_bytes_ + static_cast<double>(wire_bytes);
  if (filled > static_cast<double>(config_.policer_burst)) return true;
  policer_bytes_ = filled;
  return false;
}

Instant Link::leave_queue(std::size_t wire_bytes, Instant now) {
  if (config_.rate == 0) return now;
  const double nanoseconds =
      static_cast<double>(wire_bytes) * 1e9 / static_cast<double>(config_.rate);
  free_at_ = std::max(free_at_, now) + Duration(static_cast<std::int64_t>(nanoseconds));
  return free_at_;
}

Passage Link::pass(std::size_t bytes, Random& random, Instant now) {
  Passage passage;
  ++stats_.packets_in;
  if (!config_.up) return ++stats_.dropped_down, passage;
  if (bytes > config_.mtu) return ++stats_.too_large, passage;
  const std::size_t wire_bytes = bytes + config_.header_bytes;
  if (is_policed(wire_bytes, now)) return ++stats_.policed, passage;
  const std::uint64_t queued = queued_bytes(now);
  if (config_.rate != 0 && queued + wire_bytes > config_.queue_bytes_max) {
    return ++stats_.tail_dropped, passage;
  }
  stats_.queue_bytes_peak = std::max(stats_.queue_bytes_peak, queued + wire_bytes);
  Instant at = leave_queue(wire_bytes, now) + config_.delay;
  if (is_lost(random)) return ++stats_.lost, passage;

  if (config_.jitter > Duration::zero()) {
    at += Duration(
        static_cast<std::int64_t>(random.unit() * static_cast<double>(config_.jitter.count())));
  }
  if (config_.reorder > 0 && random.chance(config_.reorder)) {
    at += config_.reorder_delay;
    ++stats_.reordered;
  } else if (!config_.jitter_reorders) {
    at = last_arrival_ = std::max(at, last_arrival_);
  }
  passage.arrivals[passage.count++].at = at;
  if (config_.duplicate > 0 && random.chance(config_.duplicate)) {
    const double extra = random.unit() * static_cast<double>(config_.duplicate_delay_max.count());
    passage.arrivals[passage.count++].at = at + Duration(static_cast<std::int64_t>(extra));
    ++stats_.duplicated;
  }
  for (unsigned i = 0; i < passage.count; ++i) {
    if (config_.corrupt > 0 && random.chance(config_.corrupt)) {
      passage.arrivals[i].corrupted = true;
      ++stats_.corrupted;
    }
  }
  stats_.packets_out += passage.count;
  stats_.bytes_out += passage.count * wire_bytes;
  return passage;
}

}  // namespace whimbrel::sim
