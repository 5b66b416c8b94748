// Names of hosts.
#pragma once

#include <string>

#include "base/expected.h"
#include "base/ip_address.h"

namespace whimbrel {

// "192.0.2.1:4040", "[2001:db8::1]:4040" or "host.example:4040". Names are asked of the system's resolver, which may take
// seconds; of several addresses an IPv4 one is preferred. The error says what to do.
Expected<IpAddress> resolve_address(const std::string& text);

}  // namespace whimbrel
