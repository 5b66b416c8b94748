// The packets in flight, by number: one record each in a ring, and the frames they carried in a
// second ring beside it, both oldest first. Storing a packet allocates nothing once the rings have
// grown; looking one up is an index.
//
// Records leave at the front only. LossRecovery declares losses in ascending order, so everything
// below first_number() is settled and the ring holds little more than what is really in flight.
#pragma once

#include <cstdint>
#include <span>

#include "base/ring_buffer.h"
#include "base/time.h"
#include "wire/frame.h"

namespace whimbrel {

enum class PacketState : std::uint8_t { kOutstanding, kAcked };

struct SentPacket {
  Instant sent_time{};
  // Delivery-rate sample taken when the packet left (see delivery_rate.h).
  std::uint64_t delivered = 0;
  Instant delivered_time{};
  Instant first_sent_time{};
  // One past the largest number that an ACK frame in this packet acknowledged; 0 if it had none.
  std::uint64_t ack_end = 0;
  std::uint32_t bytes = 0;
  std::uint32_t first_frame = 0;  // counts all frames ever stored, modulo 2^32
  std::uint16_t frame_count = 0;
  std::uint8_t route = 0;  // packets of an earlier route count for no window and no sample
  PacketState state = PacketState::kOutstanding;
  bool ack_eliciting = false;
  bool mtu_probe = false;
  bool app_limited = false;
  bool given_back = false;  // its frames are sent again already
};

// At most this many packets are tracked: at the limit send_allowance() is 0 and no acknowledgement
// is due, until the peer acknowledges something. 190 MB in full Ethernet packets.
inline constexpr std::size_t kTrackedPacketsMax = std::size_t{1} << 17;

class SentPackets {
 public:
  bool empty() const { return packets_.empty(); }
  std::size_t size() const { return packets_.size(); }
  bool full() const { return packets_.size() >= kTrackedPacketsMax; }
  // Numbers of the oldest record and one past the newest.
  std::uint64_t first_number() const { return next_number_ - packets_.size(); }
  std::uint64_t next_number() const { return next_number_; }

  SentPacket& at(std::uint64_t number) { return packets_[index(number)]; }
  const SentPacket& at(std::uint64_t number) const { return packets_[index(number)]; }

  void push(SentPacket packet, std::span<const SentFrame> frames);
  // The i-th frame of a packet, i < frame_count.
  const SentFrame& frame(const SentPacket& packet, std::size_t i) const {
    return frames_[(packet.first_frame - frames_popped_) + i];
  }
  void pop_front();
  // Gives memory back when empty.
  void shrink();
  std::size_t capacity() const { return packets_.capacity(); }

 private:
  std::size_t index(std::uint64_t number) const {
    return static_cast<std::size_t>(number - first_number());
  }

  RingBuffer<SentPacket> packets_;
  RingBuffer<SentFrame> frames_;
  std::uint64_t next_number_ = 0;
  std::uint32_t frames_popped_ = 0;
};

}  // namespace whimbrel
