// Texts of others.
#pragma once

#include <string>
#include <string_view>

bool is_utf8(std::string_view text);
// In quotes, as ASCII that a terminal shows and does not obey. What is no UTF-8 is replaced.
std::string quoted_text(std::string_view text);
// Without control characters, and without bytes that are no UTF-8: each as \xNN.
std::string on_one_line(std::string_view text);
// The same for an error, where whatever was given may be in it: without the middle of what is very
// long.
std::string for_operator(std::string_view text);
// UTF-8 without control characters.
bool is_plain_text(std::string_view text);
