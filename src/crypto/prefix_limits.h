// How often something is done for one prefix: a /24 of IPv4, a /48 of IPv6. Fixed memory, whoever asks.
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
  // Units a second; a burst of as many.
  PrefixLimits(std::uint32_t rate, Random& random, Instant now)
      : buckets_(kPlaces, TokenBucket(rate, rate, now)) {
    random.fill(key_);
  }

  void set_rate(std::uint32_t rate, Instant now) {
    buckets_.assign(kPlaces, TokenBucket(rate, rate, now));
  }

  // False: there are too many.
  bool take(const IpAddress& from, Instant now) {
    const SipTag hash = siphash24(key_, Bytes(from.bytes).first(from.is_v4() ? 15 : 6));
    return buckets_[(static_cast<std::size_t>(hash[0]) << 8 | hash[1]) % kPlaces].take(1, now);
  }

 private:
  // Prefixes share places by a keyed hash: nobody can choose whom he shares with.
  static constexpr std::size_t kPlaces = 4096;

  std::vector<TokenBucket> buckets_;
  SipKey key_{};
};

}  // namespace whimbrel
