#include "network/via_address.h"

namespace whimbrel {

namespace {
constexpr std::uint16_t kPort = 1;
}  // namespace

IpAddress via_address(RemoteId remote) {
  IpAddress address;
  address.bytes[0] = 0x01;
  const auto number = static_cast<std::uint32_t>(remote);
  for (std::size_t i = 0; i < 4; ++i) {
    address.bytes[12 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  }
  address.port = kPort;
  return address;
}

std::optional<RemoteId> remote_of(const IpAddress& address) {
  if (!address.is_discard_only()) return std::nullopt;
  std::uint32_t number = 0;
  for (std::size_t i = 12; i < 16; ++i) number = number << 8 | address.bytes[i];
  const RemoteId remote{number};
  if (number == 0 || via_address(remote) != address) return std::nullopt;
  return remote;
}

}  // namespace whimbrel
