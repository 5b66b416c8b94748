// The unreliable messages of one channel on their way out: each leaves once, whole or in
// fragments, or not at all where it waits too long.
#pragma once

#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/ring_buffer.h"
#include "base/shared_bytes.h"
#include "base/time.h"
#include "wire/frame.h"

namespace whimbrel {

class UnreliableQueue {
 public:
  UnreliableQueue(ChannelId channel, std::uint32_t place) : channel_(channel), place_(place) {}

  // `fragment_size`: payload that a full packet carries.
  void push(SharedBytes&& payload, std::size_t fragment_size, Instant now = Instant{}) {
    pending_bytes_ += payload.size();
    messages_.push_back({std::move(payload), now});
    fragment_size_ = fragment_size;
  }
  // Leaves so many numbers out. Only while it is empty.
  void skip(std::uint64_t messages) {
    ASSERT(messages_.empty());
    sequence_ += messages;
  }
  bool empty() const { return messages_.empty(); }
  // Of the next message that leaves.
  std::uint64_t sequence() const { return sequence_; }
  // Payload bytes not sent yet.
  std::uint64_t pending_bytes() const { return pending_bytes_; }
  std::size_t front_remaining() const { return messages_.front().payload.size() - sent_; }
  // When the message in front was pushed.
  Instant oldest() const { return messages_.front().pushed; }

  struct Written {
    std::uint64_t bytes = 0;     // payload
    std::uint64_t released = 0;  // payload of the messages that have left entirely
    std::uint64_t messages = 0;  // of those
  };
  // As many messages as fit. One that would fit into a full packet waits for the next one, unless
  // this packet is `fresh` (the next one can have no more room): then it is cut.
  // `whole_only`: none is cut.
  Written write(ByteWriter& out, bool fresh, std::vector<SentFrame>& records,
                bool whole_only = false);
  // Forgets what was not sent, or of that what was pushed at `newest` or before; returns {payload
  // bytes not sent, payload of the messages, their number}.
  Written drop();
  Written drop_until(Instant newest);

 private:
  struct Queued {
    SharedBytes payload;
    Instant pushed;
  };

  bool write_whole(ByteWriter& out);
  bool write_fragment(ByteWriter& out, bool fresh, std::vector<SentFrame>& records);
  std::uint64_t pop();

  ChannelId channel_;
  std::uint32_t place_;
  RingBuffer<Queued> messages_;
  std::size_t fragment_size_ = 0;
  std::uint64_t pending_bytes_ = 0;
  std::uint64_t sequence_ = 0;  // of the front message
  std::size_t sent_ = 0;        // bytes of the front message that have left
};

}  // namespace whimbrel
