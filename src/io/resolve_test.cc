#include "io/resolve.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

TEST(Resolve, AddressesAreThemselves) {
  EXPECT_EQ(resolve_address("192.0.2.1:4040")->text(), "192.0.2.1:4040");
  EXPECT_EQ(resolve_address("[2001:db8::1]:4040")->text(), "[2001:db8::1]:4040");
}

TEST(Resolve, NamesAreLookedUp) {
  EXPECT_EQ(resolve_address("localhost:7")->text(), "127.0.0.1:7");
}

TEST(Resolve, SaysWhatIsWrong) {
  for (const char* text : {"", "localhost", "192.0.2.1", ":4040", "a:b:1", "host:0", "host:x"}) {
    const auto resolved = resolve_address(text);
    ASSERT_FALSE(resolved) << text;
    EXPECT_NE(resolved.error().find("HOST:PORT"), std::string::npos) << resolved.error();
  }
  EXPECT_NE(resolve_address("no-such-host.invalid:1").error().find("check the name"),
            std::string::npos);
}

}  // namespace
}  // namespace whimbrel
