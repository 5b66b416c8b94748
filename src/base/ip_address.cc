#include "base/ip_address.h"

#include <algorithm>
#include <cstring>

namespace whimbrel {

namespace {

constexpr std::size_t kMappedPrefixSize = 12;
constexpr std::array<std::uint8_t, kMappedPrefixSize> kMappedPrefix = {0, 0, 0, 0, 0,    0,
                                                                       0, 0, 0, 0, 0xff, 0xff};

// Takes characters from the front of a text. Each function says whether it found what it looked
// for, and takes nothing if not; the caller checks.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  bool take(std::string_view expected) {
    if (rest_.substr(0, expected.size()) != expected) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  // A number without leading zeros, at most `max`.
  std::optional<std::uint32_t> decimal(std::uint32_t max) {
    const std::size_t size = span_of("0123456789");
    if (size == 0 || size > 5 || (size > 1 && rest_[0] == '0')) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value * 10 + digit(rest_[i]);
    if (value > max) return std::nullopt;
    rest_.remove_prefix(size);
    return value;
  }
  // RFC 4291 2.2: a group of one to four hexadecimal digits; leading zeros are allowed there.
  std::optional<std::uint32_t> hex_group() {
    const std::size_t size = span_of("0123456789abcdefABCDEF");
    if (size == 0 || size > 4) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 4 | digit(rest_[i]);
    rest_.remove_prefix(size);
    return value;
  }

 private:
  std::size_t span_of(std::string_view set) const {
    const std::size_t end = rest_.find_first_not_of(set);
    return end == std::string_view::npos ? rest_.size() : end;
  }
  static std::uint32_t digit(char c) {
    if (c >= 'a') return static_cast<std::uint32_t>(c - 'a' + 10);
    if (c >= 'A') return static_cast<std::uint32_t>(c - 'A' + 10);
    return static_cast<std::uint32_t>(c - '0');
  }

  std::string_view rest_;
};

// Four decimal bytes with dots between, to `out`.
bool scan_v4(Scanner& in, std::uint8_t* out) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0 && !in.take(".")) return false;
    const auto byte = in.decimal(255);
    if (!byte) return false;
    out[i] = static_cast<std::uint8_t>(*byte);
  }
  return true;
}

// The bytes of an IPv6 text while it is read: those before "::" and those behind it.
struct V6Scan {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;
  std::optional<std::size_t> gap_at;

  void add(std::uint32_t group) {
    bytes[size++] = static_cast<std::uint8_t>(group >> 8);
    bytes[size++] = static_cast<std::uint8_t>(group);
  }
  // RFC 4291 2.2 (2): "::" stands for one or more groups of zeros, and appears once.
  bool take_gap(Scanner& in) {
    if (gap_at || !in.take("::")) return false;
    gap_at = size;
    return true;
  }
  bool complete() {
    if (!gap_at) return size == bytes.size();
    if (size > bytes.size() - 2) return false;
    const std::size_t tail = size - *gap_at;
    std::memmove(bytes.data() + bytes.size() - tail, bytes.data() + *gap_at, tail);
    std::fill_n(bytes.data() + *gap_at, bytes.size() - size, std::uint8_t{0});
    return true;
  }
};

// One group, or the last four bytes as dotted decimals (RFC 4291 2.2 (3)). Sets `last` after those.
bool scan_group(Scanner& in, V6Scan& scan, bool& last) {
  if (scan.size > 12) {
    const auto group = scan.size <= 14 ? in.hex_group() : std::nullopt;
    if (group) scan.add(*group);
    return group.has_value();
  }
  Scanner dotted = in;
  if (scan_v4(dotted, scan.bytes.data() + scan.size)) {
    scan.size += 4;
    in = dotted;
    last = true;
    return true;
  }
  const auto group = in.hex_group();
  if (group) scan.add(*group);
  return group.has_value();
}

bool scan_v6(Scanner& in, std::array<std::uint8_t, 16>& out) {
  V6Scan scan;
  bool last = false;
  bool more = true;
  if (scan.take_gap(in)) {
    more = !in.at_end() && in.rest()[0] != ']';
  }
  while (more) {
    if (!scan_group(in, scan, last)) return false;
    if (last) break;
    if (scan.take_gap(in)) {
      more = !in.at_end() && in.rest()[0] != ']';
    } else {
      more = in.take(":");
    }
  }
  if (!scan.complete()) return false;
  out = scan.bytes;
  return true;
}

bool scan_port(Scanner& in, std::uint16_t& out) {
  if (!in.take(":")) return false;
  const auto port = in.decimal(65535);
  if (port) out = static_cast<std::uint16_t>(*port);
  return port.has_value();
}

std::string v4_text(const std::array<std::uint8_t, 16>& bytes) {
  std::string text;
  for (std::size_t i = kMappedPrefixSize; i < bytes.size(); ++i) {
    if (i > kMappedPrefixSize) text += '.';
    text += std::to_string(bytes[i]);
  }
  return text;
}

struct GroupRun {
  std::size_t begin = 0;
  std::size_t size = 0;
};

// RFC 5952 4.2: the longest run of zero groups, the first of equals, never a single one.
GroupRun longest_zero_run(const std::array<std::uint32_t, 8>& groups) {
  GroupRun best;
  for (std::size_t i = 0; i < groups.size();) {
    std::size_t end = i;
    while (end < groups.size() && groups[end] == 0) ++end;
    if (end - i > best.size) best = {i, end - i};
    i = end + 1;
  }
  return best.size >= 2 ? best : GroupRun{};
}

// RFC 5952 4.1, 4.3: no leading zeros, lower case.
void append_hex(std::string& text, std::uint32_t group) {
  bool started = false;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const std::uint32_t digit = group >> shift & 0xf;
    started = started || digit != 0 || shift == 0;
    if (started) text += "0123456789abcdef"[digit];
  }
}

std::string v6_text(const std::array<std::uint8_t, 16>& bytes) {
  std::array<std::uint32_t, 8> groups;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups[i] = static_cast<std::uint32_t>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  }
  const GroupRun zeros = longest_zero_run(groups);
  std::string text;
  for (std::size_t i = 0; i < groups.size();) {
    if (zeros.size > 0 && i == zeros.begin) {
      text += "::";
      i += zeros.size;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    append_hex(text, groups[i++]);
  }
  return text;
}

}  // namespace

IpAddress IpAddress::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d,
                        std::uint16_t port) {
  IpAddress address;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes.begin());
  address.bytes[12] = a;
  address.bytes[13] = b;
  address.bytes[14] = c;
  address.bytes[15] = d;
  address.port = port;
  return address;
}

bool IpAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin());
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes[12] == 127;
  constexpr std::array<std::uint8_t, 16> kV6Loopback = {0, 0, 0, 0, 0, 0, 0, 0,
                                                        0, 0, 0, 0, 0, 0, 0, 1};
  return bytes == kV6Loopback;
}

bool IpAddress::is_unspecified() const {
  const std::size_t first = is_v4() ? kMappedPrefixSize : 0;
  return std::all_of(bytes.begin() + static_cast<std::ptrdiff_t>(first), bytes.end(),
                     [](std::uint8_t byte) { return byte == 0; });
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  Scanner in(text);
  IpAddress address;
  if (in.take("[")) {
    if (!scan_v6(in, address.bytes) || !in.take("]") || !scan_port(in, address.port))
      return std::nullopt;
  } else if (text.find(':') == text.rfind(':')) {
    std::array<std::uint8_t, 4> v4_bytes;
    if (!scan_v4(in, v4_bytes.data())) return std::nullopt;
    address = v4(v4_bytes[0], v4_bytes[1], v4_bytes[2], v4_bytes[3], 0);
    if (!in.at_end() && !scan_port(in, address.port)) return std::nullopt;
  } else if (!scan_v6(in, address.bytes)) {
    return std::nullopt;
  }
  if (!in.at_end()) return std::nullopt;
  return address;
}

std::string IpAddress::text() const {
  const bool with_port = port != 0;
  if (is_v4()) return with_port ? v4_text(bytes) + ":" + std::to_string(port) : v4_text(bytes);
  return with_port ? "[" + v6_text(bytes) + "]:" + std::to_string(port) : v6_text(bytes);
}

// Not keyed: an attacker who picks addresses to collide gains little, since tables of addresses
// that strangers can fill are bounded.
std::size_t IpAddressHash::operator()(const IpAddress& address) const noexcept {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, address.bytes.data(), sizeof high);
  std::memcpy(&low, address.bytes.data() + sizeof high, sizeof low);
  std::uint64_t hash = (high ^ address.port) * 0x9e3779b97f4a7c15;
  hash = (hash ^ hash >> 32 ^ low) * 0xd6e8feb86659fd93;
  return static_cast<std::size_t>(hash ^ hash >> 32);
}

}  // namespace whimbrel
