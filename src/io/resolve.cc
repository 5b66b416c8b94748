#include "io/resolve.h"

#include <netdb.h>

#include <memory>

#include "io/udp_socket.h"

namespace whimbrel {

namespace {

struct FreeAddresses {
  void operator()(addrinfo* found) const { freeaddrinfo(found); }
};

}  // namespace

Expected<IpAddress> resolve_address(const std::string& text) {
  const auto numeric = IpAddress::parse(text);
  if (numeric && numeric->port != 0) return *numeric;
  const std::size_t colon = text.rfind(':');
  const bool name = colon != std::string::npos && colon > 0 && text.find(':') == colon && !numeric;
  const auto port = name ? IpAddress::parse("0.0.0.0" + text.substr(colon)) : std::nullopt;
  if (!port || port->port == 0) {
    return Error{"'" + text + "' is no address with a port: write HOST:PORT, like 192.0.2.1:4040"};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const std::string host = text.substr(0, colon);
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    return Error{"can't find the host '" + host + "' (" + gai_strerror(error) +
                 "): check the name, or give its address"};
  }
  const std::unique_ptr<addrinfo, FreeAddresses> all(found);
  const addrinfo* chosen = found;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family == AF_INET) {
      chosen = at;
      break;
    }
  }
  sockaddr_storage storage{};
  std::memcpy(&storage, chosen->ai_addr, chosen->ai_addrlen);
  IpAddress address = from_socket_address(storage);
  address.port = port->port;
  return address;
}

}  // namespace whimbrel
