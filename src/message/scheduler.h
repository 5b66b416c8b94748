// Takes turns among lanes by surplus round robin (deficit round robin, Shreedhar and Varghese 1995,
// where a lane may overdraw): in its turn a lane fills what is left of a packet, pays for it, and
// goes to the back of the queue when it has used up its quantum. Debts are kept, so lanes share the
// path evenly in bytes. A lane that gets something to send joins at the back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ring_buffer.h"
#include "message/send_credit.h"

namespace whimbrel {

class Scheduler {
 public:
  // Lanes 0 to count - 1 exist from now on.
  void set_lane_count(std::size_t count) { lanes_.resize(count); }
  // Joins at the back; nothing happens if the lane is active already.
  void activate(Lane lane);
  bool active(Lane lane) const { return lanes_[lane].active; }
  bool empty() const { return order_.empty(); }
  std::size_t active_count() const { return order_.size(); }

  // The lane in front, whether or not its turn has begun.
  Lane next() const { return order_.front(); }
  // The lane whose turn it is, leaving out those set aside. `quantum`: bytes that a turn is worth;
  // never less than what one call of spend() takes, so that the search ends after one round.
  Lane front(std::int64_t quantum);
  // The front lane has written `bytes`. True if its turn is over and it went to the back.
  bool spend(std::size_t bytes);
  // The front lane has nothing to send, or may not.
  void leave();
  // The front lane needs a fresh packet: it keeps its place but others may use this one. False if
  // too many were set aside: this packet is done.
  bool set_aside();
  // The packet is done: lanes that were set aside are in front again.
  void restore();

 private:
  static constexpr std::size_t kAsideMax = 4;
  struct LaneState {
    std::int64_t deficit = 0;
    bool active = false;
    bool in_turn = false;
  };

  std::vector<LaneState> lanes_;
  RingBuffer<Lane> order_;
  std::array<Lane, kAsideMax> aside_{};
  std::size_t aside_count_ = 0;
};

}  // namespace whimbrel
