#include "path/congestion/delivery_rate.h"

#include <algorithm>

namespace whimbrel {

// draft-ietf-ccwg-bbr 4.1.2.2: SetPacketState.
void DeliveryRate::on_sent(SentPacket& packet, std::uint64_t bytes_in_flight, Instant now) {
  if (bytes_in_flight == 0) first_sent_time_ = delivered_time_ = now;
  packet.first_sent_time = first_sent_time_;
  packet.delivered_time = delivered_time_;
  packet.delivered = delivered_;
  packet.app_limited = app_limited_until_ != 0;
}

// draft-ietf-ccwg-bbr 4.1.2.3: UpdateRateSample.
void DeliveryRate::on_acked(const SentPacket& packet, Instant now) {
  delivered_ += packet.bytes;
  delivered_time_ = now;
  any_ = true;
  sample_.delivered_prior = packet.delivered;
  sample_.app_limited = packet.app_limited;
  const Duration send_time = packet.sent_time - packet.first_sent_time;
  const Duration ack_time = now - packet.delivered_time;
  sample_.interval = std::max(send_time, ack_time);
  first_sent_time_ = packet.sent_time;
}

DeliverySample DeliveryRate::finish() {
  if (app_limited_until_ != 0 && delivered_ > app_limited_until_) app_limited_until_ = 0;
  if (!any_) return {};
  any_ = false;
  return sample_;
}

}  // namespace whimbrel
