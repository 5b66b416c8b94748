// Grants: with one the owner of a slot lets one peer send to it. The relay can check a grant
// without having been told of it.
//
//  | relay id u32 | slot u32 | peer's identity hash 16 | not after u32, Unix s | epoch u8 | mac 8 |
//
// The mac is the first 8 bytes of an HMAC-SHA256 by the slot's grant key, which only the owner and
// the relay know. The owner hands a grant to its peer through the rendezvous or inside the session;
// raising the epoch voids all grants.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "crypto/secret.h"
#include "relay/framing.h"
#include "relay/token.h"

namespace whimbrel::relay {

inline constexpr std::size_t kGrantSize = 4 + 4 + 16 + 4 + 1 + 8;

struct Grant {
  std::uint32_t relay_id = 0;
  SlotId slot;
  IdentityHash peer{};
  std::uint32_t not_after = 0;  // Unix seconds, inclusive
  std::uint8_t epoch = 0;
  std::array<std::uint8_t, 8> mac{};

  friend bool operator==(const Grant&, const Grant&) = default;
};

// Nothing unless `bytes` has exactly kGrantSize bytes. Verifies nothing.
std::optional<Grant> read_grant(Bytes bytes);
void write_grant(ByteWriter& out, const Grant& grant);
// Fills in the mac.
void sign_grant(Grant& grant, const Secret& grant_key);
bool check_grant(const Grant& grant, const Secret& grant_key);

}  // namespace whimbrel::relay
