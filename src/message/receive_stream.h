// The reliable messages of one channel on their way in: puts the stream together again and cuts
// it into messages.
//
//   parsed_                        message_end_                charged_
//   ---|--------------------------------|--------------------------|
//      | the open message: written in   | early pieces, kept until |
//      | place, wherever in it they are | they can be parsed       |
//
// Where pieces overlap, what came first counts.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "base/range_set.h"
#include "base/shared_bytes.h"
#include "message/receive_context.h"
#include "wire/frame.h"

namespace whimbrel {

class ReceiveStream {
 public:
  explicit ReceiveStream(ChannelId channel) : channel_(channel) {}

  ChannelId channel() const { return channel_; }
  // Messages so far.
  std::uint64_t delivered() const { return number_; }
  FrameVerdict on_frame(std::uint64_t offset, Bytes bytes, const ReceiveContext& context);

 private:
  bool charge_to(std::uint64_t end, const ReceiveContext& context);
  FrameVerdict keep_early(std::uint64_t begin, Bytes bytes, const ReceiveContext& context);
  bool take_in_order(std::uint64_t begin, Bytes bytes, const ReceiveContext& context);
  bool parse(Bytes bytes, const ReceiveContext& context);
  std::size_t take_length(Bytes bytes, std::uint64_t& size);
  bool begin_message(std::uint64_t size, std::size_t length_size, const ReceiveContext& context);
  void open_message(std::uint64_t size, const ReceiveContext& context);
  void place(std::uint64_t begin, Bytes bytes, const ReceiveContext& context);
  void deliver(SharedBytes payload, const ReceiveContext& context);

  bool open() const { return message_end_ > parsed_; }
  void copy_into_message(std::uint64_t begin, Bytes bytes);

  ChannelId channel_;
  std::uint8_t length_have_ = 0;  // bytes of a length that was cut by a frame's end
  std::array<std::uint8_t, 8> length_{};
  std::uint64_t parsed_ = 0;
  std::uint64_t charged_ = 0;
  std::uint64_t number_ = 0;  // of the message delivered last

  SharedBytes message_;
  std::uint64_t message_end_ = 0;  // in the stream; at most parsed_ if no message is open
  RangeSet in_place_;              // what the open message has above parsed_
  std::map<std::uint64_t, SharedBytes> early_;  // disjoint, by offset, above the open message
};

}  // namespace whimbrel
