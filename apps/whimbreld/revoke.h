// `whimbreld --revoke`: keys that are not welcome any more.
#pragma once

#include <string>

// `who`: a key of 64 hex digits, or an identity. What was done, for a person. Throws std::runtime_error: what is wrong, and what
// to do; then nothing was changed.
std::string revoke(const std::string& state_folder, const std::string& who);
