// Addresses that are no addresses: where the endpoint says "to this user, whatever way there is", and the network finds the
// way. They lie in the discard-only prefix 100::/64 (RFC 6666), which no packet on any wire comes from or goes to.
#pragma once

#include <cstdint>
#include <optional>

#include "base/ip_address.h"

namespace whimbrel {

// Which user: a place in the network's table. 1 or more.
enum class RemoteId : std::uint32_t {};

IpAddress via_address(RemoteId remote);
// Nothing for any other address.
std::optional<RemoteId> remote_of(const IpAddress& address);

}  // namespace whimbrel
