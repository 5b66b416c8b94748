#include "io/resolve.h"

#include <netdb.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "io/udp_socket.h"

namespace whimbrel {

namespace {

struct FreeAddresses {
  void operator()(addrinfo* found) const { freeaddrinfo(found); }
};

// RFC 4291 2.5.6: fe80::/10. Without a scope the system does not know which network is meant.
bool is_link_local(const IpAddress& address) {
  return address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
}

// No network, no answer in time: it may be otherwise in a moment.
bool is_temporary(int error) { return error == EAI_AGAIN || error == EAI_SYSTEM; }

Expected<std::vector<IpAddress>> look_up(const std::string& host, std::uint16_t port,
                                         std::string* not_yet) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    const std::string text = "can't find the host '" + host + "' (" + gai_strerror(error) + ")";
    if (not_yet != nullptr && is_temporary(error)) {
      *not_yet = text;
      return std::vector<IpAddress>();
    }
    return Error{text + ": check the name, or give its address"};
  }
  const std::unique_ptr<addrinfo, FreeAddresses> all(found);
  std::vector<IpAddress> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, at->ai_addr, at->ai_addrlen);
    addresses.push_back(from_socket_address(storage));
    addresses.back().port = port;
  }
  return addresses;
}

Error no_usable_address(const std::string& text, const std::vector<IpAddress>& found,
                        const AddressFamilies& families) {
  const bool other = std::any_of(found.begin(), found.end(),
                                 [&](const IpAddress& one) { return !families.has(one); });
  if (!other) return Error{"'" + text + "' has no address that can be used: give one"};
  const std::string theirs = families.v4 ? "IPv6" : "IPv4";
  return Error{"'" + text + "' can be reached over " + theirs +
               " alone, and no socket of ours is bound for that"};
}

}  // namespace

std::vector<IpAddress> interleave_families(const std::vector<IpAddress>& sorted,
                                           const AddressFamilies& families) {
  std::vector<IpAddress> first;
  std::vector<IpAddress> second;
  for (const IpAddress& address : sorted) {
    if (!families.has(address) || is_link_local(address)) continue;
    const bool same = first.empty() || address.is_v4() == first.front().is_v4();
    std::vector<IpAddress>& family = same ? first : second;
    if (std::find(family.begin(), family.end(), address) == family.end()) family.push_back(address);
  }
  // RFC 8305 section 4 and "First Address Family Count" of section 8: one of the first family, then
  // one of the other.
  std::vector<IpAddress> mixed;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) mixed.push_back(first[i]);
    if (i < second.size()) mixed.push_back(second[i]);
  }
  return mixed;
}

bool is_host_name(const std::string& text) { return !IpAddress::parse(text); }

Expected<std::vector<IpAddress>> resolve_addresses(const std::string& text,
                                                   const AddressFamilies& families,
                                                   std::string* not_yet) {
  const auto numeric = IpAddress::parse(text);
  std::vector<IpAddress> found;
  if (numeric && numeric->port != 0) {
    found.push_back(*numeric);
  } else {
    const std::size_t colon = text.rfind(':');
    const bool name =
        colon != std::string::npos && colon > 0 && text.find(':') == colon && !numeric;
    const auto port = name ? IpAddress::parse("0.0.0.0" + text.substr(colon)) : std::nullopt;
    if (!port || port->port == 0) {
      return Error{"'" + text +
                   "' is no address with a port: write HOST:PORT, like 192.0.2.1:4040"};
    }
    auto looked_up = look_up(text.substr(0, colon), port->port, not_yet);
    if (!looked_up || looked_up->empty()) return looked_up;
    found = std::move(*looked_up);
  }
  std::vector<IpAddress> usable = interleave_families(found, families);
  if (usable.empty()) return no_usable_address(text, found, families);
  if (usable.size() > kResolvedMax) usable.resize(kResolvedMax);
  return usable;
}

}  // namespace whimbrel
