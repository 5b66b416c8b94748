#include "handshake/packets.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/test_hex.h"

namespace whimbrel {
namespace {

using Buffer = std::vector<std::uint8_t>;

Buffer init_packet(HandshakeKind kind, std::size_t size) {
  Buffer packet(size);
  write_init_header(kind, 1, AeadSuite::kChaChaPoly, 0x01020304, packet);
  return packet;
}

Buffer response_packet(HandshakeKind kind, std::size_t size) {
  Buffer packet(size);
  write_response_header(kind, 1, AeadSuite::kAesGcm, 0x01020304, 0x05060708, packet);
  return packet;
}

TEST(HandshakePackets, KindsAreTheFirstByte) {
  EXPECT_EQ(handshake_kind(hex("e0")), HandshakeKind::kInitIk);
  EXPECT_EQ(handshake_kind(hex("e6")), HandshakeKind::kVersionReply);
  EXPECT_EQ(handshake_kind(hex("e8")), HandshakeKind::kReset);
  for (const char* other : {"", "df", "e9", "ef", "00", "c0", "80", "ff"})
    EXPECT_EQ(handshake_kind(hex(other)), std::nullopt) << other;
}

TEST(HandshakePackets, InitIkLayout) {
  Buffer packet = init_packet(HandshakeKind::kInitIk, kInitIkSizeMin);
  packet[8] = 0xc0;
  packet[24] = 0xac;
  packet[40] = 0xe0;
  EXPECT_EQ(Buffer(packet.begin(), packet.begin() + 8), hex("e001020001020304"));
  const auto view = read_init(packet);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->suite, AeadSuite::kChaChaPoly);
  EXPECT_EQ(view->sender_index, 0x01020304u);
  EXPECT_EQ(view->cookie.size(), kCookieSize);
  EXPECT_EQ(view->cookie[0], 0xc0);
  EXPECT_EQ(view->mac1[0], 0xac);
  EXPECT_EQ(view->noise[0], 0xe0);
  EXPECT_EQ(view->noise.size(), kInitIkSizeMin - 40);
}

TEST(HandshakePackets, InitSizes) {
  const Buffer longest = init_packet(HandshakeKind::kInitIk, 1500);
  for (std::size_t size : {0u, 1u, 7u, 8u, 40u, 575u, 1201u, 1500u})
    EXPECT_FALSE(read_init(Bytes(longest).first(size))) << size;
  EXPECT_TRUE(read_init(init_packet(HandshakeKind::kInitIk, 576)));
  EXPECT_TRUE(read_init(init_packet(HandshakeKind::kInitIk, 1200)));
  EXPECT_TRUE(read_init(init_packet(HandshakeKind::kInitXx, 1200)));
  EXPECT_FALSE(read_init(init_packet(HandshakeKind::kInitXx, 1199)));
  EXPECT_FALSE(read_init(init_packet(HandshakeKind::kInitXx, 1201)));
}

TEST(HandshakePackets, InitXxPaddingIsZero) {
  Buffer packet = init_packet(HandshakeKind::kInitXx, kInitXxSize);
  packet[55] = 1;  // the last byte of e
  ASSERT_TRUE(read_init(packet));
  EXPECT_EQ(read_init(packet)->noise.size(), kKeySize);
  EXPECT_TRUE(read_init(packet)->mac1.empty());
  packet[56] = 1;
  EXPECT_FALSE(read_init(packet));
}

TEST(HandshakePackets, InitHeaderIsChecked) {
  const auto with = [](std::size_t at, std::uint8_t value) {
    Buffer packet = init_packet(HandshakeKind::kInitXx, kInitXxSize);
    packet[at] = value;
    return packet;
  };
  EXPECT_FALSE(read_init(with(1, 2))) << "version";
  EXPECT_FALSE(read_init(with(2, 3))) << "suite";
  EXPECT_FALSE(read_init(with(3, 1))) << "reserved";
  EXPECT_FALSE(read_init(with(0, 0xe1))) << "kind";
  Buffer nobody = init_packet(HandshakeKind::kInitXx, kInitXxSize);
  std::fill_n(nobody.begin() + 4, 4, std::uint8_t{0});
  EXPECT_FALSE(read_init(nobody)) << "sender index 0";
  const auto prefix = read_init_prefix(with(1, 200));
  ASSERT_TRUE(prefix) << "any version has the prefix";
  EXPECT_EQ(prefix->version, 200);
  EXPECT_EQ(prefix->sender_index, 0x01020304u);
  EXPECT_FALSE(read_init_prefix(response_packet(HandshakeKind::kRespIk, 100)));
}

TEST(HandshakePackets, ResponseLayoutAndSizes) {
  const auto view = read_response(response_packet(HandshakeKind::kRespXx, 200));
  ASSERT_TRUE(view);
  EXPECT_EQ(view->kind, HandshakeKind::kRespXx);
  EXPECT_EQ(view->sender_index, 0x01020304u);
  EXPECT_EQ(view->receiver_index, 0x05060708u);
  EXPECT_EQ(view->noise.size(), 200u - 12);
  const std::pair<HandshakeKind, std::size_t> shortest[] = {
      {HandshakeKind::kRespIk, 12 + 32 + 16},
      {HandshakeKind::kRespXx, 12 + 32 + 48 + 16},
      {HandshakeKind::kFinishXx, 12 + 48 + 16},
  };
  for (const auto& [kind, size] : shortest) {
    EXPECT_TRUE(read_response(response_packet(kind, size)));
    EXPECT_FALSE(read_response(response_packet(kind, size - 1)));
    EXPECT_TRUE(read_response(response_packet(kind, 1200)));
    EXPECT_FALSE(read_response(response_packet(kind, 1201)));
  }
}

TEST(HandshakePackets, ResponseHeaderIsChecked) {
  for (std::size_t at : {1u, 2u, 3u}) {
    Buffer packet = response_packet(HandshakeKind::kRespIk, 100);
    packet[at] = 9;
    EXPECT_FALSE(read_response(packet)) << at;
  }
  Buffer nobody = response_packet(HandshakeKind::kRespIk, 100);
  std::fill_n(nobody.begin() + 4, 4, std::uint8_t{0});
  EXPECT_FALSE(read_response(nobody)) << "sender index 0";
  EXPECT_FALSE(read_response(init_packet(HandshakeKind::kInitIk, 600)));
}

TEST(HandshakePackets, CookieReply) {
  CookieReply reply{.receiver_index = 0xaabbccdd, .cookie = {}};
  reply.cookie.fill(0x77);
  Buffer packet(kReplySize);
  EXPECT_EQ(write_cookie_reply(reply, packet), kReplySize);
  EXPECT_EQ(packet, hex("e5010000aabbccdd77777777777777777777777777777777"));
  ASSERT_TRUE(read_cookie_reply(packet));
  EXPECT_EQ(read_cookie_reply(packet)->receiver_index, reply.receiver_index);
  EXPECT_EQ(read_cookie_reply(packet)->cookie, reply.cookie);
  for (std::size_t at : {0u, 1u, 2u, 3u}) {
    Buffer bad = packet;
    bad[at] ^= 1;
    EXPECT_FALSE(read_cookie_reply(bad)) << at;
  }
  packet.push_back(0);
  EXPECT_FALSE(read_cookie_reply(packet));
}

TEST(HandshakePackets, VersionReply) {
  Buffer packet(kReplySize);
  packet.resize(write_version_reply({{1, 4}, 3, 0xaabbccdd}, packet));
  EXPECT_EQ(packet, hex("e6010403aabbccdd"));
  const auto reply = read_version_reply(packet);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->versions.highest, 4);
  EXPECT_EQ(reply->suites, 3);
  EXPECT_EQ(reply->receiver_index, 0xaabbccddu);
  packet[1] = 5;
  EXPECT_FALSE(read_version_reply(packet)) << "lowest above highest";
}

TEST(HandshakePackets, ReceiverIndexOfEachKind) {
  EXPECT_EQ(handshake_receiver_index(hex("e6010103aabbccdd")), 0xaabbccddu);
  EXPECT_EQ(handshake_receiver_index(hex("e5010000aabbccdd77777777777777777777777777777777")),
            0xaabbccddu);
  EXPECT_EQ(handshake_receiver_index(response_packet(HandshakeKind::kFinishXx, 100)), 0x05060708u);
  EXPECT_EQ(handshake_receiver_index(init_packet(HandshakeKind::kInitIk, 600)), std::nullopt);
  EXPECT_EQ(handshake_receiver_index({}), std::nullopt);
}

TEST(HandshakePackets, SurviveAnyBytes) {
  FastRandom random(3);
  for (int round = 0; round < 20000; ++round) {
    Buffer packet(random.below(1300));
    random.fill(packet);
    if (!packet.empty()) packet[0] = static_cast<std::uint8_t>(0xe0 + random.below(8));
    if (packet.size() > 3) packet[1] = 1, packet[2] = 1, packet[3] = 0;
    read_init(packet);
    handshake_receiver_index(packet);
  }
}

}  // namespace
}  // namespace whimbrel
