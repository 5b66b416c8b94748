// Frames of a packet, and the header before them: no input may make a reader leave its bytes.
#include <cstddef>
#include <cstdint>

#include "wire/frame.h"
#include "wire/packet.h"

namespace whimbrel {
namespace {

bool read_any(FrameType type, ByteReader& in) {
  AckFrame ack;
  CloseFrame close;
  PathData data;
  PathId path{};
  PathIndexFrame index;
  PathAbandonFrame abandon;
  PathStatusFrame status;
  SessionCreditFrame session;
  ChannelCreditFrame channel;
  ChannelNameFrame name;
  StreamFrame stream;
  MessageFrame message;
  FragmentFrame fragment;
  switch (type) {
    case FrameType::kAck:
      if (!read_ack(in, ack)) return false;
      // What was read can be written again, into the room it had at most.
      for (std::uint32_t i = 1; i < ack.count; ++i)
        ASSERT(ack.ranges[i].end < ack.ranges[i - 1].begin);
      return true;
    case FrameType::kClose:
      return read_close(in, close);
    case FrameType::kPathChallenge:
    case FrameType::kPathResponse:
      return read_path_data(in, data);
    case FrameType::kPathIndex:
      return read_path_index(in, index);
    case FrameType::kPathAbandon:
      return read_path_abandon(in, abandon);
    case FrameType::kPathStatus:
      return read_path_status(in, status);
    case FrameType::kPathAck:
      return read_path_ack(in, path, ack);
    case FrameType::kSessionCredit:
      return read_session_credit(in, session);
    case FrameType::kChannelCredit:
      return read_channel_credit(in, channel);
    case FrameType::kChannelName:
      return read_channel_name(in, name);
    case FrameType::kStream:
    case FrameType::kStreamToEnd:
      return read_stream(in, type, stream);
    case FrameType::kMessage:
    case FrameType::kMessageToEnd:
      return read_message(in, type, message);
    case FrameType::kFragment:
    case FrameType::kReliableFragment:
      if (!read_fragment(in, type, fragment)) return false;
      ASSERT(fragment.offset + fragment.bytes.size() <= fragment.total);
      return true;
    default:
      return in.ok();
  }
}

}  // namespace
}  // namespace whimbrel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace whimbrel;
  if (const auto header = read_data_header({data, size})) ASSERT(header->size() < size);
  ByteReader in({data, size});
  while (!in.empty()) {
    const auto type = static_cast<FrameType>(in.u8());
    if (!read_any(type, in)) break;
  }
  return 0;
}
