#include "api/identity_hash.h"

#include <gtest/gtest.h>

#include <array>
#include <unordered_set>
#include <vector>

namespace whimbrel {
namespace {

// Names that meet in the plain hash, whatever its constants: the highest bit of a word comes out of
// the multiplication as it went in, and the next word takes it back.
std::vector<Identity> names_that_meet() {
  std::vector<Identity> names;
  for (int i = 0; i < 4; ++i) {
    std::array<std::uint8_t, 32> bytes;
    bytes.fill(7);
    for (int pair = 0; pair < 2; ++pair) {
      if ((i >> pair & 1) == 0) continue;
      bytes[pair * 16 + 7] ^= 0x80;
      bytes[pair * 16 + 8 + 7] ^= 0x80;
      bytes[pair * 16 + 8 + 3] ^= 0x80;
    }
    names.push_back(Identity::generic_bytes(bytes));
  }
  return names;
}

TEST(IdentityHash, NamesThatMeetInThePlainHashAreApart) {
  const KeyedIdentityHash hash;
  std::unordered_set<std::size_t> plain, keyed;
  for (const Identity& name : names_that_meet()) {
    plain.insert(name.hash());
    keyed.insert(hash(name));
  }
  EXPECT_EQ(plain.size(), 1u) << "otherwise this test says nothing";
  EXPECT_EQ(keyed.size(), 4u);
}

TEST(IdentityHash, IsTheSameForTheSameInOneTable) {
  const Identity name = Identity::generic_string("bob");
  const KeyedIdentityHash hash, other;
  EXPECT_EQ(hash(name), hash(Identity(name)));
  EXPECT_NE(hash(name), other(name));
}

}  // namespace
}  // namespace whimbrel
