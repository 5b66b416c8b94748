#include "relay/open_limits.h"

#include <algorithm>

#include "crypto/hash.h"

namespace whimbrel::relay {

OpenLimits::OpenLimits(const Rates& rates, Random& random, Instant now)
    : random_(random),
      all_(rates.all, rates.all, now),
      without_cookie_(rates.without_cookie, rates.without_cookie, now),
      cookies_(rates.cookies, rates.cookies, now),
      prefixes_(rates.prefix, random, now),
      made_at_(now) {
  random.fill(current_.bytes);
  random.fill(previous_.bytes);
}

void OpenLimits::set_rates(const Rates& rates, Instant now) {
  all_ = TokenBucket(rates.all, rates.all, now);
  without_cookie_ = TokenBucket(rates.without_cookie, rates.without_cookie, now);
  cookies_ = TokenBucket(rates.cookies, rates.cookies, now);
  prefixes_.set_rate(rates.prefix, now);
}

bool OpenLimits::take_without_cookie(Instant now) { return without_cookie_.take(1, now); }

bool OpenLimits::take_with_cookie(const IpAddress& from, Instant now) {
  return prefixes_.take(from, now) && all_.take(1, now);
}

bool OpenLimits::take_cookie_reply(Instant now) { return cookies_.take(1, now); }

RelayCookie OpenLimits::cookie_of(const Secret& secret, const IpAddress& from,
                                  const Nonce& nonce) const {
  std::array<std::uint8_t, 18> address;
  ByteWriter out(address);
  write_address(out, from);
  const Digest digest = hmac_sha256(secret.view(), {address, nonce});
  RelayCookie cookie;
  std::copy_n(digest.begin(), cookie.size(), cookie.begin());
  return cookie;
}

RelayCookie OpenLimits::make_cookie(const IpAddress& from, const Nonce& nonce, Instant now) {
  rotate(now);
  return cookie_of(current_, from, nonce);
}

bool OpenLimits::check_cookie(const IpAddress& from, const Nonce& nonce, const RelayCookie& cookie,
                              Instant now) {
  rotate(now);
  return constant_time_equal(cookie, cookie_of(current_, from, nonce)) ||
         constant_time_equal(cookie, cookie_of(previous_, from, nonce));
}

void OpenLimits::rotate(Instant now) {
  if (now - made_at_ < kCookieLifetime) return;
  previous_ = current_;
  if (now - made_at_ >= 2 * kCookieLifetime) random_.fill(previous_.bytes);
  random_.fill(current_.bytes);
  made_at_ = now;
}

}  // namespace whimbrel::relay
