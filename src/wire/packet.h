// The first bytes of every datagram between two peers. docs/PROTOCOL.md has the same in words.
//
//  first byte   0b00xxxxxx  STUN (RFC 8489)
//               0b10xxxxxx  relay framing
//               0b110K00NN  data packet: K key phase, NN = bytes of packet number - 1
//               0b1110TTTT  handshake packet, TTTT = its kind (handshake/packets.h)
//
//  data packet  | first u8 | receiver index u32 | packet number 1-4 bytes | sealed frames ... | tag 16 |
//               the header is authenticated as associated data; integers are big-endian
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace whimbrel {

enum class PacketNumber : std::uint64_t {};
constexpr std::uint64_t value(PacketNumber n) { return static_cast<std::uint64_t>(n); }

enum class PathId : std::uint32_t {};
constexpr std::uint32_t value(PathId p) { return static_cast<std::uint32_t>(p); }

// Names a session and a path of it at the receiver; random, chosen by the receiver.
using ReceiverIndex = std::uint32_t;

inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kDataHeaderSizeMax = 9;
inline constexpr std::size_t kDataOverheadMax = kDataHeaderSizeMax + kTagSize;
// Every path must carry this much UDP payload (RFC 9000 14.1), and the largest we ever try: an
// Ethernet frame less IPv4 and UDP headers; loopback and jumbo frames go up to kDatagramSizeMax.
inline constexpr std::size_t kDatagramSizeMin = 1200;
inline constexpr std::size_t kDatagramSizeEthernet = 1472;

enum class PacketKind : std::uint8_t { kData, kHandshake, kOther };

constexpr PacketKind packet_kind(std::uint8_t first_byte) {
  if ((first_byte & 0xe0) == 0xc0) return PacketKind::kData;
  if ((first_byte & 0xf0) == 0xe0) return PacketKind::kHandshake;
  return PacketKind::kOther;
}

struct DataHeader {
  bool key_phase = false;
  ReceiverIndex receiver_index = 0;
  std::uint64_t truncated_number = 0;
  std::uint8_t number_size = 1;  // bytes, 1 to 4

  std::size_t size() const { return 5u + number_size; }
};

// Nothing if the datagram is too short for a header, one sealed byte and a tag, or has a reserved
// bit set.
std::optional<DataHeader> read_data_header(Bytes datagram);

// Writes the header of packet `number` and returns its size; `number_size` from
// packet_number_size().
std::size_t write_data_header(std::uint8_t* out, bool key_phase, ReceiverIndex index,
                              PacketNumber number, std::uint8_t number_size);

// RFC 9000 17.1 and A.2: bytes that let the receiver recover `number` when it may have seen nothing
// after `largest_acked` (one past it; 0 if none).
std::uint8_t packet_number_size(PacketNumber number, std::uint64_t next_unacked);

// RFC 9000 A.3: the full number that is nearest to one past the largest received (`expected`).
PacketNumber recover_packet_number(std::uint64_t expected, std::uint64_t truncated,
                                   std::uint8_t number_size);

}  // namespace whimbrel
