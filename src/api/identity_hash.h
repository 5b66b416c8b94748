// The hash for tables of users. Strangers choose their names: with the plain hash of an identity
// they could choose thousands that meet in one place of the table.
#pragma once

#include <whimbrel/identity.h>

#include <cstring>

#include "crypto/siphash.h"
#include "io/system_random.h"

namespace whimbrel {

struct KeyedIdentityHash {
  std::size_t operator()(const Identity& identity) const noexcept {
    const SipTag tag = siphash24(key(), identity.bytes());
    std::size_t hash = 0;
    static_assert(sizeof hash <= sizeof tag);
    std::memcpy(&hash, tag.data(), sizeof hash);
    return hash;
  }

 private:
  // One for the whole process.
  static const SipKey& key() {
    static const SipKey made = [] {
      SipKey random;
      const Secret seed = system_random_seed();
      std::memcpy(random.data(), seed.bytes.data(), random.size());
      return random;
    }();
    return made;
  }
};

}  // namespace whimbrel
