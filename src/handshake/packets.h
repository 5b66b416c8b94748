// Handshake packets: the layouts that are on the wire, without any cryptography.
//
//  InitIK       0xE0 | version u8 | suite u8 | 0 u8 | sender u32 | cookie 16 | mac1 16 |
//                      e 32 | sealed static 48 | sealed payload n + 16 |       576 bytes at least
//  RespIK       0xE1 | version | suite | 0 | sender u32 | receiver u32 |
//                      e 32 | sealed payload n + 16 |                          576 bytes at most
//  InitXX       0xE2 | version | suite | 0 | sender u32 | cookie 16 |
//                      e 32 | zeros |                                          1200 bytes exactly
//  RespXX       0xE3 | version | suite | 0 | sender u32 | receiver u32 |
//                      e 32 | sealed static 48 | sealed payload n + 16 |
//  FinishXX     0xE4 | version | suite | 0 | sender u32 | receiver u32 |
//                      sealed static 48 | sealed payload n + 16 |
//  CookieReply  0xE5 | version | 0 | 0 | receiver u32 | cookie 16 |
//  VersionReply 0xE6 | lowest version | highest version | suites u8 | receiver u32 |
//  ResetAsk     0xE7 and Reset 0xE8: reset.h
//
// `sender` is the index at which the sender of the packet wants to be reached, `receiver` the one
// of its addressee; integers are big-endian. In VersionReply bit n - 1 of `suites` stands for suite
// n. The first eight bytes of an Init are the same in every version, so that any version can be
// answered. No reply is larger than what it answers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "handshake/payload.h"

namespace whimbrel {

inline constexpr std::uint8_t kProtocolVersion = 1;

enum class HandshakeKind : std::uint8_t {
  kInitIk = 0xe0,
  kRespIk = 0xe1,
  kInitXx = 0xe2,
  kRespXx = 0xe3,
  kFinishXx = 0xe4,
  kCookieReply = 0xe5,
  kVersionReply = 0xe6,
  kResetAsk = 0xe7,
  kReset = 0xe8,
};

inline constexpr std::size_t kCookieSize = 16;
inline constexpr std::size_t kMac1Size = 16;
using Cookie = std::array<std::uint8_t, kCookieSize>;

inline constexpr std::size_t kSealedKeySize = kKeySize + kAeadTagSize;
inline constexpr std::size_t kInitCookieOffset = 8;  // in InitIK and InitXX
inline constexpr std::size_t kInitMac1Offset = kInitCookieOffset + kCookieSize;
inline constexpr std::size_t kInitIkHeaderSize = kInitMac1Offset + kMac1Size;
inline constexpr std::size_t kInitXxHeaderSize = kInitCookieOffset + kCookieSize;
inline constexpr std::size_t kRespHeaderSize = 12;
inline constexpr std::size_t kInitIkSizeMin = 576;
inline constexpr std::size_t kInitXxSize = 1200;
inline constexpr std::size_t kReplySize = 24;  // CookieReply; VersionReply has 8
inline constexpr std::size_t kVersionReplySize = 8;
// No handshake packet is larger; buffers for writing them have this size.
inline constexpr std::size_t kHandshakePacketSizeMax = 1200;

inline constexpr std::size_t kRespIkSizeMax =
    kRespHeaderSize + kKeySize + kPayloadSizeMax + kAeadTagSize;
static_assert(kRespIkSizeMax <= kInitIkSizeMin, "RespIK must not be larger than InitIK");
static_assert(kRespIkSizeMax + kSealedKeySize <= kInitXxSize, "nor RespXX than InitXX");

// Nothing unless the first byte is that of a handshake packet.
std::optional<HandshakeKind> handshake_kind(Bytes datagram);

// The part of an Init that every version has.
struct InitPrefix {
  HandshakeKind kind;  // kInitIk or kInitXx
  std::uint8_t version;
  std::uint8_t suite;
  std::uint32_t sender_index;
};
std::optional<InitPrefix> read_init_prefix(Bytes datagram);

// InitIK or InitXX of version 1. All views point into the datagram.
struct InitView {
  HandshakeKind kind;
  std::uint8_t version;
  AeadSuite suite;
  std::uint32_t sender_index;
  Bytes cookie;
  Bytes mac1;   // empty in InitXX
  Bytes noise;  // InitXX: e only, the padding is checked and left out
  Bytes datagram;
};
std::optional<InitView> read_init(Bytes datagram);

// RespIK, RespXX or FinishXX of version 1.
struct ResponseView {
  HandshakeKind kind;
  std::uint8_t version;
  AeadSuite suite;
  std::uint32_t sender_index;
  std::uint32_t receiver_index;
  Bytes noise;
};
std::optional<ResponseView> read_response(Bytes datagram);

struct CookieReply {
  std::uint32_t receiver_index;
  Cookie cookie;
};
std::optional<CookieReply> read_cookie_reply(Bytes datagram);

struct VersionReply {
  VersionRange versions;
  std::uint8_t suites;  // bit n - 1 stands for suite n
  std::uint32_t receiver_index;
};
std::optional<VersionReply> read_version_reply(Bytes datagram);

// The receiver_index of RespIK, RespXX, FinishXX, CookieReply or VersionReply: whose handshake this
// packet belongs to. Nothing for an Init or a malformed packet.
std::optional<std::uint32_t> handshake_receiver_index(Bytes datagram);

// Headers only: what comes before the Noise message. Return the header's size.
// Cookie and mac1 are left zero.
std::size_t write_init_header(HandshakeKind kind, std::uint8_t version, AeadSuite suite,
                              std::uint32_t sender_index, MutableBytes out);
std::size_t write_response_header(HandshakeKind kind, std::uint8_t version, AeadSuite suite,
                                  std::uint32_t sender_index, std::uint32_t receiver_index,
                                  MutableBytes out);
// Whole packets. Return the size. `out` needs kReplySize bytes.
std::size_t write_cookie_reply(const CookieReply& reply, MutableBytes out);
std::size_t write_version_reply(const VersionReply& reply, MutableBytes out);

}  // namespace whimbrel
