// Limits how often something is done for one prefix: a /24 of IPv4, a /48 of IPv6. The memory is
// fixed, however many prefixes ask.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"
#include "base/token_bucket.h"
#include "crypto/siphash.h"

namespace whimbrel {

class PrefixLimits {
 public:
  // A rate per second, with a burst of one second.
  PrefixLimits(std::uint32_t rate, Random& random, Instant now)
      : buckets_(kPlaces, TokenBucket(rate, rate, now)) {
    random.fill(key_);
  }

  void set_rate(std::uint32_t rate, Instant now) {
    buckets_.assign(kPlaces, TokenBucket(rate, rate, now));
  }

  // False: the prefix is over its rate.
  bool take(const IpAddress& from, Instant now) {
    const SipTag hash = siphash24(key_, Bytes(from.bytes).first(from.is_v4() ? 15 : 6));
    return buckets_[(static_cast<std::size_t>(hash[0]) << 8 | hash[1]) % kPlaces].take(1, now);
  }

 private:
  // Prefixes share places by a keyed hash: nobody can choose with whom they share.
  static constexpr std::size_t kPlaces = 4096;

  std::vector<TokenBucket> buckets_;
  SipKey key_{};
};

}  // namespace whimbrel
