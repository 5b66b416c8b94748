// base64url without padding (RFC 4648 5, as RFC 7515 2 uses it).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace whimbrel::rendezvous {

std::string base64url_encode(Bytes bytes);
// Strict: no padding, no line ends, and unused bits must be zero, so that each value has one text
// only.
std::optional<std::vector<std::uint8_t>> base64url_decode(std::string_view text);

}  // namespace whimbrel::rendezvous
