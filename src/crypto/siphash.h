// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short inputs in tens of nanoseconds.
// Tags the packets between a client and its relay, whose payload is sealed end to end already.
// Eight bytes: enough against guessing at line rate for the life of one leg, too few for anything
// that is kept.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace whimbrel {

inline constexpr std::size_t kSipKeySize = 16;
using SipKey = std::array<std::uint8_t, kSipKeySize>;
inline constexpr std::size_t kSipTagSize = 8;
using SipTag = std::array<std::uint8_t, kSipTagSize>;

// The hash of `bytes`, little-endian as the reference code writes it. Any thread.
SipTag siphash24(const SipKey& key, Bytes bytes);

}  // namespace whimbrel
