#include "text.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

bool is_utf8(std::string_view text) {
  try {
    (void)nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

namespace {
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }
}  // namespace

std::string quoted_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string on_one_line(std::string_view text) {
  const bool utf8 = is_utf8(text);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_control(c) || (!utf8 && static_cast<unsigned char>(c) >= 0x80)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string for_operator(std::string_view text) {
  constexpr std::size_t kWordMax = 512, kKept = 100;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    out += word.size() <= kWordMax
               ? std::string(word)
               : fmt::format("{}...{}", word.substr(0, kKept), word.substr(word.size() - kKept));
    if (end < text.size()) out += ' ';
    at = end + 1;
  }
  return on_one_line(out);
}

bool is_plain_text(std::string_view text) {
  return std::none_of(text.begin(), text.end(), is_control) && is_utf8(text);
}
