#include "wire/packet.h"

namespace whimbrel {

namespace {
constexpr std::uint8_t kReservedBits = 0x0c;
constexpr std::uint8_t kKeyPhaseBit = 0x10;
}  // namespace

std::optional<DataHeader> read_data_header(Bytes datagram) {
  ByteReader reader(datagram);
  const std::uint8_t first = reader.u8();
  if ((first & 0xe0) != 0xc0 || (first & kReservedBits) != 0) return std::nullopt;
  DataHeader header;
  header.key_phase = (first & kKeyPhaseBit) != 0;
  header.number_size = static_cast<std::uint8_t>((first & 3) + 1);
  header.receiver_index = reader.u32();
  header.truncated_number = reader.fixed(header.number_size);
  if (!reader.ok() || reader.remaining() < kTagSize + 1) return std::nullopt;
  return header;
}

std::size_t write_data_header(std::uint8_t* out, bool key_phase, ReceiverIndex index,
                              PacketNumber number, std::uint8_t number_size) {
  ByteWriter writer({out, kDataHeaderSizeMax});
  writer.u8(static_cast<std::uint8_t>(0xc0 | (key_phase ? kKeyPhaseBit : 0) | (number_size - 1)));
  writer.u32(index);
  writer.fixed(value(number), number_size);
  return writer.size();
}

std::uint8_t packet_number_size(PacketNumber number, std::uint64_t next_unacked) {
  const std::uint64_t span = value(number) + 1 - next_unacked;
  // Twice the distance must fit, so that the receiver's nearest candidate is the right one.
  if (span < 1u << 7) return 1;
  if (span < 1u << 15) return 2;
  if (span < 1u << 23) return 3;
  return 4;
}

PacketNumber recover_packet_number(std::uint64_t expected, std::uint64_t truncated,
                                   std::uint8_t number_size) {
  const std::uint64_t window = std::uint64_t{1} << (number_size * 8);
  const std::uint64_t half = window / 2;
  const std::uint64_t candidate = (expected & ~(window - 1)) | truncated;
  if (candidate + half <= expected && candidate < (std::uint64_t{1} << 62) - window) {
    return PacketNumber{candidate + window};
  }
  if (candidate > expected + half && candidate >= window) return PacketNumber{candidate - window};
  return PacketNumber{candidate};
}

}  // namespace whimbrel
