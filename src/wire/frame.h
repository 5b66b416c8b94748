// Frames: what is inside a sealed packet. Encode and decode only; no state, no policy.
//
//  type  name             fields (v = varint of RFC 9000 16, z = channel as a zigzag varint)
//  0x00  PADDING          none; fills up a probe
//  0x01  PING             none
//  0x02  ACK              largest v, delay in microseconds v, number of further ranges v, size of first range - 1 v,
//                         then for each further range: gap - 1 v, size - 1 v   (RFC 9000 19.3.1, minus its shift)
//  0x03  CLOSE            reason v, text length v, text (UTF-8, at most 127 bytes)
//  0x04  PATH_CHALLENGE   data 8 bytes                      (RFC 9000 19.17)
//  0x05  PATH_RESPONSE    data 8 bytes                      (RFC 9000 19.18)
//  0x06  HANDSHAKE_DONE   none: the answering side has accepted (first packet of the answering side)
//  0x07  SESSION_CREDIT   bytes_max v, messages_max v       totals since the session began (RFC 9000 19.9)
//  0x08  CHANNEL_CREDIT   channel z, bytes_max v, messages_max v   the same of one channel (RFC 9000 19.10)
//  0x09  QUALITY          arrived in 1/255 u8: the peer's share of our packets that reached it
//  0x0a  CHANNEL_NAME     channel z, name z, count v, sequence v   another name for `channel` from now on
//  0x0b  PATH_INDEX       path v, index u32: on this path packets to the sender carry this index (from path 1 on)
//  0x0c  PATH_ABANDON     path v                            the sender has given the path up
//  0x0d  PATH_STATUS      path v, sequence v, standby u8    does the sender want packets on it? the latest counts
//  0x0e  PATH_ACK         path v, then as ACK: of packets of that path, whatever path this one is on
//  0x10  STREAM           channel z, offset v, length v, bytes
//  0x11  STREAM to the packet's end: channel z, offset v, bytes
//  0x20  MESSAGE          channel z, sequence v, length v, bytes                            unreliable, whole
//  0x21  MESSAGE to end   channel z, sequence v, bytes                                      unreliable, whole
//  0x22  FRAGMENT         channel z, sequence v, offset v, total v, length v, bytes         unreliable, a part
//  0x23  FRAGMENT, reliable and unordered: the same fields
//
// STREAM carries the reliable ordered messages of a channel, one after another, each as {length v,
// bytes}.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/range_set.h"
#include "wire/packet.h"

namespace whimbrel {

using ChannelId = std::int32_t;

constexpr std::uint64_t zigzag(ChannelId c) {
  return static_cast<std::uint32_t>((static_cast<std::uint32_t>(c) << 1) ^
                                    static_cast<std::uint32_t>(c >> 31));
}
constexpr ChannelId unzigzag(std::uint64_t v) {
  const auto u = static_cast<std::uint32_t>(v);
  return static_cast<ChannelId>((u >> 1) ^ (~(u & 1) + 1));
}

enum class FrameType : std::uint8_t {
  kPadding = 0x00,
  kPing = 0x01,
  kAck = 0x02,
  kClose = 0x03,
  kPathChallenge = 0x04,
  kPathResponse = 0x05,
  kHandshakeDone = 0x06,
  kSessionCredit = 0x07,
  kChannelCredit = 0x08,
  kQuality = 0x09,
  kChannelName = 0x0a,
  kPathIndex = 0x0b,
  kPathAbandon = 0x0c,
  kPathStatus = 0x0d,
  kPathAck = 0x0e,
  kStream = 0x10,
  kStreamToEnd = 0x11,
  kMessage = 0x20,
  kMessageToEnd = 0x21,
  kFragment = 0x22,
  kReliableFragment = 0x23,
};

// RFC 9000 13.2: every frame but PADDING, ACK and CLOSE asks for an acknowledgement.
constexpr bool is_ack_eliciting(FrameType type) {
  return type != FrameType::kPadding && type != FrameType::kAck && type != FrameType::kPathAck &&
         type != FrameType::kClose;
}

// At most this many ranges are sent in, and accepted from, one ACK frame.
inline constexpr std::size_t kAckRangesMax = 64;
inline constexpr std::size_t kCloseTextMax = 127;
inline constexpr std::size_t kMessageSizeMax = 524288;  // of one message of the application

// Ranges of packet numbers, highest first, as half-open ranges. Fixed size: no allocation.
struct AckFrame {
  std::uint64_t delay_us = 0;
  std::uint32_t count = 0;  // ranges, 1 to kAckRangesMax
  std::array<Range, kAckRangesMax> ranges;

  std::uint64_t largest() const { return ranges[0].end - 1; }
};

struct CloseFrame {
  std::uint32_t reason = 0;
  Bytes text;
};
struct PathData {
  std::array<std::uint8_t, 8> data;
};
struct PathIndexFrame {
  PathId path{};
  ReceiverIndex index = 0;
};
struct PathAbandonFrame {
  PathId path{};
};
// draft-ietf-quic-multipath, section 4.3: PATH_STATUS_BACKUP and PATH_STATUS_AVAILABLE.
struct PathStatusFrame {
  PathId path{};
  std::uint64_t sequence = 0;
  bool standby = false;
};
struct SessionCreditFrame {
  std::uint64_t bytes_max = 0;
  std::uint64_t messages_max = 0;
};
struct ChannelCreditFrame {
  ChannelId channel = 0;
  std::uint64_t bytes_max = 0;
  std::uint64_t messages_max = 0;
};
struct ChannelNameFrame {
  ChannelId channel = 0;
  ChannelId name = 0;
  std::uint64_t count = 0;     // of the names of this channel, from 1
  std::uint64_t sequence = 0;  // of the first unreliable message under the name
};
struct StreamFrame {
  ChannelId channel = 0;
  std::uint64_t offset = 0;
  Bytes bytes;
};
struct MessageFrame {
  ChannelId channel = 0;
  std::uint64_t sequence = 0;
  Bytes bytes;
};
struct FragmentFrame {
  bool reliable = false;
  ChannelId channel = 0;
  std::uint64_t sequence = 0;
  std::uint32_t offset = 0;
  std::uint32_t total = 0;  // size of the whole message in bytes, at most kMessageSizeMax
  Bytes bytes;
};

// Readers are called after the type byte was read. False: malformed, which breaks the protocol.
// Views point into the packet.
bool read_ack(ByteReader& in, AckFrame& out);
bool read_close(ByteReader& in, CloseFrame& out);
bool read_path_data(ByteReader& in, PathData& out);
bool read_path_index(ByteReader& in, PathIndexFrame& out);
bool read_path_abandon(ByteReader& in, PathAbandonFrame& out);
bool read_path_status(ByteReader& in, PathStatusFrame& out);
bool read_path_ack(ByteReader& in, PathId& path, AckFrame& out);
bool read_session_credit(ByteReader& in, SessionCreditFrame& out);
bool read_channel_credit(ByteReader& in, ChannelCreditFrame& out);
bool read_channel_name(ByteReader& in, ChannelNameFrame& out);
bool read_stream(ByteReader& in, FrameType type, StreamFrame& out);
bool read_message(ByteReader& in, FrameType type, MessageFrame& out);
bool read_fragment(ByteReader& in, FrameType type, FragmentFrame& out);

// Writers put the type byte first. The ones with a size function need that much room (ASSERT).
// write_ack writes as many ranges as fit, newest first, and returns how many; 0 and nothing written
// if not even one.
std::size_t write_ack(ByteWriter& out, const AckFrame& frame);
// As write_ack(), with the path's number.
std::size_t write_path_ack(ByteWriter& out, PathId path, const AckFrame& frame);
void write_path_index(ByteWriter& out, const PathIndexFrame& frame);
void write_path_abandon(ByteWriter& out, const PathAbandonFrame& frame);
void write_path_status(ByteWriter& out, const PathStatusFrame& frame);
void write_close(ByteWriter& out, const CloseFrame& frame);
void write_path_data(ByteWriter& out, FrameType type, const PathData& frame);
void write_session_credit(ByteWriter& out, const SessionCreditFrame& frame);
void write_channel_credit(ByteWriter& out, const ChannelCreditFrame& frame);
void write_channel_name(ByteWriter& out, const ChannelNameFrame& frame);

inline constexpr std::size_t kPathFrameSizeMax = 1 + 8 + 8 + 1;  // all but PATH_ACK
inline constexpr std::size_t kSessionCreditSizeMax = 17;
inline constexpr std::size_t kChannelCreditSizeMax = 1 + 8 + 8 + 8;
inline constexpr std::size_t kChannelNameSizeMax = 1 + 8 + 8 + 8 + 8;
inline constexpr std::size_t kCloseSizeMax = 1 + 4 + 2 + kCloseTextMax;
// Type, channel, offset and a two-byte length: the most a STREAM header takes in a datagram below
// 16 KiB.
inline constexpr std::size_t kStreamHeaderSizeMax = 1 + 8 + 8 + 4;

// What a packet carried, kept with the packet until it is acknowledged or lost. `path` only stores
// these; `session` and `message` say what they mean.
struct SentFrame {
  FrameType type = FrameType::kPadding;
  std::uint32_t length = 0;  // bytes of payload, where there is one
  std::uint32_t slot = 0;    // which channel (message/ numbers its channels)
  std::uint64_t offset = 0;  // stream offset, or sequence of a message
  std::uint64_t extra = 0;   // fragment offset, or the value that a credit frame announced
};

}  // namespace whimbrel
