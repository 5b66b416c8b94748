// What the server says to its operator: lines on standard error, as text or as JSON.
#pragma once

#include <string>

#include "settings.h"

void set_up_log(const Settings& settings);
// From now on.
void set_log_level(const Settings& settings);

// As a JSON string, quotes included. What is no UTF-8 is replaced.
std::string json_text(std::string_view text);
