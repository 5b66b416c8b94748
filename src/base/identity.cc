#include <whimbrel/identity.h>

#include <charconv>
#include <cstring>

#include "base/bytes.h"
#include "base/ip_address.h"

namespace whimbrel {

namespace {

constexpr std::size_t kPrefixMax = 16;
constexpr std::size_t kAddressSize = 16;

// The result of parsing: an identity, or why there is none.
struct Parsed {
  Identity identity;
  std::string error;
};

Parsed refuse(std::string error) { return {Identity(), std::move(error)}; }

// Decimal, without sign, blanks or leading zeros: one number, one spelling.
std::optional<std::uint64_t> parse_u64(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::array<std::uint8_t, 8> big_endian(std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes;
  ByteWriter(bytes).u64(value);
  return bytes;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

Parsed parse_steam_id(std::string_view data) {
  const auto id = parse_u64(data);
  if (!id || *id == 0) {
    return refuse(
        "steamid: needs a decimal number from 1 to 18446744073709551615, no leading zero");
  }
  return {Identity::steam_id(*id), {}};
}

Parsed parse_psn(std::string_view data) {
  const auto id = parse_u64(data);
  if (!id) {
    return refuse("psn: needs a decimal number from 0 to 18446744073709551615, no leading zero");
  }
  return {Identity::psn(*id), {}};
}

Parsed parse_generic_string(std::string_view data) {
  const Identity identity = Identity::generic_string(data);
  if (!identity.valid()) return refuse("str: needs 1 to 31 bytes of text, none of them zero");
  return {identity, {}};
}

Parsed parse_generic_bytes(std::string_view data) {
  if (data.empty() || data.size() % 2 != 0 || data.size() > 2 * Identity::kGenericBytesMax) {
    return refuse("gen: needs 1 to 32 bytes as pairs of hexadecimal digits");
  }
  std::array<std::uint8_t, Identity::kGenericBytesMax> bytes;
  for (std::size_t i = 0; i < data.size(); i += 2) {
    const int high = hex_digit(data[i]);
    const int low = hex_digit(data[i + 1]);
    if (high < 0 || low < 0) return refuse("gen: holds something that is no hexadecimal digit");
    bytes[i / 2] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return {Identity::generic_bytes({bytes.data(), data.size() / 2}), {}};
}

Parsed parse_ip(std::string_view data) {
  const auto address = IpAddress::parse(data);
  if (!address) return refuse("ip: needs an address like 192.168.1.7:4000 or [::1]:4000");
  return {Identity::ip_address(address->bytes, address->port), {}};
}

Parsed parse_xbox_pairwise(std::string_view data) {
  const Identity identity = Identity::xbox_pairwise(data);
  if (!identity.valid()) return refuse("xboxpwid: needs 1 to 32 bytes of text, none of them zero");
  return {identity, {}};
}

bool is_prefix(std::string_view text) {
  return !text.empty() && text.size() <= kPrefixMax &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

struct Form {
  std::string_view prefix;
  Parsed (*parse)(std::string_view data);
};
constexpr std::array kForms = {
    Form{"steamid", parse_steam_id},  Form{"str", parse_generic_string},
    Form{"gen", parse_generic_bytes}, Form{"ip", parse_ip},
    Form{"psn", parse_psn},           Form{"xboxpwid", parse_xbox_pairwise},
};

// What is wrong with a text that no form allows. Empty: nothing is wrong.
std::string complaint(std::string_view text, std::string_view prefix) {
  if (text.size() > Identity::kTextMax) return "an identity has at most 127 bytes";
  if (has_nul(text)) return "an identity holds no zero byte";
  if (prefix.size() == text.size()) {
    return "an identity is written <kind>:<name>, as in str:alice or ip:192.168.1.7:4000";
  }
  if (!is_prefix(prefix)) {
    return "before the colon of an identity stand 1 to 16 of a-z, 0-9 and _";
  }
  if (prefix.size() + 1 == text.size()) return "nothing stands behind the colon";
  return {};
}

std::string hex_text(Bytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 0xf];
  }
  return text;
}

std::string ip_text(Bytes bytes) {
  IpAddress address;
  std::memcpy(address.bytes.data(), bytes.data(), kAddressSize);
  address.port = static_cast<std::uint16_t>(bytes[kAddressSize] << 8 | bytes[kAddressSize + 1]);
  return address.text();
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 32;
}

}  // namespace

Identity::Identity(IdentityType type, std::span<const std::uint8_t> bytes)
    : type_(type), size_(static_cast<std::uint8_t>(bytes.size())) {
  if (!bytes.empty()) std::memcpy(bytes_.data(), bytes.data(), bytes.size());
}

// Only the bytes that mean something: messages carry identities by value.
Identity& Identity::operator=(const Identity& other) {
  type_ = other.type_;
  size_ = other.size_;
  if (this != &other && size_ > 0) std::memcpy(bytes_.data(), other.bytes_.data(), size_);
  return *this;
}

std::optional<Identity> Identity::parse(std::string_view text, std::string* error) {
  if (text == "invalid") return Identity();
  const std::string_view prefix = text.substr(0, text.find(':'));
  std::string why = complaint(text, prefix);
  Parsed parsed;
  if (why.empty()) {
    parsed.identity = Identity(IdentityType::kUnknown, as_bytes(text));
    for (const Form& form : kForms) {
      if (form.prefix == prefix) parsed = form.parse(text.substr(prefix.size() + 1));
    }
    why = std::move(parsed.error);
  }
  if (why.empty()) return parsed.identity;
  if (error != nullptr) *error = std::move(why);
  return std::nullopt;
}

Identity Identity::steam_id(std::uint64_t id) {
  if (id == 0) return {};
  return {IdentityType::kSteamId, big_endian(id)};
}

Identity Identity::generic_string(std::string_view text) {
  if (text.empty() || text.size() > kGenericStringMax || has_nul(text)) return {};
  return {IdentityType::kGenericString, as_bytes(text)};
}

Identity Identity::generic_bytes(std::span<const std::uint8_t> bytes) {
  if (bytes.empty() || bytes.size() > kGenericBytesMax) return {};
  return {IdentityType::kGenericBytes, bytes};
}

Identity Identity::ip_address(const std::array<std::uint8_t, 16>& address, std::uint16_t port) {
  std::array<std::uint8_t, kAddressSize + 2> bytes;
  ByteWriter out(bytes);
  out.bytes(address);
  out.u16(port);
  return {IdentityType::kIpAddress, bytes};
}

Identity Identity::psn(std::uint64_t id) { return {IdentityType::kSonyPsn, big_endian(id)}; }

Identity Identity::xbox_pairwise(std::string_view text) {
  if (text.empty() || text.size() > kXboxPairwiseMax || has_nul(text)) return {};
  return {IdentityType::kXboxPairwise, as_bytes(text)};
}

std::string Identity::text() const {
  switch (type_) {
    case IdentityType::kInvalid:
      return "invalid";
    case IdentityType::kIpAddress:
      return "ip:" + ip_text(bytes());
    case IdentityType::kGenericString:
      return "str:" + std::string(as_text(bytes()));
    case IdentityType::kGenericBytes:
      return "gen:" + hex_text(bytes());
    case IdentityType::kUnknown:
      return std::string(as_text(bytes()));
    case IdentityType::kSteamId:
      return "steamid:" + std::to_string(ByteReader(bytes()).u64());
    case IdentityType::kXboxPairwise:
      return "xboxpwid:" + std::string(as_text(bytes()));
    case IdentityType::kSonyPsn:
      return "psn:" + std::to_string(ByteReader(bytes()).u64());
  }
  return "invalid";
}

std::strong_ordering operator<=>(const Identity& a, const Identity& b) {
  if (a.type_ != b.type_) return a.type_ <=> b.type_;
  if (a.size_ != b.size_) return a.size_ <=> b.size_;
  if (a.size_ == 0) return std::strong_ordering::equal;
  return std::memcmp(a.bytes_.data(), b.bytes_.data(), a.size_) <=> 0;
}

// Not keyed: an attacker who picks names to collide gains little, since tables of names that
// strangers can fill are bounded.
std::size_t Identity::hash() const noexcept {
  std::uint64_t hash = mix(static_cast<std::uint64_t>(type_), size_);
  for (std::size_t i = 0; i < size_; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes_.data() + i, size_ - i < 8 ? size_ - i : 8);
    hash = mix(hash, word);
  }
  return static_cast<std::size_t>(hash);
}

}  // namespace whimbrel
