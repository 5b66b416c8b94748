#include "wire/frame.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <limits>
#include <vector>

namespace whimbrel {
namespace {

// Fields of a frame as varints, then raw bytes.
std::vector<std::uint8_t> fields(std::initializer_list<std::uint64_t> values,
                                 std::string_view tail = {}) {
  std::vector<std::uint8_t> bytes(8 * values.size() + tail.size());
  ByteWriter out(bytes);
  for (const std::uint64_t value : values) out.varint(value);
  out.bytes(as_bytes(tail));
  bytes.resize(out.size());
  return bytes;
}

TEST(Zigzag, SmallChannelsAreShort) {
  EXPECT_EQ(zigzag(0), 0u);
  EXPECT_EQ(zigzag(-1), 1u);
  EXPECT_EQ(zigzag(1), 2u);
  EXPECT_EQ(zigzag(std::numeric_limits<ChannelId>::max()), 0xfffffffeu);
  EXPECT_EQ(zigzag(std::numeric_limits<ChannelId>::min()), 0xffffffffu);
  for (const ChannelId id : {0, 1, -1, 31, -32, std::numeric_limits<ChannelId>::max(),
                             std::numeric_limits<ChannelId>::min()}) {
    EXPECT_EQ(unzigzag(zigzag(id)), id);
  }
}

bool reads_ack(std::initializer_list<std::uint64_t> values, AckFrame& out) {
  const auto bytes = fields(values);
  ByteReader in(bytes);
  return read_ack(in, out);
}

TEST(AckFrame, BytesOfAnExample) {
  AckFrame frame;
  frame.delay_us = 100;
  frame.count = 2;
  frame.ranges[0] = {7, 11};  // 7 to 10
  frame.ranges[1] = {2, 5};   // 2 to 4; 5 and 6 are missing
  std::vector<std::uint8_t> buffer(100);
  ByteWriter out(buffer);
  EXPECT_EQ(write_ack(out, frame), 2u);
  const std::vector<std::uint8_t> expected = {0x02, 10, 0x40, 100, 1, 3, 1, 2};
  EXPECT_TRUE(equal(out.written(), expected));
  ByteReader in(out.written().subspan(1));
  AckFrame read;
  ASSERT_TRUE(read_ack(in, read));
  EXPECT_EQ(read.count, 2u);
  EXPECT_EQ(read.largest(), 10u);
  EXPECT_EQ(read.delay_us, 100u);
  EXPECT_EQ(read.ranges[0], frame.ranges[0]);
  EXPECT_EQ(read.ranges[1], frame.ranges[1]);
}

TEST(AckFrame, RefusesRangesBelowZero) {
  AckFrame frame;
  EXPECT_TRUE(reads_ack({5, 0, 0, 5}, frame));
  EXPECT_EQ(frame.ranges[0], (Range{0, 6}));
  EXPECT_FALSE(reads_ack({5, 0, 0, 6}, frame));
  EXPECT_TRUE(reads_ack({5, 0, 1, 2, 1, 0}, frame));
  EXPECT_EQ(frame.ranges[1], (Range{0, 1}));
  EXPECT_FALSE(reads_ack({5, 0, 1, 2, 1, 1}, frame));
  EXPECT_FALSE(reads_ack({5, 0, 1, 2, 3, 0}, frame));
  EXPECT_FALSE(reads_ack({5, 0, 1, 2, kVarintMax, kVarintMax}, frame));
  EXPECT_FALSE(reads_ack({kVarintMax, 0, 1, 0, 0}, frame));  // cut
  EXPECT_FALSE(reads_ack({5, 0}, frame));
}

TEST(AckFrame, AtMost64Ranges) {
  for (const std::uint64_t more : {kAckRangesMax - 1, kAckRangesMax}) {
    std::vector<std::uint8_t> bytes = fields({1000, 0, more, 0});
    for (std::uint64_t i = 0; i < more; ++i) {
      bytes.push_back(0);
      bytes.push_back(0);
    }
    ByteReader in(bytes);
    AckFrame frame;
    EXPECT_EQ(read_ack(in, frame), more == kAckRangesMax - 1);
  }
}

TEST(AckFrame, WritesTheNewestRangesThatFit) {
  AckFrame frame;
  frame.count = 3;
  frame.ranges[0] = {100, 101};
  frame.ranges[1] = {50, 60};
  frame.ranges[2] = {10, 20};
  for (std::size_t room = 0; room < 16; ++room) {
    std::vector<std::uint8_t> buffer(room);
    ByteWriter out(buffer);
    const std::size_t written = write_ack(out, frame);
    const std::size_t expected = room < 6 ? 0 : room < 8 ? 1 : room < 10 ? 2 : 3;
    EXPECT_EQ(written, expected) << room;
    if (written == 0) {
      EXPECT_EQ(out.size(), 0u);
      continue;
    }
    ByteReader in(out.written().subspan(1));
    AckFrame read;
    EXPECT_TRUE(read_ack(in, read));
    EXPECT_EQ(read.count, written);
    EXPECT_TRUE(in.empty());
  }
}

TEST(PathFrames, RoundTrip) {
  std::vector<std::uint8_t> buffer(64);
  ByteWriter out(buffer);
  write_path_index(out, {PathId{300}, 0xdeadbeef});
  write_path_abandon(out, {PathId{7}});
  write_path_status(out, {PathId{7}, 70000, true});
  AckFrame ack;
  ack.count = 1;
  ack.ranges[0] = {3, 9};
  ASSERT_EQ(write_path_ack(out, PathId{7}, ack), 1u);
  ByteReader in(out.written());
  PathIndexFrame index;
  ASSERT_EQ(in.u8(), static_cast<std::uint8_t>(FrameType::kPathIndex));
  ASSERT_TRUE(read_path_index(in, index));
  EXPECT_EQ(index.path, PathId{300});
  EXPECT_EQ(index.index, 0xdeadbeef);
  PathAbandonFrame abandon;
  ASSERT_EQ(in.u8(), static_cast<std::uint8_t>(FrameType::kPathAbandon));
  ASSERT_TRUE(read_path_abandon(in, abandon));
  EXPECT_EQ(abandon.path, PathId{7});
  PathStatusFrame status;
  ASSERT_EQ(in.u8(), static_cast<std::uint8_t>(FrameType::kPathStatus));
  ASSERT_TRUE(read_path_status(in, status));
  EXPECT_EQ(status.path, PathId{7});
  EXPECT_EQ(status.sequence, 70000u);
  EXPECT_TRUE(status.standby);
  PathId path{};
  AckFrame read;
  ASSERT_EQ(in.u8(), static_cast<std::uint8_t>(FrameType::kPathAck));
  ASSERT_TRUE(read_path_ack(in, path, read));
  EXPECT_EQ(path, PathId{7});
  EXPECT_EQ(read.ranges[0], ack.ranges[0]);
  EXPECT_TRUE(in.empty());
}

TEST(PathFrames, AreRefusedWhereTheyBreakTheirBounds) {
  PathIndexFrame index;
  for (const auto& bytes :
       {std::vector<std::uint8_t>{0, 1, 2, 3, 4},  // path 0 has an index
        std::vector<std::uint8_t>{1, 0, 0, 0, 0}, std::vector<std::uint8_t>{1, 2, 3}}) {
    ByteReader in(bytes);
    EXPECT_FALSE(read_path_index(in, index));
  }
  const auto large = fields({0x100000000});
  ByteReader in(large);
  PathAbandonFrame abandon;
  EXPECT_FALSE(read_path_abandon(in, abandon));
  const std::vector<std::uint8_t> neither{1, 1, 2};
  ByteReader two(neither);
  PathStatusFrame status;
  EXPECT_FALSE(read_path_status(two, status));
}

TEST(PathFrames, AnAckOfAnotherPathIsWrittenOnlyWhereItFits) {
  AckFrame ack;
  ack.count = 1;
  ack.ranges[0] = {3, 9};
  for (std::size_t room = 0; room < 8; ++room) {
    std::vector<std::uint8_t> buffer(room);
    ByteWriter out(buffer);
    EXPECT_EQ(write_path_ack(out, PathId{1}, ack), room < 6 ? 0u : 1u) << room;
    EXPECT_EQ(out.size(), room < 6 ? 0u : 6u);
  }
}

TEST(CloseFrame, RoundTripAndLimits) {
  std::vector<std::uint8_t> buffer(kCloseSizeMax);
  ByteWriter out(buffer);
  write_close(out, {5003, as_bytes("no answer")});
  ByteReader in(out.written().subspan(1));
  CloseFrame frame;
  ASSERT_TRUE(read_close(in, frame));
  EXPECT_EQ(frame.reason, 5003u);
  EXPECT_EQ(as_text(frame.text), "no answer");

  const std::string text(300, 'x');
  ByteWriter cut(buffer);
  write_close(cut, {0xffff, as_bytes(text)});
  ByteReader again(cut.written().subspan(1));
  ASSERT_TRUE(read_close(again, frame));
  EXPECT_EQ(frame.text.size(), kCloseTextMax);

  const auto too_long = fields({1, kCloseTextMax + 1}, text);
  ByteReader bad(too_long);
  EXPECT_FALSE(read_close(bad, frame));
  const auto reason = fields({0x10000, 0});
  ByteReader worse(reason);
  EXPECT_FALSE(read_close(worse, frame));
}

TEST(PathData, RoundTrip) {
  const PathData data{{1, 2, 3, 4, 5, 6, 7, 8}};
  std::vector<std::uint8_t> buffer(9);
  ByteWriter out(buffer);
  write_path_data(out, FrameType::kPathChallenge, data);
  EXPECT_EQ(buffer[0], 0x1a - 0x16);
  ByteReader in(out.written().subspan(1));
  PathData read{};
  ASSERT_TRUE(read_path_data(in, read));
  EXPECT_EQ(read.data, data.data);
  ByteReader cut(out.written().subspan(2));
  EXPECT_FALSE(read_path_data(cut, read));
}

TEST(CreditFrames, RoundTripAndSizes) {
  std::vector<std::uint8_t> buffer(64);
  ByteWriter out(buffer);
  write_session_credit(out, {kVarintMax, kVarintMax});
  EXPECT_EQ(out.size(), kSessionCreditSizeMax);
  ByteReader in(out.written().subspan(1));
  SessionCreditFrame session;
  ASSERT_TRUE(read_session_credit(in, session));
  EXPECT_EQ(session.bytes_max, kVarintMax);
  EXPECT_EQ(session.messages_max, kVarintMax);

  ByteWriter other(buffer);
  write_channel_credit(other, {std::numeric_limits<ChannelId>::min(), kVarintMax, kVarintMax});
  EXPECT_EQ(other.size(), kChannelCreditSizeMax);
  ByteReader in2(other.written().subspan(1));
  ChannelCreditFrame channel;
  ASSERT_TRUE(read_channel_credit(in2, channel));
  EXPECT_EQ(channel.channel, std::numeric_limits<ChannelId>::min());
  EXPECT_EQ(channel.bytes_max, kVarintMax);
  EXPECT_EQ(channel.messages_max, kVarintMax);
}

TEST(ChannelNameFrame, LargestAndCountedFromOne) {
  constexpr auto kLeast = std::numeric_limits<ChannelId>::min();
  constexpr auto kLargest = std::numeric_limits<ChannelId>::max();
  std::array<std::uint8_t, 64> buffer{};
  ByteWriter out(buffer);
  write_channel_name(out, {kLeast, kLargest, kVarintMax, kVarintMax});
  EXPECT_LE(out.size(), kChannelNameSizeMax);
  ByteReader in(out.written().subspan(1));
  ChannelNameFrame frame;
  ASSERT_TRUE(read_channel_name(in, frame));
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(frame.channel, kLeast);
  EXPECT_EQ(frame.name, kLargest);
  EXPECT_EQ(frame.count, kVarintMax);
  EXPECT_EQ(frame.sequence, kVarintMax);
  ByteWriter zero(buffer);
  write_channel_name(zero, {1, 2, 0, 5});
  ByteReader in2(zero.written().subspan(1));
  EXPECT_FALSE(read_channel_name(in2, frame));
}

TEST(StreamFrame, Limits) {
  StreamFrame frame;
  std::vector<std::uint8_t> packet;
  const auto reads = [&](FrameType type, std::vector<std::uint8_t> bytes) {
    packet = std::move(bytes);
    ByteReader in(packet);
    return read_stream(in, type, frame);
  };
  EXPECT_TRUE(reads(FrameType::kStream, fields({3, 9, 2}, "abcd")));
  EXPECT_EQ(frame.channel, -2);
  EXPECT_EQ(frame.offset, 9u);
  EXPECT_EQ(as_text(frame.bytes), "ab");
  EXPECT_TRUE(reads(FrameType::kStreamToEnd, fields({3, 9}, "abcd")));
  EXPECT_EQ(as_text(frame.bytes), "abcd");
  EXPECT_FALSE(reads(FrameType::kStream, fields({3, 9, 5}, "abcd")));
  EXPECT_FALSE(reads(FrameType::kStream, fields({3, 9, 0})));
  EXPECT_FALSE(reads(FrameType::kStreamToEnd, fields({3, 9})));
  EXPECT_FALSE(reads(FrameType::kStream, fields({0x100000000, 9, 1}, "a")));
  EXPECT_TRUE(reads(FrameType::kStream, fields({0, kVarintMax - 1, 1}, "a")));
  EXPECT_FALSE(reads(FrameType::kStream, fields({0, kVarintMax, 1}, "a")));
}

TEST(MessageFrame, MayBeEmpty) {
  MessageFrame frame;
  const auto whole = fields({0, 7, 0}, "x");
  ByteReader in(whole);
  ASSERT_TRUE(read_message(in, FrameType::kMessage, frame));
  EXPECT_EQ(frame.sequence, 7u);
  EXPECT_TRUE(frame.bytes.empty());
  EXPECT_EQ(in.remaining(), 1u);
  const auto to_end = fields({0, 7});
  ByteReader in2(to_end);
  EXPECT_TRUE(read_message(in2, FrameType::kMessageToEnd, frame));
  const auto cut = fields({0, 7, 2}, "x");
  ByteReader in3(cut);
  EXPECT_FALSE(read_message(in3, FrameType::kMessage, frame));
}

TEST(FragmentFrame, LiesWithinTheMessage) {
  FragmentFrame frame;
  const auto reads = [&](std::initializer_list<std::uint64_t> values, std::string_view tail) {
    const auto bytes = fields(values, tail);
    ByteReader in(bytes);
    return read_fragment(in, FrameType::kFragment, frame);
  };
  EXPECT_TRUE(reads({0, 1, 2, 6, 4}, "abcd"));
  EXPECT_FALSE(frame.reliable);
  EXPECT_EQ(frame.offset, 2u);
  EXPECT_EQ(frame.total, 6u);
  EXPECT_FALSE(reads({0, 1, 3, 6, 4}, "abcd"));
  EXPECT_FALSE(reads({0, 1, 7, 6, 1}, "a"));
  EXPECT_FALSE(reads({0, 1, 0, 6, 0}, ""));
  EXPECT_TRUE(reads({0, 1, 524287, 524288, 1}, "a"));
  EXPECT_FALSE(reads({0, 1, 0, 524289, 1}, "a"));
  const auto bytes = fields({0, 1, 0, 1, 1}, "a");
  ByteReader in(bytes);
  EXPECT_TRUE(read_fragment(in, FrameType::kReliableFragment, frame));
  EXPECT_TRUE(frame.reliable);
}

TEST(FrameType, WhatAsksForAnAcknowledgement) {
  EXPECT_FALSE(is_ack_eliciting(FrameType::kPadding));
  EXPECT_FALSE(is_ack_eliciting(FrameType::kAck));
  EXPECT_FALSE(is_ack_eliciting(FrameType::kClose));
  EXPECT_TRUE(is_ack_eliciting(FrameType::kPing));
  EXPECT_TRUE(is_ack_eliciting(FrameType::kStream));
}

}  // namespace
}  // namespace whimbrel
