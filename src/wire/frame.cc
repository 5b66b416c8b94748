#include "wire/frame.h"

namespace whimbrel {

namespace {

// The channel of a frame; more than 32 bits is malformed.
bool read_channel(ByteReader& in, ChannelId& out) {
  const std::uint64_t raw = in.varint();
  if (raw > 0xffffffff) in.fail();
  out = unzigzag(raw);
  return in.ok();
}

// To the packet's end, or a length and that many bytes.
bool read_payload(ByteReader& in, bool to_end, Bytes& out) {
  const std::uint64_t size = to_end ? in.remaining() : in.varint();
  if (size > in.remaining()) {
    in.fail();
    return false;
  }
  out = in.bytes(static_cast<std::size_t>(size));
  return in.ok();
}

}  // namespace

// RFC 9000 19.3.1: ranges run downwards from the largest acknowledged.
bool read_ack(ByteReader& in, AckFrame& out) {
  const std::uint64_t largest = in.varint();
  out.delay_us = in.varint();
  const std::uint64_t more = in.varint();
  const std::uint64_t first_size = in.varint() + 1;
  if (!in.ok() || more >= kAckRangesMax || first_size > largest + 1) return false;
  out.ranges[0] = {largest + 1 - first_size, largest + 1};
  out.count = static_cast<std::uint32_t>(more) + 1;
  for (std::uint32_t i = 1; i < out.count; ++i) {
    const std::uint64_t gap = in.varint() + 1;
    const std::uint64_t size = in.varint() + 1;
    const std::uint64_t above = out.ranges[i - 1].begin;
    if (!in.ok() || gap > above || size > above - gap) return false;
    out.ranges[i] = {above - gap - size, above - gap};
  }
  return true;
}

bool read_close(ByteReader& in, CloseFrame& out) {
  const std::uint64_t reason = in.varint();
  const std::uint64_t size = in.varint();
  if (!in.ok() || reason > 0xffff || size > kCloseTextMax) return false;
  out.reason = static_cast<std::uint32_t>(reason);
  out.text = in.bytes(static_cast<std::size_t>(size));
  return in.ok();
}

bool read_path_data(ByteReader& in, PathData& out) {
  const Bytes data = in.bytes(out.data.size());
  if (!in.ok()) return false;
  std::memcpy(out.data.data(), data.data(), out.data.size());
  return true;
}

namespace {
bool read_path_id(ByteReader& in, PathId& out) {
  const std::uint64_t id = in.varint();
  if (id > 0xffffffff) in.fail();
  out = PathId{static_cast<std::uint32_t>(id)};
  return in.ok();
}
}  // namespace

bool read_path_index(ByteReader& in, PathIndexFrame& out) {
  if (!read_path_id(in, out.path)) return false;
  out.index = in.u32();
  return in.ok() && out.index != 0 && value(out.path) != 0;
}

bool read_path_abandon(ByteReader& in, PathAbandonFrame& out) { return read_path_id(in, out.path); }

bool read_path_status(ByteReader& in, PathStatusFrame& out) {
  if (!read_path_id(in, out.path)) return false;
  out.sequence = in.varint();
  const std::uint8_t standby = in.u8();
  out.standby = standby != 0;
  return in.ok() && standby <= 1;
}

bool read_path_ack(ByteReader& in, PathId& path, AckFrame& out) {
  return read_path_id(in, path) && read_ack(in, out);
}

bool read_session_credit(ByteReader& in, SessionCreditFrame& out) {
  out.bytes_max = in.varint();
  out.messages_max = in.varint();
  return in.ok();
}

bool read_channel_credit(ByteReader& in, ChannelCreditFrame& out) {
  if (!read_channel(in, out.channel)) return false;
  out.bytes_max = in.varint();
  out.messages_max = in.varint();
  return in.ok();
}

bool read_channel_name(ByteReader& in, ChannelNameFrame& out) {
  if (!read_channel(in, out.channel) || !read_channel(in, out.name)) return false;
  out.count = in.varint();
  out.sequence = in.varint();
  return in.ok() && out.count > 0;
}

bool read_stream(ByteReader& in, FrameType type, StreamFrame& out) {
  if (!read_channel(in, out.channel)) return false;
  out.offset = in.varint();
  if (!read_payload(in, type == FrameType::kStreamToEnd, out.bytes)) return false;
  return !out.bytes.empty() && out.offset <= kVarintMax - out.bytes.size();
}

bool read_message(ByteReader& in, FrameType type, MessageFrame& out) {
  if (!read_channel(in, out.channel)) return false;
  out.sequence = in.varint();
  return read_payload(in, type == FrameType::kMessageToEnd, out.bytes);
}

bool read_fragment(ByteReader& in, FrameType type, FragmentFrame& out) {
  out.reliable = type == FrameType::kReliableFragment;
  if (!read_channel(in, out.channel)) return false;
  out.sequence = in.varint();
  const std::uint64_t offset = in.varint();
  const std::uint64_t total = in.varint();
  if (!read_payload(in, false, out.bytes)) return false;
  if (total > kMessageSizeMax || out.bytes.empty() || offset > total) return false;
  if (out.bytes.size() > total - offset) return false;
  out.offset = static_cast<std::uint32_t>(offset);
  out.total = static_cast<std::uint32_t>(total);
  return true;
}

namespace {
// What stands behind the type, and the path where there is one.
std::size_t ack_head_size(const AckFrame& frame) {
  ASSERT(frame.count >= 1 && frame.count <= kAckRangesMax);
  return varint_size(frame.largest()) + varint_size(frame.delay_us) +
         varint_size(frame.ranges[0].size() - 1) + 1;  // the count stays below 64: one byte
}

std::size_t write_ack_ranges(ByteWriter& out, const AckFrame& frame) {
  const Range first = frame.ranges[0];
  out.varint(frame.largest());
  out.varint(frame.delay_us);
  std::uint8_t* count_at = out.position();
  out.u8(0);
  out.varint(first.size() - 1);
  std::uint32_t written = 1;
  for (; written < frame.count; ++written) {
    const Range range = frame.ranges[written];
    const std::uint64_t gap = frame.ranges[written - 1].begin - range.end - 1;
    if (out.remaining() < varint_size(gap) + varint_size(range.size() - 1)) break;
    out.varint(gap);
    out.varint(range.size() - 1);
  }
  *count_at = static_cast<std::uint8_t>(written - 1);
  return written;
}
}  // namespace

std::size_t write_ack(ByteWriter& out, const AckFrame& frame) {
  if (out.remaining() < 1 + ack_head_size(frame)) return 0;
  out.u8(static_cast<std::uint8_t>(FrameType::kAck));
  return write_ack_ranges(out, frame);
}

std::size_t write_path_ack(ByteWriter& out, PathId path, const AckFrame& frame) {
  if (out.remaining() < 1 + varint_size(value(path)) + ack_head_size(frame)) return 0;
  out.u8(static_cast<std::uint8_t>(FrameType::kPathAck));
  out.varint(value(path));
  return write_ack_ranges(out, frame);
}

void write_path_index(ByteWriter& out, const PathIndexFrame& frame) {
  out.u8(static_cast<std::uint8_t>(FrameType::kPathIndex));
  out.varint(value(frame.path));
  out.u32(frame.index);
}

void write_path_abandon(ByteWriter& out, const PathAbandonFrame& frame) {
  out.u8(static_cast<std::uint8_t>(FrameType::kPathAbandon));
  out.varint(value(frame.path));
}

void write_path_status(ByteWriter& out, const PathStatusFrame& frame) {
  out.u8(static_cast<std::uint8_t>(FrameType::kPathStatus));
  out.varint(value(frame.path));
  out.varint(frame.sequence);
  out.u8(frame.standby ? 1 : 0);
}

void write_close(ByteWriter& out, const CloseFrame& frame) {
  const Bytes text = frame.text.first(std::min(frame.text.size(), kCloseTextMax));
  out.u8(static_cast<std::uint8_t>(FrameType::kClose));
  out.varint(frame.reason);
  out.varint(text.size());
  out.bytes(text);
}

void write_path_data(ByteWriter& out, FrameType type, const PathData& frame) {
  out.u8(static_cast<std::uint8_t>(type));
  out.bytes(frame.data);
}

void write_session_credit(ByteWriter& out, const SessionCreditFrame& frame) {
  out.u8(static_cast<std::uint8_t>(FrameType::kSessionCredit));
  out.varint(frame.bytes_max);
  out.varint(frame.messages_max);
}

void write_channel_name(ByteWriter& out, const ChannelNameFrame& frame) {
  out.u8(static_cast<std::uint8_t>(FrameType::kChannelName));
  out.varint(zigzag(frame.channel));
  out.varint(zigzag(frame.name));
  out.varint(frame.count);
  out.varint(frame.sequence);
}

void write_channel_credit(ByteWriter& out, const ChannelCreditFrame& frame) {
  out.u8(static_cast<std::uint8_t>(FrameType::kChannelCredit));
  out.varint(zigzag(frame.channel));
  out.varint(frame.bytes_max);
  out.varint(frame.messages_max);
}

}  // namespace whimbrel
