#include "text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace {

struct Character {
  char32_t code = 0;
  std::size_t size = 0;  // bytes; 0: these are no UTF-8
};

// How many bytes a character has that begins with this one, and the bits of it that this byte
// holds.
Character lead(unsigned char byte) {
  if (byte < 0x80) return {byte, 1};
  if (byte >= 0xc2 && byte < 0xe0) return {byte & 0x1fu, 2};
  if (byte >= 0xe0 && byte < 0xf0) return {byte & 0x0fu, 3};
  if (byte >= 0xf0 && byte < 0xf5) return {byte & 0x07u, 4};
  return {};
}

// RFC 3629 3 and 4: shortest forms only, no surrogates, nothing above U+10FFFF.
Character first_character(std::string_view text) {
  constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  Character found = lead(static_cast<unsigned char>(text[0]));
  if (found.size == 0 || found.size > text.size()) return {};
  for (std::size_t i = 1; i < found.size; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return {};
    found.code = found.code << 6 | (byte & 0x3fu);
  }
  const bool surrogate = found.code >= 0xd800 && found.code < 0xe000;
  if (found.code < kSmallest[found.size] || found.code > 0x10ffff || surrogate) return {};
  return found;
}

// Controls (C0, DEL, C1), line and paragraph separators, and what turns the direction of writing.
bool steers(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

// Leaves no mark, so that two names with and without it look the same. From
// Default_Ignorable_Code_Point (Unicode 15, UAX 44).
bool hides(char32_t code) {
  constexpr std::array<std::pair<char32_t, char32_t>, 14> kHidden = {{
      {0xad, 0xad},
      {0x34f, 0x34f},
      {0x61c, 0x61c},
      {0x115f, 0x1160},
      {0x17b4, 0x17b5},
      {0x180b, 0x180f},
      {0x200b, 0x200f},
      {0x2060, 0x206f},
      {0x3164, 0x3164},
      {0xfe00, 0xfe0f},
      {0xfeff, 0xfeff},
      {0xffa0, 0xffa0},
      {0xfff0, 0xfff8},
      {0xe0000, 0xe0fff},
  }};
  return std::any_of(kHidden.begin(), kHidden.end(), [&](const auto& range) {
    return code >= range.first && code <= range.second;
  });
}

template <typename Unwanted>
std::string replaced(std::string_view text, const Unwanted& unwanted) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character next = first_character(text);
    if (next.size == 0 || unwanted(next.code)) {
      out += '?';
    } else {
      out += text.substr(0, next.size);
    }
    text.remove_prefix(std::max<std::size_t>(next.size, 1));
  }
  return out;
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string rate_text(double bytes_per_second) {
  if (bytes_per_second < 1e3) return fmt::format("{:.0f} B/s", bytes_per_second);
  if (bytes_per_second < 1e6) return fmt::format("{:.1f} kB/s", bytes_per_second / 1e3);
  return fmt::format("{:.1f} MB/s", bytes_per_second / 1e6);
}

std::string duration_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.0f} us", seconds * 1e6);
  if (seconds < 10e-3) return fmt::format("{:.1f} ms", seconds * 1e3);
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1e3);
  return fmt::format("{:.1f} s", seconds);
}

std::string round_trip_text(double seconds) { return fmt::format("{:.2f} ms", seconds * 1e3); }

std::string printable(std::string_view text) { return replaced(text, steers); }

std::string short_name(const whimbrel::Identity& user) {
  std::string text =
      replaced(user.text(), [](char32_t code) { return steers(code) || hides(code); });
  if (user.type() != whimbrel::IdentityType::kGenericString) return text;
  std::string bare = text.substr(4);
  const bool like_another = bare.find(':') != std::string::npos || bare.front() == '*' ||
                            bare.front() == ' ' || bare.back() == ' ';
  return like_another ? text : bare;
}

std::string share_text(double share) {
  return share < 0 ? "?" : fmt::format("{:.0f} %", share * 100);
}

std::string utc_text(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm parts{};
  std::array<char, 32> text{};
  if (::gmtime_r(&time, &parts) == nullptr) return fmt::format("{} s", unix_s);
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

std::string flags_text(int flags) {
  constexpr std::array<std::pair<int, const char*>, 5> kNames = {
      {{whimbrel::kInfoUnauthenticated, "unauthenticated"},
       {whimbrel::kInfoUnencrypted, "unencrypted"},
       {whimbrel::kInfoLoopbackBuffers, "oneself"},
       {whimbrel::kInfoFast, "fast"},
       {whimbrel::kInfoRelayed, "relayed"}}};
  std::string text;
  for (const auto& [bit, name] : kNames) {
    if ((flags & bit) != 0) text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text.empty() ? "none" : text;
}
