// For tests: two Channels and the packets between them, which a test may lose, hold back, repeat
// or reorder.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "message/channels.h"

namespace whimbrel {

struct TestPacket {
  std::vector<std::uint8_t> bytes;
  std::vector<SentFrame> records;
};

// Hands the frames of a packet to `to`. Credit for what `to` sends comes along.
inline FrameVerdict receive_packet(Channels& to, Bytes packet, Instant now,
                                   std::vector<ReceivedMessage>& out) {
  ByteReader in(packet);
  while (!in.empty()) {
    const auto type = static_cast<FrameType>(in.u8());
    FrameVerdict verdict = FrameVerdict::kTaken;
    StreamFrame stream;
    MessageFrame message;
    FragmentFrame fragment;
    SessionCreditFrame session_credit;
    ChannelCreditFrame channel_credit;
    ChannelNameFrame channel_name;
    bool readable = true;
    switch (type) {
      case FrameType::kPadding:
        break;
      case FrameType::kStream:
      case FrameType::kStreamToEnd:
        readable = read_stream(in, type, stream);
        if (readable) verdict = to.on_stream(stream, now, out);
        break;
      case FrameType::kMessage:
      case FrameType::kMessageToEnd:
        readable = read_message(in, type, message);
        if (readable) verdict = to.on_message(message, now, out);
        break;
      case FrameType::kFragment:
      case FrameType::kReliableFragment:
        readable = read_fragment(in, type, fragment);
        if (readable) verdict = to.on_fragment(fragment, now, out);
        break;
      case FrameType::kSessionCredit:
        readable = read_session_credit(in, session_credit);
        if (readable) to.on_session_credit(session_credit);
        break;
      case FrameType::kChannelCredit:
        readable = read_channel_credit(in, channel_credit);
        if (readable) verdict = to.on_channel_credit(channel_credit);
        break;
      case FrameType::kChannelName:
        readable = read_channel_name(in, channel_name);
        if (readable) verdict = to.on_channel_name(channel_name);
        break;
      default:
        readable = false;
    }
    if (!readable) {
      ADD_FAILURE() << "unreadable frame of type " << static_cast<int>(type);
      return FrameVerdict::kViolation;
    }
    if (verdict != FrameVerdict::kTaken) return verdict;
  }
  return FrameVerdict::kTaken;
}

class TestLink {
 public:
  static constexpr std::size_t kPacketSize = 1200;

  explicit TestLink(const MessageLimits& limits = {}) : a(limits), b(limits) {
    grant(a, b);
    grant(b, a);
  }

  // What a handshake does.
  static void grant(Channels& sender, const Channels& receiver) {
    sender.set_initial_credit(receiver.initial_credit());
  }

  // The next packet of `from`; empty if it has nothing to send.
  static TestPacket produce(Channels& from, std::size_t size = kPacketSize) {
    TestPacket packet;
    packet.bytes.resize(size);
    ByteWriter out(packet.bytes);
    const bool wrote = from.produce(out, packet.records, Instant{});
    EXPECT_EQ(wrote, out.size() > 0);
    packet.bytes.resize(out.size());
    return packet;
  }
  static void acknowledge(Channels& sender, const TestPacket& packet) {
    for (const SentFrame& frame : packet.records) sender.on_frame_acked(frame);
  }
  static void lose(Channels& sender, const TestPacket& packet) {
    for (const SentFrame& frame : packet.records) sender.on_frame_lost(frame);
  }

  // One packet each way, delivered and acknowledged at once. False if there was none.
  bool step() {
    const bool first = carry(a, b, at_b);
    const bool second = carry(b, a, at_a);
    return first || second;
  }
  // Until neither has anything to send.
  void run() {
    for (int i = 0; i < 100000; ++i) {
      if (!step()) return;
    }
    ADD_FAILURE() << "never falls silent";
  }
  bool carry(Channels& from, Channels& to, std::vector<ReceivedMessage>& out) {
    const TestPacket packet = produce(from);
    if (packet.bytes.empty()) return false;
    EXPECT_EQ(receive_packet(to, packet.bytes, Instant{}, out), FrameVerdict::kTaken);
    acknowledge(from, packet);
    return true;
  }

  static void consume(Channels& at, std::vector<ReceivedMessage>& messages) {
    for (const ReceivedMessage& m : messages) {
      at.on_consumed(m.place, m.reliable, m.payload.size(), 1);
    }
    messages.clear();
  }

  Channels a;
  Channels b;
  std::vector<ReceivedMessage> at_a;
  std::vector<ReceivedMessage> at_b;
};

// `size` bytes that depend on `seed` and on their place.
inline SharedBytes test_payload(std::size_t size, std::uint64_t seed) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::uint8_t>(seed * 31 + i * 7 + (i >> 8));
  }
  return SharedBytes::copy(bytes);
}

inline bool is_test_payload(const SharedBytes& payload, std::size_t size, std::uint64_t seed) {
  return equal(payload, test_payload(size, seed));
}

}  // namespace whimbrel
