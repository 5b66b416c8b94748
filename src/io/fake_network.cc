#include "io/fake_network.h"

#include <algorithm>

namespace whimbrel {

void FakeLink::push(const IpAddress& address, Bytes datagram, Instant now) {
  if (chance(settings_.loss_percent)) return;
  Instant due = now;
  if (settings_.rate > 0) {
    const double seconds_on_line =
        static_cast<double>(datagram.size()) / static_cast<double>(settings_.rate);
    const Instant start = std::max(now, line_free_);
    if (start - now > kRateQueueMax) return;
    line_free_ = start + Duration(static_cast<std::int64_t>(seconds_on_line * 1e9));
    due = line_free_;
  }
  due += settings_.lag;
  if (chance(settings_.reorder_percent)) due += settings_.reorder_time;
  enqueue(address, datagram, due);
  if (chance(settings_.duplicate_percent)) {
    const auto span = static_cast<std::uint64_t>(settings_.duplicate_time_max.count()) + 1;
    enqueue(address, datagram, due + Duration(static_cast<std::int64_t>(random_.below(span))));
  }
}

void FakeLink::enqueue(const IpAddress& address, Bytes datagram, Instant due) {
  if (queued_bytes_ + datagram.size() > kQueuedBytesMax) return;
  queued_bytes_ += datagram.size();
  queue_.emplace(due, Datagram{address, {datagram.begin(), datagram.end()}});
}

std::optional<FakeLink::Datagram> FakeLink::pop(Instant now) {
  if (next_deadline() > now) return std::nullopt;
  Datagram datagram = std::move(queue_.begin()->second);
  queue_.erase(queue_.begin());
  queued_bytes_ -= datagram.bytes.size();
  return datagram;
}

}  // namespace whimbrel
