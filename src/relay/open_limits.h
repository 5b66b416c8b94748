// Limits how many Opens a relay processes: in all, per prefix, and without a cookie.
#pragma once

#include <array>
#include <cstdint>

#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"
#include "base/token_bucket.h"
#include "crypto/prefix_limits.h"
#include "crypto/secret.h"
#include "relay/framing.h"

namespace whimbrel::relay {

class OpenLimits {
 public:
  // Per second, with a burst of one second.
  struct Rates {
    std::uint32_t all = 0;
    std::uint32_t prefix = 0;
    std::uint32_t without_cookie = 0;
    std::uint32_t cookies = 0;
  };
  OpenLimits(const Rates& rates, Random& random, Instant now);
  void set_rates(const Rates& rates, Instant now);

  // For an Open without a cookie. False: there are too many; a cookie must be shown.
  bool take_without_cookie(Instant now);
  // For an Open with a good cookie, which nobody at a made-up address has. False: there are too
  // many.
  bool take_with_cookie(const IpAddress& from, Instant now);
  // For a reply that asks for a cookie. False: there are too many.
  bool take_cookie_reply(Instant now);

  // RFC 9147 5.1: only who receives at `from` can show it. No state is kept; a cookie is good for
  // one to two lifetimes.
  static constexpr Duration kCookieLifetime = seconds(120);
  RelayCookie make_cookie(const IpAddress& from, const Nonce& nonce, Instant now);
  bool check_cookie(const IpAddress& from, const Nonce& nonce, const RelayCookie& cookie,
                    Instant now);

 private:
  RelayCookie cookie_of(const Secret& secret, const IpAddress& from, const Nonce& nonce) const;
  void rotate(Instant now);

  Random& random_;
  TokenBucket all_;  // those with a cookie
  TokenBucket without_cookie_;
  TokenBucket cookies_;
  PrefixLimits prefixes_;
  Secret current_;
  Secret previous_;
  Instant made_at_;
};

}  // namespace whimbrel::relay
