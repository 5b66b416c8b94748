#include "message/send_stream.h"

#include <gtest/gtest.h>

#include "message/test_link.h"

namespace whimbrel {
namespace {

constexpr std::uint64_t kPlenty = 1 << 30;

// A stream, the credit it draws on, and all that it has put into packets.
struct Sender {
  explicit Sender(ChannelId id = 0) : stream(id, 5) {
    session.grant({kPlenty, kPlenty, kPlenty, kPlenty});
    channel.raise(kPlenty, kPlenty);
  }

  void push(std::size_t size) { stream.push(test_payload(size, seed++)); }
  // A packet with `size` bytes of room; the frames found in it.
  std::vector<StreamFrame> packet(std::size_t size) {
    bytes.assign(size, 0xee);
    records.clear();
    ByteWriter out(bytes);
    if (stream.has_lost()) {
      resent += stream.write_lost(out, records);
    } else if (stream.has_new() && stream.is_allowed(credit())) {
      payload_sent += stream.write_new(out, credit(), records);
    }
    used = out.size();
    return parse(Bytes(bytes).first(used));
  }
  static std::vector<StreamFrame> parse(Bytes packet) {
    std::vector<StreamFrame> frames;
    ByteReader in(packet);
    while (!in.empty()) {
      const auto type = static_cast<FrameType>(in.u8());
      if (type == FrameType::kPadding) continue;
      StreamFrame frame;
      EXPECT_TRUE(read_stream(in, type, frame));
      frames.push_back(frame);
    }
    return frames;
  }

  LaneCredit credit() { return {session, channel, 0}; }

  SendStream stream;
  SendCredit session;
  ChannelCredit channel;
  std::vector<SentFrame> records;
  std::vector<std::uint8_t> bytes;
  std::size_t used = 0;
  std::uint64_t seed = 1;
  std::uint64_t payload_sent = 0;
  std::uint64_t resent = 0;
};

TEST(SendStream, ManyMessagesMakeOneFrameAndOneRecord) {
  Sender s(7);
  for (int i = 0; i < 5; ++i) s.push(64);
  const auto frames = s.packet(1200);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].channel, 7);
  EXPECT_EQ(frames[0].offset, 0u);
  ASSERT_EQ(frames[0].bytes.size(), 5u * 66);
  ASSERT_EQ(s.records.size(), 1u);
  EXPECT_EQ(s.records[0].length, 5u * 66);
  EXPECT_EQ(s.records[0].slot, 5u);
  EXPECT_EQ(s.payload_sent, 5u * 64);
  EXPECT_FALSE(s.stream.has_new());
  const auto released = s.stream.on_acked(0, 5 * 66);
  EXPECT_EQ(released.messages, 5u);
  EXPECT_EQ(released.released_bytes, 5u * 64);
  EXPECT_EQ(released.acked_bytes, 5u * 64);
}

// Whatever the room, all bytes leave exactly once and in order, and packets are full.
TEST(SendStream, FillsPacketsOfAnySize) {
  for (std::size_t room = 20; room < 400; ++room) {
    Sender s(-1);
    std::vector<std::uint8_t> expected;
    for (const std::size_t size : {0, 1, 63, 64, 300, 0, 17, 5, 128}) {
      const SharedBytes payload = test_payload(size, s.seed);
      s.push(size);
      std::array<std::uint8_t, 8> length;
      ByteWriter out(length);
      out.varint(size);
      expected.insert(expected.end(), length.begin(), length.begin() + out.size());
      expected.insert(expected.end(), payload.data(), payload.data() + size);
    }
    std::vector<std::uint8_t> sent;
    while (s.stream.has_new()) {
      const auto frames = s.packet(room);
      ASSERT_EQ(frames.size(), 1u);
      ASSERT_EQ(frames[0].offset, sent.size());
      ASSERT_TRUE(!s.stream.has_new() || s.used == room);
      sent.insert(sent.end(), frames[0].bytes.begin(), frames[0].bytes.end());
    }
    ASSERT_EQ(sent, expected) << room;
  }
}

TEST(SendStream, LeavesTooLittleRoomAlone) {
  Sender s;
  s.push(100);
  EXPECT_TRUE(s.packet(3).empty());
  EXPECT_TRUE(s.packet(3 + 15).empty());
  EXPECT_EQ(s.packet(3 + 16)[0].bytes.size(), 16u);
  Sender tiny;
  tiny.push(1);
  EXPECT_TRUE(tiny.packet(4).empty());
  EXPECT_EQ(tiny.packet(5)[0].bytes.size(), 2u);
}

TEST(SendStream, ChannelCreditHoldsWholeMessagesBack) {
  Sender s;
  s.channel = ChannelCredit();
  for (int i = 0; i < 3; ++i) s.push(10);
  EXPECT_FALSE(s.stream.is_allowed(s.credit()));
  EXPECT_TRUE(s.channel.raise(21, 10));
  EXPECT_FALSE(s.channel.raise(20, 9));
  EXPECT_EQ(s.packet(100)[0].bytes.size(), 11u);
  EXPECT_FALSE(s.stream.is_allowed(s.credit()));
  EXPECT_TRUE(s.channel.raise(33, 2));
  EXPECT_EQ(s.packet(100)[0].bytes.size(), 22u);
  s.push(10);
  EXPECT_FALSE(s.stream.is_allowed(s.credit()));
  EXPECT_TRUE(s.channel.raise(100, 10));
  EXPECT_TRUE(s.stream.is_allowed(s.credit()));
}

TEST(SendStream, SessionCreditHoldsWholeMessagesBack) {
  Sender s;
  s.session = SendCredit();
  s.session.raise(25, 10);
  for (int i = 0; i < 3; ++i) s.push(10);
  EXPECT_EQ(s.packet(100)[0].bytes.size(), 22u);
  EXPECT_FALSE(s.stream.is_allowed(s.credit()));
  s.session.raise(33, 2);
  EXPECT_TRUE(s.stream.is_allowed(s.credit()));
  // A message that has begun needs no more credit.
  s.push(50);
  s.session.raise(33 + 51, 10);
  EXPECT_EQ(s.packet(40)[0].bytes.size(), 37u);
  EXPECT_TRUE(s.stream.is_allowed(s.credit()));
  EXPECT_EQ(s.packet(100)[0].bytes.size(), 25u);
}

TEST(SendStream, LostBytesLeaveAgainUnlessAcknowledged) {
  Sender s;
  for (int i = 0; i < 10; ++i) s.push(99);  // 101 bytes each
  s.packet(2000);
  s.stream.on_acked(101, 202);
  s.stream.on_lost(0, 505);
  EXPECT_TRUE(s.stream.has_lost());
  auto frames = s.packet(1200);
  EXPECT_EQ(frames[0].offset, 0u);
  EXPECT_EQ(frames[0].bytes.size(), 101u);
  // The packet that was thought lost arrives after all.
  s.stream.on_acked(350, 10);
  frames = s.packet(1200);
  EXPECT_EQ(frames[0].offset, 303u);
  EXPECT_EQ(frames[0].bytes.size(), 47u);
  frames = s.packet(1200);
  EXPECT_EQ(frames[0].offset, 360u);
  EXPECT_EQ(frames[0].bytes.size(), 145u);
  EXPECT_FALSE(s.stream.has_lost());
  EXPECT_EQ(s.resent, 101u + 47 + 145);
}

TEST(SendStream, ReleasesInOrder) {
  Sender s;
  for (int i = 0; i < 4; ++i) s.push(99);
  s.packet(2000);
  EXPECT_EQ(s.stream.on_acked(101, 101).messages, 0u);
  EXPECT_EQ(s.stream.on_acked(101, 101).acked_bytes, 0u);  // once
  EXPECT_EQ(s.stream.on_acked(303, 1).acked_bytes, 0u);    // half of a length
  const auto released = s.stream.on_acked(0, 101);
  EXPECT_EQ(released.messages, 2u);
  EXPECT_EQ(released.released_bytes, 198u);
  EXPECT_EQ(released.acked_bytes, 99u);
  s.stream.on_lost(0, 202);  // long acknowledged
  EXPECT_FALSE(s.stream.has_lost());
  EXPECT_EQ(s.stream.on_acked(202, 202).messages, 2u);
}

}  // namespace
}  // namespace whimbrel
