#include "base/remote.h"

#include <algorithm>

namespace whimbrel {

namespace {

void put_u32(std::uint8_t* out, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

}  // namespace

std::array<std::uint8_t, 19> Remote::bytes() const {
  std::array<std::uint8_t, 19> out{};
  out[0] = static_cast<std::uint8_t>(kind_.index());
  if (const IpAddress* address = udp()) {
    std::copy(address->bytes.begin(), address->bytes.end(), out.begin() + 1);
    out[17] = static_cast<std::uint8_t>(address->port >> 8);
    out[18] = static_cast<std::uint8_t>(address->port);
  } else if (relay() != nullptr) {
    put_u32(&out[1], relay()->site);
    put_u32(&out[5], relay()->slot);
  } else {
    put_u32(&out[1], signal()->user);
  }
  return out;
}

std::string Remote::text() const {
  if (udp() != nullptr) return udp()->text();
  return relay() != nullptr ? "the relay" : "the server";
}

std::string Remote::place() const { return udp() != nullptr ? "at " + text() : "over the relay"; }

}  // namespace whimbrel
