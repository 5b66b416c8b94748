// The reliable unordered messages of one channel on their way out: cut into fragments, each sent
// again until acknowledged. They begin in order. A message is released when all of it is
// acknowledged, regardless of those before it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/range_set.h"
#include "base/ring_buffer.h"
#include "base/shared_bytes.h"
#include "message/send_credit.h"
#include "wire/frame.h"

namespace whimbrel {

class UnorderedQueue {
 public:
  UnorderedQueue(ChannelId channel, std::uint32_t place) : channel_(channel), place_(place) {}

  // Not empty: there is no fragment of nothing.
  void push(SharedBytes&& payload);

  // Nothing is unsent or unacknowledged.
  bool empty() const { return messages_.empty(); }
  bool has_new() const { return next_index_ < messages_.size(); }
  // Payload bytes that have not left.
  std::uint64_t unsent() const { return unsent_; }
  bool has_lost() const { return !lost_.empty(); }
  std::uint64_t next_size() const { return messages_[next_index_].payload.size(); }
  bool is_allowed(const LaneCredit& credit) const {
    return sent_ != 0 || credit.can_start(next_size());
  }

  // FRAGMENTs of what was lost, or of new messages, as many as fit. write_new() returns the bytes
  // written; it may write nothing if too little room is left.
  bool write_lost(ByteWriter& out, std::vector<SentFrame>& records);
  std::uint64_t write_new(ByteWriter& out, LaneCredit credit, std::vector<SentFrame>& records);

  struct Released {
    std::uint64_t acked_bytes = 0;     // acknowledged for the first time
    std::uint64_t released_bytes = 0;  // size of the message, if it was released
    std::uint64_t messages = 0;
  };
  Released on_acked(const SentFrame& frame);
  void on_lost(const SentFrame& frame);

 private:
  // A queue that has run empty keeps memory for this many messages.
  static constexpr std::size_t kIdleCapacity = 64;
  struct Queued {
    SharedBytes payload;  // gone once all is acknowledged
    RangeSet acked;
  };
  struct Piece {
    std::uint64_t sequence = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };

  // Null if it was released.
  Queued* find(std::uint64_t sequence);
  std::uint64_t write_piece(ByteWriter& out, const Piece& piece, const SharedBytes& payload,
                            std::vector<SentFrame>& records);

  ChannelId channel_;
  std::uint32_t place_;
  RingBuffer<Queued, kIdleCapacity> messages_;
  std::uint64_t first_sequence_ = 0;  // of messages_.front()
  std::size_t next_index_ = 0;        // the message that is being sent
  std::uint64_t sent_ = 0;            // bytes of it that have left
  std::uint64_t unsent_ = 0;
  RingBuffer<Piece, kIdleCapacity> lost_;
};

}  // namespace whimbrel
