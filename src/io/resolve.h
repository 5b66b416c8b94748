// Names of hosts.
#pragma once

#include <string>
#include <vector>

#include "base/expected.h"
#include "base/ip_address.h"

namespace whimbrel {

// Further addresses of a name are left out.
inline constexpr std::size_t kResolvedMax = 8;

// The families that packets can be sent to: those that a socket is bound for.
struct AddressFamilies {
  bool v4 = true;
  bool v6 = true;
  bool has(const IpAddress& address) const { return address.is_v4() ? v4 : v6; }
};

// "192.0.2.1:4040", "[2001:db8::1]:4040" or "host.example:4040": all addresses of the host in the order in which they are to be
// tried, at least one and at most kResolvedMax. Names are asked of the system's resolver, which may take seconds. The error
// says what to do, also where the host has no address of `families`.
Expected<std::vector<IpAddress>> resolve_addresses(const std::string& text,
                                                   const AddressFamilies& families = {});

// RFC 8305 section 4: `sorted` as the system prefers them (RFC 6724), with the families by turns, beginning with that of the first.
// Those that no socket can send to, link-local ones (an IpAddress has no scope) and repetitions are left out.
std::vector<IpAddress> interleave_families(const std::vector<IpAddress>& sorted,
                                           const AddressFamilies& families);

}  // namespace whimbrel
