// What `send` and `recv` say to each other, in reliable messages on one channel. The first byte
// tells what it is:
//   'B' u64 id                 sender: a stream begins
//   'D' bytes                  sender: data
//   'K'                        sender: nothing for now, still there
//   'E' u64 bytes              sender: the end, after so many bytes
//   'T' u64 id                 receiver: the stream was taken, its data are being written
//   'C' u64 id, u64 bytes      receiver: all of it is written
//   'X' text                   receiver: it came to nothing, for this reason
// Integers are big-endian. The transport already guarantees order and integrity; the count guards
// against mistakes here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace stream {

using Bytes = std::span<const std::uint8_t>;

inline constexpr std::uint8_t kBegin = 'B', kData = 'D', kKeepAlive = 'K', kEnd = 'E', kTaken = 'T',
                              kConfirm = 'C', kRefuse = 'X';
// Longest text of a refusal; what is longer is cut by either side.
inline constexpr std::size_t kReasonBytesMax = 200;
// Data bytes of one message.
inline constexpr std::size_t kChunkBytes = 65536;

template <std::size_t kCount>
std::array<std::uint8_t, 1 + 8 * kCount> encode(std::uint8_t type,
                                                const std::array<std::uint64_t, kCount>& numbers) {
  std::array<std::uint8_t, 1 + 8 * kCount> out{};
  std::size_t at = 0;
  out[at++] = type;
  for (std::uint64_t number : numbers) {
    for (int shift = 56; shift >= 0; shift -= 8)
      out[at++] = static_cast<std::uint8_t>(number >> shift);
  }
  return out;
}

// The number at `index` after the type byte; nothing if the message is too short.
inline std::optional<std::uint64_t> number_at(Bytes message, std::size_t index) {
  const std::size_t begin = 1 + 8 * index;
  if (message.size() < begin + 8) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | message[begin + i];
  return value;
}

}  // namespace stream
