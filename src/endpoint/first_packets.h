// How many first packets of strangers are answered, and whose. A flood of them costs whoever is
// flooded a few hashes a packet, and neither the places nor the time that others need.
//
// Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/random.h"
#include "base/remote.h"
#include "base/time.h"
#include "base/token_bucket.h"
#include "crypto/prefix_limits.h"

namespace whimbrel {

struct FirstPacketLimits {
  // More first packets than this in 100 ms, or more handshakes under way that the peer has not
  // finished: a cookie is asked for.
  std::uint32_t per_100ms_max = 500;
  std::size_t unfinished_max = 256;
  // The rest is for servers; 0: no such limit. First packets of one network (a /24 of IPv4, a /48
  // of IPv6) a second that are looked at at all, and questions after forgotten sessions.
  std::uint32_t looks_of_network = 0;
  // Handshakes a second that are answered while cookies are asked for: of one network for certain,
  // and of all beyond that.
  std::uint32_t answers_of_network = 0;
  std::uint32_t answers = 0;
  // Of those that are certain for their networks so many are answered for all networks together;
  // further ones count as common.
  std::uint32_t answers_of_networks = 0;
};

// What an answered handshake is worth while places are few.
enum class Standing : std::uint8_t {
  kCommon,   // one of many, or its address may be made up: its place goes to others first
  kAssured,  // it shows its address, and its network has not asked for much
};

class FirstPackets {
 public:
  // `limits` and `random` must outlive it.
  FirstPackets(const FirstPacketLimits& limits, Random& random, Instant now)
      : limits_(limits),
        random_(random),
        window_start_(now),
        answers_(limits.answers, limits.answers, now),
        certain_(limits.answers_of_networks, limits.answers_of_networks, now) {}

  // False: its network has sent too many.
  bool looks_at(const Remote& from, Instant now) {
    if (limits_.looks_of_network == 0) return true;
    if (!looks_) looks_ = std::make_unique<PrefixLimits>(limits_.looks_of_network, random_, now);
    return looks_->take(network_of(from), now);
  }
  // Counts a first packet. `unfinished`: handshakes that are under way.
  bool wants_cookie(std::size_t unfinished, Instant now) {
    if (now >= window_start_ + kWindow) {
      window_start_ = now;
      count_ = 0;
    }
    return ++count_ > limits_.per_100ms_max || unfinished >= limits_.unfinished_max;
  }
  // Of one that has shown its address. Nothing: there are too many.
  std::optional<Standing> admit(const Remote& from, Instant now) {
    if (limits_.answers == 0) return Standing::kAssured;
    if (!assured_)
      assured_ = std::make_unique<PrefixLimits>(limits_.answers_of_network, random_, now);
    if (assured_->take(network_of(from), now) &&
        (limits_.answers_of_networks == 0 || certain_.take(1, now)))
      return Standing::kAssured;
    if (answers_.take(1, now)) return Standing::kCommon;
    return std::nullopt;
  }

 private:
  // Whom the rendezvous brings all count as one network: their addresses are not known.
  static IpAddress network_of(const Remote& from) {
    return from.udp() != nullptr ? *from.udp() : IpAddress();
  }

  static constexpr Duration kWindow = milliseconds(100);

  const FirstPacketLimits& limits_;
  Random& random_;
  Instant window_start_;
  std::uint32_t count_ = 0;
  TokenBucket answers_;
  TokenBucket certain_;
  std::unique_ptr<PrefixLimits> looks_;  // made when it is first needed: 100 KiB
  std::unique_ptr<PrefixLimits> assured_;
};

}  // namespace whimbrel
