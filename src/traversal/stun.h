// STUN binding (RFC 8489): what a server says of the address that a request came from. Without authentication, which the RFC
// leaves to the usage; ours has nothing to protect.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip_address.h"

namespace whimbrel {

using StunTransaction = std::array<std::uint8_t, 12>;

inline constexpr std::size_t kStunHeaderSize = 20;
// Of any answer that we write.
inline constexpr std::size_t kStunAnswerSizeMax = 80;

// RFC 8489 5: the two top bits are zero, which no other packet of ours has.
constexpr bool is_stun_packet(std::uint8_t first_byte) { return (first_byte & 0xc0) == 0; }

// What to say to a datagram that came from `from`: nothing unless it is a binding request, a success with the address, or error
// 420 if it insists on something that we do not know (6.3.1). Its size, 0 for nothing. `buffer` has kStunAnswerSizeMax bytes.
// At most 24 bytes more than the request: the caller limits how many are answered.
std::size_t answer_binding_request(Bytes datagram, const IpAddress& from, MutableBytes buffer);

// A binding request of 28 bytes: header and FINGERPRINT. Its size.
std::size_t write_binding_request(MutableBytes buffer, const StunTransaction& transaction);

struct BindingResponse {
  StunTransaction transaction{};
  IpAddress mapped;
};
// A success that tells an address. FINGERPRINT is checked where there is one.
std::optional<BindingResponse> read_binding_response(Bytes datagram);

}  // namespace whimbrel
