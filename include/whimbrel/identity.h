// Who a user is: what a message is addressed to. Its text form is one of these:
//
//   steamid:<1..2^64-1>   str:<1..31 bytes>   gen:<hex of 1..32 bytes>   ip:<v4>[:port]   ip:[v6]:port
//   psn:<0..2^64-1>   xboxpwid:<1..32 bytes>   <any other prefix>:<data>, kept as it is   invalid
//
// A prefix has 1 to 16 of a-z, 0-9 and _. A text form has kTextMax bytes at most, none of them
// zero. Numbers are decimal, without leading zeros.
//
// It is a value: it can be copied, compared (by type and bytes) and hashed. It is as thread-safe as
// any value.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace whimbrel {

enum class IdentityType : std::uint8_t {
  kInvalid = 0,
  kIpAddress = 1,
  kGenericString = 2,
  kGenericBytes = 3,
  kUnknown = 4,  // a prefix that this version has no type for, kept as text
  kSteamId = 16,
  kXboxPairwise = 17,
  kSonyPsn = 18,
};
// "SteamId", "GenericString", ...; "?" for any other number.
std::string_view to_string(IdentityType type);

class Identity {
 public:
  // Longest text form, in bytes.
  static constexpr std::size_t kTextMax = 127;
  static constexpr std::size_t kGenericStringMax = 31;
  static constexpr std::size_t kGenericBytesMax = 32;
  static constexpr std::size_t kXboxPairwiseMax = 32;

  // The invalid identity.
  Identity() = default;
  Identity(const Identity& other) { *this = other; }
  Identity& operator=(const Identity& other);

  // Reads the text form. If `text` is none, the result is empty and `*error` (if given) says why in
  // a sentence.
  static std::optional<Identity> parse(std::string_view text, std::string* error = nullptr);

  // Each gives the invalid identity if its argument is out of range: a number 0 for steam_id(), a
  // text or bytes that are empty or longer than the limit above, a text with a zero byte.
  static Identity steam_id(std::uint64_t id);
  static Identity generic_string(std::string_view text);
  static Identity generic_bytes(std::span<const std::uint8_t> bytes);
  // `address`: 16 bytes in network order; IPv4 is mapped as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). Port
  // 0 means no port: such an identity can't be dialled.
  static Identity ip_address(const std::array<std::uint8_t, 16>& address, std::uint16_t port);
  static Identity psn(std::uint64_t id);
  static Identity xbox_pairwise(std::string_view text);

  IdentityType type() const { return type_; }
  bool valid() const { return type_ != IdentityType::kInvalid; }
  // The raw bytes, 0 to kTextMax: the text of text types (of kUnknown the whole text form), 8 bytes
  // big-endian of numbers, 16 bytes of address and 2 of port of ip. They are valid as long as this
  // object is not changed.
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }
  // The text form; "invalid" for the invalid identity. parse(text()) gives the same identity back.
  std::string text() const;

  friend bool operator==(const Identity& a, const Identity& b) { return (a <=> b) == 0; }
  friend std::strong_ordering operator<=>(const Identity& a, const Identity& b);
  std::size_t hash() const noexcept;

 private:
  Identity(IdentityType type, std::span<const std::uint8_t> bytes);

  IdentityType type_ = IdentityType::kInvalid;
  std::uint8_t size_ = 0;
  std::array<std::uint8_t, kTextMax> bytes_;  // the first size_ bytes mean something
};

}  // namespace whimbrel

template <>
struct std::hash<whimbrel::Identity> {
  std::size_t operator()(const whimbrel::Identity& identity) const noexcept {
    return identity.hash();
  }
};
