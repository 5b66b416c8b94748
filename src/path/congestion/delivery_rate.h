// How fast the path has delivered lately: the estimator of draft-ietf-ccwg-bbr section 4.1. A
// packet takes the totals along when it leaves; its acknowledgement gives bytes over time.
//
// Not thread-safe.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "path/sent_packets.h"

namespace whimbrel {

struct DeliverySample {
  std::uint64_t delivered_prior = 0;
  Duration interval{};  // 0: no valid sample
  bool app_limited = false;
};

class DeliveryRate {
 public:
  explicit DeliveryRate(Instant now) : delivered_time_(now), first_sent_time_(now) {}

  std::uint64_t delivered() const { return delivered_; }
  // Stamps a packet that leaves now; `bytes_in_flight` without it.
  void on_sent(SentPacket& packet, std::uint64_t bytes_in_flight, Instant now);
  // Once for each packet acknowledged anew, in ascending order, then finish().
  void on_acked(const SentPacket& packet, Instant now);
  DeliverySample finish();
  void on_app_limited(std::uint64_t bytes_in_flight) {
    app_limited_until_ = delivered_ + bytes_in_flight;
    if (app_limited_until_ == 0) app_limited_until_ = 1;
  }

 private:
  std::uint64_t delivered_ = 0;
  Instant delivered_time_;
  Instant first_sent_time_;
  std::uint64_t app_limited_until_ = 0;
  // Of the newest packet acknowledged since finish().
  bool any_ = false;
  DeliverySample sample_;
};

}  // namespace whimbrel
