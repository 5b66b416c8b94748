#include "handshake/packets.h"

#include <algorithm>

namespace whimbrel {

namespace {

constexpr std::size_t kInitPrefixSize = 8;

bool is_init(HandshakeKind kind) {
  return kind == HandshakeKind::kInitIk || kind == HandshakeKind::kInitXx;
}

bool is_response(HandshakeKind kind) {
  return kind == HandshakeKind::kRespIk || kind == HandshakeKind::kRespXx ||
         kind == HandshakeKind::kFinishXx;
}

// What the Noise message has at least: its keys and tags around an empty payload.
std::size_t noise_size_min(HandshakeKind kind) {
  switch (kind) {
    case HandshakeKind::kInitIk:
    case HandshakeKind::kRespXx:
      return kKeySize + kSealedKeySize + kAeadTagSize;
    case HandshakeKind::kRespIk:
      return kKeySize + kAeadTagSize;
    case HandshakeKind::kFinishXx:
      return kSealedKeySize + kAeadTagSize;
    default:
      return kKeySize;
  }
}

bool all_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

std::optional<HandshakeKind> handshake_kind(Bytes datagram) {
  if (datagram.empty()) return std::nullopt;
  const std::uint8_t first = datagram[0];
  const auto lowest = static_cast<std::uint8_t>(HandshakeKind::kInitIk);
  const auto highest = static_cast<std::uint8_t>(HandshakeKind::kReset);
  if (first < lowest || first > highest) return std::nullopt;
  return static_cast<HandshakeKind>(first);
}

std::optional<InitPrefix> read_init_prefix(Bytes datagram) {
  const auto kind = handshake_kind(datagram);
  if (!kind || !is_init(*kind) || datagram.size() < kInitPrefixSize) return std::nullopt;
  ByteReader reader(datagram.subspan(1));
  InitPrefix prefix{.kind = *kind, .version = reader.u8(), .suite = reader.u8(), .sender_index = 0};
  reader.u8();  // reserved: another version may use it
  prefix.sender_index = reader.u32();
  return prefix;
}

std::optional<InitView> read_init(Bytes datagram) {
  const auto prefix = read_init_prefix(datagram);
  if (!prefix || prefix->version != kProtocolVersion || !is_known_suite(prefix->suite) ||
      datagram[3] != 0 || prefix->sender_index == 0)
    return std::nullopt;
  const bool known_key = prefix->kind == HandshakeKind::kInitIk;
  if (known_key ? datagram.size() < kInitIkSizeMin || datagram.size() > kHandshakePacketSizeMax
                : datagram.size() != kInitXxSize)
    return std::nullopt;
  ByteReader reader(datagram.subspan(kInitCookieOffset));
  InitView view{.kind = prefix->kind,
                .version = prefix->version,
                .suite = static_cast<AeadSuite>(prefix->suite),
                .sender_index = prefix->sender_index,
                .cookie = reader.bytes(kCookieSize),
                .mac1 = known_key ? reader.bytes(kMac1Size) : Bytes(),
                .noise = {},
                .datagram = datagram};
  view.noise = known_key ? reader.rest() : reader.bytes(kKeySize);
  // Nothing protects InitXX's padding, so it must carry nothing.
  if (!known_key && !all_zero(reader.rest())) return std::nullopt;
  return view;
}

std::optional<ResponseView> read_response(Bytes datagram) {
  const auto kind = handshake_kind(datagram);
  if (!kind || !is_response(*kind)) return std::nullopt;
  ByteReader reader(datagram.subspan(1));
  const std::uint8_t version = reader.u8();
  const std::uint8_t suite = reader.u8();
  const std::uint8_t reserved = reader.u8();
  const std::uint32_t sender = reader.u32();
  const std::uint32_t receiver = reader.u32();
  const Bytes noise = reader.rest();
  if (!reader.ok() || version != kProtocolVersion || !is_known_suite(suite) || reserved != 0 ||
      sender == 0 || noise.size() < noise_size_min(*kind) ||
      datagram.size() > kHandshakePacketSizeMax)
    return std::nullopt;
  return ResponseView{.kind = *kind,
                      .version = version,
                      .suite = static_cast<AeadSuite>(suite),
                      .sender_index = sender,
                      .receiver_index = receiver,
                      .noise = noise};
}

std::optional<CookieReply> read_cookie_reply(Bytes datagram) {
  if (handshake_kind(datagram) != HandshakeKind::kCookieReply || datagram.size() != kReplySize)
    return std::nullopt;
  ByteReader reader(datagram.subspan(1));
  const std::uint8_t version = reader.u8();
  const std::uint16_t reserved = reader.u16();
  CookieReply reply{.receiver_index = reader.u32(), .cookie = {}};
  const Bytes cookie = reader.bytes(kCookieSize);
  if (!reader.ok() || version != kProtocolVersion || reserved != 0) return std::nullopt;
  std::copy(cookie.begin(), cookie.end(), reply.cookie.begin());
  return reply;
}

std::optional<VersionReply> read_version_reply(Bytes datagram) {
  if (handshake_kind(datagram) != HandshakeKind::kVersionReply ||
      datagram.size() != kVersionReplySize)
    return std::nullopt;
  ByteReader reader(datagram.subspan(1));
  VersionReply reply{};
  reply.versions.lowest = reader.u8();
  reply.versions.highest = reader.u8();
  reply.suites = reader.u8();
  reply.receiver_index = reader.u32();
  if (reply.versions.lowest > reply.versions.highest) return std::nullopt;
  return reply;
}

std::optional<std::uint32_t> handshake_receiver_index(Bytes datagram) {
  if (const auto reply = read_cookie_reply(datagram)) return reply->receiver_index;
  if (const auto reply = read_version_reply(datagram)) return reply->receiver_index;
  if (const auto response = read_response(datagram)) return response->receiver_index;
  return std::nullopt;
}

std::size_t write_init_header(HandshakeKind kind, std::uint8_t version, AeadSuite suite,
                              std::uint32_t sender_index, MutableBytes out) {
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(kind));
  writer.u8(version);
  writer.u8(static_cast<std::uint8_t>(suite));
  writer.u8(0);
  writer.u32(sender_index);
  writer.zeros(kCookieSize);
  if (kind == HandshakeKind::kInitIk) writer.zeros(kMac1Size);
  return writer.size();
}

std::size_t write_response_header(HandshakeKind kind, std::uint8_t version, AeadSuite suite,
                                  std::uint32_t sender_index, std::uint32_t receiver_index,
                                  MutableBytes out) {
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(kind));
  writer.u8(version);
  writer.u8(static_cast<std::uint8_t>(suite));
  writer.u8(0);
  writer.u32(sender_index);
  writer.u32(receiver_index);
  return writer.size();
}

std::size_t write_cookie_reply(const CookieReply& reply, MutableBytes out) {
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(HandshakeKind::kCookieReply));
  writer.u8(kProtocolVersion);
  writer.u16(0);
  writer.u32(reply.receiver_index);
  writer.bytes(reply.cookie);
  return writer.size();
}

std::size_t write_version_reply(const VersionReply& reply, MutableBytes out) {
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(HandshakeKind::kVersionReply));
  writer.u8(reply.versions.lowest);
  writer.u8(reply.versions.highest);
  writer.u8(reply.suites);
  writer.u32(reply.receiver_index);
  return writer.size();
}

}  // namespace whimbrel
