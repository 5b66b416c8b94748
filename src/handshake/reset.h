// Stateless reset (RFC 9000 10.3): an endpoint that has lost a session, because it was restarted,
// says so to a peer that asks.
//
// Each of our indices has a token. It follows from our static key and the index, so that it is the
// same after a restart; the peer gets it in the handshake. QUIC answers any packet for an unknown
// connection with the token, which shows a stranger that somebody is here. Here the peer has to
// ask, and to show that it has the token; a stranger gets no answer.
//
//  ResetAsk  0xE7 | sender u32 | receiver u32 | nonce u64 | mac 16 |    33 bytes
//  Reset     0xE8 | receiver u32 | nonce u64 | mac 16 |                 29 bytes
//
// mac: the first 16 bytes of HMAC-SHA256 over everything before it, keyed by the token of the index
// that is asked for. The first byte tells the two apart. The answer is smaller than the question.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "crypto/keys.h"

namespace whimbrel {

inline constexpr std::size_t kResetTokenSize = 16;
using ResetToken = std::array<std::uint8_t, kResetTokenSize>;

// Makes the tokens of one static key. They are the same after a restart.
class ResetKey {
 public:
  explicit ResetKey(const Secret& static_secret);
  ResetToken token(std::uint32_t index) const;

 private:
  Secret key_;
};

struct ResetAsk {
  std::uint32_t sender_index = 0;    // where to send the answer
  std::uint32_t receiver_index = 0;  // is it still known?
  std::uint64_t nonce = 0;           // of the sender's choice
};

struct Reset {
  std::uint32_t receiver_index = 0;
  std::uint64_t nonce = 0;  // of the question
};

inline constexpr std::size_t kResetMacSize = 16;
inline constexpr std::size_t kResetAskSize = 1 + 4 + 4 + 8 + kResetMacSize;
inline constexpr std::size_t kResetSize = 1 + 4 + 8 + kResetMacSize;

std::array<std::uint8_t, kResetAskSize> write_reset_ask(const ResetAsk& ask,
                                                        const ResetToken& token);
std::array<std::uint8_t, kResetSize> write_reset(const Reset& reset, const ResetToken& token);
// Whether it is one of the two, by its first byte.
bool is_reset_packet(Bytes datagram);
// What they say. Only is_authentic() tells whether it is true.
std::optional<ResetAsk> read_reset_ask(Bytes datagram);
std::optional<Reset> read_reset(Bytes datagram);
// Checks the MAC of a packet that one of the two has read. In constant time.
bool is_authentic(Bytes datagram, const ResetToken& token);

}  // namespace whimbrel
