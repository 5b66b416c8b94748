#include "io/clock.h"

#include "io/kernel.h"

namespace whimbrel {

namespace {

std::int64_t read_ns(clockid_t clock) {
  timespec time{};
  kernel().clock_gettime(clock, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

// One microsecond before now: Instant 0 lies in the past of every event.
Clock::Clock() : origin_ns_(read_ns(CLOCK_BOOTTIME) - 1000) {}

Instant Clock::now() const { return Instant(Duration(read_ns(CLOCK_BOOTTIME) - origin_ns_)); }

std::int64_t Clock::boottime_ns(Instant at) const {
  const std::int64_t since = at.time_since_epoch().count();
  return since > INT64_MAX - origin_ns_ ? INT64_MAX : origin_ns_ + since;
}

UnixMillis unix_now() { return read_ns(CLOCK_REALTIME) / 1'000'000; }

}  // namespace whimbrel
