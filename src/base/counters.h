// Named counts of an endpoint. Every packet that is dropped raises one of them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace whimbrel {

enum class Count : std::uint8_t {
  kPacketsIn,
  kPacketsOut,
  kBytesIn,
  kBytesOut,
  kSessionsOpened,
  kSessionsFailed,
  kRequests,
  kCookiesSent,
  // Dropped packets, by reason.
  kDroppedEmpty,
  kDroppedUnknownType,
  kDroppedMalformed,
  kDroppedUnknownIndex,
  kDroppedDuplicate,
  kDroppedBadSeal,
  kDroppedBadFrame,
  kDroppedRefusedByLimit,
  kDroppedBadHandshake,
  kDroppedBadMac,
  kDroppedBadCookie,
  kDroppedReplayedHandshake,
  kDroppedBadCertificate,
  kDroppedBadVersion,
  kDroppedCrossed,
  kDroppedRequestLimit,
  kDroppedSessionLimit,
  kDroppedHandshakeLoad,
  kDroppedIdentityInUse,
  kDroppedClosedSession,
  kDroppedSpoofedAddress,
  // Messages.
  kUnreliableDroppedReceiveLimit,
  kUnreliableDroppedIncomplete,
  kUnreliableDroppedAge,
  kProtocolViolations,
  kEventsDropped,
  kCount_
};

// "packets_in", "dropped_bad_seal", ...
std::string_view name(Count count);

class Counters {
 public:
  void add(Count count, std::uint64_t n = 1) { values_[static_cast<std::size_t>(count)] += n; }
  std::uint64_t operator[](Count count) const { return values_[static_cast<std::size_t>(count)]; }

 private:
  std::array<std::uint64_t, static_cast<std::size_t>(Count::kCount_)> values_{};
};

}  // namespace whimbrel
