#include "handshake/cookie.h"

#include <algorithm>

#include "crypto/hash.h"

namespace whimbrel {

namespace {

Cookie compute(const Secret& secret, Bytes source, const InitView& init) {
  std::array<std::uint8_t, 4> sender;
  ByteWriter(sender).u32(init.sender_index);
  const Bytes ephemeral = init.noise.first(kKeySize);
  const Digest digest = hmac_sha256(secret.view(), {source, sender, ephemeral});
  Cookie cookie;
  std::copy_n(digest.begin(), cookie.size(), cookie.begin());
  return cookie;
}

}  // namespace

Cookie CookieJar::make(Bytes source, const InitView& init, Instant now) {
  rotate(now);
  return compute(current_, source, init);
}

bool CookieJar::check(Bytes source, const InitView& init, Instant now) {
  rotate(now);
  return constant_time_equal(compute(current_, source, init), init.cookie) ||
         constant_time_equal(compute(previous_, source, init), init.cookie);
}

void CookieJar::rotate(Instant now) {
  if (made_ && now - made_at_ < kSecretLifetime) return;
  // After a pause of two lifetimes even the current secret is too old to be honoured.
  const bool current_counts = made_ && now - made_at_ < 2 * kSecretLifetime;
  if (current_counts) {
    previous_ = current_;
  } else {
    random_.fill(previous_.bytes);
  }
  random_.fill(current_.bytes);
  made_at_ = now;
  made_ = true;
}

}  // namespace whimbrel
