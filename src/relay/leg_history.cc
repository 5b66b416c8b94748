#include "relay/leg_history.h"

#include <algorithm>

namespace whimbrel::relay {

namespace {

constexpr Duration kLately = seconds(10);
// For so long a session would wait.
constexpr Duration kWantedTime = seconds(10);

}  // namespace

void LegTraffic::add(Instant now) {
  if (now - since_ >= kWindow) {
    busy_ = count_ >= kLeast && now - since_ < 2 * kWindow;
    since_ = now;
    count_ = 0;
  }
  ++count_;
}

void LegHistory::sent_payload(Instant now) {
  sent_.add(now);
  wanted(now);
}

void LegHistory::delivered_payload(Instant now) {
  const bool anew = !delivered_at_ || now - *delivered_at_ >= kLately;
  delivered_.add(now);
  if (anew || brings_traffic()) lively_at_ = now;
  delivered_at_ = now;
}

// RFC 6298 2.2 and 2.3.
void LegHistory::measured(Duration round_trip) {
  const Duration sample = std::max(round_trip, Duration(1));
  rtt_ = rtt_ == Duration::zero() ? sample : (rtt_ * 7 + sample) / 8;
}

void LegHistory::begin_slot() {
  delivered_at_.reset();
  lively_at_.reset();
  needless_at_.reset();
}

bool LegHistory::wanted_lately(Instant now) const {
  const std::optional<Instant> last = std::max(wanted_at_, delivered_at_);
  return last && now - *last < kWantedTime;
}

bool LegHistory::delivers_at(Instant then) const {
  return lively_at_ && then - *lively_at_ < kLately;
}

}  // namespace whimbrel::relay
