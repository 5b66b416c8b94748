// Who somebody is: the address of a message.
//
//   steamid:<u64>   str:<1..31 bytes>   gen:<hex of 1..32 bytes>   ip:<v4>[:port]   ip:[v6]:port   psn:<u64>
//   xboxpwid:<1..32 bytes>   any other lower-case <prefix>:<data>, kept as it is   invalid
//
// A value: copy it, compare it (by type and bytes), hash it. Thread-safe as any value is.
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

  // Reads the text form. Nothing if it is not one; then `*error` (if given) says why in a sentence.
  static std::optional<Identity> parse(std::string_view text, std::string* error = nullptr);

  // Each answers the invalid identity where its argument is out of range.
  static Identity steam_id(std::uint64_t id);
  static Identity generic_string(std::string_view text);
  static Identity generic_bytes(std::span<const std::uint8_t> bytes);
  // `address`: 16 bytes, IPv4 mapped as ::ffff:a.b.c.d. Port 0 = no port: such an identity can't be
  // dialled.
  static Identity ip_address(const std::array<std::uint8_t, 16>& address, std::uint16_t port);
  static Identity psn(std::uint64_t id);
  static Identity xbox_pairwise(std::string_view text);

  IdentityType type() const { return type_; }
  bool valid() const { return type_ != IdentityType::kInvalid; }
  // The type's raw bytes: text for the text types, big-endian for numbers, address and port for ip.
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
