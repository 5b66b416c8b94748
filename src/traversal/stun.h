// STUN binding (RFC 8489): a server tells from which address a request came. Without
// authentication: the RFC leaves that to the usage, and here there is nothing to protect.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip_address.h"

namespace whimbrel {

using StunTransaction = std::array<std::uint8_t, 12>;

inline constexpr std::size_t kStunHeaderSize = 20;
// The largest answer that we write.
inline constexpr std::size_t kStunAnswerSizeMax = 80;

// RFC 8489 5: the two top bits are zero, which no other packet of ours has.
constexpr bool is_stun_packet(std::uint8_t first_byte) { return (first_byte & 0xc0) == 0; }

// Writes the answer to a datagram from `from`, and returns its size: success with the address, or
// error 420 if the request requires something unknown (6.3.1). 0: it is no binding request.
// `buffer` has kStunAnswerSizeMax bytes. The answer may have 24 bytes more than the request, so the
// caller limits how many are answered.
std::size_t answer_binding_request(Bytes datagram, const IpAddress& from, MutableBytes buffer);

// Writes a binding request (header and FINGERPRINT), and returns its size, 28.
std::size_t write_binding_request(MutableBytes buffer, const StunTransaction& transaction);

struct BindingResponse {
  StunTransaction transaction{};
  IpAddress mapped;
};
// Reads a success response with an address. FINGERPRINT is checked if there is one.
std::optional<BindingResponse> read_binding_response(Bytes datagram);

}  // namespace whimbrel
