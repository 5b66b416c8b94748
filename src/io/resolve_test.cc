#include "io/resolve.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace whimbrel {
namespace {

std::vector<IpAddress> addresses(const std::vector<std::string>& texts) {
  std::vector<IpAddress> out;
  for (const std::string& text : texts) out.push_back(*IpAddress::parse(text));
  return out;
}

std::vector<std::string> texts(const std::vector<IpAddress>& addresses) {
  std::vector<std::string> out;
  for (const IpAddress& address : addresses) out.push_back(address.text());
  return out;
}

using Texts = std::vector<std::string>;

TEST(Resolve, AddressesAreThemselves) {
  EXPECT_EQ(texts(*resolve_addresses("192.0.2.1:4040")), Texts{"192.0.2.1:4040"});
  EXPECT_EQ(texts(*resolve_addresses("[2001:db8::1]:4040")), Texts{"[2001:db8::1]:4040"});
}

TEST(Resolve, NamesAreLookedUp) {
  const auto found = resolve_addresses("localhost:7");
  ASSERT_TRUE(found) << found.error();
  for (const IpAddress& address : *found) {
    EXPECT_TRUE(address.is_loopback()) << address.text();
    EXPECT_EQ(address.port, 7);
  }
  const auto v4 = resolve_addresses("localhost:7", {.v4 = true, .v6 = false});
  EXPECT_EQ(texts(*v4), Texts{"127.0.0.1:7"});
}

TEST(Resolve, SaysWhatIsWrong) {
  for (const char* text : {"", "localhost", "192.0.2.1", ":4040", "a:b:1", "host:0", "host:x"}) {
    const auto resolved = resolve_addresses(text);
    ASSERT_FALSE(resolved) << text;
    EXPECT_NE(resolved.error().find("HOST:PORT"), std::string::npos) << resolved.error();
  }
  EXPECT_NE(resolve_addresses("no-such-host.invalid:1").error().find("check the name"),
            std::string::npos);
}

TEST(Resolve, SaysWhichFamilyIsMissing) {
  const auto v6 = resolve_addresses("[2001:db8::1]:4040", {.v4 = true, .v6 = false});
  EXPECT_EQ(v6.error(),
            "'[2001:db8::1]:4040' can be reached over IPv6 alone, and no socket of ours is bound "
            "for that");
  const auto v4 = resolve_addresses("192.0.2.1:4040", {.v4 = false, .v6 = true});
  EXPECT_NE(v4.error().find("over IPv4 alone"), std::string::npos) << v4.error();
  EXPECT_NE(resolve_addresses("[fe80::1]:4040").error().find("no address that can be used"),
            std::string::npos);
}

// RFC 8305 section 4.
TEST(Resolve, FamiliesComeByTurns) {
  EXPECT_EQ(texts(interleave_families(addresses({"[2001:db8::1]:7", "[2001:db8::2]:7",
                                                 "[2001:db8::3]:7", "192.0.2.1:7", "192.0.2.2:7"}),
                                      {})),
            (Texts{"[2001:db8::1]:7", "192.0.2.1:7", "[2001:db8::2]:7", "192.0.2.2:7",
                   "[2001:db8::3]:7"}));
}

// Where the system has no way over IPv6, it sorts those addresses behind the others (RFC 6724
// section 6, rule 1).
TEST(Resolve, TheSystemsFirstStaysFirst) {
  EXPECT_EQ(
      texts(interleave_families(addresses({"192.0.2.1:7", "192.0.2.2:7", "[2001:db8::1]:7"}), {})),
      (Texts{"192.0.2.1:7", "[2001:db8::1]:7", "192.0.2.2:7"}));
}

TEST(Resolve, WhatCannotBeUsedIsLeftOut) {
  const auto all = addresses({"[fe80::1]:7", "[2001:db8::1]:7", "[2001:db8::1]:7", "192.0.2.1:7",
                              "192.0.2.1:7", "[febf::1]:7"});
  EXPECT_EQ(texts(interleave_families(all, {})), (Texts{"[2001:db8::1]:7", "192.0.2.1:7"}));
  EXPECT_EQ(texts(interleave_families(all, {.v4 = true, .v6 = false})), Texts{"192.0.2.1:7"});
  EXPECT_EQ(texts(interleave_families(all, {.v4 = false, .v6 = true})), Texts{"[2001:db8::1]:7"});
  EXPECT_TRUE(interleave_families({}, {}).empty());
}

}  // namespace
}  // namespace whimbrel
