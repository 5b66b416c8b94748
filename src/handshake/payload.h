// What the two sides tell each other inside the encrypted part of handshake messages.
//
//  a sequence of fields   | type varint | length varint | content |
//    1 stamp u64 (Unix ms)              2 versions: lowest u8, highest u8
//    3 suites: u8 each, best first      4 identity text (absent: no name)
//    5 certificate                      6 transport parameters: { id varint, value varint } ...
//    7 padding: zeros                   8 crossed hint (reserved)
//    9 sender index u32, the same as in the packet's header
//   10 reset token (absent: none)
//
// A type may occur once (padding too). Unknown types and parameter ids are skipped. Stamp,
// versions, suites and sender index must be there. The sender index repeats the header's because
// Noise authenticates the prologue and the message, and the responder's index is in neither.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "handshake/certificate.h"
#include "handshake/reset.h"

namespace whimbrel {

// What a side is ready to take. Each id is the field's place in this list, counted from 1. A peer
// that leaves one out means the default.
struct TransportParameters {
  std::uint64_t session_bytes_max = 1048576;  // unread payload bytes the peer may make us hold
  std::uint64_t session_messages_max = 1000;  // unread messages
  std::uint64_t channel_bytes_max = 1048576;  // unread payload bytes on one channel
  std::uint64_t ack_delay_max_us = 25000;     // at most kAckDelayMaxUsMax
  std::uint64_t datagram_size_max = 1472;     // UDP payload; at least 1200 (RFC 9000 18.2)
  std::uint64_t idle_timeout_ms = 180000;     // 0: none
  std::uint64_t channel_messages_max = 1000;  // unread messages on one channel

  friend bool operator==(const TransportParameters&, const TransportParameters&) = default;
};

// RFC 9000 18.2: max_ack_delay below 2^14 ms.
inline constexpr std::uint64_t kAckDelayMaxUsMax = 16384000;
inline constexpr std::uint64_t kDatagramSizeMaxMin = 1200;

// Suites in order of preference, best first, each at most once. May hold ones unknown to us.
class SuiteList {
 public:
  static constexpr std::size_t kMax = 8;

  SuiteList() = default;
  SuiteList(std::initializer_list<AeadSuite> suites);
  // False, with nothing added, when full or held already.
  bool add(std::uint8_t suite);

  Bytes view() const { return {suites_.data(), size_}; }
  bool empty() const { return size_ == 0; }
  bool contains(std::uint8_t suite) const;
  // The first of ours that `other` has as well and that we know.
  std::optional<AeadSuite> first_common(const SuiteList& other) const;

 private:
  std::array<std::uint8_t, kMax> suites_{};
  std::uint8_t size_ = 0;
};

struct VersionRange {
  std::uint8_t lowest = 1;
  std::uint8_t highest = 1;

  bool contains(std::uint8_t version) const { return lowest <= version && version <= highest; }
  std::optional<std::uint8_t> highest_common(VersionRange other) const;
};

struct HandshakePayload {
  std::uint64_t stamp = 0;  // Unix ms, strictly increasing for a key: see session's use
  VersionRange versions;
  SuiteList suites;
  std::string_view identity;  // empty: none; points into what was decoded
  Bytes certificate;          // empty: none; points into what was decoded
  TransportParameters parameters;
  std::uint32_t sender_index = 0;
  std::optional<ResetToken> reset_token;  // of sender_index
};

// Every payload fits into this many bytes, padding not counted.
inline constexpr std::size_t kPayloadSizeMax =
    (2 + 8) + (2 + 2) + (2 + SuiteList::kMax) + (3 + kIdentityTextSizeMax) +
    (3 + kCertificateSizeMax) + (2 + 7 * (1 + 8)) + (2 + 4) + (2 + kResetTokenSize);

// Writes `payload` and then padding so that at least `size_min` bytes are written (0: no padding).
// `out` needs max(kPayloadSizeMax, size_min) + 3 bytes. Returns the size.
std::size_t encode_payload(const HandshakePayload& payload, std::size_t size_min, MutableBytes out);

// Nothing if a field is malformed, out of range, over its limit or twice, or a needed one missing.
std::optional<HandshakePayload> decode_payload(Bytes bytes);

}  // namespace whimbrel
