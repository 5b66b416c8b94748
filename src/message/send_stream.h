// The reliable messages of one channel on their way out: one byte stream, {length varint, bytes}
// after one another, from the first byte not acknowledged to the last one queued.
//
//   acked_            next_                      end_
//   ---|-----------------|-------------------------|
//      | in flight, lost | not sent yet            |
//
// A message is released when it and all before it are acknowledged.
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

class SendStream {
 public:
  // `place` is the slot of the frames' records.
  SendStream(ChannelId channel, std::uint32_t place) : channel_(channel), place_(place) {}

  void push(SharedBytes&& payload);
  // Nothing is unsent or unacknowledged.
  bool empty() const { return messages_.empty(); }
  bool has_new() const { return next_ != end_; }
  // Bytes of the stream that have not left.
  std::uint64_t unsent() const { return end_ - next_; }
  bool has_lost() const { return !lost_.empty(); }
  // Credit for the next new byte: a message that has begun needs none.
  bool is_allowed(const LaneCredit& credit) const {
    return next_ != next_begin() || credit.can_start(next_size());
  }
  // Size in the stream of the message that holds the next new byte; only if has_new().
  std::uint64_t next_size() const { return next_end() - next_begin(); }

  // One STREAM frame of what was lost, or of new data; nothing if too little room is left to be
  // worth a frame. write_lost() returns the bytes of the stream written. write_new() only if
  // has_new() and the credit allows it. Payload bytes written for the first time are returned by
  // write_new().
  std::uint64_t write_lost(ByteWriter& out, std::vector<SentFrame>& records);
  std::uint64_t write_new(ByteWriter& out, LaneCredit credit, std::vector<SentFrame>& records);

  // What an acknowledgement released.
  struct Released {
    std::uint64_t acked_bytes = 0;     // payload acknowledged for the first time
    std::uint64_t released_bytes = 0;  // payload of the released messages
    std::uint64_t messages = 0;
  };
  Released on_acked(std::uint64_t offset, std::uint32_t length);
  void on_lost(std::uint64_t offset, std::uint32_t length);

 private:
  struct Queued {
    SharedBytes payload;
    std::uint64_t begin = 0;          // where in the stream its length stands
    std::uint64_t payload_begin = 0;  // payload bytes of all messages before it
  };

  std::uint64_t end_of(std::size_t index) const {
    return index + 1 < messages_.size() ? messages_[index + 1].begin : end_;
  }
  std::uint64_t next_begin() const { return messages_[next_index_].begin; }
  std::uint64_t next_end() const { return end_of(next_index_); }
  std::size_t index_of(std::uint64_t offset) const;
  // Payload bytes before a place in the stream that lies in message `index`.
  std::uint64_t payload_before(std::uint64_t offset, std::size_t index) const;
  std::uint64_t payload_before(std::uint64_t offset) const;
  std::size_t header_size(std::uint64_t offset) const;
  std::uint64_t pay_for(std::uint64_t room, LaneCredit& credit);
  void write_frame(ByteWriter& out, std::uint64_t begin, std::uint64_t end, std::size_t index);
  void copy(ByteWriter& out, std::uint64_t begin, std::uint64_t end, std::size_t index) const;
  std::uint64_t mark_acked(std::uint64_t begin, std::uint64_t end);
  Released release();
  void shrink();

  ChannelId channel_;
  std::uint32_t place_;
  RingBuffer<Queued> messages_;
  std::uint64_t acked_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t end_ = 0;
  std::size_t next_index_ = 0;  // of the message that holds next_; messages_.size() if none does
  std::uint64_t payload_total_ = 0;
  RangeSet acked_ahead_;  // above acked_
  RangeSet lost_;         // to be sent again; none of it acknowledged
};

}  // namespace whimbrel
