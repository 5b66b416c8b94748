#include "text.h"

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

bool is_plain_text(std::string_view text) {
  const auto is_control = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '\x7f';
  };
  return std::none_of(text.begin(), text.end(), is_control) && is_utf8(text);
}
