#include "traversal/stun.h"

#include <algorithm>

namespace whimbrel {

namespace {

constexpr std::uint16_t kBindingRequest = 0x0001;
constexpr std::uint16_t kBindingSuccess = 0x0101;
constexpr std::uint16_t kBindingError = 0x0111;
constexpr std::uint32_t kMagicCookie = 0x2112a442;

constexpr std::uint16_t kMappedAddress = 0x0001;
constexpr std::uint16_t kErrorCode = 0x0009;
constexpr std::uint16_t kUnknownAttributes = 0x000a;
constexpr std::uint16_t kXorMappedAddress = 0x0020;
constexpr std::uint16_t kFingerprint = 0x8028;
// RFC 8489 14: types below this must be understood.
constexpr std::uint16_t kOptionalFrom = 0x8000;
// RFC 8489 14.7.
constexpr std::uint32_t kFingerprintXor = 0x5354554e;
// So many are named in an error.
constexpr std::size_t kUnknownMax = 4;

constexpr std::size_t padded(std::size_t size) { return (size + 3) / 4 * 4; }

// ITU V.42, as RFC 8489 14.7 asks for.
std::uint32_t crc32(Bytes bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
  }
  return ~crc;
}

struct Message {
  std::uint16_t type = 0;
  StunTransaction transaction{};
  std::optional<IpAddress> mapped, xor_mapped;
  std::array<std::uint16_t, kUnknownMax> unknown{};
  std::size_t unknown_count = 0;
};

std::optional<IpAddress> read_address(Bytes value, const StunTransaction* transaction) {
  ByteReader in(value);
  in.u8();
  const std::uint8_t family = in.u8();
  const std::size_t size = family == 1 ? 4 : 16;
  std::uint16_t port = in.u16();
  if ((family != 1 && family != 2) || in.remaining() != size) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  std::copy_n(in.rest().begin(), size, bytes.begin());
  if (transaction != nullptr) {
    // RFC 8489 14.2: the port by the cookie's upper half, the address by the cookie and the
    // transaction.
    std::array<std::uint8_t, 16> mask{};
    ByteWriter out(mask);
    out.u32(kMagicCookie);
    out.bytes(*transaction);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ mask[i]);
    port = static_cast<std::uint16_t>(port ^ (kMagicCookie >> 16));
  }
  if (family == 1) return IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3], port);
  IpAddress address;
  address.bytes = bytes;
  address.port = port;
  return address;
}

// Takes one attribute, whose header begins at `at`. False: the message is malformed.
bool read_attribute(Bytes datagram, std::uint16_t type, Bytes value, std::size_t at,
                    Message& message) {
  switch (type) {
    case kMappedAddress:
      message.mapped = read_address(value, nullptr);
      return message.mapped.has_value();
    case kXorMappedAddress:
      message.xor_mapped = read_address(value, &message.transaction);
      return message.xor_mapped.has_value();
    case kFingerprint:
      return value.size() == 4 && at + 8 == datagram.size() &&
             ByteReader(value).u32() == (crc32(datagram.first(at)) ^ kFingerprintXor);
    default:
      if (type < kOptionalFrom && message.unknown_count < kUnknownMax) {
        message.unknown[message.unknown_count++] = type;
      }
      return true;
  }
}

std::optional<Message> read_message(Bytes datagram) {
  ByteReader in(datagram);
  Message message;
  message.type = in.u16();
  const std::size_t size = in.u16();
  const std::uint32_t cookie = in.u32();
  const Bytes transaction = in.bytes(message.transaction.size());
  if (!in.ok() || cookie != kMagicCookie || size != in.remaining() || size % 4 != 0) {
    return std::nullopt;
  }
  std::copy(transaction.begin(), transaction.end(), message.transaction.begin());
  while (!in.empty()) {
    const std::size_t at = datagram.size() - in.remaining();
    const std::uint16_t type = in.u16();
    const std::size_t length = in.u16();
    const Bytes value = in.bytes(length);
    in.bytes(padded(length) - length);
    if (!in.ok() || !read_attribute(datagram, type, value, at, message)) return std::nullopt;
  }
  return message;
}

// Writes the header; the size is filled in by finish().
void begin(ByteWriter& out, std::uint16_t type, const StunTransaction& transaction) {
  out.u16(type);
  out.u16(0);
  out.u32(kMagicCookie);
  out.bytes(transaction);
}
std::size_t finish(ByteWriter& out) {
  const std::size_t size = out.size() - kStunHeaderSize;
  ByteWriter(out.written().subspan(2)).u16(static_cast<std::uint16_t>(size));
  return out.size();
}

void write_xor_address(ByteWriter& out, const IpAddress& address,
                       const StunTransaction& transaction) {
  const bool v4 = address.is_v4();
  out.u16(kXorMappedAddress);
  out.u16(v4 ? 8 : 20);
  out.u8(0);
  out.u8(v4 ? 1 : 2);
  out.u16(static_cast<std::uint16_t>(address.port ^ (kMagicCookie >> 16)));
  std::array<std::uint8_t, 16> mask{};
  ByteWriter mask_out(mask);
  mask_out.u32(kMagicCookie);
  mask_out.bytes(transaction);
  const Bytes bytes = Bytes(address.bytes).subspan(v4 ? 12 : 0);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out.u8(static_cast<std::uint8_t>(bytes[i] ^ mask[i]));
  }
}

// RFC 8489 14.8: 420, without a phrase, and 14.9: what was not known.
std::size_t write_unknown(MutableBytes buffer, const Message& request) {
  ByteWriter out(buffer);
  begin(out, kBindingError, request.transaction);
  out.u16(kErrorCode);
  out.u16(4);
  out.u16(0);
  out.u8(4);
  out.u8(20);
  out.u16(kUnknownAttributes);
  out.u16(static_cast<std::uint16_t>(2 * request.unknown_count));
  for (std::size_t i = 0; i < request.unknown_count; ++i) out.u16(request.unknown[i]);
  out.zeros(padded(2 * request.unknown_count) - 2 * request.unknown_count);
  return finish(out);
}

}  // namespace

std::size_t answer_binding_request(Bytes datagram, const IpAddress& from, MutableBytes buffer) {
  const auto request = read_message(datagram);
  if (!request || request->type != kBindingRequest) return 0;
  if (request->unknown_count > 0) return write_unknown(buffer, *request);
  ByteWriter out(buffer);
  begin(out, kBindingSuccess, request->transaction);
  write_xor_address(out, from, request->transaction);
  return finish(out);
}

std::size_t write_binding_request(MutableBytes buffer, const StunTransaction& transaction) {
  ByteWriter out(buffer);
  begin(out, kBindingRequest, transaction);
  const std::size_t at = out.size();
  out.u16(kFingerprint);
  out.u16(4);
  out.u32(0);
  const std::size_t size = finish(out);
  // The checksum is over the header with its final size.
  ByteWriter(buffer.subspan(at + 4)).u32(crc32(buffer.first(at)) ^ kFingerprintXor);
  return size;
}

std::optional<BindingResponse> read_binding_response(Bytes datagram) {
  const auto message = read_message(datagram);
  if (!message || message->type != kBindingSuccess) return std::nullopt;
  // Servers from before RFC 5389 send the plain one only.
  const auto& mapped = message->xor_mapped ? message->xor_mapped : message->mapped;
  if (!mapped) return std::nullopt;
  return BindingResponse{message->transaction, *mapped};
}

}  // namespace whimbrel
