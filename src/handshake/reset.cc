#include "handshake/reset.h"

#include <algorithm>

#include "crypto/hash.h"
#include "handshake/packets.h"

namespace whimbrel {

namespace {

void write_mac(MutableBytes packet, const ResetToken& token) {
  const std::size_t covered = packet.size() - kResetMacSize;
  const Digest digest = hmac_sha256(token, {packet.first(covered)});
  std::copy_n(digest.begin(), kResetMacSize, packet.begin() + static_cast<std::ptrdiff_t>(covered));
}

}  // namespace

ResetKey::ResetKey(const Secret& static_secret) {
  hkdf_expand(hkdf_extract({}, static_secret.view()).view(), as_bytes("whimbrel reset"),
              key_.bytes);
}

ResetToken ResetKey::token(std::uint32_t index) const {
  std::array<std::uint8_t, 4> bytes;
  ByteWriter(bytes).u32(index);
  const Digest digest = hmac_sha256(key_.view(), {bytes});
  ResetToken token;
  std::copy_n(digest.begin(), token.size(), token.begin());
  return token;
}

bool is_reset_packet(Bytes datagram) {
  const auto kind = handshake_kind(datagram);
  return kind == HandshakeKind::kResetAsk || kind == HandshakeKind::kReset;
}

std::array<std::uint8_t, kResetAskSize> write_reset_ask(const ResetAsk& ask,
                                                        const ResetToken& token) {
  std::array<std::uint8_t, kResetAskSize> packet;
  ByteWriter writer(packet);
  writer.u8(static_cast<std::uint8_t>(HandshakeKind::kResetAsk));
  writer.u32(ask.sender_index);
  writer.u32(ask.receiver_index);
  writer.u64(ask.nonce);
  write_mac(packet, token);
  return packet;
}

std::array<std::uint8_t, kResetSize> write_reset(const Reset& reset, const ResetToken& token) {
  std::array<std::uint8_t, kResetSize> packet;
  ByteWriter writer(packet);
  writer.u8(static_cast<std::uint8_t>(HandshakeKind::kReset));
  writer.u32(reset.receiver_index);
  writer.u64(reset.nonce);
  write_mac(packet, token);
  return packet;
}

std::optional<ResetAsk> read_reset_ask(Bytes datagram) {
  if (handshake_kind(datagram) != HandshakeKind::kResetAsk || datagram.size() != kResetAskSize)
    return std::nullopt;
  ByteReader reader(datagram.subspan(1));
  ResetAsk ask;
  ask.sender_index = reader.u32();
  ask.receiver_index = reader.u32();
  ask.nonce = reader.u64();
  return ask;
}

std::optional<Reset> read_reset(Bytes datagram) {
  if (handshake_kind(datagram) != HandshakeKind::kReset || datagram.size() != kResetSize)
    return std::nullopt;
  ByteReader reader(datagram.subspan(1));
  Reset reset;
  reset.receiver_index = reader.u32();
  reset.nonce = reader.u64();
  return reset;
}

bool is_authentic(Bytes datagram, const ResetToken& token) {
  const std::size_t covered = datagram.size() - kResetMacSize;
  const Digest digest = hmac_sha256(token, {datagram.first(covered)});
  return constant_time_equal(Bytes(digest).first(kResetMacSize), datagram.subspan(covered));
}

}  // namespace whimbrel
