// Whatever is written is read back; whatever comes is read without harm; addresses survive their
// texts.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ip_address.h"
#include "message/fragment_writer.h"
#include "wire/frame.h"
#include "wire/packet.h"

namespace whimbrel {
namespace {

rc::Gen<std::uint64_t> any_varint() {
  return rc::gen::map(rc::gen::pair(rc::gen::arbitrary<std::uint64_t>(), rc::gen::inRange(2, 64)),
                      [](const std::pair<std::uint64_t, int>& p) { return p.first >> p.second; });
}

RC_GTEST_PROP(CodecProperty, Varints, ()) {
  const std::uint64_t value = *any_varint();
  std::array<std::uint8_t, 8> buffer;
  for (const std::size_t size : {1, 2, 4, 8}) {
    if (size < varint_size(value)) continue;
    ByteWriter out(buffer);
    out.varint_sized(value, size);
    RC_ASSERT(out.size() == size);
    ByteReader in(out.written());
    RC_ASSERT(in.varint() == value);
    RC_ASSERT((in.ok() && in.empty()));
    ByteReader cut(out.written().first(size - 1));
    cut.varint();
    RC_ASSERT(!cut.ok());
  }
}

RC_GTEST_PROP(CodecProperty, Channels, (ChannelId id)) { RC_ASSERT(unzigzag(zigzag(id)) == id); }

RC_GTEST_PROP(CodecProperty, Acks, (std::uint32_t delay)) {
  AckFrame frame;
  frame.delay_us = delay;
  const auto steps = *rc::gen::container<std::vector<std::pair<std::uint16_t, std::uint16_t>>>(
      rc::gen::arbitrary<std::pair<std::uint16_t, std::uint16_t>>());
  RC_PRE(!steps.empty() && steps.size() <= kAckRangesMax);
  std::uint64_t top = *rc::gen::inRange<std::uint64_t>(1 << 24, 1ull << 50);
  for (const auto& [gap, size] : steps) {
    const std::uint64_t end = top - gap - 1;
    const std::uint64_t begin = end - size - 1;
    frame.ranges[frame.count++] = {begin, end};
    top = begin;
  }
  std::vector<std::uint8_t> buffer(*rc::gen::inRange<std::size_t>(0, 700));
  ByteWriter out(buffer);
  const std::size_t written = write_ack(out, frame);
  RC_ASSERT(written <= frame.count);
  RC_ASSERT((buffer.size() < 650 || written == frame.count));
  if (written == 0) return;
  ByteReader in(out.written().subspan(1));
  AckFrame read;
  RC_ASSERT(read_ack(in, read));
  RC_ASSERT((in.empty() && read.count == written && read.delay_us == delay));
  for (std::size_t i = 0; i < written; ++i) RC_ASSERT(read.ranges[i] == frame.ranges[i]);
}

RC_GTEST_PROP(CodecProperty, Fragments,
              (bool reliable, ChannelId channel, const std::vector<std::uint8_t>& bytes)) {
  RC_PRE(!bytes.empty());
  const auto offset = *rc::gen::inRange<std::uint32_t>(0, 400000);
  const auto behind = *rc::gen::inRange<std::uint32_t>(0, 1000);
  const auto size = static_cast<std::uint32_t>(bytes.size());
  const FragmentFrame frame{reliable, channel, *any_varint(), offset, offset + size + behind,
                            bytes};
  std::vector<std::uint8_t> buffer(bytes.size() + kFragmentHeaderSizeMax);
  ByteWriter out(buffer);
  write_fragment(out, frame);
  ByteReader in(out.written());
  const auto type = static_cast<FrameType>(in.u8());
  FragmentFrame read;
  RC_ASSERT(read_fragment(in, type, read));
  RC_ASSERT((read.reliable == reliable && read.channel == channel));
  RC_ASSERT(
      (read.sequence == frame.sequence && read.offset == offset && read.total == frame.total));
  RC_ASSERT(equal(read.bytes, bytes));
}

RC_GTEST_PROP(CodecProperty, FragmentCapacityIsTheMostThatFits, (ChannelId channel)) {
  FragmentFrame frame{false,  channel, *any_varint(), *rc::gen::inRange<std::uint32_t>(0, 500000),
                      524288, {}};
  const auto room = *rc::gen::inRange<std::size_t>(0, 17000);
  const std::vector<std::uint8_t> bytes(17000);
  const auto size_with = [&](std::size_t count) {
    std::vector<std::uint8_t> buffer(20000);
    ByteWriter out(buffer);
    frame.bytes = Bytes(bytes).first(count);
    write_fragment(out, frame);
    return out.size();
  };
  const std::size_t capacity = fragment_capacity(room, frame);
  if (capacity > 0) RC_ASSERT(size_with(capacity) <= room);
  // One byte more does not fit, but for the few sizes where the length's own size changes.
  RC_ASSERT(size_with(capacity + 3) > room);
}

// Bytes of a stranger: every reader takes them or refuses them, and never reads outside.
RC_GTEST_PROP(CodecProperty, AnyBytes, (const std::vector<std::uint8_t>& bytes)) {
  for (int type = 0; type < 0x40; ++type) {
    const auto frame_type = static_cast<FrameType>(type);
    ByteReader in(bytes);
    AckFrame ack;
    if (read_ack(in, ack)) {
      RC_ASSERT((ack.count >= 1 && ack.count <= kAckRangesMax));
      for (std::size_t i = 0; i < ack.count; ++i) {
        RC_ASSERT(ack.ranges[i].begin < ack.ranges[i].end);
        RC_ASSERT((i == 0 || ack.ranges[i].end < ack.ranges[i - 1].begin));
      }
    }
    StreamFrame stream;
    ByteReader stream_in(bytes);
    if (read_stream(stream_in, frame_type, stream)) RC_ASSERT(stream.bytes.size() <= bytes.size());
    FragmentFrame fragment;
    ByteReader fragment_in(bytes);
    if (read_fragment(fragment_in, frame_type, fragment)) {
      RC_ASSERT(fragment.offset + fragment.bytes.size() <= fragment.total);
    }
    MessageFrame message;
    ByteReader message_in(bytes);
    read_message(message_in, frame_type, message);
    CloseFrame close;
    ByteReader close_in(bytes);
    if (read_close(close_in, close)) RC_ASSERT(close.text.size() <= kCloseTextMax);
  }
  read_data_header(bytes);
}

RC_GTEST_PROP(CodecProperty, Addresses,
              (const std::array<std::uint8_t, 16>& raw, std::uint16_t port, std::uint16_t zeros,
               bool v4)) {
  IpAddress address;
  address.bytes = raw;
  for (std::size_t i = 0; i < 16; ++i) {
    if ((zeros >> i & 1) != 0) address.bytes[i] = 0;
  }
  if (v4) address = IpAddress::v4(raw[0], raw[1], raw[2], raw[3], port);
  address.port = port;
  const auto read = IpAddress::parse(address.text());
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == address);
  RC_ASSERT(read->text() == address.text());
}

RC_GTEST_PROP(CodecProperty, AnyTextIsAnAddressOrRefused, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("0123.:[]af")));
  const auto address = IpAddress::parse(text);
  if (!address) return;
  RC_ASSERT(IpAddress::parse(address->text()) == address);
}

}  // namespace
}  // namespace whimbrel
