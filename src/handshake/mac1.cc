#include "handshake/mac1.h"

#include <algorithm>

#include "base/assert.h"

namespace whimbrel {

Mac1Key::Mac1Key(const PublicKey& responder)
    : bytes(sha256({as_bytes("whimbrel mac1"), responder.view()})) {}

Mac1 compute_mac1(const Mac1Key& key, Bytes init_ik) {
  static constexpr std::array<std::uint8_t, kCookieSize + kMac1Size> kZeros{};
  ASSERT(init_ik.size() >= kInitIkHeaderSize);
  const Digest digest = hmac_sha256(
      key.bytes, {init_ik.first(kInitCookieOffset), kZeros, init_ik.subspan(kInitIkHeaderSize)});
  Mac1 mac1;
  std::copy_n(digest.begin(), mac1.size(), mac1.begin());
  return mac1;
}

}  // namespace whimbrel
