// The unreliable messages of one channel on their way out: each leaves once, whole or in
// fragments.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/ring_buffer.h"
#include "base/shared_bytes.h"
#include "wire/frame.h"

namespace whimbrel {

class UnreliableQueue {
 public:
  UnreliableQueue(ChannelId channel, std::uint32_t place) : channel_(channel), place_(place) {}

  // `fragment_size`: payload that a full packet carries.
  void push(SharedBytes&& payload, std::size_t fragment_size) {
    pending_bytes_ += payload.size();
    messages_.push_back(std::move(payload));
    fragment_size_ = fragment_size;
  }
  bool empty() const { return messages_.empty(); }
  // Payload bytes not sent yet.
  std::uint64_t pending_bytes() const { return pending_bytes_; }
  std::size_t front_remaining() const { return messages_.front().size() - sent_; }

  struct Written {
    std::uint64_t bytes = 0;     // payload
    std::uint64_t released = 0;  // payload of the messages that have left entirely
  };
  // As many messages as fit. One that would fit into a full packet waits for the next one, unless
  // this packet is `fresh` (the next one can have no more room): then it is cut.
  // `whole_only`: none is cut.
  Written write(ByteWriter& out, bool fresh, std::vector<SentFrame>& records,
                bool whole_only = false);
  // Forgets what was not sent; returns {payload bytes not sent, payload of the messages}.
  Written drop();

 private:
  bool write_whole(ByteWriter& out);
  bool write_fragment(ByteWriter& out, bool fresh, std::vector<SentFrame>& records);
  std::uint64_t pop();

  ChannelId channel_;
  std::uint32_t place_;
  RingBuffer<SharedBytes> messages_;
  std::size_t fragment_size_ = 0;
  std::uint64_t pending_bytes_ = 0;
  std::uint64_t sequence_ = 0;  // of the front message
  std::size_t sent_ = 0;        // bytes of the front message that have left
};

}  // namespace whimbrel
