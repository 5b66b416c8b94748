// For tests of a session: its peer, made by hand, who has the keys and says frames of the test's
// choice, properly sealed.
#pragma once

#include <gtest/gtest.h>
#include <whimbrel/send_flags.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "session/session.h"

namespace whimbrel {

inline Secret session_secret() {
  std::array<std::uint8_t, 32> bytes;
  bytes.fill(7);
  return Secret(bytes);
}

class SessionPeer : public testing::Test {
 protected:
  SessionPeer() { begin(packet_key_limits(AeadSuite::kAesGcm)); }

  void begin(const PacketKeyLimits& limits, const SessionOptions& options = {}) {
    Establishment with;
    with.keys = PacketKeys(AeadSuite::kAesGcm, session_secret(), session_secret(), limits);
    with.local_index = 1;
    with.remote_index = 2;
    with.remote = kAddress;
    with.peer = {{1 << 20, 1000, 1 << 20, 1000}, milliseconds(25), 1472};
    with.address_proof = AddressProof::kGiven;
    session = std::make_unique<Session>(options, std::move(with), random, counters, slabs, now);
  }

  std::vector<std::uint8_t> seal(Bytes frames, std::uint64_t with_number) {
    std::vector<std::uint8_t> packet(kDataHeaderSizeMax + frames.size() + kTagSize);
    const std::size_t head =
        write_data_header(packet.data(), false, 1, PacketNumber{with_number}, 4);
    std::copy(frames.begin(), frames.end(), packet.begin() + static_cast<std::ptrdiff_t>(head));
    key.seal(0, with_number, Bytes(packet).first(head), packet.data() + head, frames.size());
    return packet;
  }
  void say(Bytes frames) { say_again(frames, number++); }
  void say_again(Bytes frames, std::uint64_t with_number) {
    std::vector<std::uint8_t> packet = seal(frames, with_number);
    session->receive(from, *read_data_header(packet), packet, now, received);
    advance();
  }
  // What the session has to do and to say at this moment.
  void advance() {
    session->advance(now);
    drain();
    expect_no_timer_stays_due();
  }
  virtual void drain() {
    while (const auto out = session->poll_transmit(buffer, now)) {
      ++packets_out;
      on_sent(*out);
    }
  }
  // When all was done and has left, there is nothing to wake up for at this moment. What leaves
  // last may make a timer due, such as that of a key that is used up.
  void expect_no_timer_stays_due() {
    if (session->next_deadline() > now) return;
    session->advance(now);
    drain();
    EXPECT_GT(session->next_deadline(), now);
  }
  // Its bytes are in `buffer`.
  virtual void on_sent(const RemoteTransmit&) {}

  // Acknowledges all that has come.
  void acknowledge() {
    const std::uint64_t sent = session->path_stats().packets_sent;
    ASSERT_GT(sent, 0u);
    AckFrame ack;
    ack.count = 1;
    ack.ranges[0] = {0, sent};
    std::array<std::uint8_t, 64> frame;
    ByteWriter out(frame);
    write_ack(out, ack);
    say(Bytes(frame).first(out.size()));
  }
  void send_reliable(std::size_t size) {
    const std::vector<std::uint8_t> payload(size);
    session->send(0, SharedBytes::copy(payload), kSendReliable, now);
  }

  static void write_stream_byte(ByteWriter& out, std::uint64_t offset) {
    out.u8(static_cast<std::uint8_t>(FrameType::kStream));
    out.varint(zigzag(0));
    out.varint(offset);
    out.varint(1);
    out.u8(9);
  }

  static inline const IpAddress kAddress = IpAddress::v4(192, 0, 2, 1, 9);
  FastRandom random{1};
  Counters counters;
  SlabAllocator slabs;
  Instant now{};
  std::unique_ptr<Session> session;
  AeadKey key{AeadSuite::kAesGcm, session_secret()};
  std::uint64_t number = 0;
  std::vector<ReceivedMessage> received;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(65536);
  std::uint64_t packets_out = 0;
  IpAddress from = kAddress;
};

}  // namespace whimbrel
