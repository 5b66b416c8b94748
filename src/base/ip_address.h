// An IP address with a UDP port, as sockets and `ip:` identities use it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace whimbrel {

// IPv4 is kept as an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2), so that one peer has one
// spelling. No scope ids.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  // network order; all zero = none
  std::uint16_t port = 0;                // host order

  static IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d,
                      std::uint16_t port);
  bool is_v4() const;
  bool is_loopback() const;
  bool is_unspecified() const;
  bool empty() const { return is_unspecified() && port == 0; }

  // "1.2.3.4:5", "1.2.3.4" (port 0), "[::1]:5", "::1". Strict: no names, no blanks, no leading
  // zeros, nothing behind it.
  static std::optional<IpAddress> parse(std::string_view text);
  // The shortest form that parse() reads back (RFC 5952); the port only if it is not 0.
  std::string text() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

// The families that packets can be sent to: those that a socket is bound for.
struct AddressFamilies {
  bool v4 = true;
  bool v6 = true;
  bool has(const IpAddress& address) const { return address.is_v4() ? v4 : v6; }
};

struct IpAddressHash {
  std::size_t operator()(const IpAddress& address) const noexcept;
};

}  // namespace whimbrel
