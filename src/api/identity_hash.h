// The hash for tables of users. Strangers choose their names: with the plain hash of an identity
// they could choose thousands that meet in one place of the table.
#pragma once

#include <whimbrel/identity.h>

#include <cstring>

#include "crypto/siphash.h"
#include "io/system_random.h"

namespace whimbrel {

// Each table has a key of its own.
class KeyedIdentityHash {
 public:
  KeyedIdentityHash() {
    const Secret seed = system_random_seed();
    static_assert(sizeof key_ <= sizeof seed.bytes);
    std::memcpy(key_.data(), seed.bytes.data(), key_.size());
  }
  std::size_t operator()(const Identity& identity) const noexcept {
    const SipTag tag = siphash24(key_, identity.bytes());
    std::size_t hash = 0;
    static_assert(sizeof hash <= sizeof tag);
    std::memcpy(&hash, tag.data(), sizeof hash);
    return hash;
  }

 private:
  SipKey key_;
};

}  // namespace whimbrel
