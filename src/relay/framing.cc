#include "relay/framing.h"

#include <algorithm>

namespace whimbrel::relay {

namespace {

template <std::size_t kSize>
std::array<std::uint8_t, kSize> take(ByteReader& in) {
  std::array<std::uint8_t, kSize> out{};
  const Bytes bytes = in.bytes(kSize);
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

// First byte, version and the zeros that complete four bytes.
bool read_prefix(ByteReader& in, Kind kind) {
  return in.u8() == static_cast<std::uint8_t>(kind) && in.u8() == kVersion && in.u16() == 0;
}
void write_prefix(ByteWriter& out, Kind kind) {
  out.u8(static_cast<std::uint8_t>(kind));
  out.u8(kVersion);
  out.u16(0);
}

}  // namespace

void write_address(ByteWriter& out, const IpAddress& address) {
  out.bytes(address.bytes);
  out.u16(address.port);
}

IpAddress read_address(ByteReader& in) {
  IpAddress address;
  address.bytes = take<16>(in);
  address.port = in.u16();
  return address;
}

std::optional<OpenView> read_open(Bytes datagram) {
  if (datagram.size() < kOpenSizeMin || datagram.size() > kOpenSizeMax) return std::nullopt;
  ByteReader in(datagram);
  if (!read_prefix(in, Kind::kOpen)) return std::nullopt;
  OpenView open;
  open.nonce = take<kNonceSize>(in);
  open.cookie = take<kRelayCookieSize>(in);
  const std::size_t token_size = in.u16();
  if (token_size + kMacSize > in.remaining()) return std::nullopt;
  open.token = in.bytes(token_size);
  open.signed_part = datagram.first(datagram.size() - kMacSize);
  std::copy_n(datagram.end() - kMacSize, kMacSize, open.mac.begin());
  return open;
}

MutableBytes write_open(MutableBytes buffer, const Nonce& nonce, const RelayCookie& cookie,
                        Bytes token) {
  const std::size_t size = std::max(kOpenSizeMin, kOpenTokenOffset + token.size() + kMacSize);
  ASSERT(size <= kOpenSizeMax);
  ByteWriter out(buffer.first(size));
  write_prefix(out, Kind::kOpen);
  out.bytes(nonce);
  out.bytes(cookie);
  out.u16(static_cast<std::uint16_t>(token.size()));
  out.bytes(token);
  out.zeros(out.remaining());
  return out.written();
}

std::optional<CookieReply> read_cookie_reply(Bytes datagram) {
  ByteReader in(datagram);
  if (datagram.size() != kCookieReplySize || !read_prefix(in, Kind::kCookie)) return std::nullopt;
  CookieReply reply;
  reply.nonce = take<kNonceSize>(in);
  reply.cookie = take<kRelayCookieSize>(in);
  return reply;
}

std::size_t write_cookie_reply(MutableBytes buffer, const CookieReply& reply) {
  ByteWriter out(buffer);
  write_prefix(out, Kind::kCookie);
  out.bytes(reply.nonce);
  out.bytes(reply.cookie);
  return out.size();
}

std::optional<Opened> read_opened(Bytes datagram) {
  ByteReader in(datagram);
  if (datagram.size() != kOpenedSize || !read_prefix(in, Kind::kOpened)) return std::nullopt;
  Opened opened;
  opened.nonce = take<kNonceSize>(in);
  opened.relay_nonce = take<kNonceSize>(in);
  opened.slot = SlotId{in.u32()};
  opened.relay_id = in.u32();
  opened.observed = read_address(in);
  opened.lifetime_s = in.u32();
  opened.drain_s = in.u16();
  return opened;
}

MutableBytes write_opened(MutableBytes buffer, const Opened& opened) {
  ByteWriter out(buffer.first(kOpenedSize));
  write_prefix(out, Kind::kOpened);
  out.bytes(opened.nonce);
  out.bytes(opened.relay_nonce);
  out.u32(opened.slot.value);
  out.u32(opened.relay_id);
  write_address(out, opened.observed);
  out.u32(opened.lifetime_s);
  out.u16(opened.drain_s);
  out.zeros(kMacSize);
  return out.written();
}

std::optional<Refused> read_refused(Bytes datagram) {
  ByteReader in(datagram);
  if (datagram.size() != kRefusedSize || in.u8() != static_cast<std::uint8_t>(Kind::kRefused) ||
      in.u8() != kVersion) {
    return std::nullopt;
  }
  Refused refused;
  refused.reason = static_cast<Refusal>(in.u8());
  if (in.u8() != 0) return std::nullopt;
  refused.nonce = take<kNonceSize>(in);
  return refused;
}

MutableBytes write_refused(MutableBytes buffer, const Refused& refused) {
  ByteWriter out(buffer.first(kRefusedSize));
  out.u8(static_cast<std::uint8_t>(Kind::kRefused));
  out.u8(kVersion);
  out.u8(static_cast<std::uint8_t>(refused.reason));
  out.u8(0);
  out.bytes(refused.nonce);
  out.zeros(kMacSize);
  return out.written();
}

std::optional<LegHeader> read_leg_header(Bytes datagram) {
  if (datagram.size() < kHeaderSize) return std::nullopt;
  LegHeader header;
  header.kind = static_cast<Kind>(datagram[0]);
  if (header.kind < Kind::kSend || header.kind > Kind::kTell) return std::nullopt;
  ByteReader in(datagram.subspan(1));
  header.detail = in.u8();
  header.handle = in.u16();
  header.slot = SlotId{in.u32()};
  header.sequence = in.u32();
  return header;
}

void write_leg_header(std::uint8_t* out, const LegHeader& header) {
  ByteWriter writer(MutableBytes(out, kTagOffset));
  writer.u64(std::uint64_t{static_cast<std::uint8_t>(header.kind)} << 56 |
             std::uint64_t{header.detail} << 48 | std::uint64_t{header.handle} << 32 |
             header.slot.value);
  writer.u32(header.sequence);
}

}  // namespace whimbrel::relay
