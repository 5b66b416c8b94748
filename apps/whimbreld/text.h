// Texts of others.
#pragma once

#include <string>
#include <string_view>

bool is_utf8(std::string_view text);
// UTF-8 without control characters.
bool is_plain_text(std::string_view text);
