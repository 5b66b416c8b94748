// The datagrams between a client and its relay: layouts, without any cryptography. docs/PROTOCOL.md
// has the same in words.
//
//  Open     0x80  client -> relay  | 0x80 | version u8 | 0 u16 | nonce 16 | cookie 16 | token size u16 | token ... |
//                                  | zeros ... | mac 16 |                          512 to 1200 bytes, the mac last
//  Cookie   0x81  relay -> client  | 0x81 | version | 0 u16 | nonce 16 | cookie 16 |
//  Opened   0x82  relay -> client  | 0x82 | version | 0 u16 | nonce 16 | relay nonce 16 | slot u32 | relay id u32 |
//                                  | observed address 16 | port u16 | lifetime s u32 | drain s u16 | mac 16 |
//  Refused  0x83  relay -> client  | 0x83 | version | reason u8 | 0 u8 | nonce 16 | mac 16 |
//  Send     0x88  client -> relay  | 0x88 | 0 u8 | handle u16 | own slot u32 | sequence u32 | tag 8 | payload ... |
//  Deliver  0x89  relay -> client  | 0x89 | 0 u8 | 0 u16 | source slot u32 | sequence u32 | tag 8 | payload ... |
//  Ask      0x8a  client -> relay  | 0x8a | kind u8 | 0 u16 | own slot u32 | sequence u32 | tag 8 | body ... |
//  Tell     0x8b  relay -> client  | 0x8b | kind u8 | 0 u16 | own slot u32 | sequence u32 | tag 8 | body ... |
//
// Integers are big-endian. The last four are the packets of a leg: a header of 20 bytes, so that a
// packet of 1200 bytes and its header fit the 1232 bytes that every IPv6 path carries. Sequences
// count from 1, one count for each direction of a leg.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip_address.h"
#include "crypto/siphash.h"

namespace whimbrel::relay {

inline constexpr std::uint8_t kVersion = 1;

enum class Kind : std::uint8_t {
  kOpen = 0x80,
  kCookie = 0x81,
  kOpened = 0x82,
  kRefused = 0x83,
  kSend = 0x88,
  kDeliver = 0x89,
  kAsk = 0x8a,
  kTell = 0x8b,
};

// True for every first byte of this protocol.
constexpr bool is_relay_packet(std::uint8_t first_byte) { return (first_byte & 0xc0) == 0x80; }

inline constexpr std::size_t kNonceSize = 16;
using Nonce = std::array<std::uint8_t, kNonceSize>;
inline constexpr std::size_t kRelayCookieSize = 16;
using RelayCookie = std::array<std::uint8_t, kRelayCookieSize>;
inline constexpr std::size_t kMacSize = 16;
using Mac = std::array<std::uint8_t, kMacSize>;

inline constexpr std::size_t kHeaderSize = 20;
inline constexpr std::size_t kTagOffset = 12;
// Of an Ask or a Tell; the largest is a token.
inline constexpr std::size_t kBodySizeMax = 256;
inline constexpr std::size_t kOpenSizeMin = 512;
inline constexpr std::size_t kOpenSizeMax = 1200;
inline constexpr std::size_t kOpenTokenOffset = 4 + kNonceSize + kRelayCookieSize + 2;
inline constexpr std::size_t kCookieReplySize = 4 + kNonceSize + kRelayCookieSize;
inline constexpr std::size_t kOpenedSize = 4 + 2 * kNonceSize + 4 + 4 + 18 + 4 + 2 + kMacSize;
inline constexpr std::size_t kRefusedSize = 4 + kNonceSize + kMacSize;

// Which slot of a relay: its place, and how often the place was given away.
struct SlotId {
  static constexpr std::uint32_t kIndexBits = 20;
  static constexpr std::uint32_t kGenerationMax = (1u << (32 - kIndexBits)) - 1;

  std::uint32_t value = 0;

  static SlotId of(std::uint32_t index, std::uint32_t generation) {
    return {generation << kIndexBits | index};
  }
  std::uint32_t index() const { return value & ((1u << kIndexBits) - 1); }
  std::uint32_t generation() const { return value >> kIndexBits; }
  friend auto operator<=>(const SlotId&, const SlotId&) = default;
};

enum class Refusal : std::uint8_t {
  kFull = 1,           // no free slot
  kDraining = 2,       // the relay is about to stop
  kIdentityLimit = 3,  // too many slots of one identity
  kExpired = 4,        // the token is too old
};

enum class Ask : std::uint8_t {
  kBind = 1,        // a grant: from now on a handle leads to its owner's slot
  kPing = 2,        // u64 of the client's choice
  kClose = 3,       // no more
  kRenew = 4,       // a token
  kPathAnswer = 5,  // the u64 of a path challenge
  kUnbind = 6,      // u16 handle
  kNewEpoch = 7,    // u8: grants of other epochs are dead
};

enum class Tell : std::uint8_t {
  kBound = 1,          // u32 slot of the grant, u16 handle, u8 BindResult
  kPong = 2,           // the u64, then the address that the ping came from: 16, u16
  kClosed = 3,         // u8 CloseReason
  kRenewed = 4,        // u32 seconds that the slot lives on
  kPathChallenge = 5,  // u64, to a new address of the client
  kDrain = 6,          // u16 seconds until the relay stops
  kGone = 7,           // u32 slot: what was bound to it leads nowhere
};

enum class BindResult : std::uint8_t {
  kBound = 0,
  kBadGrant = 1,
  kExpired = 2,
  kNoSlot = 3,
  kFull = 4
};
enum class CloseReason : std::uint8_t { kAsked = 0, kExpired = 1, kShutDown = 2 };

struct OpenView {
  Nonce nonce{};
  RelayCookie cookie{};
  Bytes token;
  Mac mac{};
  Bytes signed_part;  // everything before the mac
};
// Nothing unless it is a well-formed Open of our version.
std::optional<OpenView> read_open(Bytes datagram);
// Writes an Open of kOpenSizeMin bytes (more if the token is large) without its mac; the mac's
// place is the last kMacSize bytes of what is returned. The token must fit (ASSERT).
MutableBytes write_open(MutableBytes buffer, const Nonce& nonce, const RelayCookie& cookie,
                        Bytes token);

struct CookieReply {
  Nonce nonce{};
  RelayCookie cookie{};
};
std::optional<CookieReply> read_cookie_reply(Bytes datagram);
std::size_t write_cookie_reply(MutableBytes buffer, const CookieReply& reply);

struct Opened {
  Nonce nonce{};
  Nonce relay_nonce{};
  SlotId slot;
  std::uint32_t relay_id = 0;
  IpAddress observed;
  std::uint32_t lifetime_s = 0;
  std::uint16_t drain_s = 0;  // 0: it stays
};
// The mac is the caller's to check and to write: the last kMacSize bytes.
std::optional<Opened> read_opened(Bytes datagram);
MutableBytes write_opened(MutableBytes buffer, const Opened& opened);

struct Refused {
  Refusal reason{};
  Nonce nonce{};
};
std::optional<Refused> read_refused(Bytes datagram);
MutableBytes write_refused(MutableBytes buffer, const Refused& refused);

// The first 12 bytes of a leg's packet; the tag follows.
struct LegHeader {
  Kind kind{};
  std::uint8_t detail = 0;   // Ask or Tell
  std::uint16_t handle = 0;  // of Send
  SlotId slot;
  std::uint32_t sequence = 0;
};
// Nothing if it is too short or not a packet of a leg.
std::optional<LegHeader> read_leg_header(Bytes datagram);
void write_leg_header(std::uint8_t* out, const LegHeader& header);

void write_address(ByteWriter& out, const IpAddress& address);
IpAddress read_address(ByteReader& in);

}  // namespace whimbrel::relay
