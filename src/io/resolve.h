// Names of hosts.
#pragma once

#include <string>
#include <vector>

#include "base/expected.h"
#include "base/ip_address.h"

namespace whimbrel {

// Further addresses of a name are left out.
inline constexpr std::size_t kResolvedMax = 8;

// "192.0.2.1:4040", "[2001:db8::1]:4040" or "host.example:4040": all addresses of the host in the
// order in which they are to be tried, at least one and at most kResolvedMax. Names are asked of
// the system's resolver, which may take seconds. The error says what to do, also where the host has
// no address of `families`. With `not_yet`, a resolver that cannot say at the moment is no error:
// the answer is empty, and the text tells why.
Expected<std::vector<IpAddress>> resolve_addresses(const std::string& text,
                                                   const AddressFamilies& families = {},
                                                   std::string* not_yet = nullptr);
// Such a text is a name, which may stand for other addresses later.
bool is_host_name(const std::string& text);

// RFC 8305 section 4: `sorted` as the system prefers them (RFC 6724), with the families by turns,
// beginning with that of the first. Those that no socket can send to, link-local ones (an IpAddress
// has no scope) and repetitions are left out.
std::vector<IpAddress> interleave_families(const std::vector<IpAddress>& sorted,
                                           const AddressFamilies& families);

}  // namespace whimbrel
