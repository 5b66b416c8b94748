#include "text.h"

#include <fmt/core.h>

#include <array>
#include <ctime>
#include <utility>

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

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = '?';
  }
  return out;
}

std::string short_name(const whimbrel::Identity& user) {
  const std::string text = printable(user.text());
  return user.type() == whimbrel::IdentityType::kGenericString ? text.substr(4) : text;
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
