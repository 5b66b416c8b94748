// `whimbreld --revoke` and `--release`: keys that are not welcome any more, and names that are
// nobody's any more.
#pragma once

#include <string>

// `who`: a key of 64 hex digits, or an identity. What was done, for a person. Throws
// std::runtime_error: what is wrong, and what to do; then nothing was changed.
std::string revoke(const std::string& state_folder, const std::string& who);

// Of whoever has lost his key, or squats: the name is the next one's that claims it. As revoke().
std::string release(const std::string& state_folder, const std::string& name);
