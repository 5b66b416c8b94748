#include "admin_address.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "io/file_descriptor.h"
#include "io/udp_socket.h"

using namespace whimbrel;

IpAddress admin_address(const std::string& listen) {
  const auto address = IpAddress::parse(listen);
  if (!address) {
    throw std::runtime_error(fmt::format(
        "admin.listen: \"{}\" is no address with a port, like 127.0.0.1:4041; \"none\" is no page",
        listen));
  }
  return *address;
}

void check_admin_port(const std::string& listen, bool any_port) {
  if (listen.empty()) return;
  IpAddress address = admin_address(listen);
  if (any_port) address.port = 0;
  const bool v4 = address.is_v4();
  const SocketAddress name = to_socket_address(address, v4);
  const FileDescriptor tried(::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  ::setsockopt(tried.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const bool bound =
      ::bind(tried.get(), reinterpret_cast<const sockaddr*>(&name.storage), name.size) == 0;
  if (bound && ::listen(tried.get(), 1) == 0) return;
  throw std::runtime_error(
      fmt::format("admin.listen: can't listen on {}: {}; choose another address or port, or "
                  "\"none\" for no page",
                  listen, std::strerror(errno)));
}
